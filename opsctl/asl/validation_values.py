"""Checks of single values in a definition. A check takes the value and returns what is wrong with it, or None.

The words are AWS's where AWS's are known (recorded answers of CreateStateMachine and ValidateStateMachineDefinition).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from opsctl.asl.expressions import parse_expression
from opsctl.asl.paths import Path, parse_path
from opsctl.asl.timestamps import parse_timestamp

Check = Callable[[Any], str | None]
MAX_SECONDS = 99_999_999
_MAX_RETRY_DELAY = 31_622_400
_LONGEST_POINTER = 2_000
_VARIABLE = re.compile(r"[^\W\d][\w-]*")
_JSONATA = re.compile(r"\{%.*%\}", re.DOTALL)
NOT_A_PATH = "Value must be a valid JSONPath."
NOT_A_REFERENCE = "Value must be a valid JSONPath that identifies a single node in the input."
MOST_NAME_CHARACTERS = 80


def is_jsonata(value: Any) -> bool:
    """Whether the value is a JSONata expression: `{% … %}` and nothing around it."""
    return isinstance(value, str) and _JSONATA.fullmatch(value) is not None


def read_path(value: Any) -> Path | None:
    """The path that the value spells, or None."""
    if not isinstance(value, str):
        return None
    try:
        return parse_path(value)
    except ValueError:
        return None


def a_string(value: Any) -> str | None:
    """Any string."""
    return None if isinstance(value, str) else "Value must be a string."


def a_boolean(value: Any) -> str | None:
    """true or false."""
    return None if isinstance(value, bool) else "Value must be a boolean."


def assignments(value: Any) -> str | None:
    """An object of variables: names have at most 80 characters, a part of a variable is none, and $states is AWS's own
    (Developer Guide, "Passing data between states with variables"). Published definitions have hyphens in names, so
    they are let pass."""
    if not isinstance(value, dict):
        return "Value must be an object."
    names = [field.removesuffix(".$") for field in value]
    if any(not 0 < len(name) <= MOST_NAME_CHARACTERS for name in names):
        return f"A variable name must have 1 to {MOST_NAME_CHARACTERS} characters"
    wrong = next((name for name in names if not _VARIABLE.fullmatch(name)), None)
    if wrong is not None:
        return f"'{wrong}' is no variable name: it must begin with a letter and hold letters, digits and _"
    return "The variable name 'states' is reserved" if "states" in names else None


def anything(value: Any) -> str | None:
    """Any JSON."""
    del value
    return None


def a_path(value: Any) -> str | None:
    """A JSONPath."""
    return NOT_A_PATH if read_path(value) is None else None


def a_path_or_null(value: Any) -> str | None:
    """InputPath and OutputPath."""
    return None if value is None else a_path(value)


def a_reference(value: Any) -> str | None:
    """A JSONPath that leads to one place."""
    path = read_path(value)
    return None if path is not None and path.definite else NOT_A_REFERENCE


def a_result_path(value: Any) -> str | None:
    """ResultPath: null, or a place in the state's input."""
    if value is None:
        return None
    path = read_path(value)
    return None if path is not None and path.definite and path.root == "$" else NOT_A_REFERENCE


def an_expression(value: Any) -> str | None:
    """ErrorPath and CausePath: a path or an intrinsic function."""
    try:
        parse_expression(value)
    except (ValueError, TypeError, AttributeError):
        return "Value must be a valid JSONPath or intrinsic function call."
    return None


def integer_from(least: int, most: int = MAX_SECONDS) -> Check:
    """A whole number within bounds."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "Value must be an integer."
        return None if least <= value <= most else f"Value must be between {least} and {most}."

    return check


def number_from(least: float, most: float = float("inf")) -> Check:
    """A number within bounds."""

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "Value must be a number."
        return None if least <= value <= most else f"Value must not be smaller than {least} or greater than {most}."

    return check


def one_of(*allowed: str) -> Check:
    """One of a closed set of strings."""

    def check(value: Any) -> str | None:
        return None if value in allowed else f"Value must be one of [{', '.join(allowed)}]."

    return check


def strings(value: Any) -> str | None:
    """A non-empty array of strings."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return None
    return "Value must be a non-empty array of strings."


def a_pointer(value: Any) -> str | None:
    """A JSON pointer (RFC 6901), as ItemsPointer takes it."""
    fits = isinstance(value, str) and len(value) < _LONGEST_POINTER and re.fullmatch(r"(/([^~/]|~[01])*)*", value)
    return None if fits else f"Value must be a JSON pointer of less than {_LONGEST_POINTER} characters."


def or_jsonata(check: Check) -> Check:
    """In a JSONata state the value may also be computed."""
    return lambda value: None if is_jsonata(value) else check(value)


def a_timestamp(value: Any) -> str | None:
    """An RFC 3339 timestamp."""
    return None if parse_timestamp(value) else "String does not match RFC3339 timestamp"


def error_names(value: Any) -> str | None:
    """ErrorEquals: names; States.ALL alone."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        return "Value must be a non-empty array of error names."
    if "States.ALL" in value and len(value) > 1:
        return "States.ALL must appear alone in ErrorEquals."
    return None


def a_resource(value: Any) -> str | None:
    """A Task's Resource."""
    if isinstance(value, str) and re.fullmatch(r"[^\s:]+:.+", value):
        return None
    return "Value is not a valid resource ARN"


RETRY_FIELDS: dict[str, Check] = {
    "BackoffRate": number_from(1.0),
    "Comment": a_string,
    "ErrorEquals": error_names,
    "IntervalSeconds": integer_from(1),
    "JitterStrategy": one_of("FULL", "NONE"),
    "MaxAttempts": integer_from(0),
    "MaxDelaySeconds": integer_from(1, _MAX_RETRY_DELAY),
}
"""What an entry of Retry may hold."""
