"""Expectations as they are written, checked: known keys, states that exist, operators with the arguments they take."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opsctl.domain.cases.fields import Node, UnknownStateError, unknown
from opsctl.domain.cases.match import OPERATORS, is_operator
from opsctl.domain.cases.model import Path, Step
from opsctl.domain.cases.query import QueryError, check

KEYS = (
    "status", "error", "cause", "path", "entered", "not_entered", "attempts", "parameters", "published", "output",
    "output_includes", "duration", "query",
)  # fmt: skip
STATUSES = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING")
ELLIPSIS = "..."


def read_expectations(node: Node, states: Collection[str]) -> dict[str, Any]:
    """What a case expects, by kind. `status` is always there: FAILED beside an error or cause, else SUCCEEDED.

    Raises CaseError.
    """
    node.mapping("expect", KEYS)
    if not node.value:
        raise node.error(f"expect must not be empty; there are: {', '.join(KEYS)}")
    readers = {
        "status": lambda part: part.one_of("status", STATUSES),
        "path": lambda part: _path(part, states),
        "entered": lambda part: _names(part, states),
        "not_entered": lambda part: _names(part, states),
        "attempts": lambda part: _by_state(part, states, "attempts"),
        "parameters": lambda part: _by_state(part, states, "parameters"),
        "published": _published,
        "duration": _duration,
        "query": _query,
    }
    read = {key: readers.get(key, _checked)(part) for key, part in node.items()}
    return {"status": "FAILED" if {"error", "cause"} & read.keys() else "SUCCEEDED"} | read


def _checked(node: Node) -> Any:
    """The value, if its operators are known and have the arguments they take."""
    if is_operator(node.value):
        for name, part in node.items():
            if name not in OPERATORS:
                raise unknown(part.at, f"operator {name!r}", name, list(OPERATORS))
            problem = OPERATORS[name][0](part.value)
            if problem:
                raise part.error(f"{name} {problem}")
    if isinstance(node.value, dict):
        for _, part in node.items():
            _checked(part)
    elif isinstance(node.value, list):
        for index in range(len(node.value)):
            _checked(node[index])
    return node.value


def _names(node: Node, states: Collection[str]) -> tuple[str, ...]:
    return tuple(part.state(states) for part in node.elements("a list of states"))


def _by_state(node: Node, states: Collection[str], what: str) -> dict[str, Any]:
    found = {}
    for name, part in node.mapping(what).items():
        if name not in states:
            raise UnknownStateError(part.at, name, states)
        if what == "attempts" and not is_operator(part.value):
            part.count("attempts")
        found[name] = _checked(part)
    return found


def _published(node: Node) -> Any:
    if not is_operator(node.value):
        node.elements("published")
    return _checked(node)


def _duration(node: Node) -> Any:
    if not is_operator(node.value):
        return node.seconds("duration")
    node.mapping("duration", ("$at_least", "$at_most"))
    return {name: part.seconds("duration") for name, part in node.items()}


def _query(node: Node) -> dict[str, Any]:
    for expression, part in node.mapping("query").items():
        try:
            check(expression)
        except QueryError as error:
            raise part.error(str(error)) from error
        _checked(part)
    return dict(node.value)


# paths


def _path(node: Node, states: Collection[str]) -> Path:
    return tuple(_step(part, states) for part in node.elements("a path"))


def _step(node: Node, states: Collection[str]) -> Step | None:
    if node.value == ELLIPSIS:
        return None
    if not isinstance(node.value, dict):
        return Step(node.state(states))
    if len(node.value) != 1:
        raise node.error("a step with branches is one state and its branches: {Parallel State: [[…], […]]}")
    ((name, branches),) = node.items()
    if name not in states:
        raise UnknownStateError(branches.at, name, states)
    return Step(name, _branches(branches, states), whole=isinstance(branches.value, list))


def _branches(node: Node, states: Collection[str]) -> dict[int, Path]:
    if isinstance(node.value, dict):
        for key, part in node.items():
            if not key.isdecimal():
                raise part.error(f"{key!r} is no branch: use its number, 0 for the first")
        return {int(key): _path(part, states) for key, part in node.items()}
    return {index: _path(part, states) for index, part in enumerate(node.elements("branches"))}
