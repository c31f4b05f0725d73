"""Between JSON and the values of JSONata's library, in which None is undefined and null a value of its own."""

from __future__ import annotations

from typing import Any

_LARGEST_EXACT = 2**53


def to_jsonata(value: Any) -> Any:
    """JSON to the library's values."""
    from jsonata.utils import Utils  # type: ignore[import-untyped]

    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {key: to_jsonata(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_jsonata(item) for item in value]
    return value


def from_jsonata(value: Any) -> Any:
    """The library's values to JSON. Raises `TypeError` for a function."""
    if isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else value
    if isinstance(value, dict):
        return {key: from_jsonata(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple | range):
        return [from_jsonata(item) for item in value]
    if value is None or type(value).__name__ == "NullValue":
        return None
    raise TypeError(type(value).__name__)


def identity(value: Any) -> str:
    """A text that two values share if JSONata's `=` holds between them."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | float):
        return repr(float(value))
    if isinstance(value, str):
        return f"'{len(value)}:{value}"
    if isinstance(value, list):
        return f"[{','.join(identity(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{identity(key)}:{identity(value[key])}' for key in sorted(value))}}}"
    return f"{type(value).__name__}{id(value)}"
