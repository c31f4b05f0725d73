"""The functions that an expression finds beside those of JSONata's library, or in their place.

AWS adds some; chance must come from the execution; and those of the library's that make much of little in a single
step, or take ever longer, are replaced by ones that look before they work. `$eval` is not offered, as on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any
from uuid import UUID

from opsctl.asl.environment import Environment
from opsctl.asl.intrinsics import FUNCTIONS, IntrinsicError
from opsctl.asl.jsonata_bounds import LONGEST_TEXT, too_long
from opsctl.asl.jsonata_library import bounds, library, native, pay_for_matching
from opsctl.asl.jsonata_values import from_jsonata, identity, to_jsonata
from opsctl.asl.payload import Payload
from opsctl.asl.regex import Pattern


def functions_for(environment: Environment) -> dict[str, Any]:
    """All of them by name, as the library's frames hold functions."""
    return {**_of_the_execution(environment), **_bounded()}


def _of_the_execution(environment: Environment) -> dict[str, Any]:
    def call(name: str) -> Callable[..., Any]:
        function = FUNCTIONS[name]

        def evaluate(*arguments: Any) -> Any:
            bounds().pay_for_walk(arguments, values_a_unit=1)
            return to_jsonata(function.evaluate([from_jsonata(one) for one in arguments], environment.random))

        return evaluate

    def random(seed: Any = None) -> float:
        if seed is None:
            return environment.random.random()
        return type(environment.random)(seed).random()

    def shuffle(items: Any = None) -> Any:
        shuffled = None if items is None else list(items)
        if shuffled:
            environment.random.shuffle(shuffled)
        return shuffled

    offered: dict[str, Callable[..., Any]] = {
        "eval": _no_eval,
        "hash": call("States.Hash"),
        "parse": _parse,
        "partition": call("States.ArrayPartition"),
        "random": random,
        "range": call("States.ArrayRange"),
        "uuid": lambda: str(UUID(int=environment.random.getrandbits(128), version=4)),
    }
    plain = {name: library().JLambda(function) for name, function in offered.items()}
    return {**plain, "shuffle": native("shuffle", shuffle, "<a:a>")}


def _no_eval(*_arguments: Any) -> Any:
    raise IntrinsicError("the function $eval is not supported")


def _parse(text: Any = None) -> Any:
    if isinstance(text, str):
        bounds().pay(len(text) // 16)
    try:
        return to_jsonata(Payload(text=text).value)
    except (ValueError, TypeError) as error:
        raise IntrinsicError(f"the argument of $parse is no JSON: {error}") from error


@cache
def _bounded() -> dict[str, Any]:
    ours: dict[str, tuple[Callable[..., Any], str]] = {
        "distinct": (_distinct, "<x:x>"),
        "join": (_join, "<a<s>s?:s>"),
        "pad": (_pad, "<s-ns?:s>"),
        "replace": (_replace, "<s-(sf)(sf)n?:s>"),
        "sort": (_sort, "<af?:a>"),
        "spread": (_spread, "<x-:a<o>>"),
        "toMillis": (_to_millis, "<s-s?:n>"),
    }
    return {name: native(name, function, signature) for name, (function, signature) in ours.items()}


def _pad(text: Any, width: Any = None, filling: Any = None) -> Any:
    if isinstance(width, int | float) and abs(width) > LONGEST_TEXT:
        raise too_long()
    return _library_functions().pad(text, width, filling)


def _join(parts: Any, separator: Any = None) -> Any:
    if isinstance(parts, list):
        length = sum(len(part) for part in parts if isinstance(part, str))
        if length + len(parts) * len(separator or "") > LONGEST_TEXT:
            raise too_long()
    return _library_functions().join(parts, separator)


def _replace(text: Any = None, pattern: Any = None, replacement: Any = None, limit: Any = None) -> Any:
    """The library puts a string in the place of a string however long that makes the whole."""
    if isinstance(text, str) and isinstance(pattern, str) and pattern:
        bounds().pay(len(text) // 8)
        if isinstance(replacement, str) and len(text) + text.count(pattern) * len(replacement) > LONGEST_TEXT:
            raise too_long()
    return _library_functions().replace(text, pattern, replacement, limit)


def _distinct(items: Any = None) -> Any:
    """The library compares each item with all before it."""
    if not isinstance(items, list) or len(items) <= 1:
        return items
    bounds().pay_for_walk(items)
    seen: dict[str, Any] = {}
    for item in items:
        seen.setdefault(identity(item), item)
    return type(items)(seen.values()) if len(seen) > 1 else next(iter(seen.values()))


def _sort(items: Any = None, comparator: Any = None) -> Any:
    """Without a comparator only numbers or strings have an order; the library asks Python, which orders lists too."""
    if comparator is None and isinstance(items, list):
        texts = all(isinstance(item, str) for item in items)
        if not texts and not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
            raise IntrinsicError("D3070: $sort without a function takes an array of strings or an array of numbers")
    return _library_functions().sort(items, comparator)


def _spread(value: Any = None) -> Any:
    """The library copies what it has so far for each item."""
    parts: Any = _library_functions().spread({})
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, dict):
            parts.extend({key: part} for key, part in item.items())
        elif isinstance(item, list):
            parts.extend(_spread(item))
        else:
            parts.append(item)
    return parts if isinstance(value, list | dict) else value


def _to_millis(timestamp: Any = None, picture: Any = None) -> Any:
    if timestamp is None or picture is None:
        return _library_functions().datetime_to_millis(timestamp, picture)
    return _parse_datetime()(timestamp, picture)


@cache
def _parse_datetime() -> Callable[[str, str], Any]:
    """The library's own function with our regular expressions in the place of Python's: a picture becomes one."""
    from jsonata.datetimeutils import DateTimeUtils  # type: ignore[import-untyped]

    original = DateTimeUtils.parse_datetime
    expressions = SimpleNamespace(IGNORECASE=re.IGNORECASE, compile=_expression_of_a_picture)
    return FunctionType(original.__code__, {**original.__globals__, "re": expressions})


def _expression_of_a_picture(pattern: str, _flags: int) -> Pattern:
    return Pattern(pattern, ignore_case=True, pay=pay_for_matching)


def _library_functions() -> Any:
    from jsonata.functions import Functions  # type: ignore[import-untyped]

    return Functions
