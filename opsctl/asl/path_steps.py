"""The steps of a JSONPath, and what a path of several values finds by them.

A step is a property name (str), an array index (int) or a selector that yields several values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opsctl.asl.path_filters import Filter
from opsctl.asl.path_work import pay


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`.*` or `[*]`: every member."""


@dataclass(frozen=True, slots=True)
class Descend:
    """`..`: the value and everything below it; the next step applies to each."""


@dataclass(frozen=True, slots=True)
class Names:
    """`['a','b']`: several properties."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    """`[0,2]`: several elements."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """`[1:3]`: a range of elements."""

    start: int | None
    stop: int | None
    step: int | None


Step = str | int | Wildcard | Descend | Names | Indexes | Slice | Filter


def expand(steps: tuple[Step, ...], value: Any, document: Any) -> Iterator[Any]:
    """All that the steps lead to from a value. Raises `StateError` if that takes too many steps."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Descend):
        for below in _everything(value):
            yield from expand(rest, below, document)
        return
    for member in _select(step, value, document):
        pay(1)
        yield from expand(rest, member, document)


def _select(step: Step, value: Any, document: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from _select_members(step, value, document)
    elif isinstance(value, list):
        yield from _select_elements(step, value, document)


def _select_members(step: Step, value: dict[str, Any], document: Any) -> Iterator[Any]:
    if isinstance(step, str):
        if step in value:
            yield value[step]
    elif isinstance(step, Wildcard):
        yield from value.values()
    elif isinstance(step, Names):
        yield from (value[name] for name in step.names if name in value)
    elif isinstance(step, Filter) and step.matches(value, document):
        yield value


def _select_elements(step: Step, value: list[Any], document: Any) -> Iterator[Any]:
    if isinstance(step, int | Indexes):
        for index in (step,) if isinstance(step, int) else step.indexes:
            if -len(value) <= index < len(value):
                yield value[index]
    elif isinstance(step, Wildcard):
        yield from value
    elif isinstance(step, Slice):
        yield from value[step.start : step.stop : step.step or 1]
    elif isinstance(step, Filter):
        yield from (element for element in value if step.matches(element, document))


def _everything(value: Any) -> Iterator[Any]:
    todo = [iter((value,))]
    while todo:
        for member in todo[-1]:
            pay(1)
            yield member
            if isinstance(member, dict | list):
                todo.append(iter(member.values() if isinstance(member, dict) else member))
                break
        else:
            todo.pop()
