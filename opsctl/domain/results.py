"""What a run's history says of its steps: whether a step has a result, what made it, and how long that took.

A task that succeeded is not always a result. A training job that was stopped, or reached its time limit, ends as
`Stopped`, and its `.sync` task may still succeed: the job's own status decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import CAUGHT, SUCCEEDED, Attempt, RunHistory, StateRun
from opsctl.domain.redaction import redacted

# By the resource's action: where a job's answer holds its status, and the one that means that it is done.
JOB_STATUS = {
    "createTrainingJob": ("TrainingJobStatus", "Completed"),
    "createTransformJob": ("TransformJobStatus", "Completed"),
    "createProcessingJob": ("ProcessingJobStatus", "Completed"),
    "createHyperParameterTuningJob": ("HyperParameterTuningJobStatus", "Completed"),
    "submitJob": ("Status", "SUCCEEDED"),
    "startExecution": ("Status", "SUCCEEDED"),
}
JOB_NAMES = ("TrainingJobName", "TransformJobName", "ProcessingJobName", "JobName", "FunctionName", "Name")
NOT_RUN = "NOT RUN"


@dataclass(frozen=True)
class StepResult:
    """One step in one run. `missing` says in a few words why there is no result, and is None where there is one;
    `seconds` is what the attempt that made the result took."""

    status: str
    missing: str | None
    seconds: float | None
    runs: tuple[StateRun, ...]

    @property
    def error(self) -> str | None:
        """The error and its cause in one line, if the step failed."""
        last = self.runs[-1] if self.runs else None
        return None if last is None or not (last.error or last.cause) else one_line(last.error, last.cause)


@dataclass(frozen=True)
class Setup:
    """What a run's first step decided for it: which data, which code and, by group, which hyperparameters."""

    data_source: str | None
    code: str | None
    hyperparameters: Mapping[str, Mapping[str, str]]


def step_result(history: RunHistory, name: str) -> StepResult:
    """The step's result in the run; of several entries (a loop, a Map's items) the latest of each place counts."""
    latest = {tuple(scope.iteration for scope in run.scopes): run for run in history.states if run.name == name}
    runs = tuple(latest.values())
    if not runs:
        return StepResult(NOT_RUN, "it did not run", None, ())
    status = next((run.status for run in runs if run.status != SUCCEEDED), SUCCEEDED)
    missing = next((reason for reason in map(_missing, runs) if reason), None)
    return StepResult(status, missing, sum(_seconds(run) for run in runs), runs)


def setup_of(history: RunHistory) -> Setup | None:
    """What the run's setup step returned under `run`; None where the machine has no such step, or it failed."""
    for state in history.states:
        if state.type != "Task" or state.status != SUCCEEDED:
            continue
        run = _object(state.output).get("run")
        if isinstance(run, dict) and isinstance(run.get("hyperparameters"), dict):
            data, code = run.get("data"), run.get("code")
            return Setup(
                data.get("source") if isinstance(data, dict) else None,
                code.get("sha256") if isinstance(code, dict) else None,
                run["hyperparameters"],
            )
    return None


def ended_as(attempt: Attempt) -> str:
    """How an attempt ended: its job's own status where the task succeeded and its job did not, else the task's."""
    return (attempt.status == SUCCEEDED and _unfinished(attempt)) or attempt.status


def job_name(attempt: Attempt) -> str | None:
    """The name that the attempt's job or function has in its service."""
    parameters = _object(attempt.parameters)
    name = next((str(parameters[key]) for key in JOB_NAMES if key in parameters), None)
    return name and name.rpartition(":function:")[2]


def one_line(error: str | None, cause: str | None) -> str:
    """An error and its cause in one line, without credentials; of a job's whole description, which AWS gives as cause,
    only the reason."""
    answer = _object(cause)
    for key in ("FailureReason", "StatusReason", "errorMessage", "Cause"):
        if answer.get(key):
            cause = str(answer[key])
            break
    return redacted(": ".join(" ".join(part.split()) for part in (error, cause) if part))


def _missing(run: StateRun) -> str | None:
    if run.status != SUCCEEDED:
        return {CAUGHT: "it failed"}.get(run.status, f"it ended {run.status}" if run.exited else "it is running")
    if not run.attempts:
        return None
    status = _unfinished(run.attempts[-1])
    return f"its job ended {status}" if status else None


def _unfinished(attempt: Attempt) -> str | None:
    """The job's own status, unless it is done, or the task has no job."""
    action = attempt.resource.partition(":")[2].partition(".")[0]
    key, done = JOB_STATUS.get(action, ("", ""))
    status = _object(attempt.output).get(key, done)
    return None if status == done else str(status)


def _seconds(run: StateRun) -> float:
    for attempt in reversed(run.attempts):
        if attempt.ended is not None:
            return attempt.ended - attempt.scheduled
    return 0.0


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
