"""What an execution asks of the world, and what the world tells it back.

The interpreter does no I/O. It emits effects (a task to run, a task to abandon) and is told outcomes;
its only notion of time is the `now` it is handed (seconds since the epoch). Whoever drives it, the sandbox
with real jobs or a test with a virtual clock, keeps to one rule: an outcome names the `task` of the effect that
asked for it, and outcomes for tasks that are no longer open are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScheduleTask:
    """Run one attempt of a Task state.

    `task` is unique within the execution. `resource` is the state's Resource as written; `parameters` the JSON value
    that the state's Parameters (or its effective input) came to. `timeout` and `heartbeat` are seconds or None; the
    interpreter keeps those clocks itself, they are here so that they can be shown. `token` is the task token of a
    `.waitForTaskToken` or activity task, else None.
    """

    task: int
    state: str
    resource: str
    parameters: Any
    timeout: float | None = None
    heartbeat: float | None = None
    token: str | None = None
    credentials: Any = None


@dataclass(frozen=True, slots=True)
class AbandonTask:
    """Nobody waits for this task any more (stop, a sibling's failure, a timeout): end its job if it has one."""

    task: int


Effect = ScheduleTask | AbandonTask


@dataclass(frozen=True, slots=True)
class Started:
    """The integration began to work on the task (TaskStarted, LambdaFunctionStarted, ActivityStarted)."""

    worker: str | None = None


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The integration could not begin (TaskStartFailed)."""

    error: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A `.sync` or `.waitForTaskToken` request was accepted; `output` is its answer as JSON text."""

    output: str


@dataclass(frozen=True, slots=True)
class SubmitFailed:
    """The request of a `.sync` or `.waitForTaskToken` task was refused (TaskSubmitFailed)."""

    error: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life: restarts the heartbeat clock, writes no event."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The task's result, as JSON text."""

    output: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The task's error name and cause, as AWS words them."""

    error: str
    cause: str = ""


Outcome = Started | StartFailed | Submitted | SubmitFailed | Heartbeat | Succeeded | Failed
