"""Follow a run to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import RUNNING, SUCCEEDED, Attempt, RunHistory, read_history
from opsctl.domain.results import ended_as, one_line, step_result
from opsctl.domain.runs import Run
from opsctl.errors import WaitTimedOutError
from opsctl.operations.connection import Connection
from opsctl.operations.status import why


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
    error = why(lost[step]) if step else None
    return Outcome(run, history.status, seconds, step, error or one_line(history.error, history.cause) or None)


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
