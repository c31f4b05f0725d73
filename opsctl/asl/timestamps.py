"""Timestamps as Amazon States Language knows them: ISO 8601 with a `T`, seconds and an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORMAT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})")
_DIGITS_PYTHON_KEEPS = 6


def parse_timestamp(text: object) -> datetime | None:
    """The moment that `text` names, or None if it is no ISO 8601 extended offset date-time."""
    if not isinstance(text, str) or not _FORMAT.fullmatch(text):
        return None
    fraction = re.search(r"\.(\d+)", text)
    if fraction and len(fraction[1]) > _DIGITS_PYTHON_KEEPS:
        text = text.replace(fraction[0], "." + fraction[1][:_DIGITS_PYTHON_KEEPS])
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def format_timestamp(seconds: float) -> str:
    """The context object's way of writing a moment: `2024-03-17T11:11:13.123Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
