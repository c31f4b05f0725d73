"""Checks of a Choice state's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.asl.choice import COMPARISONS, OPERATORS
from opsctl.asl.timestamps import parse_timestamp
from opsctl.asl.validation_values import a_path, assignments, is_jsonata

Problem = tuple[str, str]
"""What is wrong, and where below the state."""
_CONNECTIVES = ("And", "Or", "Not")
_OPERAND_TYPES: dict[str, tuple[type, ...]] = {
    "Boolean": (bool,),
    "Is": (bool,),
    "Numeric": (int, float),
    "String": (str,),
    "Timestamp": (str,),
}


def check_choices(choices: Any, language: str) -> Iterator[Problem]:
    """All findings about the rules."""
    if not isinstance(choices, list) or not choices:
        yield "Value must be a non-empty array of choice rules.", "/Choices"
        return
    for index, rule in enumerate(choices):
        where = f"/Choices[{index}]"
        if not isinstance(rule, dict):
            yield "Value must be an object.", where
        elif not isinstance(rule.get("Next"), str):
            yield "These fields are required: [Next]", where
        elif wrong := assignments(rule.get("Assign", {})):
            yield wrong, f"{where}/Assign"
        elif language == "JSONata":
            yield from _check_condition(rule, where)
        else:
            yield from _check_rule(rule, where, {"Next", "Assign"})


def _check_condition(rule: dict[str, Any], where: str) -> Iterator[Problem]:
    for field in rule.keys() - {"Next", "Condition", "Assign", "Output", "Comment"}:
        yield f"Field '{field}' is not supported", where
    condition = rule.get("Condition")
    if not isinstance(condition, bool) and not is_jsonata(condition):
        yield "The field 'Condition' must be a JSONata expression or a boolean", where


def _check_rule(rule: Any, where: str, more: set[str]) -> Iterator[Problem]:
    if not isinstance(rule, dict):
        yield "Value must be an object.", where
        return
    kinds = [field for field in rule if field in OPERATORS or field in _CONNECTIVES]
    if len(kinds) != 1:
        yield "A choice rule must have exactly one comparison operator.", where
        return
    kind = kinds[0]
    allowed = {kind, "Comment"} | more | ({"Variable"} if kind in OPERATORS else set())
    for field in rule.keys() - allowed:
        yield f"Field '{field}' is not supported", where
    if kind in OPERATORS:
        yield from _check_comparison(rule, kind, where)
    elif kind == "Not":
        yield from _check_rule(rule["Not"], f"{where}/Not", set())
    else:
        yield from _check_list(rule[kind], f"{where}/{kind}")


def _check_list(rules: Any, where: str) -> Iterator[Problem]:
    if not isinstance(rules, list) or not rules:
        yield "Value must be a non-empty array of choice rules.", where
        return
    for index, rule in enumerate(rules):
        yield from _check_rule(rule, f"{where}[{index}]", set())


def _check_comparison(rule: dict[str, Any], operator: str, where: str) -> Iterator[Problem]:
    if "Variable" not in rule:
        yield "These fields are required: [Variable]", where
    elif a_path(rule["Variable"]):
        yield a_path(rule["Variable"]) or "", f"{where}/Variable"
    operand = rule[operator]
    if operator.endswith("Path"):
        if a_path(operand):
            yield a_path(operand) or "", f"{where}/{operator}"
        return
    kind = next(prefix for prefix in _OPERAND_TYPES if operator.startswith(prefix))
    if not isinstance(operand, _OPERAND_TYPES[kind]) or (kind == "Numeric" and isinstance(operand, bool)):
        yield f"The operand of {operator} has the wrong type.", f"{where}/{operator}"
    elif kind == "Timestamp" and operator in COMPARISONS and parse_timestamp(operand) is None:
        yield "String does not match RFC3339 timestamp", f"{where}/{operator}"
