"""Requests to the ensemble's endpoint, and what its answers say. Pure: bytes in, bytes and rows out.

The shapes are those of training/inference.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.errors import AwsError, UsageError

MOST_BYTES = 6 * 1024 * 1024
"""Of a request's body (AWS, Amazon SageMaker endpoints and quotas)."""
MOST_STACKS, MOST_PAGES = 64, 2000
_AROUND = len(b'{"stacks": []}')


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of scanned pages: a text for each, and an image for each or one file with all of them."""

    name: str
    texts: Sequence[str]
    bitmaps: Sequence[bytes]

    def document(self) -> dict[str, Any]:
        """The stack as the request has it."""
        coded = [base64.b64encode(bitmap).decode() for bitmap in self.bitmaps]
        if len(coded) == len(self.texts):
            return {"pages": [{"text": text, "bitmap": bitmap} for text, bitmap in zip(self.texts, coded, strict=True)]}
        return {"pages": [{"text": text} for text in self.texts], "bitmap": coded[0]}


def requests(stacks: Sequence[Stack]) -> Iterator[tuple[list[Stack], bytes]]:
    """The stacks in as few requests as the endpoint's limits allow, in order. Raises UsageError for one too large."""
    group: list[Stack] = []
    parts: list[bytes] = []
    size = _AROUND
    for stack in stacks:
        part = json.dumps(stack.document()).encode()
        if _AROUND + len(part) > MOST_BYTES or len(stack.texts) > MOST_PAGES:
            raise UsageError(
                f"{stack.name} is too large for one request: {len(part):,} bytes, {len(stack.texts):,} pages",
                f"{MOST_BYTES:,} bytes and {MOST_PAGES:,} pages are the most: scan it smaller, or in parts",
            )
        pages = sum(len(other.texts) for other in group) + len(stack.texts)
        if group and (size + len(part) + 2 > MOST_BYTES or len(group) == MOST_STACKS or pages > MOST_PAGES):
            yield group, _joined(parts)
            group, parts, size = [], [], _AROUND
        group.append(stack)
        parts.append(part)
        size += len(part) + 2
    if group:
        yield group, _joined(parts)


def answers(body: bytes, group: Sequence[Stack]) -> list[dict[str, Any]]:
    """The answer for each stack of a request, with its name. Raises AwsError for what is no such answer."""
    try:
        found = json.loads(body)["stacks"]
        if len(found) != len(group):
            raise ValueError(f"{len(found)} stacks for {len(group)}")
        return [{"stack": stack.name, **_checked(answer)} for stack, answer in zip(group, found, strict=True)]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise AwsError(f"the endpoint's answer is not one of the ensemble's: {error!r}") from error


def said(message: str) -> str:
    """What a container said of a request that it refused: its JSON's `error`, or all of it."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        return message
    error = document.get("error") if isinstance(document, Mapping) else None
    return str(error or message)


def _joined(parts: Sequence[bytes]) -> bytes:
    return b'{"stacks": [' + b", ".join(parts) + b"]}"


def _checked(answer: Mapping[str, Any]) -> dict[str, Any]:
    pages = [
        {
            "page": int(page["page"]),
            "class": str(page["class"]),
            "probability": float(page["probability"]),
            "begins": bool(page["begins"]),
            "begins_probability": float(page["begins_probability"]),
        }
        for page in answer["pages"]
    ]
    documents = [
        {"class": str(one["class"]), "first_page": int(one["first_page"]), "last_page": int(one["last_page"])}
        for one in answer["documents"]
    ]
    return {"pages": pages, "documents": documents}
