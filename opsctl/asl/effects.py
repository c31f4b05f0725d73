"""What an execution asks of the world, and what the world tells it back.

The interpreter does no I/O. It emits effects (a task or a Map Run to run, one to abandon) and is told outcomes;
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

    @property
    def handed_over(self) -> bool:
        """Whether the service takes the request on first, and answers later."""
        return self.resource.endswith((".sync", ".sync:2", ".waitForTaskToken"))


@dataclass(frozen=True, slots=True)
class AbandonTask:
    """Nobody waits for this task any more (stop, a sibling's failure, a timeout): end its job if it has one."""

    task: int


@dataclass(frozen=True, slots=True)
class StartMapRun:
    """Run a distributed Map's processor once for each item, each time as an execution of its own.

    `items` are the items if they come from the state's input; else `reader` says what to read them from: `{"Resource",
    "Parameters", "ReaderConfig"}`, every expression in it evaluated. What the children are given is then made by
    `Execution.map_run_inputs(task, items)`. `processor` is the children's definition, `execution_type` STANDARD or
    EXPRESS. `max_concurrency` 0 leaves the number of children at a time to the driver. When more children have failed
    than `tolerated_count` or `tolerated_percentage` let, the run fails (`map_results.tolerates`). `writer`, if any,
    says where the results go: `{"Resource", "Parameters", "WriterConfig"}`.

    `map_run_arn` is a proposal that the driver may overrule with `MapRunStarted`. With `redrives` above 0 no run is to
    be started: the one of `map_run_arn` goes on with its unsuccessful children, for the `redrives`-th time.

    The outcome is `Succeeded` with the Map Run's result or `Failed`; `AbandonTask` asks to stop its children.
    """

    task: int
    state: str
    map_run_arn: str
    label: str
    items: list[Any] | None
    reader: dict[str, Any] | None
    max_concurrency: int
    tolerated_count: int
    tolerated_percentage: float
    processor: dict[str, Any]
    execution_type: str
    writer: dict[str, Any] | None
    redrives: int = 0


Effect = ScheduleTask | AbandonTask | StartMapRun


@dataclass(frozen=True, slots=True)
class Started:
    """The integration began to work on the task (TaskStarted, LambdaFunctionStarted, ActivityStarted)."""

    worker: str | None = None


@dataclass(frozen=True, slots=True)
class MapRunStarted:
    """The Map Run exists; `arn` is its ARN if it is not the proposed one. Implied by the run's other outcomes."""

    arn: str | None = None


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


Outcome = Started | MapRunStarted | StartFailed | Submitted | SubmitFailed | Heartbeat | Succeeded | Failed
