"""What AWS checks of a task's parameters before it schedules the task: the shapes that an integration documents.

Only shapes that are no plain JSON types are here; what the called API itself refuses is for the API to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsctl.asl.failures import runtime_failure
from opsctl.asl.payload import Payload

Check = Callable[[Any], bool]


def check_parameters(resource: Mapping[str, str], arguments: Payload, *, jsonata: bool) -> None:
    """Raises `StateError` if a field has not the shape that the integration takes.

    `resource` is the integration's identity as events show it (resourceType, resource).
    """
    shapes = _SHAPES.get((resource.get("resourceType", ""), resource.get("resource", "").partition(".")[0]))
    if shapes is None or not isinstance(arguments.value, dict):
        return
    wrong = [field for field, fits in shapes.items() if field in arguments.value and not fits(arguments.value[field])]
    if wrong:
        told = ", ".join(f"The value of the field '{field}' has an invalid format" for field in wrong)
        name = "Arguments" if jsonata else "Parameters"
        raise runtime_failure(f"The {name} '{arguments.text}' could not be used to start the Task: [{told}]")


def _lists_by_name(value: Any) -> bool:
    """HTTP headers and query parameters: each name with the list of its values."""
    return isinstance(value, dict) and all(isinstance(item, list) for item in value.values())


_SHAPES: dict[tuple[str, str], dict[str, Check]] = {
    ("apigateway", "invoke"): {"Headers": _lists_by_name, "QueryParameters": _lists_by_name},
}
