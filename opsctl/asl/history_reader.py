"""Reads a history event by event, and knows what became of each state so far.

The rules that it follows stand in `history`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opsctl.asl.history_records import (
    ATTEMPT_END,
    EXECUTION_END,
    KINDS,
    NO_DETAILS,
    NOWHERE,
    Event,
    OpenAttempt,
    OpenState,
    Place,
    beside,
    kind_of,
    line_ids,
    resource_of,
    seconds,
    text_of,
)
from opsctl.asl.outline import Outlined
from opsctl.asl.run_history import ABORTED, CAUGHT, FAILED, RUNNING, SUCCEEDED, TIMED_OUT, RunHistory, Scope, StateRun

_DEEPEST = 64  # scopes inside scopes that are told apart; what lies deeper counts to the deepest one


class Reader:
    """What the events so far say. A `definition`'s outline helps where events cannot tell."""

    def __init__(self, definition: Mapping[str, Outlined]) -> None:
        self._definition = definition
        self._places: dict[int, Place] = {0: NOWHERE}
        self.states: list[OpenState] = []
        self._latest: dict[str, OpenState] = {}  # by name
        self._top: dict[int, OpenState] = {}  # open states outside any scope, by entered id
        self._open: dict[int, OpenState] = {}  # all open states, by entered id
        self._changed: set[int] = set()  # entered ids of states that closed, or changed when they were closed
        self._now = 0.0
        self._status = RUNNING
        self._started: float | None = None
        self._stopped: float | None = None
        self._redrives = 0
        self._execution: dict[str, str | None] = {}
        self._handlers: dict[str, Callable[[Event], Place]] = {kind: getattr(self, f"_{kind}") for _, kind in KINDS}

    def read(self, number: int, event: Mapping[str, Any]) -> None:
        """Take the next event, of this id."""
        kind, what, key = kind_of(str(event.get("type")))
        link = event.get("previousEventId")
        previous = self._places.get(link, NOWHERE) if isinstance(link, int) else NOWHERE
        if not kind:
            self._places[number] = previous
            return
        details = event.get(key)
        if not isinstance(details, dict):
            details = NO_DETAILS
        moment = event.get("timestamp")
        self._now = moment if type(moment) is float else self._moment(moment)
        self._places[number] = self._handlers[kind](Event(number, self._now, what, details, previous))

    def _moment(self, told: Any) -> float:
        """What cannot be read as a timestamp happened when the last event did."""
        try:
            return seconds(told)
        except (TypeError, ValueError, OverflowError):
            return self._now

    def result(self, states: tuple[StateRun, ...] | None = None) -> RunHistory:
        """`states` where they have been frozen already."""
        text = self._execution.get
        if states is None:
            states = tuple([state.freeze() for state in self.states])
        return RunHistory(
            self._status, self._started, self._stopped, text("input"), text("output"), text("error"), text("cause"),
            self._redrives, states,
        )  # fmt: skip

    def take_changed(self) -> set[int]:
        """The entered ids of the states that are open, or have changed since the last call."""
        changed, self._changed = self._changed | self._open.keys(), set()
        return changed

    # States

    def _entered(self, event: Event) -> Place:
        name, previous = str(event.details.get("name", "")), event.previous
        if self._definition:
            self._went_on(event, name)
        parent, iteration = previous.inside, previous.iteration
        if parent is not None and len(parent.scopes) >= _DEEPEST:
            iteration, parent = parent.scopes[-1].iteration, parent.parent
        scopes: tuple[Scope, ...] = ()
        if parent is not None:
            self._reopen(parent)
            scopes = (*parent.scopes, Scope(parent.name, parent.entered_id, iteration, self._branch(parent, name)))
        state = OpenState(
            name, event.what, event.at, text_of(event.details, "input"), self._redrives, event.id, scopes, parent
        )
        self.states.append(state)
        self._latest[name] = state
        self._open[event.id] = self._siblings(state)[event.id] = state
        if event.what == "Fail":
            self._close(state, FAILED, event.at)
        return Place(state, parent, iteration)

    def _branch(self, parent: OpenState, name: str) -> int | None:
        outlined = self._definition.get(name)
        return outlined.branch if outlined and outlined.scope == parent.name else None

    def _went_on(self, event: Event, name: str) -> None:
        """A state that was left for where only its Catch leads was caught."""
        left = event.previous.owner
        if left is None or left.status != SUCCEEDED or left.exited_id is None:
            return
        outlined = self._definition.get(left.name)
        if outlined and name in outlined.catches and name not in outlined.next:
            left.status = CAUGHT
            self._changed.add(left.entered_id)

    def _exited(self, event: Event) -> Place:
        state = self._named(event.details.get("name"), event.what, event.previous)
        if state is None:
            return event.previous
        self._reopen(state)
        self._close_inside(state, event.at)
        state.output, state.exited_id = text_of(event.details, "output"), event.id
        self._close(state, CAUGHT if state.has_failed else SUCCEEDED, event.at)
        return beside(state)

    def _named(self, name: Any, state_type: str, place: Place) -> OpenState | None:
        """The state an exit belongs to: the predecessor's, one around it or, over a gap, the latest of that name."""
        for candidate in place.owner.line() if place.owner else ():
            if candidate.name == name and candidate.type == state_type:
                return candidate
        latest = self._latest.get(str(name))
        return latest if latest and latest.status == RUNNING and latest.type == state_type else None

    # Parallel and Map

    def _scope_started(self, event: Event) -> Place:
        state = self._open_scope(event)
        if state is None:
            return event.previous
        self._close_inside(state, event.at, failing=event.previous.owner)  # a Retry starts all branches again
        return Place(state, state)

    def _scope_succeeded(self, event: Event) -> Place:
        state = self._open_scope(event)
        return event.previous if state is None else beside(state)

    def _scope_failed(self, event: Event) -> Place:
        state, failing = self._open_scope(event), event.previous.owner
        if state is None or failing is None:
            return event.previous
        self._close_inside(state, event.at, failing)
        state.scope_failed, state.error, state.cause = True, failing.error, failing.cause
        state.exited = event.at  # unless its Catch takes over, which the next event tells
        return beside(state)

    def _map_run_started(self, event: Event) -> Place:
        owner = event.previous.owner
        if owner is not None and owner.type == "Map":
            self._reopen(owner)
            owner.map_run = text_of(event.details, "mapRunArn") or owner.map_run
        return event.previous

    def _map_run_failed(self, event: Event) -> Place:
        if event.previous.owner is not None and event.previous.owner.type == "Map":
            event.previous.owner.fail(event.details)
            self._changed.add(event.previous.owner.entered_id)
        return event.previous

    def _iteration_started(self, event: Event) -> Place:
        state = self._named(event.details.get("name"), "Map", event.previous)
        if state is None:
            return event.previous
        self._reopen(state)
        index = event.details.get("index")
        return Place(state, state, index if isinstance(index, int) else None)

    def _iteration_failed(self, event: Event) -> Place:
        failing = event.previous.owner
        if failing is not None and failing.status == RUNNING and failing.has_failed and not failing.open_children:
            self._close(failing, FAILED, event.at)
        return event.previous

    def _open_scope(self, event: Event) -> OpenState | None:
        """The Parallel or Map that a nameless event speaks of: the innermost one that is still at work."""
        for candidate in event.previous.owner.line() if event.previous.owner else ():
            if candidate.type == event.what and candidate.status == RUNNING and not candidate.scope_failed:
                return candidate
        return None

    # Tasks

    def _attempt(self, event: Event) -> Place:
        state, details, what = event.previous.owner, event.details, event.what
        if state is None or state.type in ("Parallel", "Map"):
            return event.previous
        attempt = state.attempts[-1] if state.attempts else None
        if what == "Scheduled" or attempt is None or attempt.status != RUNNING:
            self._reopen(state)
            state.evaluation_failed = False
            asked = text_of(details, "parameters" if "parameters" in details else "input")
            attempt = OpenAttempt(resource_of(details), asked, event.at, self._redrives)
            state.attempts.append(attempt)
        if what == "Started":
            attempt.started = event.at
        elif what == "Submitted":
            attempt.submitted = text_of(details, "output")
        elif what in ATTEMPT_END:
            attempt.status, attempt.ended, attempt.output = ATTEMPT_END[what], event.at, text_of(details, "output")
            state.fail(details)
            attempt.error, attempt.cause = state.error, state.cause
        return beside(state)

    def _evaluation_failed(self, event: Event) -> Place:
        named = self._latest.get(str(event.details.get("state")))  # AWS may point at what came before the state
        state = named if named and named.status == RUNNING else event.previous.owner
        if state is None:
            return event.previous
        state.evaluation_failed = True
        state.fail(event.details)
        self._changed.add(state.entered_id)
        return beside(state)

    # The execution

    def _execution_started(self, event: Event) -> Place:
        self._started = event.at
        self._execution["input"] = text_of(event.details, "input")
        return event.previous

    def _execution_redriven(self, event: Event) -> Place:
        self._redrives += 1
        self._status, self._stopped = RUNNING, None
        self._execution |= {"output": None, "error": None, "cause": None}
        return event.previous

    def _execution_ended(self, event: Event) -> Place:
        self._status, self._stopped = EXECUTION_END[event.what], event.at
        self._execution |= {name: text_of(event.details, name) for name in ("output", "error", "cause")}
        failing = (event.previous.owner or self._last_open()) if self._status == FAILED else None
        if failing is not None and failing.error is None and failing.status in (RUNNING, FAILED):
            failing.fail(event.details)
            self._changed.add(failing.entered_id)
        for state in list(self._top.values()):
            self._close_all(state, event.at, TIMED_OUT if self._status == TIMED_OUT else ABORTED, line_ids(failing))
        return event.previous

    def _last_open(self) -> OpenState | None:
        return next(reversed(self._open.values()), None)

    # Opening and closing

    def _siblings(self, state: OpenState) -> dict[int, OpenState]:
        return self._top if state.parent is None else state.parent.open_children

    def _close(self, state: OpenState, status: str, at: float) -> None:
        self._changed.add(state.entered_id)
        state.status, state.exited = status, at
        self._open.pop(state.entered_id, None)
        self._siblings(state).pop(state.entered_id, None)
        if state.attempts and state.attempts[-1].status == RUNNING:
            last = state.attempts[-1]
            last.status, last.ended = FAILED if status == CAUGHT else status, at

    def _close_inside(self, state: OpenState, at: float, failing: OpenState | None = None) -> None:
        if state.open_children:
            for child in list(state.open_children.values()):
                self._close_all(child, at, ABORTED, line_ids(failing))

    def _close_all(self, state: OpenState, at: float, status: str, failed: frozenset[int]) -> None:
        for child in list(state.open_children.values()):
            self._close_all(child, at, status, failed)
        self._close(state, FAILED if state.scope_failed or state.entered_id in failed else status, at)

    def _reopen(self, state: OpenState) -> None:
        """A redrive takes up a state that had failed or been aborted, and with it all that encloses the state."""
        for closed in state.line():
            if closed.status == RUNNING:
                return
            closed.status, closed.exited, closed.exited_id, closed.output = RUNNING, None, None, None
            closed.error = closed.cause = None
            closed.scope_failed = closed.evaluation_failed = False
            self._open[closed.entered_id] = self._siblings(closed)[closed.entered_id] = closed
