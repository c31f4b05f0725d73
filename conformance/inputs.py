"""The input that AWS was given, where the recording shows a placeholder in its place.

A recording's ExecutionStarted shows the input after its recorder had replaced what differs between runs. Names and ARNs
mean nothing to a definition, so their placeholders serve as well. A moment means something: `Wait` waits for it or
refuses it. So wherever the input as it was given has a text made like a date, that text is what we are given too.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LIKE_A_DATE = re.compile(r"\d{1,4}-\d\d?-\d\d?(\d\d)?[T ]\d[\d:.,]*(Z|[+-][\d:]+)?")


def real_input(recorded: str, given: str | None) -> tuple[str, dict[str, str]]:
    """The input to replay with, as JSON text, and by placeholder what stands for it."""
    if given is None:
        return recorded, {}
    try:
        ours, replaced = json.loads(given), json.loads(recorded)
    except ValueError:
        return recorded, {}
    real: dict[str, str] = {}
    value = _with_dates(replaced, ours, real)
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=False), real) if real else (recorded, real)


def _with_dates(recorded: Any, given: Any, real: dict[str, str]) -> Any:
    if isinstance(recorded, dict) and isinstance(given, dict):
        return {key: _with_dates(value, given.get(key), real) for key, value in recorded.items()}
    if isinstance(recorded, list) and isinstance(given, list) and len(recorded) == len(given):
        return [_with_dates(*pair, real) for pair in zip(recorded, given, strict=True)]
    if isinstance(recorded, str) and isinstance(given, str) and recorded != given and _LIKE_A_DATE.fullmatch(given):
        real[recorded] = given
        return given
    return recorded
