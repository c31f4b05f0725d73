"""Which path an execution takes, read off its events as they come.

A history names a state only where it is entered or left, and a Map's iterations where they start; everything else leads
back to those by `previousEventId`. So each event is given a place: the entry that it happened in and, right behind the
start of an iteration, that iteration's number. Where a state lies is known from the definition, which makes links
across siblings and retries harmless: the way up from any place passes the container of whatever is entered next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from opsctl.asl.definition import Map, Parallel, Scope, StateMachine
from opsctl.domain.cases.model import Entry

_Place = tuple[Entry, int]
ROOT = ""


class Trail:
    """The entries of one execution. `root.branches[0]` is its path; `entered` counts the entries of each state."""

    def __init__(self, machine: StateMachine) -> None:
        self.root = Entry(ROOT)
        self.entered: dict[str, int] = {}
        self.scheduled: list[tuple[Entry, ...]] = []
        """For each task that was scheduled, in order: its entry and those around it, from the inside out."""
        self.map_runs: list[tuple[Entry, ...]] = []
        """The same for each Map Run that was asked for, in order."""
        self._distributed = frozenset(state.name for state in _maps(machine) if state.distribution is not None)
        self._homes = dict(_homes(machine.scope, ROOT, 0))
        self._places: dict[int, _Place] = {0: (self.root, 0)}
        self._read = 0

    def follow(self, events: list[dict[str, Any]]) -> None:
        """Read the events that were added since the last call."""
        for event in events[self._read :]:
            self._places[event["id"]] = self._place(event, self._places[event.get("previousEventId", 0)])
        self._read = len(events)

    def _place(self, event: Mapping[str, Any], previous: _Place) -> _Place:
        kind = event["type"]
        if kind.endswith("StateEntered"):
            return self._enter(event["stateEnteredEventDetails"]["name"], previous)
        if kind.endswith("StateExited"):
            return _beside(event["stateExitedEventDetails"]["name"], previous)
        if kind == "MapIterationStarted":
            details = event["mapIterationStartedEventDetails"]
            return _beside(details["name"], previous)[0], details["index"]
        if kind.endswith("Scheduled"):
            self.scheduled.append(tuple(_upwards(previous[0])))
        if kind == "MapStateStarted" and previous[0].name in self._distributed:
            self.map_runs.append(tuple(_upwards(previous[0])))
        return previous

    def _enter(self, name: str, previous: _Place) -> _Place:
        container, branch = self._homes[name]
        entry, iteration = previous
        index = iteration if branch is None else branch
        while entry.name != container and entry.parent is not None:
            index = entry.index if branch is None else branch
            entry = entry.parent
        new = Entry(name, entry, index)
        entry.branches.setdefault(index, []).append(new)
        self.entered[name] = self.entered.get(name, 0) + 1
        return new, 0


def iteration_of(line: tuple[Entry, ...], maps: frozenset[str]) -> str:
    """The iterations that an entry lies in, outermost first, joined by dots; "" outside any Map."""
    indexes = [str(inner.index) for inner, outer in pairwise(line) if outer.name in maps]
    return ".".join(reversed(indexes))


def map_names(machine: StateMachine) -> frozenset[str]:
    """The names of all Map states."""
    return frozenset(state.name for state in _maps(machine))


def _maps(machine: StateMachine) -> Iterator[Map]:
    states = (state for scope in _scopes(machine.scope) for state in scope.states.values())
    return (state for state in states if isinstance(state, Map))


def _scopes(scope: Scope) -> Iterator[Scope]:
    yield scope
    for state in scope.states.values():
        for inner in _inner(state):
            yield from _scopes(inner)


def _inner(state: Any) -> tuple[Scope, ...]:
    if isinstance(state, Parallel):
        return state.branches
    return (state.processor,) if isinstance(state, Map) else ()


def _homes(scope: Scope, container: str, branch: int | None) -> Iterator[tuple[str, tuple[str, int | None]]]:
    """Each state with the state around it and the branch there; a Map's branch depends on the walk and is None."""
    for name, state in scope.states.items():
        yield name, (container, branch)
        for index, inner in enumerate(_inner(state)):
            yield from _homes(inner, name, None if isinstance(state, Map) else index)


def _beside(name: str, place: _Place) -> _Place:
    """The entry of that name that a place lies in."""
    for entry in _upwards(place[0]):
        if entry.name == name:
            return entry, 0
    return place


def _upwards(entry: Entry) -> Iterator[Entry]:
    line: Entry | None = entry
    while line is not None:
        yield line
        line = line.parent
