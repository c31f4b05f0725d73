"""Follow a run to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from opsctl.asl.history import RUNNING, SUCCEEDED, Attempt, RunHistory
from opsctl.domain.alerts import Failure, caught_in
from opsctl.domain.results import ended_as, one_line, step_result
from opsctl.domain.runs import Run
from opsctl.domain.steps import CALLBACK
from opsctl.domain.times import whole_duration
from opsctl.operations.connection import Connection
from opsctl.operations.status import why
from opsctl.operations.watch import NOTHING, Sight, Unsettled, follow


@dataclass(frozen=True)
class Progress:
    """Something that happened in a run: a step that began, was tried again, or ended; `run` is the execution that it
    belongs to where that is one that the run's own step started."""

    at: float
    step: str
    text: str
    run: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended. For one that did not succeed: the step to blame, if one is, and its error in one line; and what
    the machine says that it caught."""

    run: str
    status: str
    seconds: float
    step: str | None = None
    error: str | None = None
    caught: tuple[Failure, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all went well."""
        return self.status == SUCCEEDED


def wait(
    connection: Connection, run: Run, on_progress: Callable[[Progress], None], timeout: float | None = None
) -> Outcome:
    """Follow a run to its end, as `follow` does: a run that was just redriven is given with that redrive counted, and
    only what happens from then on is told. Raises WaitTimedOutError after `timeout` seconds; the run goes on."""
    seen = Seen(since=run.redrives)
    sight = NOTHING
    for sight in follow(connection, run, timeout):
        for progress in seen.news(sight):
            on_progress(progress)
    return outcome_of(run.name, sight.history)


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
    error = error or one_line(history.error, history.cause) or None
    return Outcome(run, history.status, seconds, step, error, caught_in(history))


@dataclass
class Seen:
    """Remembers what was told of a run; what happened before its `since`th redrive is not told."""

    since: int = 0
    _unsettled: defaultdict[str | None, Unsettled] = field(default_factory=lambda: defaultdict(Unsettled))
    _told: dict[tuple[str | None, int, int], str] = field(default_factory=dict)

    def news(self, sight: Sight) -> list[Progress]:
        """What has happened to tasks since the last time, in order of time."""
        found = list(self._news(None, sight.history, self.since))
        for arn, history in sight.children.items():
            found += self._news(arn.rpartition(":")[2], history, 0)
        return sorted(found, key=lambda progress: progress.at)

    def _news(self, run: str | None, history: RunHistory, since: int) -> Iterator[Progress]:
        for state in self._unsettled[run].states(history):
            for number, attempt in enumerate(state.attempts):
                key = run, state.entered_id, number
                known = self._told.get(key)
                if known == attempt.status:
                    continue
                self._told[key] = attempt.status
                if attempt.generation < since:
                    continue
                if known is None:
                    yield Progress(attempt.scheduled, state.name, _beginning(state.attempts, number), run)
                if attempt.ended is not None and known in (None, RUNNING):
                    yield Progress(attempt.ended, state.name, _end(attempt, attempt.ended), run)


def _beginning(attempts: Sequence[Attempt], number: int) -> str:
    """A redrive counts retries anew, as AWS does."""
    waits = "; it waits to be answered" if CALLBACK in attempts[number].resource else ""
    generation = attempts[number].generation
    nth = sum(attempt.generation == generation for attempt in attempts[: number + 1])
    again = f"started again by redrive {generation}" if generation and number else "started"
    return (f"attempt {nth}" if nth > 1 else again) + waits


def _end(attempt: Attempt, ended: float) -> str:
    error = one_line(attempt.error, attempt.cause)
    return f"{ended_as(attempt).lower()} after {whole_duration(ended - attempt.scheduled)}" + (
        f": {error}" if error else ""
    )
