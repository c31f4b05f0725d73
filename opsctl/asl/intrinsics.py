"""The intrinsic functions of Amazon States Language, and the limits that AWS documents for each.

A function takes the evaluated arguments and the execution's random source. What it refuses it raises as
`IntrinsicError`; the caller turns that into `States.IntrinsicFailure`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from opsctl.asl.payload import Payload, to_text

_MAX_TEXT = 10_000
_MAX_RANGE = 1_000
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_FORMAT_PIECE = re.compile(r"\\([{}\\])|(\{\})")


class IntrinsicError(ValueError):
    """The arguments do not fit the function."""


@dataclass(frozen=True, slots=True)
class Function:
    """An intrinsic function; `most` is None where any number of arguments is allowed."""

    evaluate: Callable[[list[Any], Random], Any]
    least: int
    most: int | None

    def check_count(self, name: str, count: int) -> None:
        """Raises `IntrinsicError` unless the function takes that many arguments."""
        if count < self.least or (self.most is not None and count > self.most):
            wanted = self.least if self.least == self.most else f"{self.least} to {self.most or 'any number of'}"
            raise IntrinsicError(f"{name} takes {wanted} arguments, not {count}")


def _array(arguments: list[Any], _random: Random) -> list[Any]:
    return arguments


def _array_partition(arguments: list[Any], _random: Random) -> list[Any]:
    items, size = _list(arguments[0]), _integer(arguments[1])
    if size <= 0:
        raise IntrinsicError("the chunk size must be a positive integer")
    return [items[start : start + size] for start in range(0, len(items), size)]


def _array_contains(arguments: list[Any], _random: Random) -> bool:
    return any(same(item, arguments[1]) for item in _list(arguments[0]))


def _array_range(arguments: list[Any], _random: Random) -> list[int]:
    first, last, step = (_integer(argument) for argument in arguments)
    if step == 0:
        raise IntrinsicError("the step must not be 0")
    if (last - first) // step >= _MAX_RANGE:  # not by the length of a range, which has a limit itself
        raise IntrinsicError(f"the array would have more than {_MAX_RANGE} items")
    return list(range(first, last + (1 if step > 0 else -1), step))


def _array_get_item(arguments: list[Any], _random: Random) -> Any:
    items, index = _list(arguments[0]), _integer(arguments[1])
    if not 0 <= index < len(items):
        raise IntrinsicError(f"the index {index} is out of range for an array of {len(items)} items")
    return items[index]


def _array_length(arguments: list[Any], _random: Random) -> int:
    return len(_list(arguments[0]))


def _array_unique(arguments: list[Any], _random: Random) -> list[Any]:
    unique: dict[str, Any] = {}
    for item in _list(arguments[0]):
        unique.setdefault(_identity(item), item)
    return list(unique.values())


def _base64_encode(arguments: list[Any], _random: Random) -> str:
    return base64.b64encode(_text(arguments[0], _MAX_TEXT).encode()).decode()


def _base64_decode(arguments: list[Any], _random: Random) -> str:
    text = _text(arguments[0], _MAX_TEXT)
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise IntrinsicError("the argument is no Base64 of UTF-8 text") from error


def _hash(arguments: list[Any], _random: Random) -> str:
    data = arguments[0] if isinstance(arguments[0], str) else to_text(arguments[0])
    algorithm = _ALGORITHMS.get(arguments[1]) if isinstance(arguments[1], str) else None
    if algorithm is None:
        raise IntrinsicError(f"the algorithm must be one of {', '.join(_ALGORITHMS)}")
    return hashlib.new(algorithm, _text(data, _MAX_TEXT).encode(), usedforsecurity=False).hexdigest()


def _json_merge(arguments: list[Any], _random: Random) -> dict[str, Any]:
    first, second, deep = arguments
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise IntrinsicError("both arguments to merge must be JSON objects")
    if deep is not False:
        raise IntrinsicError("only the shallow merge (false) is supported")
    return {**first, **second}


def _json_to_string(arguments: list[Any], _random: Random) -> str:
    return to_text(arguments[0])


def _string_to_json(arguments: list[Any], _random: Random) -> Any:
    text = _text(arguments[0])
    try:
        return Payload(text=text).value if text.strip() else None
    except ValueError as error:
        raise IntrinsicError(f"the argument is no JSON: {error}") from error


def _math_random(arguments: list[Any], random: Random) -> int:
    start, end = _integer(arguments[0]), _integer(arguments[1])
    if start >= end:
        raise IntrinsicError("the start must be smaller than the end")
    source = type(random)(_integer(arguments[2])) if len(arguments) > 2 else random
    return source.randrange(start, end)


def _math_add(arguments: list[Any], _random: Random) -> int:
    return _integer(arguments[0]) + _integer(arguments[1])


def _string_split(arguments: list[Any], _random: Random) -> list[str]:
    text, delimiters = _text(arguments[0]), _text(arguments[1])
    if not delimiters:
        return [text]
    return [part for part in re.split(f"[{re.escape(delimiters)}]", text) if part]


def _uuid(_arguments: list[Any], random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _format(arguments: list[Any], _random: Random) -> str:
    template, values = _text(arguments[0]), iter(arguments[1:])
    used = 0

    def replace(piece: re.Match[str]) -> str:
        nonlocal used
        if piece[1] is not None:
            return piece[1]
        used += 1
        return shown(next(values, ""))

    filled = _FORMAT_PIECE.sub(replace, template)
    if used != len(arguments) - 1:
        raise IntrinsicError(f"the template has {used} placeholders for {len(arguments) - 1} values")
    return filled


def shown(value: Any) -> str:
    """A value as States.Format writes it: strings bare, structures like Java's `toString`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(shown(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={shown(item)}' for key, item in value.items())}}}"
    return to_text(value)


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, true equals nothing but true."""
    return _identity(left) == _identity(right)


def _identity(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise IntrinsicError(f"an array is expected, not {to_text(value)}")
    return value


def _integer(value: Any) -> int:
    """AWS rounds the numbers that its functions are given, halves upwards as Java's `Math.round`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IntrinsicError(f"a number is expected, not {to_text(value)}")
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        raise IntrinsicError("the number is too large")
    rounded: int = math.floor(value + 0.5)
    return rounded


def _text(value: Any, limit: int | None = None) -> str:
    if not isinstance(value, str):
        raise IntrinsicError(f"a string is expected, not {to_text(value)}")
    if limit is not None and len(value) > limit:
        raise IntrinsicError(f"the string is longer than {limit} characters")
    return value


FUNCTIONS: dict[str, Function] = {
    "States.Array": Function(_array, 0, None),
    "States.ArrayContains": Function(_array_contains, 2, 2),
    "States.ArrayGetItem": Function(_array_get_item, 2, 2),
    "States.ArrayLength": Function(_array_length, 1, 1),
    "States.ArrayPartition": Function(_array_partition, 2, 2),
    "States.ArrayRange": Function(_array_range, 3, 3),
    "States.ArrayUnique": Function(_array_unique, 1, 1),
    "States.Base64Decode": Function(_base64_decode, 1, 1),
    "States.Base64Encode": Function(_base64_encode, 1, 1),
    "States.Format": Function(_format, 1, None),
    "States.Hash": Function(_hash, 2, 2),
    "States.JsonMerge": Function(_json_merge, 3, 3),
    "States.JsonToString": Function(_json_to_string, 1, 1),
    "States.MathAdd": Function(_math_add, 2, 2),
    "States.MathRandom": Function(_math_random, 2, 3),
    "States.StringSplit": Function(_string_split, 2, 2),
    "States.StringToJson": Function(_string_to_json, 1, 1),
    "States.UUID": Function(_uuid, 0, 0),
}
