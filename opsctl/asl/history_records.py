"""What the history reader keeps while it reads: states still open to change, and what each type of event is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from opsctl.asl.run_history import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT, Attempt, Scope, StateRun


@dataclass(slots=True)
class OpenAttempt:
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

    def freeze(self) -> Attempt:
        return Attempt(
            self.resource, self.parameters, self.scheduled, self.started, self.ended, self.status, self.output,
            self.error, self.cause, self.generation, self.submitted,
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class OpenState:
    name: str
    type: str
    entered: float
    input: str | None
    generation: int
    entered_id: int
    scopes: tuple[Scope, ...]
    parent: OpenState | None
    status: str = RUNNING
    exited: float | None = None
    exited_id: int | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    map_run: str | None = None
    attempts: list[OpenAttempt] = field(default_factory=list)
    open_children: dict[int, OpenState] = field(default_factory=dict)
    scope_failed: bool = False  # a Parallel or Map whose failure was reported and not taken back by a redrive
    evaluation_failed: bool = False

    @property
    def has_failed(self) -> bool:
        last = self.attempts[-1].status if self.attempts else None
        return self.evaluation_failed or self.scope_failed or last in (FAILED, TIMED_OUT)

    def line(self) -> Iterator[OpenState]:
        """This state, the Parallel or Map around it, the one around that, …"""
        state: OpenState | None = self
        while state is not None:
            yield state
            state = state.parent

    def fail(self, details: Mapping[str, Any]) -> None:
        self.error, self.cause = text_of(details, "error"), text_of(details, "cause")

    def freeze(self) -> StateRun:
        status = FAILED if self.scope_failed and self.status == RUNNING else self.status
        return StateRun(
            self.name, self.type, status, self.entered, self.exited, self.input, self.output, self.error,
            self.cause, tuple([attempt.freeze() for attempt in self.attempts]), self.generation, self.entered_id,
            self.scopes, self.map_run,
        )  # fmt: skip


@dataclass(slots=True)
class Place:
    """Where an event stands: the state it belongs to, and what a state entered right after it would be inside of."""

    owner: OpenState | None
    inside: OpenState | None
    iteration: int | None = None  # of the Map `inside`


def beside(state: OpenState) -> Place:
    """After this, the next state is entered next to `state`, not inside of it."""
    return Place(state, state.parent, state.scopes[-1].iteration if state.scopes else None)


@dataclass(slots=True)
class Event:
    id: int
    at: float
    what: str  # what `kind_of` left of the type
    details: Mapping[str, Any]
    previous: Place


NOWHERE = Place(None, None)
NO_DETAILS: Mapping[str, Any] = {}
ATTEMPT_END = {
    "Succeeded": SUCCEEDED,
    "Failed": FAILED,
    "ScheduleFailed": FAILED,
    "StartFailed": FAILED,
    "SubmitFailed": FAILED,
    "TimedOut": TIMED_OUT,
}
EXECUTION_END = {
    "ExecutionSucceeded": SUCCEEDED,
    "ExecutionFailed": FAILED,
    "ExecutionAborted": ABORTED,
    "ExecutionTimedOut": TIMED_OUT,
}
KINDS = (
    (r"(\w+)StateEntered", "entered"),
    (r"(\w+)StateExited", "exited"),
    (r"(Parallel|Map)StateStarted", "scope_started"),
    (r"(Parallel|Map)StateSucceeded", "scope_succeeded"),
    (r"(Parallel|Map)StateFailed", "scope_failed"),
    (r"MapRun(Started|Redriven)", "map_run_started"),
    (r"MapRun(Failed)", "map_run_failed"),
    (r"MapIteration(Started)", "iteration_started"),
    (r"MapIteration(Failed)", "iteration_failed"),
    (r"Evaluation(Failed)", "evaluation_failed"),
    (rf"(?:Task|Activity|LambdaFunction)(Scheduled|Started|Submitted|{'|'.join(ATTEMPT_END)})", "attempt"),
    (r"Execution(Started)", "execution_started"),
    (r"Execution(Redriven)", "execution_redriven"),
    (rf"({'|'.join(EXECUTION_END)})", "execution_ended"),
)


@lru_cache(maxsize=1024)
def kind_of(event_type: str) -> tuple[str, str, str]:
    """(kind, what is left of the type, the details' key): `ParallelStateEntered` is ("entered", "Parallel", …)."""
    for pattern, kind in KINDS:
        if match := re.fullmatch(pattern, event_type):
            return kind, match[1], _details_key(event_type)
    return "", "", ""


def _details_key(event_type: str) -> str:
    if event_type.endswith(("StateEntered", "StateExited")):
        return "stateEnteredEventDetails" if event_type.endswith("Entered") else "stateExitedEventDetails"
    return event_type[:1].lower() + event_type[1:] + "EventDetails"


def line_ids(failing: OpenState | None) -> frozenset[int]:
    return frozenset(state.entered_id for state in failing.line()) if failing else frozenset()


def text_of(details: Mapping[str, Any], key: str) -> str | None:
    value = details.get(key)
    return value if isinstance(value, str) else None


def resource_of(details: Mapping[str, Any]) -> str:
    resource, kind = str(details.get("resource", "")), details.get("resourceType")
    return f"{kind}:{resource}" if kind and not resource.startswith("arn:") else resource


def seconds(moment: Any) -> float:
    """A timestamp of any of the three kinds that histories come with, as seconds since the epoch."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).timestamp()
    return float(moment)
