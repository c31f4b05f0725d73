"""What run input can be tried in order to drive a condition.

A *setting* is a value at a path of the run input, or its absence. Which settings make a rule fire is found by trying:
`candidates` are values worth trying for what a condition compares, the plainest first; the interpreter's own evaluation
of the condition is the judge (`choices.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_CANDIDATES = 12
_TEXT, _EARLY, _LATE = "text", "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"
_OPERATOR = re.compile(r"(Boolean|String|Numeric|Timestamp)(Equals|Matches|\w+)")
_LITERAL = re.compile(r"\"([^\"\\]*)\"|'([^'\\]*)'|(?<![\w.$`\"'])(\d+(?:\.\d+)?)(?![\w.])")
_ONLY_A_KEY = re.compile(r"\.\s*(\"[^\"]*\"|'[^']*')")


class _Absent:
    """No value at a path. Written out as null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True)
class Setting:
    """`value` at `path` of the run input, or ABSENT."""

    path: tuple[str, ...]
    value: Any

    @property
    def dotted(self) -> str:
        """The path as the command line takes it."""
        return ".".join(self.path)


def comparisons(rule: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(variable, operator, operand) of each comparison in a JSONPath rule, in order."""
    for connective in ("And", "Or"):
        for part in rule.get(connective, ()):
            yield from comparisons(part)
    if "Not" in rule:
        yield from comparisons(rule["Not"])
    if "Variable" in rule:
        operators = (key for key in rule if key.startswith(("Is", "Boolean", "String", "Numeric", "Timestamp")))
        yield from ((str(rule["Variable"]), operator, rule[operator]) for operator in operators)


def candidates(compared: Iterable[tuple[str, Any]]) -> list[Any]:
    """Values to try for something that is compared with these operators and operands (JSONPath)."""
    tried: list[Any] = []
    last: list[Any] = []
    for operator, operand in compared:
        if operator == "IsNull":
            last += [None, True]
        elif operator == "IsPresent":
            last.append(True)
        else:
            tried += _for_operator(operator, operand)
    nulls = [value for value in last if value is None]
    return distinct([ABSENT, *nulls, *tried, *last])


def _for_operator(operator: str, operand: Any) -> list[Any]:
    if operator in _TYPE_TESTS:
        return _TYPE_TESTS[operator]
    found = _OPERATOR.match(operator)
    kind = found[1] if found else ""
    if operator.endswith("Path"):
        return _BY_KIND.get(kind, [])
    if kind == "Boolean":
        return [operand, not operand]
    if kind == "Numeric":
        return [operand, operand + 1, operand - 1]
    if kind == "Timestamp":
        return [operand, _LATE, _EARLY]
    if operator == "StringMatches":
        return [re.sub(r"\\(.)", r"\1", operand.replace(r"\*", "\0").replace("*", "")).replace("\0", "*"), "", _TEXT]
    around = [] if operator == "StringEquals" else [f"{operand}~", ""]
    return [operand, f"not {operand}", *around]


_TYPE_TESTS: dict[str, list[Any]] = {
    "IsBoolean": [True, _TEXT],
    "IsNumeric": [1, _TEXT],
    "IsString": [_TEXT, True],
    "IsTimestamp": [_EARLY, _TEXT],
}
_BY_KIND: dict[str, list[Any]] = {
    "Boolean": [True, False],
    "Numeric": [1, 2, 0],
    "String": [_TEXT, f"{_TEXT}~", ""],
    "Timestamp": [_EARLY, _LATE],
}


def jsonata_candidates(texts: Iterable[str]) -> list[Any]:
    """Values to try for what JSONata expressions read."""
    literals = [value for text in texts for value in _literals(_ONLY_A_KEY.sub("", text))]
    strings = [value for text in literals if isinstance(text, str) for value in (text, f"not {text}")]
    numbers = [
        value for number in literals if not isinstance(number, str) for value in (number, number + 1, number - 1)
    ]
    lists = [[], *([text] for text in literals if isinstance(text, str))]
    return distinct([ABSENT, *strings, *numbers, True, False, None, *(lists if strings else []), _TEXT, 1, 0])


def _literals(text: str) -> Iterator[Any]:
    for found in _LITERAL.finditer(text):
        if found[3] is None:
            yield found[1] if found[1] is not None else found[2]
        else:
            yield float(found[3]) if "." in found[3] else int(found[3])


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, where true and 1 are two values."""
    found: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in found):
            found.append(value)
    return found[:MAX_CANDIDATES]
