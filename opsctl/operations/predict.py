"""Pages on this machine, read by the model that is deployed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from opsctl.aws.invocations import invoke
from opsctl.domain.predictions import Stack, answers, requests
from opsctl.errors import UsageError, reason
from opsctl.operations.connection import Connection

IMAGES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
PAGES, SCAN = "pages.jsonl", "pages.tif"
AT_ONCE = 4


def predict(connection: Connection, paths: Sequence[Path], endpoint: str | None = None) -> list[dict[str, Any]]:
    """What the endpoint (by default the deployment's) says of each stack, in the order of `paths`.

    Raises UsageError for files that make no stack and for what the model refuses, and what `invoke` raises.
    """
    stacks = [read_stack(path) for path in paths]
    asked = list(requests(stacks))
    name = endpoint or connection.deployment.name
    with ThreadPoolExecutor(AT_ONCE) as pool:
        bodies = list(pool.map(lambda one: invoke(connection.aws, name, one[1]), asked))
    return [found for (group, _), body in zip(asked, bodies, strict=True) for found in answers(body, group)]


def read_stack(path: Path) -> Stack:
    """A folder of images, one a page, or a data set's own (pages.tif, pages.jsonl); or one scan with its text beside
    it, a form feed between its pages, as pdftotext and tesseract write it. Raises UsageError."""
    try:
        if not path.is_dir():
            return _scan(path)
        return _recorded(path) if (path / PAGES).is_file() else _folder(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from error


def _recorded(folder: Path) -> Stack:
    try:
        texts = [str(json.loads(line)["text"]) for line in (folder / PAGES).read_text(encoding="utf-8").splitlines()]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise UsageError(f"{folder / PAGES} must hold one JSON object with a text for each page") from error
    return _stack(folder, texts, [(folder / SCAN).read_bytes()])


def _folder(folder: Path) -> Stack:
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)
    if not images:
        raise UsageError(f"no image in {folder}", f"put in one a page ({', '.join(IMAGES)}), with its text beside it")
    return _stack(folder, [_text_of(image) for image in images], [image.read_bytes() for image in images])


def _scan(image: Path) -> Stack:
    if image.suffix.lower() not in IMAGES:
        raise UsageError(f"{image} is no image", f"name a folder, or a file that ends in one of {', '.join(IMAGES)}")
    content = image.read_bytes()
    return _stack(image, _text_of(image).removesuffix("\f").split("\f"), [content])


def _text_of(image: Path) -> str:
    text = image.with_suffix(".txt")
    if not text.is_file():
        raise UsageError(f"no {text}: the text that OCR read on {image.name}", "make one, empty if there is none")
    return text.read_text(encoding="utf-8")


def _stack(path: Path, texts: Sequence[str], bitmaps: Sequence[bytes]) -> Stack:
    if not texts:
        raise UsageError(f"{path} has no pages")
    return Stack(str(path), texts, bitmaps)
