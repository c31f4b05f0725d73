"""Choice rules: every operator, on what it fits and on what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.choice import OPERATORS
from tests.unit.asl.walking import cause_of, output_of

EARLY, LATE = "2026-11-21T08:00:00Z", "2026-11-21T09:30:00+01:00"
OPERANDS: dict[str, tuple[Any, Any, Any]] = {
    "Boolean": (True, True, True),
    "Numeric": (1, 2, 3.5),
    "String": ("a", "b", "c"),
    "Timestamp": (EARLY, LATE, "2026-11-22T00:00:00Z"),
}
HOLDS = {
    "Equals": (False, True, False),
    "LessThan": (True, False, False),
    "LessThanEquals": (True, True, False),
    "GreaterThan": (False, False, True),
    "GreaterThanEquals": (False, True, True),
}


def holds(rule: dict[str, Any], document: Any) -> bool:
    states = {
        "C": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": True},
        "No": {"Type": "Pass", "Result": False},
    }
    return bool(json.loads(output_of(states, json.dumps(document)) or ""))


@pytest.mark.parametrize("kind", ["Numeric", "String", "Timestamp"])
@pytest.mark.parametrize("order", list(HOLDS))
def test_orders(kind: str, order: str) -> None:
    low, middle, high = OPERANDS[kind]
    constant = {"Variable": "$.x", f"{kind}{order}": middle}
    path = {"Variable": "$.x", f"{kind}{order}Path": "$.y"}
    for value, expected in zip((low, middle, high), HOLDS[order], strict=True):
        assert holds(constant, {"x": value}) is expected
        assert holds(path, {"x": value, "y": middle}) is expected
    assert not holds(constant, {"x": True}), "a value of another type never compares"
    assert not holds(path, {"x": middle, "y": None})


def test_timestamps_compare_as_moments() -> None:
    assert holds({"Variable": "$.x", "TimestampEquals": EARLY}, {"x": "2026-11-21T09:00:00+01:00"})


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        ("IsNull", [None]),
        ("IsBoolean", [True, False]),
        ("IsNumeric", [0, 1.5]),
        ("IsString", ["", EARLY]),
        ("IsTimestamp", [EARLY, LATE]),
    ],
)
def test_types(operator: str, values: list[Any]) -> None:
    for value in (None, True, False, 0, 1.5, "", EARLY, LATE, [], {}):
        fits = any(value is right or (value == right and type(value) is type(right)) for right in values)
        fits = fits or (operator == "IsString" and isinstance(value, str))
        assert holds({"Variable": "$.x", operator: True}, {"x": value}) is fits
        assert holds({"Variable": "$.x", operator: False}, {"x": value}) is not fits


def test_presence_needs_no_value() -> None:
    assert holds({"Variable": "$.x.y", "IsPresent": False}, {})
    assert holds({"Variable": "$.x", "IsPresent": True}, {"x": None})
    assert not holds({"Variable": "$.x[*]", "IsPresent": True}, {"x": []})


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("log-*.txt", "log-7.txt", True),
        ("log-*.txt", "log-.txt.gz", False),
        ("*", "a\nb", True),
        ("a.c", "abc", False),
        ("a\\*c", "a*c", True),
        ("a\\*c", "abc", False),
        ("a\\\\*", "a\\b", True),
        ("a*b*a", "aba", True),
        ("a*b*a", "ab", False),
        ("ab*ba", "aba", False),
        ("*b*b*", "abcbd", True),
        ("*b*b*", "abcd", False),
        ("*a" * 30 + "b", "a" * 200, False),
    ],
)
def test_wildcards(pattern: str, text: str, expected: bool) -> None:
    assert holds({"Variable": "$", "StringMatches": pattern}, text) is expected


def test_connectives_nest() -> None:
    x_is = {"Variable": "$.x", "NumericEquals": 1}
    y_is = {"Variable": "$.y", "StringEquals": "b"}
    rule = {"Or": [{"And": [x_is, {"Not": y_is}]}, {"Variable": "$.z", "IsPresent": True}]}
    assert holds(rule, {"x": 1, "y": "a"})
    assert not holds(rule, {"x": 1, "y": "b"})
    assert holds(rule, {"x": 2, "y": "b", "z": 0})


def test_a_missing_variable_fails_whatever_the_operator_but_one() -> None:
    for operator in sorted(OPERATORS - {"IsPresent"}):
        operand = "$.x" if operator.endswith("Path") else OPERANDS.get(operator.split("E")[0], (True,))[0]
        operand = EARLY if operator.startswith("Timestamp") and not operator.endswith("Path") else operand
        operand = 1 if operator.startswith("Numeric") and not operator.endswith("Path") else operand
        operand = "a" if operator.startswith("String") and not operator.endswith("Path") else operand
        choice = {"Type": "Choice", "Choices": [{"Variable": "$.no", operator: operand, "Next": "S"}]}
        error, _ = cause_of({"C": choice, "S": {"Type": "Succeed"}}, '{"x":1}')
        assert error == "States.Runtime", operator
