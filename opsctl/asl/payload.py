"""A JSON value that remembers its text.

AWS hands a state's input on as the text it came in as: `[1, 2]` keeps its blank through every state that does not
touch it, and whatever a state makes anew is written without blanks. So a payload is a text, a value or both; each is
made from the other when first asked for. Values are shared and never changed in place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

LIMIT_BYTES = 262_144
"""The most that AWS lets a state's input, output or result have, in bytes of UTF-8."""

_UNKNOWN: Any = object()


def _no_constant(text: str) -> Any:
    raise ValueError(f"'{text}' is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text} is too large")
    return number


_decode = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_WORST_BYTES_PER_CHARACTER = 4


def to_text(value: Any) -> str:
    """Write a JSON value the way AWS writes what a state made: no blanks, no escapes beyond those JSON demands."""
    return _encode(value)


def _surely_long(value: Any) -> bool:
    """Whether a value's text cannot but be too long; told without writing it, for a value may hold another often."""
    least, todo = 0, [value]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            least += len(part)
        elif isinstance(part, dict):
            least += 4 * len(part)
            todo += part.values()
        elif isinstance(part, list):
            least += 2 * len(part)
            todo += part
        if least > LIMIT_BYTES:
            return True
    return False


class Payload:
    """One JSON document. `value` is the Python value, `text` the JSON text."""

    __slots__ = ("_text", "_value")

    def __init__(self, value: Any = _UNKNOWN, text: str | None = None) -> None:
        self._value = value
        self._text = text

    @property
    def value(self) -> Any:
        """The Python value. Raises `ValueError` if the text is no JSON."""
        if self._value is _UNKNOWN:
            try:
                self._value = _decode(self.text)
            except RecursionError as error:
                raise ValueError("the JSON is nested too deeply") from error
        return self._value

    @property
    def text(self) -> str:
        """The JSON text, as received or else without blanks."""
        if self._text is None:
            self._text = _encode(self._value)
        return self._text

    @property
    def oversized(self) -> bool:
        """Whether the text is longer than AWS's limit."""
        if self._text is None and _surely_long(self._value):
            return True
        text = self.text
        if len(text) * _WORST_BYTES_PER_CHARACTER <= LIMIT_BYTES:
            return False
        return len(text.encode("utf-8", "surrogatepass")) > LIMIT_BYTES


def array_of(parts: Iterable[Payload]) -> Payload:
    """The JSON array of these documents, each with its own text kept."""
    return Payload(text=f"[{','.join(part.text for part in parts)}]")
