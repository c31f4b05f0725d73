"""When the steps of a run waited and worked: each attempt as spans of time.

An attempt waits from when it was asked for until its job began, as far as the job's description tells (SageMaker's
`TrainingStartTime`, Batch's `StartedAt`), or else until the service took it; an attempt that waits for somebody to
answer its token waits to its end. The times between attempts (a retry's backoff, the wait for a redrive) are gaps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import Attempt, RunHistory, StateRun
from opsctl.domain.log_choice import place_of
from opsctl.domain.results import ended_as, one_line
from opsctl.domain.runs import seconds
from opsctl.domain.steps import CALLBACK, StepStatus

WAITING, WORKING = "waiting", "working"
BEGINNINGS = ("TrainingStartTime", "TransformStartTime", "ProcessingStartTime", "StartedAt")
MILLISECONDS = 1e11  # larger numbers are no seconds since the epoch of our time


@dataclass(frozen=True)
class Span:
    """A time of one kind, in seconds since the epoch."""

    kind: str
    begin: float
    end: float


@dataclass(frozen=True)
class Bar:
    """One attempt, the `number`th of `total` of its step; `place` says which item of a Map it worked on."""

    number: int
    total: int
    place: str
    status: str
    spans: tuple[Span, ...]
    generation: int
    error: str | None

    @property
    def begin(self) -> float:
        return self.spans[0].begin

    @property
    def seconds(self) -> float:
        """From when it was asked for to its end."""
        return self.spans[-1].end - self.spans[0].begin

    def seconds_of(self, kind: str) -> float:
        """How long it waited, or worked."""
        return sum(span.end - span.begin for span in self.spans if span.kind == kind)


@dataclass(frozen=True)
class Row:
    """A step with all of its attempts; none where it was reused, skipped or not reached, which `note` may explain."""

    step: str
    status: str
    note: str | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """All steps of a run, from its beginning to its end or until now."""

    begin: float
    end: float
    rows: tuple[Row, ...]


def timeline(history: RunHistory, steps: Iterable[StepStatus], now: float) -> Timeline:
    """The steps in the order in which `opsctl status` has them."""
    entries: dict[str, list[StateRun]] = {}
    for state in history.states:
        entries.setdefault(state.name, []).append(state)
    end = now if history.stopped is None else history.stopped
    rows = tuple(
        Row(step.name, step.status, step.note, tuple(_bars(entries.get(step.name, []), end))) for step in steps
    )
    moments = [span for row in rows for bar in row.bars for span in bar.spans]
    begin = min([end if history.started is None else history.started, *(span.begin for span in moments)])
    return Timeline(begin, max([end, begin, *(span.end for span in moments)]), rows)


def _bars(entries: list[StateRun], end: float) -> Iterator[Bar]:
    attempts = [(attempt, state) for state in entries for attempt in state.attempts]
    attempts.sort(key=lambda found: found[0].scheduled)
    for number, (attempt, state) in enumerate(attempts, 1):
        error = one_line(attempt.error, attempt.cause) or None
        spans = tuple(_spans(attempt, end))
        yield Bar(number, len(attempts), place_of(state), ended_as(attempt), spans, attempt.generation, error)


def _spans(attempt: Attempt, end: float) -> Iterator[Span]:
    asked, ended = attempt.scheduled, max(attempt.ended or end, attempt.scheduled)
    began = ended if CALLBACK in attempt.resource else min(max(_began(attempt, ended), asked), ended)
    if began > asked:
        yield Span(WAITING, asked, began)
    if ended > began or began == asked:
        yield Span(WORKING, began, ended)


def _began(attempt: Attempt, ended: float) -> float:
    """When the work began: the job's own word, or when the service took it, or not yet."""
    for text in (attempt.output, attempt.cause):
        described = _object(text)
        for key in BEGINNINGS:
            moment = _moment(described.get(key))
            if moment is not None:
                return moment
    return ended if attempt.started is None and attempt.ended is None else attempt.started or attempt.scheduled


def _moment(told: Any) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        moment = seconds(told)
    except (ValueError, OverflowError):
        return None
    return moment / 1000 if moment > MILLISECONDS else moment


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
