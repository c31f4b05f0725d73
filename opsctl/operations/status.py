"""What became of each step of a run, those of the executions that it started, and the counts of its Map Runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsctl.asl.history import RUNNING, RunHistory, read_history
from opsctl.asl.history import Attempt as Attempt
from opsctl.asl.history import StateRun as StateRun
from opsctl.domain.runs import Run, seconds
from opsctl.domain.steps import REUSED as REUSED
from opsctl.domain.steps import StepStatus as StepStatus
from opsctl.domain.steps import steps_of
from opsctl.domain.steps import why as why
from opsctl.errors import OpsError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document
from opsctl.operations.saved import load_definition, load_history
from opsctl.operations.watch import Sight

DOUBTS = 3  # about a saved history that are told
DEEPEST = 3  # executions that executions started
COUNTS = ("total", "pending", "running", "succeeded", "failed", "timedOut", "aborted")
MOST = 20  # of them, and of Map Runs, that are looked into for one run


@dataclass(frozen=True)
class MapRun:
    """What a distributed Map made of its items: `counts` by AWS's words (succeeded, failed, running, pending, …)."""

    arn: str
    status: str
    counts: Mapping[str, int]
    redrives: int = 0


@dataclass(frozen=True)
class RunStatus:
    """A run and what became of each of its steps, in the machine's order.

    `children` are the executions that its steps started and `map_runs` its Map Runs, by ARN; or, in one line, why one
    could not be looked into.
    """

    run: Run
    history: RunHistory
    steps: tuple[StepStatus, ...]
    children: Mapping[str, RunStatus | str] = field(default_factory=dict)
    map_runs: Mapping[str, MapRun | str] = field(default_factory=dict)


def describe(connection: Connection, run: Run) -> RunStatus:
    """What became of each step of a run, and of the executions below it."""
    return _Look(connection).at(run, 0)


def seen(run: Run, sight: Sight, definition: Mapping[str, Any] | None, now: float) -> RunStatus:
    """What became of each step of a run that is being followed, without any request."""
    children = {arn: _seen_child(arn, history, now) for arn, history in sight.children.items()}
    steps = steps_of(sight.history, definition, input_document(run.input), now)
    return RunStatus(_run(run.name, run.arn, sight.history, run.started), sight.history, steps, children)


def _seen_child(arn: str, history: RunHistory, now: float) -> RunStatus:
    run = _run(arn.rpartition(":")[2], arn, history, now)
    return RunStatus(run, history, steps_of(history, None, input_document(None), now))


def _run(name: str, arn: str, read: RunHistory, started: float) -> Run:
    """The run that a history is of; `started` is for one that has no beginning."""
    begun = started if read.started is None else read.started
    return Run(
        name, arn, "", read.status, begun, read.stopped, read.redrives, read.input, read.output,
        read.error, read.cause,
    )  # fmt: skip


def describe_saved(history: Path, definition: Path | None) -> tuple[RunStatus, list[str]]:
    """The same from files, without any request; and what is doubtful about them, one line each.

    Of a run that goes on, the history's last event is the present. Raises UsageError for files that are no history or
    no definition.
    """
    events = load_history(history)
    walked = None if definition is None else load_definition(definition)
    read = read_history(events, walked)
    now = max((_moment(event) for event in events[-1:] + events[:1]), default=0.0)
    run = replace(_run(history.name, "", read, now), stopped=now if read.stopped is None else read.stopped)
    try:
        steps = steps_of(read, walked, input_document(read.input), now)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise UsageError(f"{definition} is no sound definition", f"opsctl lint {definition} says why") from error
    return RunStatus(run, read, steps), doubts_of(history, read)


class _Look:
    """Looks into runs, as deep and as often as is worth the requests."""

    def __init__(self, connection: Connection) -> None:
        self._states = connection.states
        self._now = connection.aws.now()
        self._left = MOST

    def at(self, run: Run, depth: int) -> RunStatus:
        definition = self._states.definition_of_run(run.arn)
        history = read_history(self._states.history(run.arn), definition)
        steps = steps_of(history, definition, input_document(run.input), self._now)
        children = {arn: self._child(arn, depth + 1) for step in steps for arn in step.executions}
        map_runs = {arn: self._map_run(arn) for step in steps for arn in step.map_runs}
        return RunStatus(run, history, steps, children, map_runs)

    def _child(self, arn: str, depth: int) -> RunStatus | str:
        if depth > DEEPEST or not self._may():
            return "not looked into; look at it alone"
        try:
            return self.at(self._states.describe(arn), depth)
        except OpsError as error:
            return error.message

    def _map_run(self, arn: str) -> MapRun | str:
        if not self._may():
            return "not looked into"
        try:
            answer = self._states.map_run(arn)
        except OpsError as error:
            return error.message
        counts = {name: int(answer["itemCounts"][name]) for name in COUNTS if answer["itemCounts"].get(name)}
        return MapRun(arn, answer["status"], counts, int(answer.get("redriveCount") or 0))

    def _may(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _moment(event: Mapping[str, Any]) -> float:
    try:
        return seconds(event.get("timestamp"))
    except (TypeError, ValueError, OverflowError):
        return 0.0


def doubts_of(path: Path, read: RunHistory) -> list[str]:
    """What makes one doubt a saved history: faults in it, and that it has no end."""
    found = [f"{path}: {sentence}" for sentence in read.diagnostics[:DOUBTS]]
    if len(read.diagnostics) > DOUBTS:
        found.append(f"{path}: and {len(read.diagnostics) - DOUBTS} other faults")
    if read.status == RUNNING:
        found.append(f"{path}: the history has no end: the run went on when it was saved, or it is not whole")
    return found
