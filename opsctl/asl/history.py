"""Read an execution's history back into runs of states: the inverse of the interpreter.

Rules, as AWS writes histories (and our interpreter too):

* Only `<Type>StateEntered` and `<Type>StateExited` carry a state's name. Every other event belongs to the state that
  its `previousEventId` leads back to, so each event is given a place (owning state, enclosing scopes) once, when it is
  read, and later events look up their predecessor's place: one pass, no walking.
* A retry is one more `…Scheduled` under the same entry. A redrive (`ExecutionRedriven`) schedules again under the
  *original* entry: such a state, and the Parallel or Map around it, are open again.
* A caught failure exits like a success; what tells them apart is the last task event before the exit.
* `TaskStateAborted` is nameless and points at the failure of another state. What was aborted is therefore inferred:
  whatever is still open inside a failed Parallel or Map, or in an execution that ended.
* `ExecutionAborted` and `ExecutionTimedOut` point at nothing.
* A history may be incomplete or newer than this file: unknown events take their predecessor's place, events that
  lead nowhere are left out, and a state that never exited in an ended execution is never called a success.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
CAUGHT = "CAUGHT"
ABORTED = "ABORTED"
TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a task's work was asked for.

    `resource` is `service:action` as in the definition (`sagemaker:createTrainingJob.sync`) or an ARN; `parameters`,
    `submitted` (the service's answer to the request of a `.sync` task) and `output` are JSON text; times are seconds
    since the epoch; `status` is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED; `generation` counts redrives.
    """

    resource: str
    parameters: str | None
    scheduled: float
    started: float | None
    ended: float | None
    status: str
    output: str | None
    error: str | None
    cause: str | None
    generation: int
    submitted: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """A Parallel or Map that encloses a state; `iteration` is the Map's item index. Branches have no number in a
    history: the definition says which branch a state name belongs to."""

    name: str
    entered_id: int
    iteration: int | None = None


@dataclass(frozen=True, slots=True)
class StateRun:
    """One entry into a state.

    `status`: SUCCEEDED; FAILED (this state failed, whatever the error, `States.Timeout` included); CAUGHT (it failed
    and its Catch took over); ABORTED or TIMED_OUT (ended from outside: a sibling's failure, a stop, the execution's
    own time limit); RUNNING. `exited` is when it ended in any way. `generation` is the redrive it was entered in.
    """

    name: str
    type: str
    status: str
    entered: float
    exited: float | None
    input: str | None
    output: str | None
    error: str | None
    cause: str | None
    attempts: tuple[Attempt, ...]
    generation: int
    entered_id: int
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A whole execution; `states` in order of entry. `stopped` is None while it runs."""

    status: str
    started: float | None
    stopped: float | None
    input: str | None
    output: str | None
    error: str | None
    cause: str | None
    redrives: int
    states: tuple[StateRun, ...]


def read_history(events: Iterable[Mapping[str, Any]]) -> RunHistory:
    """Events in GetExecutionHistory's shape, in any order; timestamps as seconds, datetime or ISO 8601 text."""
    reader = _Reader()
    for event in sorted(events, key=lambda event: int(event["id"])):
        reader.read(event)
    return reader.result()


def seconds(moment: Any) -> float:
    """A timestamp of any of the three kinds that histories come with, as seconds since the epoch."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).timestamp()
    return float(moment)


@dataclass(slots=True)
class _Attempt:
    resource: str
    parameters: str | None
    scheduled: float
    generation: int
    status: str = RUNNING
    started: float | None = None
    ended: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    submitted: str | None = None

    def end(self, status: str, at: float) -> None:
        self.status, self.ended = status, at

    def freeze(self) -> Attempt:
        return Attempt(**{name: getattr(self, name) for name in _Attempt.__slots__})


@dataclass(slots=True, eq=False)
class _State:
    name: str
    type: str
    entered: float
    input: str | None
    generation: int
    entered_id: int
    scopes: tuple[Scope, ...]
    parent: _State | None
    status: str = RUNNING
    exited: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    attempts: list[_Attempt] = field(default_factory=list)
    open_children: dict[int, _State] = field(default_factory=dict)
    scope_failed: bool = False  # a Parallel or Map whose failure was reported and not taken back by a redrive
    evaluation_failed: bool = False

    @property
    def has_failed(self) -> bool:
        last = self.attempts[-1].status if self.attempts else None
        return self.evaluation_failed or self.scope_failed or last in (FAILED, TIMED_OUT)

    def line(self) -> Iterator[_State]:
        """This state, the Parallel or Map around it, the one around that, …"""
        state: _State | None = self
        while state is not None:
            yield state
            state = state.parent

    def freeze(self) -> StateRun:
        return StateRun(
            self.name, self.type, self.status, self.entered, self.exited, self.input, self.output, self.error,
            self.cause, tuple(attempt.freeze() for attempt in self.attempts), self.generation, self.entered_id,
            self.scopes,
        )  # fmt: skip


@dataclass(slots=True)
class _Place:
    """Where an event stands: the state it belongs to, and what a state entered right after it would be inside of."""

    owner: _State | None
    inside: _State | None
    iteration: int | None = None  # of the Map `inside`


def _beside(state: _State) -> _Place:
    """After this, the next state is entered next to `state`, not inside of it."""
    return _Place(state, state.parent, state.scopes[-1].iteration if state.scopes else None)


@dataclass(slots=True)
class _Event:
    id: int
    at: float
    what: str  # what `_kind` left of the type
    details: Mapping[str, Any]
    previous: _Place


_NOWHERE = _Place(None, None)
_ATTEMPT_END = {
    "Succeeded": SUCCEEDED,
    "Failed": FAILED,
    "ScheduleFailed": FAILED,
    "StartFailed": FAILED,
    "SubmitFailed": FAILED,
    "TimedOut": TIMED_OUT,
}
_EXECUTION_END = {
    "ExecutionSucceeded": SUCCEEDED,
    "ExecutionFailed": FAILED,
    "ExecutionAborted": ABORTED,
    "ExecutionTimedOut": TIMED_OUT,
}
_KINDS = (
    (r"(\w+)StateEntered", "entered"),
    (r"(\w+)StateExited", "exited"),
    (r"(Parallel|Map)StateStarted", "scope_started"),
    (r"(Parallel|Map)StateSucceeded", "scope_succeeded"),
    (r"(Parallel|Map)StateFailed", "scope_failed"),
    (r"MapIteration(Started)", "iteration_started"),
    (r"MapIteration(Failed)", "iteration_failed"),
    (r"Evaluation(Failed)", "evaluation_failed"),
    (rf"(?:Task|Activity|LambdaFunction)(Scheduled|Started|Submitted|{'|'.join(_ATTEMPT_END)})", "attempt"),
    (r"Execution(Started)", "execution_started"),
    (r"Execution(Redriven)", "execution_redriven"),
    (rf"({'|'.join(_EXECUTION_END)})", "execution_ended"),
)


@cache
def _kind(event_type: str) -> tuple[str, str]:
    """(kind, what is left of the type): `ParallelStateEntered` is ("entered", "Parallel"); ("", "") if unknown."""
    for pattern, kind in _KINDS:
        if match := re.fullmatch(pattern, event_type):
            return kind, match[1]
    return "", ""


@cache
def _details_key(event_type: str) -> str:
    if event_type.endswith(("StateEntered", "StateExited")):
        return "stateEnteredEventDetails" if event_type.endswith("Entered") else "stateExitedEventDetails"
    return event_type[:1].lower() + event_type[1:] + "EventDetails"


class _Reader:
    def __init__(self) -> None:
        self._places: dict[int, _Place] = {0: _NOWHERE}
        self._states: list[_State] = []
        self._latest: dict[str, _State] = {}  # by name
        self._top: dict[int, _State] = {}  # open states outside any scope, by entered id
        self._status = RUNNING
        self._started: float | None = None
        self._stopped: float | None = None
        self._redrives = 0
        self._execution: dict[str, str | None] = {}
        self._handlers: dict[str, Callable[[_Event], _Place]] = {kind: getattr(self, f"_{kind}") for _, kind in _KINDS}

    def read(self, event: Mapping[str, Any]) -> None:
        number, event_type = int(event["id"]), str(event.get("type", ""))
        previous = self._places.get(int(event.get("previousEventId") or 0), _NOWHERE)
        kind, what = _kind(event_type)
        if not kind:
            self._places[number] = previous
            return
        details = event.get(_details_key(event_type)) or {}
        self._places[number] = self._handlers[kind](
            _Event(number, seconds(event["timestamp"]), what, details, previous)
        )

    def result(self) -> RunHistory:
        text = self._execution.get
        return RunHistory(
            self._status, self._started, self._stopped, text("input"), text("output"), text("error"), text("cause"),
            self._redrives, tuple(state.freeze() for state in self._states),
        )  # fmt: skip

    # States

    def _entered(self, event: _Event) -> _Place:
        parent, iteration = event.previous.inside, event.previous.iteration
        scopes: tuple[Scope, ...] = ()
        if parent is not None:
            self._reopen(parent)
            scopes = (*parent.scopes, Scope(parent.name, parent.entered_id, iteration))
        name, text = str(event.details.get("name", "")), event.details.get("input")
        state = _State(name, event.what, event.at, text, self._redrives, event.id, scopes, parent)
        self._states.append(state)
        self._latest[name] = state
        self._siblings(state)[event.id] = state
        if event.what == "Fail":
            self._close(state, FAILED, event.at)
        return _Place(state, parent, iteration)

    def _exited(self, event: _Event) -> _Place:
        state = self._named(event.details.get("name"), event.what, event.previous)
        if state is None:
            return event.previous
        self._reopen(state)
        self._close_inside(state, event.at)
        state.output = event.details.get("output")
        self._close(state, CAUGHT if state.has_failed else SUCCEEDED, event.at)
        return _beside(state)

    def _named(self, name: Any, state_type: str, place: _Place) -> _State | None:
        """The state an exit belongs to: the predecessor's, one around it or, over a gap, the latest of that name."""
        for candidate in place.owner.line() if place.owner else ():
            if candidate.name == name and candidate.type == state_type:
                return candidate
        latest = self._latest.get(name)
        return latest if latest and latest.status == RUNNING and latest.type == state_type else None

    # Parallel and Map

    def _scope_started(self, event: _Event) -> _Place:
        state = self._open_scope(event)
        if state is None:
            return event.previous
        self._close_inside(state, event.at, failing=event.previous.owner)  # a Retry starts all branches again
        return _Place(state, state)

    def _scope_succeeded(self, event: _Event) -> _Place:
        state = self._open_scope(event)
        return event.previous if state is None else _beside(state)

    def _scope_failed(self, event: _Event) -> _Place:
        state, failing = self._open_scope(event), event.previous.owner
        if state is None or failing is None:
            return event.previous
        self._close_inside(state, event.at, failing)
        state.scope_failed, state.error, state.cause = True, failing.error, failing.cause
        return _beside(state)

    def _iteration_started(self, event: _Event) -> _Place:
        state = self._named(event.details.get("name"), "Map", event.previous)
        if state is None:
            return event.previous
        self._reopen(state)
        return _Place(state, state, event.details.get("index"))

    def _iteration_failed(self, event: _Event) -> _Place:
        failing = event.previous.owner
        if failing is not None and failing.status == RUNNING and failing.has_failed and not failing.open_children:
            self._close(failing, FAILED, event.at)
        return event.previous

    def _open_scope(self, event: _Event) -> _State | None:
        """The Parallel or Map that a nameless event speaks of: the innermost one that is still at work."""
        for candidate in event.previous.owner.line() if event.previous.owner else ():
            if candidate.type == event.what and candidate.status == RUNNING and not candidate.scope_failed:
                return candidate
        return None

    # Tasks

    def _attempt(self, event: _Event) -> _Place:
        state, details = event.previous.owner, event.details
        if state is None or state.type in ("Parallel", "Map"):
            return event.previous
        attempt = state.attempts[-1] if state.attempts else None
        if event.what == "Scheduled" or attempt is None or attempt.status != RUNNING:
            self._reopen(state)
            state.evaluation_failed = False
            attempt = _Attempt(
                _resource(details), details.get("parameters", details.get("input")), event.at, self._redrives
            )
            state.attempts.append(attempt)
        if event.what == "Started":
            attempt.started = event.at
        elif event.what == "Submitted":
            attempt.submitted = details.get("output")
        elif event.what in _ATTEMPT_END:
            attempt.end(_ATTEMPT_END[event.what], event.at)
            attempt.output = details.get("output")
            attempt.error, attempt.cause = details.get("error"), details.get("cause")
            state.error, state.cause = attempt.error, attempt.cause
        return _beside(state)

    def _evaluation_failed(self, event: _Event) -> _Place:
        named = self._latest.get(str(event.details.get("state")))  # AWS may point at what came before the state
        state = named if named and named.status == RUNNING else event.previous.owner
        if state is None:
            return event.previous
        state.evaluation_failed = True
        state.error, state.cause = event.details.get("error"), event.details.get("cause")
        return _beside(state)

    # The execution

    def _execution_started(self, event: _Event) -> _Place:
        self._started = event.at
        self._execution["input"] = event.details.get("input")
        return event.previous

    def _execution_redriven(self, event: _Event) -> _Place:
        self._redrives += 1
        self._status, self._stopped = RUNNING, None
        self._execution |= {"output": None, "error": None, "cause": None}
        return event.previous

    def _execution_ended(self, event: _Event) -> _Place:
        self._status, self._stopped = _EXECUTION_END[event.what], event.at
        self._execution |= {name: event.details.get(name) for name in ("output", "error", "cause")}
        failing = (event.previous.owner or self._last_open()) if self._status == FAILED else None
        if failing is not None and failing.error is None and failing.status in (RUNNING, FAILED):
            failing.error, failing.cause = event.details.get("error"), event.details.get("cause")
        for state in list(self._top.values()):
            self._close_all(state, event.at, TIMED_OUT if self._status == TIMED_OUT else ABORTED, _ids(failing))
        return event.previous

    def _last_open(self) -> _State | None:
        return next((state for state in reversed(self._states) if state.status == RUNNING), None)

    # Opening and closing

    def _siblings(self, state: _State) -> dict[int, _State]:
        return self._top if state.parent is None else state.parent.open_children

    def _close(self, state: _State, status: str, at: float) -> None:
        state.status, state.exited = status, at
        self._siblings(state).pop(state.entered_id, None)
        if state.attempts and state.attempts[-1].status == RUNNING:
            state.attempts[-1].end(FAILED if status == CAUGHT else status, at)

    def _close_inside(self, state: _State, at: float, failing: _State | None = None) -> None:
        for child in list(state.open_children.values()):
            self._close_all(child, at, ABORTED, _ids(failing))

    def _close_all(self, state: _State, at: float, status: str, failed: frozenset[int]) -> None:
        for child in list(state.open_children.values()):
            self._close_all(child, at, status, failed)
        self._close(state, FAILED if state.scope_failed or state.entered_id in failed else status, at)

    def _reopen(self, state: _State) -> None:
        """A redrive takes up a state that had failed or been aborted, and with it all that encloses the state."""
        for closed in state.line():
            if closed.status == RUNNING:
                return
            closed.status, closed.exited, closed.output, closed.error, closed.cause = RUNNING, None, None, None, None
            closed.scope_failed = closed.evaluation_failed = False
            self._siblings(closed)[closed.entered_id] = closed


def _ids(failing: _State | None) -> frozenset[int]:
    return frozenset(state.entered_id for state in failing.line()) if failing else frozenset()


def _resource(details: Mapping[str, Any]) -> str:
    resource, kind = str(details.get("resource", "")), details.get("resourceType")
    return f"{kind}:{resource}" if kind and not resource.startswith("arn:") else resource
