"""The ways in which a step can end badly, each made to happen for real: marks for programs, faults for API calls,
shorter time limits in a version of the definition, signals, and commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl import sandbox
from tests.e2e.recovery.pipeline import JOBS, Pipeline, Step, task_states, wait_for

STATE_SECONDS = 6
JOB_SECONDS = 2
EXECUTION_SECONDS = 50  # for all that comes before the step, beside dozens of runs; a message may take 60 s
# What each integration calls when a state starts, how a service says that it is asked too often, and what that becomes.
CALLS = {
    "Lambda": "lambda:Invoke",
    "look": "lambda:Invoke",
    "Batch": "batch:SubmitJob",
    "SageMaker": "sagemaker:CreateTrainingJob",
    "SNS": "sns:Publish",
}
THROTTLES = {
    "Lambda": ("TooManyRequestsException", "Lambda.TooManyRequestsException"),
    "look": ("TooManyRequestsException", "Lambda.TooManyRequestsException"),
    "Batch": ("TooManyRequestsException", "Batch.AWSBatchException"),
    "SageMaker": ("ThrottlingException", "SageMaker.AmazonSageMakerException"),
    "SNS": ("Throttled", "SNS.ThrottledException"),
}


@dataclass(frozen=True)
class Row:
    """One step ending in one way, in a run of its own. `inside` are the other steps of its Parallel."""

    pipeline: Pipeline
    step: Step
    way: str
    run: str
    version: str | None

    @property
    def data(self) -> str:
        return f"s3://{self.pipeline.bucket}/datasets/{self.run}/"

    @property
    def call(self) -> str:
        """What the request that starts the step's work holds, and no other request does."""
        return {
            "Prepare Run": f'"execution":"{self.run}"',
            "Find Champion": f'"name":"{self.run}"',
            "Compare With Champion": f'"deployment":"{self.run}-deployment"',
            "Notify Success": f"Run:    {self.run}\nStatus: SUCCEEDED",
        }.get(self.step.name, f"{self.run}-{self.step.slug}-d0r")

    def mark(self, what: str) -> None:
        """Say how the step's program behaves, once."""
        (self.pipeline.marks / f"{self.run}.{self.step.slug}").write_text(what)

    def fault(self, action: str, **more: Any) -> int:
        return int(sandbox.add_fault(self.pipeline.clone.sandbox, {"action": action, **more})["id"])


def break_step(row: Row) -> None:
    """Start the row's run and make its step end as it says. Returns when nothing moves any more."""
    late = row.way == "Lambda error" and row.step.kind == "Lambda"
    if not late:
        row.pipeline.put_data(row.run)
    WAYS[row.way].play(row)
    wait_for(lambda: row.pipeline.status(row.run) != "RUNNING", f"{row.run} to end")
    wait_for(lambda: not _functions(row), f"the functions of {row.run} to end")
    if late:
        row.pipeline.put_data(row.run)


# each way


def _job_failure(row: Row) -> None:
    row.mark("fail")
    _start(row)


def _lambda_error(row: Row) -> None:
    """The data set is not there yet, or the figures may not be looked for: the function says so and fails."""
    if row.step.kind == "look":
        row.fault("s3:ListObjectsV2", error="AccessDenied", match=f"runs/{row.run}/evaluate", times=1)
    _start(row)


def _throttling(row: Row) -> None:
    """Just as often as the definition tries, so that what comes after works again."""
    code, error = THROTTLES[row.step.kind]
    retry = next(retry for retry in row.step.state["Retry"] if error in retry["ErrorEquals"])
    times = 1 + retry["MaxAttempts"]
    fault = row.fault(CALLS[row.step.kind], error=code, match=row.call, times=times)
    _start(row)
    wait_for(lambda: row.pipeline.status(row.run) != "RUNNING", f"{row.run} to end")
    (done,) = sandbox.clear_faults(row.pipeline.clone.sandbox, [fault])
    assert done["applied"] == times, done


def _time_limit(row: Row) -> None:
    """The state's, its job's own, or the whole execution's: they are shorter in the row's version of the definition."""
    with _hanging(row):
        wait_for(lambda: row.pipeline.status(row.run) != "RUNNING", f"{row.run} to time out")


def _kill(row: Row) -> None:
    with _hanging(row) as process:
        os.kill(process(), signal.SIGKILL)


def _stop(row: Row) -> None:
    with _hanging(row) as process:
        process()
        wait_for(lambda: _at_work(row) == [row.step.name], f"only {row.step.name} to be at work in {row.run}")
        row.pipeline.clone.run("stop", row.run, "--reason", "the test says so", "--yes")


@dataclass(frozen=True)
class Way:
    """One way to end. `change` makes the row's version of the definition; `not_for` says why it is not played, by kind
    or step; `status` is how the run ends; `native` says whether nothing catches it, so that AWS's own redrive helps."""

    play: Callable[[Row], None]
    not_for: Mapping[str, str]
    change: Callable[[Step, dict[str, Any]], None] | None = None
    status: str = "FAILED"

    def leaves_out(self, step: Step) -> str | None:
        """Why it is not played for a step; None where it is."""
        return self.not_for.get(step.name) or self.not_for.get(step.kind)

    @property
    def native(self) -> bool:
        return self.status != "FAILED"


def _shorter_state(step: Step, definition: dict[str, Any]) -> None:
    dict(task_states(definition))[step.name]["TimeoutSeconds"] = STATE_SECONDS


def _shorter_job(step: Step, definition: dict[str, Any]) -> None:
    parameters = dict(task_states(definition))[step.name]["Parameters"]
    if step.kind == "Batch":
        parameters["Timeout"] = {"AttemptDurationSeconds": JOB_SECONDS}
    else:
        parameters["StoppingCondition"] = {"MaxRuntimeInSeconds": JOB_SECONDS}


def _shorter_execution(step: Step, definition: dict[str, Any]) -> None:
    definition["TimeoutSeconds"] = EXECUTION_SECONDS


SHORT = {"look": "a look"}
NO_JOB = {**SHORT, "Lambda": "a function", "SNS": "a message"}
# Those that take longest come first.
WAYS = {
    "execution timeout": Way(_time_limit, SHORT, _shorter_execution, "TIMED_OUT"),
    "throttling": Way(_throttling, {}),
    "state timeout": Way(_time_limit, SHORT, _shorter_state),
    "job time limit": Way(_time_limit, NO_JOB, _shorter_job),
    "abort by stop": Way(_stop, SHORT, status="ABORTED"),
    "kill": Way(_kill, {**SHORT, "SNS": "a message"}),
    "job failure": Way(_job_failure, NO_JOB),
    "Lambda error": Way(
        _lambda_error,
        {"Batch": "a job", "SageMaker": "a job", "SNS": "a message", "Find Champion": "every run reads the same"},
    ),
}


# how they are made


def _start(row: Row) -> None:
    row.pipeline.start(row.run, row.data, row.version)


@contextlib.contextmanager
def _hanging(row: Row) -> Any:
    """The run with its step at work and never done. Gives a function that waits until it hangs and returns the process
    number of what does, 0 for a message."""
    fault = None
    if row.step.kind in JOBS:
        row.mark("hang")
    elif row.step.kind == "Lambda":
        fault = row.fault("s3:PutObject", delay=600, match=f"runs/{row.run}/code/")
    else:
        fault = row.fault("sns:Publish", delay=600, error="InternalError", match=row.call)
    _start(row)

    def process() -> int:
        if row.step.kind in JOBS:
            file = row.pipeline.marks / f"{row.run}.{row.step.slug}.hangs"
            return int(wait_for(lambda: file.exists() and file.read_text(), f"{row.step.name} of {row.run} to hang"))
        wait_for(lambda: _met(row, fault), f"{row.step.name} of {row.run} to hang")
        return _functions(row)[0] if row.step.kind == "Lambda" else 0

    try:
        yield process
    finally:
        if fault is not None:
            sandbox.clear_faults(row.pipeline.clone.sandbox, [fault])


def _met(row: Row, fault: int | None) -> bool:
    return any(one["id"] == fault and one["applied"] for one in sandbox.list_faults(row.pipeline.clone.sandbox))


def _functions(row: Row) -> list[int]:
    """The processes of functions that work for the run's first step now."""
    found = []
    for room in (row.pipeline.clone.sandbox / "jobs").glob("lambda-*"):
        with contextlib.suppress(OSError, ValueError):
            if json.loads((room / "base" / "event.json").read_text()).get("execution") == row.run:
                found.append(int(json.loads((room / "job.json").read_text())["pid"]))
    return found


def _at_work(row: Row) -> list[str]:
    entered = dict.fromkeys(row.pipeline.entered(row.run))
    return [name for name in entered if name not in row.pipeline.exited(row.run)]
