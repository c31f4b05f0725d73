"""A Choice's rule in words: `skip.evaluate is true`, `$.status is not "Completed"`.

For people to read, not to evaluate: what everybody knows (that the run's input is meant, that a value is there before
it is compared) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

COMPARISONS = {  # by how an operator ends, the longer ends first
    "GreaterThanEquals": ">=",
    "LessThanEquals": "<=",
    "GreaterThan": ">",
    "LessThan": "<",
    "Equals": "is",
    "Matches": "is like",
}
TESTS = {
    "IsPresent": ("is there", "is not there"),
    "IsNull": ("is null", "is not null"),
    "IsNumeric": ("is a number", "is no number"),
    "IsString": ("is a string", "is no string"),
    "IsBoolean": ("is a boolean", "is no boolean"),
    "IsTimestamp": ("is a timestamp", "is no timestamp"),
}
INPUT = "$$.Execution.Input."
DEEPEST = 8


def rule_words(rule: Mapping[str, Any], depth: int = 0) -> str:
    """The condition of a rule, of either query language; empty where there is none that can be read."""
    if depth > DEEPEST:
        return "…"
    if isinstance(rule.get("Condition"), str | bool):
        text = str(rule["Condition"]).strip()
        return " ".join(text.removeprefix("{%").removesuffix("%}").split())
    for key, joint in (("And", " and "), ("Or", " or ")):
        if isinstance(rule.get(key), list):
            parts = [part for part in rule[key] if isinstance(part, Mapping)]
            words = [rule_words(part, depth + 1) for part in _telling(parts, key)]
            return joint.join(f"({text})" if " or " in text and key == "And" else text for text in words if text)
    if isinstance(rule.get("Not"), Mapping):
        return f"not ({rule_words(rule['Not'], depth + 1)})"
    return _comparison(rule)


def _telling(parts: list[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    """Without `is there` of what is compared beside it."""
    compared = {part.get("Variable") for part in parts if "IsPresent" not in part}
    left = [part for part in parts if part.get("IsPresent") is not True or part.get("Variable") not in compared]
    return left if key == "And" else parts


def _comparison(rule: Mapping[str, Any]) -> str:
    name = _name(rule.get("Variable"))
    for key, value in rule.items():
        if key in TESTS:
            return f"{name} {TESTS[key][value is not True]}"
        operator = key.removesuffix("Path")
        for suffix, word in COMPARISONS.items():
            if operator.endswith(suffix):
                told = _name(value) if key.endswith("Path") else json.dumps(value, ensure_ascii=False)
                return f"{name} {word} {told}"
    return ""


def _name(path: Any) -> str:
    text = str(path)
    return text.removeprefix(INPUT) if text.startswith(INPUT) else text.removeprefix("$.")
