"""Expected values against actual ones: equality, subsets, and operators.

A mapping whose only keys begin with `$` is an operator and not data: `{"$matches": "^nightly-"}`. In a subset, keys
that are not listed are not looked at; lists have the same length, element by element. In an exact comparison nothing
is left over; an operator's own value is compared as the operator says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from opsctl.asl.regex import Pattern, RegexLimitError
from opsctl.domain.cases.model import Difference

SHOWN = 300
"""Characters of a value that are shown."""


def difference(expected: Any, actual: Any, where: str, *, exact: bool) -> Difference | None:
    """The first place where `actual` is not as expected; None if there is none."""
    if is_operator(expected):
        return next(_operators(expected, actual, where), None)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return next(_in_mapping(expected, actual, where, exact), None)
    if isinstance(expected, list) and isinstance(actual, list):
        return next(_in_list(expected, actual, where, exact), None)
    return None if same(expected, actual) else Difference(where, shown(expected), shown(actual))


def is_operator(value: Any) -> bool:
    """Whether a value is an operator, not data."""
    return isinstance(value, dict) and bool(value) and all(key.startswith("$") for key in value)


def same(first: Any, second: Any) -> bool:
    """Equality as JSON has it: true is not 1, and 1 is 1.0."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)


def shown(value: Any) -> str:
    """A value in one line, shortened in the middle."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def _in_mapping(expected: dict[str, Any], actual: dict[str, Any], where: str, exact: bool) -> Iterator[Difference]:
    for key, value in expected.items():
        place = _member(where, key)
        if key in actual:
            found = difference(value, actual[key], place, exact=exact)
            if found:
                yield found
        elif not (is_operator(value) and value.get("$absent") is True):
            yield Difference(place, shown(value), f"nothing (there are: {', '.join(actual) or 'no keys'})")
    for key in actual if exact else ():
        if key not in expected:
            yield Difference(_member(where, key), "nothing", shown(actual[key]))


def _in_list(expected: list[Any], actual: list[Any], where: str, exact: bool) -> Iterator[Difference]:
    for index, (wanted, value) in enumerate(zip(expected, actual, strict=False)):
        found = difference(wanted, value, f"{where}[{index}]", exact=exact)
        if found:
            yield found
    if len(expected) != len(actual):
        yield Difference(where, _counted(expected), _counted(actual))


def _counted(items: list[Any]) -> str:
    return f"{len(items)} {'item' if len(items) == 1 else 'items'}: {shown(items)}"


def _member(where: str, key: str) -> str:
    name = key if re.fullmatch(r"\w+", key) else json.dumps(key, ensure_ascii=False)
    return f"{where}.{name}" if where else name


# operators


def _operators(expected: dict[str, Any], actual: Any, where: str) -> Iterator[Difference]:
    for name, argument in expected.items():
        if not OPERATORS[name][1](argument, actual):
            yield Difference(where, f"{OPERATORS[name][2]} {shown(argument)}", shown(actual))


def _matches(argument: str, actual: Any) -> bool:
    try:
        return isinstance(actual, str) and Pattern(argument).search(actual) is not None
    except RegexLimitError:  # nothing that was found in a sensible time is a match
        return False


def _contains(argument: Any, actual: Any) -> bool:
    wanted = argument if isinstance(argument, list) else [argument]
    if isinstance(actual, str):
        return all(isinstance(part, str) and part in actual for part in wanted)
    if isinstance(actual, list):
        return all(any(_fits(part, item) for item in actual) for part in wanted)
    return isinstance(actual, dict) and all(part in actual for part in wanted if isinstance(part, str))


def _fits(expected: Any, actual: Any) -> bool:
    return difference(expected, actual, "", exact=False) is None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pattern_problem(argument: Any) -> str | None:
    if not isinstance(argument, str):
        return "takes a regular expression"
    try:
        Pattern(argument)
    except ValueError as error:
        return f"takes a regular expression: {error}"
    return None


def _only(kind: str, test: Callable[[Any], bool]) -> Callable[[Any], str | None]:
    return lambda argument: None if test(argument) else f"takes {kind}"


_true = _only("true", lambda argument: argument is True)
_a_number = _only("a number", _number)
_anything = _only("anything", lambda _: True)

Operator = tuple[Callable[[Any], str | None], Callable[[Any, Any], bool], str]
OPERATORS: dict[str, Operator] = {
    "$matches": (_pattern_problem, _matches, "something that matches"),
    "$contains": (_anything, _contains, "something that contains"),
    "$includes": (_anything, _fits, "something that includes"),
    "$exactly": (_anything, same, "exactly"),
    "$not": (_anything, lambda argument, actual: not _fits(argument, actual), "anything but"),
    "$at_least": (_a_number, lambda least, actual: _number(actual) and actual >= least, "at least"),
    "$at_most": (_a_number, lambda most, actual: _number(actual) and actual <= most, "at most"),
    "$length": (_a_number, lambda length, actual: hasattr(actual, "__len__") and len(actual) == length, "length"),
    "$any": (_true, lambda _, __: True, "anything"),
    "$absent": (_true, lambda _, __: False, "nothing: $absent is"),
}
"""By name: what is wrong with an argument, whether a value passes, and how it is said."""
