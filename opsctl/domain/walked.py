"""The part of a machine that a run has walked, read from its history: what to draw where there is no definition.

It has the shape of a definition, with the states that were entered and the ways that were taken, and nothing else: no
conditions, no handlers that were not needed. A way that was taken after a failure is written as a Catch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.history import CAUGHT, RunHistory

ENTERED, EXITED = "StateEntered", "StateExited"
OPENS = {"ParallelStateStarted": None, "MapStateStarted": None, "MapIterationStarted": None}


@dataclass
class _Lane:
    """One sequence of states; `inner` has the lanes below each of its states, by where they start."""

    start: str
    kinds: dict[str, str] = field(default_factory=dict)
    ways: dict[str, dict[str, None]] = field(default_factory=dict)
    inner: dict[str, dict[str, _Lane]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where an event happened: the lane, and the state of it that it follows; `opened` right after a Parallel or Map
    began, when the next state is the first of a lane below `state`."""

    lane: _Lane
    state: str | None
    outer: _Place | None
    opened: bool = False


def walked(events: Iterable[Mapping[str, Any]], history: RunHistory) -> dict[str, Any]:
    """The machine as far as the run has walked it; `history` is what was read of the same events."""
    machine = _Lane("")
    places: dict[Any, _Place] = {0: _Place(machine, None, None)}
    for event in sorted(events, key=lambda event: int(event["id"])):
        before = places.get(event.get("previousEventId"), places[0])
        places[event["id"]] = _after(str(event.get("type")), event, before)
    caught = {state.name for state in history.states if state.status == CAUGHT}
    resources = {state.name: state.attempts[-1].resource for state in history.states if state.attempts}
    return _definition(machine, caught, resources)


def _after(kind: str, event: Mapping[str, Any], before: _Place) -> _Place:
    if kind.endswith(ENTERED):
        return _enter(kind.removesuffix(ENTERED), _name(event, "stateEnteredEventDetails"), before)
    if kind.endswith(EXITED):
        return _leave(_name(event, "stateExitedEventDetails"), before)
    if kind in OPENS:
        owner = _name(event, "mapIterationStartedEventDetails")
        place = _leave(owner, before) if owner else before
        return _Place(place.lane, place.state, place.outer, opened=True)
    return before


def _enter(kind: str, name: str, before: _Place) -> _Place:
    lane, outer, source = before.lane, before.outer, before.state
    if before.opened and source is not None:
        outer, source = _Place(lane, before.state, before.outer), None
        lane = lane.inner.setdefault(str(before.state), {}).setdefault(name, _Lane(name))
    lane.start = lane.start or name
    lane.kinds[name] = kind
    if source is not None:
        lane.ways.setdefault(source, {})[name] = None
    return _Place(lane, name, outer)


def _leave(name: str, before: _Place) -> _Place:
    """The place of the state that is left: the one that the event follows, or one around it."""
    place: _Place | None = before
    while place is not None and place.state != name:
        place = place.outer
    return _Place(place.lane, place.state, place.outer) if place else before


def _definition(lane: _Lane, caught: set[str], resources: Mapping[str, str]) -> dict[str, Any]:
    states = {name: _state(lane, name, caught, resources) for name in lane.kinds}
    return {"StartAt": lane.start, "States": states}


def _state(lane: _Lane, name: str, caught: set[str], resources: Mapping[str, str]) -> dict[str, Any]:
    kind, targets = lane.kinds[name], list(lane.ways.get(name, ()))
    state: dict[str, Any] = {"Type": kind}
    if name in resources:
        resource = resources[name]
        state["Resource"] = resource if resource.startswith("arn:") else f"arn:aws:states:::{resource}"
    inner = [_definition(below, caught, resources) for below in lane.inner.get(name, {}).values()]
    if kind == "Parallel":
        state["Branches"] = inner
    elif kind == "Map":
        state["ItemProcessor"] = inner[0] if inner else {"States": {}}
    if kind == "Choice":
        state["Choices"] = [{"Next": target} for target in targets]
    elif name in caught and targets:
        state["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": targets[-1]}]
        targets = targets[:-1]
    if kind != "Choice" and targets:
        state["Next"] = targets[-1]
    return state


def _name(event: Mapping[str, Any], key: str) -> str:
    details = event.get(key)
    return str(details.get("name", "")) if isinstance(details, Mapping) else ""
