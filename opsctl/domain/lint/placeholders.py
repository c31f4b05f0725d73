"""Values that something fills in before AWS sees them: `${Name}`, CloudFormation's Ref and Fn::… .

A definition is often kept with such placeholders (SAM's DefinitionSubstitutions). What AWS would say about the
placeholder says nothing about the value that comes in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opsctl.asl.diagnostics import Diagnostic
from opsctl.asl.jsonata import expression_of
from opsctl.asl.jsonata_tokens import check_syntax
from opsctl.asl.validation_values import is_jsonata

_PLACEHOLDER = re.compile(r"\$\{[^{}]+\}")
_FILLED = re.compile(
    r"(.*)/(Resource|RoleArn|Timestamp|\w*Seconds|MaxAttempts|BackoffRate|MaxConcurrency|ToleratedFailure\w+|\w+Path)$"
)
_COMPUTED = re.compile(r"The value for the field '(.+\.\$)' must be")


def about_placeholders(found: Diagnostic, definition: Mapping[str, Any]) -> bool:
    """Whether a finding only says that a placeholder is no value."""
    computed = _COMPUTED.match(found.message)
    value = value_at(definition, f"{found.location}/{computed[1]}" if computed else found.location)
    if computed or _is_syntax_error(found, value):
        return isinstance(value, str) and bool(_PLACEHOLDER.search(value))
    field = _FILLED.fullmatch(found.location)
    if not field or not _is_placeholder(value):
        return False
    return field[2] == "RoleArn" or _has_fields(value_at(definition, field[1]))


def _is_syntax_error(found: Diagnostic, value: Any) -> bool:
    """Whether the finding is that the value, a JSONata expression, does not parse."""
    if not is_jsonata(value):
        return False
    try:
        check_syntax(expression_of(value))
    except ValueError as error:
        return str(error) == found.message
    return False


def _has_fields(holder: Any) -> bool:
    """Whether it is a state, an entry of Retry or the machine; a `States` object may hold a state called Resource."""
    return isinstance(holder, Mapping) and (
        isinstance(holder.get("Type"), str)
        or isinstance(holder.get("ErrorEquals"), list)
        or isinstance(holder.get("StartAt"), str)
    )


def _is_placeholder(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))
    return isinstance(value, str) and bool(_PLACEHOLDER.search(value))


def value_at(value: Any, location: str) -> Any:
    """The value at a location; a key may itself hold slashes and brackets."""
    if not location:
        return value
    if isinstance(value, list):
        index = re.match(r"\[(\d+)\]", location)
        return value_at(value[int(index[1])], location[index.end() :]) if index and int(index[1]) < len(value) else None
    if not isinstance(value, Mapping):
        return None
    fitting = [
        key for key in value if location.startswith(f"/{key}") and location[len(key) + 1 :][:1] in ("", "/", "[")
    ]
    found = (value_at(value[key], location[len(key) + 1 :]) for key in sorted(fitting, key=len, reverse=True))
    return next((item for item in found if item is not None), None)
