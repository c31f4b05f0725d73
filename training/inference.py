"""The handlers that AWS's PyTorch inference containers load from an artifact's `code/`; the sandbox serves the same.

Request and answer are JSON. A request holds stacks of pages, in the order in which they were scanned:

    {"stacks": [{"pages": [{"text": "what OCR read", "bitmap": "<PNG, TIFF or JPEG in base64>"}, ...]}, ...]}

A stack that was scanned into one file has that instead, a TIFF with an image for each page:

    {"stacks": [{"pages": [{"text": "what OCR read"}, ...], "bitmap": "<TIFF in base64>"}, ...]}

The answer has the class of each page, and where documents begin:

    {"stacks": [{"pages": [{"page": 1, "class": "deed", "probability": 0.93,
                            "begins": true, "begins_probability": 0.99}, ...],
                 "documents": [{"class": "deed", "first_page": 1, "last_page": 4}, ...]}, ...]}

What is wrong with a request is answered with a status of 4xx and one line that says where.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # AWS's container loads this file alone; its neighbours lie beside it

import numpy as np
from contract import JobError
from ensemble import Ensemble, read_ensemble
from PIL import Image
from stacks import DataSet

JSON = "application/json"
MOST_BYTES = int(os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or 6) * 1024 * 1024 or sys.maxsize
"""Of a request: what InvokeEndpoint takes (AWS, Amazon SageMaker endpoints and quotas), or what a transform job sends,
whose container is told (AWS, "Custom Inference Code with Batch Transform"); 0 is without a limit."""
MOST_STACKS, MOST_PAGES = 64, 2000
MOST_CHARACTERS = 100_000
MOST_PIXELS, MOST_PIXELS_TOGETHER = 50_000_000, 1_000_000_000
"""Of one bitmap, and of all in a request: what a few bytes unpack to, in memory."""
BROKEN = (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, struct.error, EOFError,
          Image.DecompressionBombError)  # fmt: skip
"""What Pillow raises for files that are no images, or not whole."""
BEGINS = 0.5  # probability from which on a document begins, as in evaluate.py


class RequestError(ValueError):
    """A request that cannot be answered: `status` is the HTTP status, the message what is wrong with it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Stacks:
    """The pages of a request: their bitmaps, and how many pages each stack has."""

    texts: list[str]
    images: list[Image.Image]
    sizes: list[int]


def model_fn(model_dir: str) -> Ensemble:
    """The ensemble in an unpacked artifact. Raises JobError if it is not whole."""
    return read_ensemble(Path(model_dir))


def input_fn(body: bytes | str, content_type: str) -> Stacks:
    """The stacks of a request. Raises RequestError, which AWS's container is told in its own words."""
    try:
        return _read(body, content_type)
    except RequestError as error:
        raise _as_the_container_says(error) from error


def predict_fn(stacks: Stacks, ensemble: Ensemble) -> dict[str, Any]:
    """The answer for these stacks."""
    data = DataSet.of_pages(stacks.texts, stacks.sizes, ensemble.classes)
    probability, first = ensemble.read(data, stacks.images)
    ends = np.cumsum(stacks.sizes)
    spans = [slice(end - size, end) for end, size in zip(ends, stacks.sizes, strict=True)]
    return {"stacks": [_stack(probability[span], first[span], ensemble.classes) for span in spans]}


def output_fn(answer: dict[str, Any], accept: str) -> bytes:
    """The answer as JSON. Raises RequestError where the client wants anything else."""
    kinds = [kind.partition(";")[0].strip() for kind in (accept or "*/*").split(",")]
    if not {JSON, "*/*", "application/*"} & set(kinds):
        raise _as_the_container_says(RequestError(406, f"the answer is {JSON}, not {accept}"))
    return json.dumps(answer).encode()


def _read(body: bytes | str, content_type: str) -> Stacks:
    if (content_type or "").partition(";")[0].strip().lower() != JSON:
        raise RequestError(415, f"the request must be {JSON}, not {content_type or 'without a type'}")
    if len(body) > MOST_BYTES:
        raise RequestError(413, f"the request has {len(body):,} bytes; {MOST_BYTES:,} are the most: send fewer pages")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the request is not JSON: {error}") from None
    given = _list(document, "stacks", "the request", MOST_STACKS)
    stacks = [_list(stack, "pages", f"stack {number}", MOST_PAGES) for number, stack in enumerate(given, 1)]
    sizes = [len(pages) for pages in stacks]
    if sum(sizes) > MOST_PAGES:
        raise RequestError(400, f"the request has {sum(sizes):,} pages; {MOST_PAGES:,} are the most")
    texts: list[str] = []
    images: list[Image.Image] = []
    room = _Room()
    for number, (stack, pages) in enumerate(zip(given, stacks, strict=True), 1):
        where = [f"stack {number}, page {own}" for own in range(1, len(pages) + 1)]
        texts += [_string(page, "text", spot) for page, spot in zip(pages, where, strict=True)]
        if stack.get("bitmap") is not None:
            images += _scan(_string(stack, "bitmap", f"stack {number}"), f"stack {number}", len(pages), room)
        else:
            images += [
                _image(_string(page, "bitmap", spot), spot, room) for page, spot in zip(pages, where, strict=True)
            ]
    return Stacks(texts, images, sizes)


def _list(value: Any, key: str, where: str, most: int) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list) or not found:
        raise RequestError(400, f'{where} must be an object with a list of at least one entry in "{key}"')
    if len(found) > most:
        raise RequestError(400, f'{where} has {len(found):,} entries in "{key}"; {most:,} are the most')
    return found


def _string(value: Any, key: str, where: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise RequestError(400, f'{where} must be an object with the string "{key}"')
    if key == "text" and len(found) > MOST_CHARACTERS:
        raise RequestError(400, f"{where} has {len(found):,} characters; {MOST_CHARACTERS:,} are the most")
    return found


class _Room:
    """How many pixels a request may still have."""

    def __init__(self) -> None:
        self._left = MOST_PIXELS_TOGETHER

    def take(self, image: Image.Image, where: str) -> None:
        """Raises RequestError, before the image is unpacked, for one that there is no room for."""
        pixels = image.width * image.height
        if pixels > MOST_PIXELS:
            raise RequestError(400, f"{where}: the bitmap has more than {MOST_PIXELS:,} pixels")
        self._left -= pixels
        if self._left < 0:
            raise RequestError(400, f"{where}: the request's bitmaps have more than {MOST_PIXELS_TOGETHER:,} pixels")


def _scan(text: str, where: str, pages: int, room: _Room) -> list[Image.Image]:
    """The images of a file that holds a whole stack."""
    image = _image(text, where, room)
    try:
        frames = getattr(image, "n_frames", 1)
        if frames != pages:
            raise RequestError(400, f"{where}: the bitmap has {frames} images for {pages} pages")
        found = [image.copy()]
        for number in range(1, pages):
            image.seek(number)  # each has a size of its own
            room.take(image, where)
            found.append(image.copy())
        return found
    except RequestError:
        raise
    except BROKEN as error:
        raise RequestError(400, f"{where}: the bitmap cannot be read: {error}") from None


def _image(text: str, where: str, room: _Room) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG", "TIFF", "JPEG"))
        room.take(image, where)
        image.load()
    except RequestError:
        raise
    except BROKEN as error:
        reason = "it is not base64" if isinstance(error, binascii.Error) else "it is no whole PNG, TIFF or JPEG"
        raise RequestError(400, f"{where}: the bitmap cannot be read: {reason}") from None
    return image


def _stack(probability: np.ndarray, first: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    label = probability.argmax(axis=1)
    begins = first >= BEGINS
    begins[0] = True
    pages = [
        {
            "page": number + 1,
            "class": classes[label[number]],
            "probability": round(float(probability[number, label[number]]), 6),
            "begins": bool(begins[number]),
            "begins_probability": round(float(first[number]), 6),
        }
        for number in range(len(label))
    ]
    return {"pages": pages, "documents": _documents(probability, begins, classes)}


def _documents(probability: np.ndarray, begins: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """From each beginning to the next; the class is the likeliest of all the document's pages together."""
    starts = np.flatnonzero(begins)
    ends = [*starts[1:], len(begins)]
    together = [np.log(probability[start:end] + 1e-9).sum(axis=0) for start, end in zip(starts, ends, strict=True)]
    return [
        {"class": classes[int(sums.argmax())], "first_page": int(start) + 1, "last_page": int(end)}
        for sums, start, end in zip(together, starts, ends, strict=True)
    ]


def _as_the_container_says(error: RequestError) -> Exception:
    """AWS's container answers 500 to every error but those of its own toolkit, which have a status."""
    try:
        from sagemaker_inference.errors import GenericInferenceToolkitError
    except ImportError:
        return error
    told: Exception = GenericInferenceToolkitError(error.status, str(error))
    return told


__all__ = ["JobError", "RequestError", "input_fn", "model_fn", "output_fn", "predict_fn"]
