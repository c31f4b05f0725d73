"""What became of each step of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import SUCCEEDED, RunHistory, StateRun, read_history
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import holds, value_at
from opsctl.domain.guards import Pipeline, Step, read_pipeline
from opsctl.domain.results import NOT_RUN, StepResult, job_name, step_result
from opsctl.domain.runs import Run
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document

SKIPPED = "SKIPPED"
REUSED = "REUSED"


@dataclass(frozen=True)
class StepStatus:
    """One step of a run. Times are seconds since the epoch, `seconds` how long it took, or has been going, in all its
    attempts; `note` says where a reused result comes from."""

    name: str
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    job: str | None
    error: str | None
    branch: tuple[tuple[str, int], ...]
    note: str | None = None


@dataclass(frozen=True)
class RunStatus:
    """A run and what became of each of its steps, in the machine's order."""

    run: Run
    history: RunHistory
    steps: tuple[StepStatus, ...]


def describe(connection: Connection, run: Run) -> RunStatus:
    """What became of each step of a run."""
    history = read_history(connection.states.history(run.arn))
    pipeline = read_pipeline(connection.states.definition_of_run(run.arn))
    document = input_document(run.input)
    now = connection.aws.now()
    steps = [_step_status(step, step_result(history, step.name), document, now) for step in pipeline.steps]
    return RunStatus(run, history, (*steps, *_failure_steps(pipeline, history, now)))


def why(result: StepResult) -> str | None:
    """Why the step has no result, in one line; None where it has one."""
    return result.error or result.missing


def _step_status(step: Step, result: StepResult, document: Any, now: float) -> StepStatus:
    if result.status == NOT_RUN and step.guard and holds(document, step.guard.bypass):
        made_by = value_at(document, ("reuse", step.slug, "run"))
        status, note = (SKIPPED, None) if made_by is ABSENT else (REUSED, f"from {made_by}")
        return StepStatus(step.name, status, 0, None, None, None, None, step.branch, note)
    return _ran(step.name, result, step.branch, now)


def _ran(name: str, result: StepResult, branch: tuple[tuple[str, int], ...], now: float) -> StepStatus:
    attempts = [attempt for run in result.runs for attempt in run.attempts]
    status = "FAILED" if result.status == "CAUGHT" or (result.status == SUCCEEDED and result.missing) else result.status
    return StepStatus(
        name,
        status,
        len(attempts),
        min((run.entered for run in result.runs), default=None),
        _worked(result.runs, now) if result.runs else None,
        job_name(attempts[-1]) if attempts else None,
        why(result) if status == "FAILED" else result.error,
        branch,
    )


def _worked(runs: tuple[StateRun, ...], now: float) -> float:
    """The time spent in attempts, not the time between a failure and its redrive."""
    return sum((attempt.ended or now) - attempt.scheduled for run in runs for attempt in run.attempts)


def _failure_steps(pipeline: Pipeline, history: RunHistory, now: float) -> list[StepStatus]:
    """The Tasks that are there for failures, where they ran."""
    tasks = [name for name, kind in pipeline.others.items() if kind == "Task"]
    results = {name: step_result(history, name) for name in tasks}
    return [_ran(name, result, (), now) for name, result in results.items() if result.runs]
