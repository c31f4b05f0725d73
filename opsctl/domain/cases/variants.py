"""Definitions changed for a case: containers that are mocked as a whole, and a walk that begins at a later state.

A Parallel or Map that is mocked becomes a Task with the same input and output processing, Retry and Catch. A case that
begins at a state walks that state's scope from there: states that cannot be reached any more are left out, as AWS's
validator wants it, and a Pass state in front sets the variables and the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.domain.cases.model import BEGINNING, Begin

_CONTAINERS = ("Parallel", "Map")
_STAND_IN = "arn:aws:lambda:us-east-1:123456789012:function:mock"
_KEPT = frozenset(
    ("Comment", "QueryLanguage", "InputPath", "OutputPath", "ResultPath", "ResultSelector", "Assign", "Output",
     "Arguments", "Retry", "Catch", "Next", "End")
)  # fmt: skip
"""What a Task has in common with a Parallel or Map. Parameters are left out: a Map's make the input of an item."""


def types_of(definition: Mapping[str, Any]) -> dict[str, str]:
    """The type of each state, wherever it lies, in the order in which they are written."""
    types: dict[str, str] = {}
    for name, state in definition["States"].items():
        types[name] = state["Type"]
        for _, _, inner in _inner(state):
            types |= types_of(inner)
    return types


def containers(definition: Mapping[str, Any]) -> frozenset[str]:
    """The names of all Parallel and Map states."""
    return frozenset(name for name, kind in types_of(definition).items() if kind in _CONTAINERS)


def mocked_whole(definition: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The definition with these containers replaced by tasks."""
    states = {
        name: _stand_in(state) if name in names else _inside(state, names)
        for name, state in definition["States"].items()
    }
    return {**definition, "States": states}


def begun_at(definition: Mapping[str, Any], begin: Begin) -> dict[str, Any]:
    """The scope of the state that the case begins at, as a machine of its own that begins there."""
    scope = next(scope for scope in _scopes(definition) if begin.state in scope["States"])
    kept = {key: value for key, value in definition.items() if key in ("QueryLanguage", "TimeoutSeconds", "Version")}
    language = definition.get("QueryLanguage", "JSONPath")
    first: dict[str, Any] = {"Type": "Pass", "Next": begin.state}
    first["Output" if language == "JSONata" else "Result"] = begin.input
    if begin.variables:
        first["Assign"] = dict(begin.variables)
    reached = _reached(scope["States"], begin.state)
    states = {name: state for name, state in scope["States"].items() if name in reached}
    return {**kept, "StartAt": BEGINNING, "States": {BEGINNING: first, **states}}


def _reached(states: Mapping[str, Any], start: str) -> set[str]:
    reached, following = set(), [start]
    while following:
        name = following.pop()
        if name in states and name not in reached:
            reached.add(name)
            following += _next_states(states[name])
    return reached


def _next_states(state: Mapping[str, Any]) -> list[str]:
    places = [state, *state.get("Choices", ()), *state.get("Catch", ())]
    return [place[key] for place in places for key in ("Next", "Default") if key in place]


def _scopes(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield definition
    for state in definition["States"].values():
        for _, _, inner in _inner(state):
            yield from _scopes(inner)


def _inner(state: Mapping[str, Any]) -> Iterator[tuple[str, int | None, Mapping[str, Any]]]:
    """The scopes inside a state: the field, the position in it, the scope."""
    for index, branch in enumerate(state.get("Branches") or ()):
        yield "Branches", index, branch
    for name in ("Iterator", "ItemProcessor"):
        if isinstance(state.get(name), Mapping):
            yield name, None, state[name]


def _inside(state: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    changed: dict[str, Any] = dict(state)
    for field, index, inner in _inner(state):
        if index is None:
            changed[field] = mocked_whole(inner, names)
        else:
            changed[field] = [*changed[field][:index], mocked_whole(inner, names), *changed[field][index + 1 :]]
    return changed


def _stand_in(state: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in state.items() if key in _KEPT}
    return {**kept, "Type": "Task", "Resource": _STAND_IN}
