"""The rules of a Choice state (JSONPath).

A rule is compiled to a predicate on the environment. A comparison of values of another type than the operator's is
false; a Variable that leads nowhere fails the state, unless the operator is IsPresent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import undefined_variable
from opsctl.asl.failures import runtime_failure
from opsctl.asl.paths import Path, PathMissingError, parse_path
from opsctl.asl.timestamps import parse_timestamp

Condition = Callable[[Environment], bool]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda left, right: left == right,
    "LessThan": lambda left, right: left < right,
    "GreaterThan": lambda left, right: left > right,
    "LessThanEquals": lambda left, right: left <= right,
    "GreaterThanEquals": lambda left, right: left >= right,
}


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else None


_READERS: dict[str, Callable[[Any], Any]] = {
    "Boolean": _boolean,
    "Numeric": _number,
    "String": _string,
    "Timestamp": parse_timestamp,
}
_TYPE_TESTS: dict[str, Callable[[Any], bool]] = {
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsNull": lambda value: value is None,
    "IsNumeric": lambda value: _number(value) is not None,
    "IsString": lambda value: isinstance(value, str),
    "IsTimestamp": lambda value: parse_timestamp(value) is not None,
}


def _comparisons() -> dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], bool]]]:
    table = {
        f"{kind}{order}": (reader, compare)
        for kind, reader in _READERS.items()
        for order, compare in _ORDERS.items()
        if kind != "Boolean" or order == "Equals"
    }
    table["StringMatches"] = (_string, lambda value, pattern: _like(value, pattern))
    return table


COMPARISONS = _comparisons()
OPERATORS = frozenset(
    {*COMPARISONS, *(f"{name}Path" for name in COMPARISONS if name != "StringMatches"), *_TYPE_TESTS, "IsPresent"}
)
"""Every comparison operator of the language."""


def compile_rule(rule: dict[str, Any]) -> Condition:
    """Make a predicate of a rule. Raises `ValueError` where the rule is malformed."""
    for connective in ("And", "Or"):
        if connective in rule:
            return _connect(connective, [compile_rule(inner) for inner in rule[connective]])
    if "Not" in rule:
        negated = compile_rule(rule["Not"])
        return lambda environment: not negated(environment)
    operators = [key for key in rule if key in OPERATORS]
    if len(operators) != 1 or not isinstance(rule.get("Variable"), str):
        raise ValueError("a rule needs a Variable and exactly one comparison operator")
    return _comparison(parse_path(rule["Variable"]), operators[0], rule[operators[0]])


def _connect(connective: str, conditions: list[Condition]) -> Condition:
    if connective == "And":
        return lambda environment: all(condition(environment) for condition in conditions)
    return lambda environment: any(condition(environment) for condition in conditions)


def _comparison(variable: Path, operator: str, operand: Any) -> Condition:
    if operator == "IsPresent":
        return lambda environment: variable.exists(environment) is operand
    if operator in _TYPE_TESTS:
        test = _TYPE_TESTS[operator]
        return lambda environment: test(_look_up(variable, environment)) is operand
    if operator in COMPARISONS:
        read, compare = COMPARISONS[operator]
        return lambda environment: _holds(read, compare, _look_up(variable, environment), operand)
    read, compare = COMPARISONS[operator.removesuffix("Path")]
    other = parse_path(operand)
    return lambda environment: _holds(read, compare, _look_up(variable, environment), _look_up(other, environment))


def _holds(read: Callable[[Any], Any], compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    value, operand = read(left), read(right)
    return value is not None and operand is not None and compare(value, operand)


def _look_up(path: Path, environment: Environment) -> Any:
    try:
        return path.evaluate(environment)
    except PathMissingError:
        raise runtime_failure(
            f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
        ) from None
    except KeyError:
        raise undefined_variable(path) from None


def _like(text: str, pattern: str) -> bool:
    """Whether the text fits a pattern in which `*` is anything and a backslash takes the next character as it is.

    The pieces between the stars are looked for from left to right, the last one at the end; no pattern takes long.
    """
    pieces = _pieces(pattern)
    if len(pieces) == 1:
        return text == pieces[0]
    first, *middle, last = pieces
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _pieces(pattern: str) -> list[str]:
    """The literal texts between the stars of a pattern."""
    pieces = [""]
    for part in re.findall(r"\\.|\*|[^\\*]+|\\", pattern, re.DOTALL):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part[-1] if part.startswith("\\") else part
    return pieces
