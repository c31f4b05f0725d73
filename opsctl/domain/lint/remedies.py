"""What to do about a finding of AWS's own checks: AWS says only what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opsctl.asl.diagnostics import Diagnostic
from opsctl.asl.expressions import parse_expression
from opsctl.asl.validation_fields import TABLES
from opsctl.domain.lint.placeholders import value_at

_OTHER_FIELDS = (
    "Branches", "Catch", "Choices", "Default", "ErrorEquals", "MaxAttempts", "IntervalSeconds", "BackoffRate", "Next",
    "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version", "Variable", "Condition",
)  # fmt: skip
_FIELDS = sorted(
    {field for table in TABLES.values() for fields in table.values() for field in fields} | {*_OTHER_FIELDS}
)

_BY_CODE = {
    "DUPLICATE_LABEL_NAME": "Give the Map another Label, or none.",
    "DUPLICATE_STATE_NAME": "Give the state another name; names are unique over all branches and processors.",
    "INVALID_JSON_DESCRIPTION": "Correct the JSON at this place.",
    "INVALID_LABEL_NAME": "Use letters, digits, - and _.",
    "INVALID_STATE_NAME": "Give the state a name of 1 to 80 characters.",
    "MISSING_DESCRIPTION": "Write a definition: an object with StartAt and States.",
    "MISSING_END_STATE": 'Let a state end it: `"End": true`, or a Succeed or Fail state.',
    "NO_DOLLAR": "Let the field's name end in `.$`, or write the value so that it does not begin like a path.",
    "NO_PATH": "Use the field whose name ends in Path.",
    "PASS_RESULT_IS_STATIC": "Use Parameters with fields that end in `.$`; Result is taken as it stands.",
}
_BY_MESSAGE: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"These fields are required: \[(.+)\]", lambda found: f"Add {found[1].replace(', ', ' and ')}."),
    (r"The field '(.+)' is required", lambda found: f"Add {found[1]}."),
    (r"Field '(.+)' is not supported", lambda found: _nearest(found[1], _FIELDS, "Remove the field")),
    (r"Only one of these fields is allowed: \[(.+)\]", lambda found: f"Keep one of {found[1]}."),
    (r"only supported for the '(\w+)'", lambda found: f'Remove the field, or set "QueryLanguage": "{found[1]}".'),
    (r"Value must be one of \[(.+)\]", lambda found: f"Use one of: {found[1]}."),
    (r"States\.ALL must", lambda _: "Put States.ALL alone into the last entry."),
    (r"RFC3339", lambda _: "Write it as 2026-11-21T08:30:00Z."),
    (r"must be a boolean", lambda _: "Write true or false."),
    (r"must be an integer", lambda _: "Write a whole number."),
    (r"must be an? (\w+)\.$", lambda found: f"Write {'an' if found[1] in ('array', 'object') else 'a'} {found[1]}."),
    (r"already assigned in an outer scope", lambda _: "Give it another name; inside, the outer variable can be read."),
    (r"states\.result' is not", lambda _: "Read it in Assign or Output of the Task, Parallel or Map itself."),
    (r"states\.errorOutput' is not", lambda _: "Read it in Assign or Output of the Catch."),
    (r"in the Mode INLINE", lambda _: 'Remove the field, or set the processor\'s Mode to "DISTRIBUTED".'),
    (r"must be a valid JSONPath", lambda _: "Correct the path: it begins with `$`, and names with other characters "
        "than letters, digits and _ stand in brackets, `$['a-b']`."),
    (r"resource ARN", lambda _: "Use an ARN, such as arn:aws:states:::lambda:invoke."),
    (r"expression is longer", lambda _: "Compute it in several states, with variables in between."),
    (r"longer than", lambda _: "Split the machine; AWS takes no definition above 1 MiB."),
    (r"can not be 'JSONPath' if", lambda _: "Write the state in JSONata, or set the machine to JSONPath."),
)  # fmt: skip
_COMPUTED = re.compile(r"The value for the field '(.+)' must be a valid JSONPath or a valid intrinsic")


def remedy(found: Diagnostic, definition: Mapping[str, Any]) -> str:
    """What to do about a finding of `opsctl.asl.validate`."""
    if found.code == "MISSING_TRANSITION_TARGET":
        return _target_remedy(found.message, definition)
    if found.code in _BY_CODE:
        return _BY_CODE[found.code]
    if computed := _COMPUTED.match(found.message):
        return _expression_remedy(value_at(definition, f"{found.location}/{computed[1]}"))
    for pattern, say in _BY_MESSAGE:
        match = re.search(pattern, found.message)
        if match:
            return say(match)
    return "Correct the value; the Amazon States Language says what may stand here: https://states-language.net"


def _expression_remedy(text: Any) -> str:
    """AWS does not say what is wrong with a path or a call."""
    try:
        parse_expression(text)
    except (ValueError, AttributeError) as error:
        if isinstance(error, ValueError):
            return f"Correct it: {error}."
    return "Write a path (`$.name`) or a call (`States.Format('{}', $.name)`), as a string."


def _target_remedy(message: str, definition: Mapping[str, Any]) -> str:
    missing = re.search(r"Missing 'Next' target: (.*)", message)
    if not missing:
        return "Lead a transition to the state, or remove it."
    return _nearest(missing[1], _names(definition), "Name a state of the same scope")


def _nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"{otherwise}; did you mean '{near[0]}'?" if near else f"{otherwise}."


def _names(value: Any) -> list[str]:
    """The names of all states, wherever they are."""
    names: list[str] = []
    ahead = [value]
    while ahead:
        item = ahead.pop()
        if isinstance(item, dict):
            if isinstance(item.get("States"), dict):
                names += item["States"]
            ahead += item.values()
        elif isinstance(item, list):
            ahead += item
    return names
