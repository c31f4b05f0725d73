"""Start runs, find them, look at them, and wait for them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from opsctl.asl.history import RUNNING, SUCCEEDED, Attempt, RunHistory, StateRun, read_history
from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.documents import holds, value_at, with_settings
from opsctl.domain.guards import Pipeline, Step, read_pipeline
from opsctl.domain.names import check_execution_name
from opsctl.domain.results import NOT_RUN, StepResult, ended_as, job_name, one_line, step_result
from opsctl.domain.run_input import problems
from opsctl.domain.runs import LATEST, Run, choose_run
from opsctl.errors import RefusedError, UsageError, WaitTimedOutError
from opsctl.operations.connection import Connection

SKIPPED = "SKIPPED"
REUSED = "REUSED"


@dataclass(frozen=True)
class StartRequest:
    """What a run is to be started with; without a name, one is made from the time."""

    document: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    name: str | None = None


@dataclass(frozen=True)
class Started:
    """The run that a request became; `resumed` if the same request had started it before, and it goes on."""

    run: Run
    resumed: bool


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


@dataclass(frozen=True)
class Progress:
    """Something that happened in a run: a step that began, was tried again, or ended."""

    at: float
    step: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """How a run ended. For one that did not succeed: the step to blame, if one is, and its error in one line."""

    run: str
    status: str
    seconds: float
    step: str | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether all went well."""
        return self.status == SUCCEEDED


def start(connection: Connection, request: StartRequest) -> Started:
    """Check the run input and start a run. The same name and input again, while that run goes on, is the same run.

    Raises UsageError before anything starts, RefusedError for a name in use.
    """
    document = with_settings(request.document, request.settings)
    check_input(connection, document)
    name = _new_name(connection.aws.now()) if request.name is None else request.name
    check_execution_name(name)
    earlier = None if request.name is None else connection.states.find(connection.machine.arn, name)
    arn = connection.states.start(connection.machine.arn, name, json.dumps(document, sort_keys=True))
    run = earlier or Run(name, arn, connection.machine.arn, RUNNING, connection.aws.now())
    return Started(run, resumed=earlier is not None)


def check_input(connection: Connection, document: Mapping[str, Any]) -> None:
    """Raise UsageError with what is wrong with a run input."""
    found = input_problems(connection, document)
    if found:
        raise UsageError(f"the run input is refused: {in_one_line(found)}", "nothing was started")


def input_problems(connection: Connection, document: Any) -> list[str]:
    """What is wrong with a run input for this machine, one line each."""
    machine = connection.machine
    return problems(document, steps=machine.steps, hyperparameters=machine.hyperparameters, needs=machine.needs)


def input_document(text: str | None) -> Any:
    """A run's input as a value. Whoever started the run by hand may have given it anything."""
    return json.loads(text or "{}")


def in_one_line(found: Sequence[str]) -> str:
    """One or more problems as one sentence."""
    more = f"; and {len(found) - 1} more: {'; '.join(found[1:])}" if found[1:] else ""
    return f"{found[0]}{more}"


def recent(connection: Connection, limit: int, status: str | None = None) -> list[Run]:
    """The machine's newest runs, newest first."""
    runs = connection.states.runs(connection.machine.arn)
    return list(islice((run for run in runs if status is None or run.status == status), limit))


def resolve(connection: Connection, wanted: str = LATEST) -> Run:
    """The run that a RUN argument means, with its input. Raises UsageError with the nearest names."""
    machine, states = connection.machine, connection.states
    if not wanted:
        raise UsageError("RUN is empty", "name a run, or leave it out; opsctl list shows the runs there are")
    if wanted.startswith("arn:"):
        run = states.describe(wanted)
        if run.machine_arn != machine.arn:
            other = run.machine_arn.rpartition(":")[2]
            raise UsageError(
                f"{run.name} is a run of {other}, not of {machine.name}", "name its machine with --machine"
            )
        return run
    found = None if wanted.startswith("@") or not _plausible(wanted) else states.find(machine.arn, wanted)
    return found or states.describe(choose_run(wanted, states.runs(machine.arn)).arn)


def describe(connection: Connection, run: Run) -> RunStatus:
    """What became of each step of a run."""
    history = read_history(connection.states.history(run.arn))
    pipeline = read_pipeline(connection.states.definition_of_run(run.arn))
    document = input_document(run.input)
    now = connection.aws.now()
    steps = [_step_status(step, step_result(history, step.name), document, now) for step in pipeline.steps]
    return RunStatus(run, history, (*steps, *_failure_steps(pipeline, history, now)))


def wait(
    connection: Connection, run: Run, on_progress: Callable[[Progress], None], timeout: float | None = None
) -> Outcome:
    """Follow a run to its end. Raises WaitTimedOutError after `timeout` seconds; the run goes on."""
    aws, events = connection.aws, list[dict[str, Any]]()
    deadline = None if timeout is None else aws.now() + timeout
    seen: dict[tuple[int, int], str] = {}
    while True:
        news = connection.states.events_after(run.arn, int(events[-1]["id"]) if events else 0)
        events += news
        if news:
            history = read_history(events)
            for progress in _news(history, seen):
                on_progress(progress)
            if history.status != RUNNING:
                return outcome_of(run.name, history)
        if deadline is not None and aws.now() >= deadline:
            raise WaitTimedOutError(
                f"{run.name} is still running after {timeout:.0f} s", f"it goes on: opsctl status {run.name}"
            )
        aws.sleep(aws.poll_seconds)


def outcome_of(run: str, history: RunHistory) -> Outcome:
    """How an ended run ended, and the step to blame: the first one that failed without recovering, else one that was
    at work when the run was ended."""
    seconds = (history.stopped or 0.0) - (history.started or 0.0)
    if history.status == SUCCEEDED:
        return Outcome(run, history.status, seconds)
    names = dict.fromkeys(state.name for state in history.states if state.type == "Task")
    results = {name: step_result(history, name) for name in names}
    lost = {name: result for name, result in results.items() if result.missing}
    failed = [name for name, result in lost.items() if result.status not in ("ABORTED", "TIMED_OUT")]
    step = next(iter(failed or lost), None)
    error = _why(lost[step]) if step else None
    return Outcome(run, history.status, seconds, step, error or one_line(history.error, history.cause) or None)


def _why(result: StepResult) -> str | None:
    return result.error or result.missing


def _new_name(now: float) -> str:
    """Short enough for a job prefix even as a rerun: `run-261121-213045-7f` and `-r12` are 24 characters."""
    return f"run-{datetime.fromtimestamp(now, UTC):%y%m%d-%H%M%S}-{secrets.token_hex(1)}"


def _plausible(name: str) -> bool:
    return len(name) <= 80 and all(letter.isalnum() or letter in "-_." for letter in name)


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
        _why(result) if status == "FAILED" else result.error,
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


def _news(history: RunHistory, seen: dict[tuple[int, int], str]) -> list[Progress]:
    """What the history says of tasks that it did not say before; `seen` remembers by entry and attempt."""
    found = []
    for state in history.states:
        for number, attempt in enumerate(state.attempts):
            known = seen.get((state.entered_id, number))
            seen[state.entered_id, number] = attempt.status
            if known is None:
                text = f"attempt {number + 1}" if number else "started"
                found.append(Progress(attempt.scheduled, state.name, text))
            if attempt.ended is not None and known in (None, RUNNING):
                found.append(Progress(attempt.ended, state.name, _end(attempt, attempt.ended)))
    return sorted(found, key=lambda progress: progress.at)


def _end(attempt: Attempt, ended: float) -> str:
    error = one_line(attempt.error, attempt.cause)
    return f"{ended_as(attempt).lower()} after {ended - attempt.scheduled:.0f} s" + (f": {error}" if error else "")


def refuse_running(run: Run) -> None:
    """Raise RefusedError unless the run has ended."""
    if not run.ended:
        raise RefusedError(f"{run.name} is still running", "wait for its end: opsctl status shows how far it is")
