"""A definition's bare shape, for reading histories: which states there are, where each stands and leads.

Histories are read beside definitions of any age and quality, so nothing here is checked: what is not shaped like a
definition is left out. Names are unique in a machine; of two equal ones the first counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Outlined:
    """One state. `scope` is the Parallel or Map around it and `branch` which branch of it; `next` where it may lead by
    itself, `catches` where its failure may lead; `ends` whether it may end its branch well."""

    name: str
    type: str
    scope: str | None
    branch: int | None
    next: tuple[str, ...]
    catches: frozenset[str]
    ends: bool


def outline(definition: Any) -> dict[str, Outlined]:
    """Every state by its name, outer ones before inner ones."""
    found: dict[str, Outlined] = {}
    waiting: list[tuple[Any, str | None, int | None]] = [(definition, None, None)]
    for machine, scope, branch in waiting:
        for name, state in _mapping(_mapping(machine).get("States")).items():
            if isinstance(state, Mapping) and name not in found:
                found[name] = _outlined(name, state, scope, branch)
                waiting.extend((inner, name, index) for inner, index in _scopes(state))
    return found


def _scopes(state: Mapping[str, Any]) -> Iterator[tuple[Any, int | None]]:
    for index, inner in enumerate(_list(state.get("Branches"))):
        yield inner, index
    for key in ("ItemProcessor", "Iterator"):
        if key in state:
            yield state[key], None


def _outlined(name: str, state: Mapping[str, Any], scope: str | None, branch: int | None) -> Outlined:
    ways = [state.get("Next"), state.get("Default")]
    ways += [_mapping(rule).get("Next") for rule in _list(state.get("Choices"))]
    handlers = (_mapping(catcher).get("Next") for catcher in _list(state.get("Catch")))
    kind = str(state.get("Type", ""))
    return Outlined(
        name, kind, scope, branch,
        tuple(dict.fromkeys(way for way in ways if isinstance(way, str))),
        frozenset(way for way in handlers if isinstance(way, str)),
        state.get("End") is True or kind == "Succeed",
    )  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
