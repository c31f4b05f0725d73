"""Follow a run as it goes on, with few requests: what has happened since the last look, and nothing twice.

AWS refills 20 GetExecutionHistory a second for a whole account. One follower asks at most once in 2 seconds over any
longer time, less often the longer nothing has happened, and less often still while AWS throttles it: throttling slows a
follower down and never ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import RUNNING, GrowingHistory, RunHistory
from opsctl.domain.runs import Run
from opsctl.errors import ThrottledError, WaitTimedOutError
from opsctl.operations.connection import Connection

AT_FIRST = 60.0  # seconds during which a follower may ask as often as `poll_seconds` says
STEADY = 2.5
WIDEST = 15.0
THROTTLED_WIDEST = 60.0


@dataclass
class _Pace:
    """How long to wait between two looks, in seconds."""

    least: float
    started: float
    last_news: float
    throttled: float = 0.0

    def looked(self, now: float, *, news: bool) -> None:
        self.throttled /= 2
        if news:
            self.last_news = now

    def was_throttled(self) -> None:
        self.throttled = min(max(2 * self.throttled, 2 * self.least), THROTTLED_WIDEST)

    def interval(self, now: float) -> float:
        least = self.least if now - self.started < AT_FIRST else max(self.least, STEADY)
        return max(least, min((now - self.last_news) / 10, WIDEST), self.throttled)


def follow(
    connection: Connection,
    run: Run,
    timeout: float | None = None,
    *,
    tick: float | None = None,
    definition: Mapping[str, Any] | None = None,
) -> Iterator[RunHistory]:
    """The run's history whenever something has happened, and every `tick` seconds too; the last one is that of the run
    that has ended. Raises WaitTimedOutError after `timeout` seconds; the run goes on.

    A run that was redriven has not ended at an end before its latest redrive. Both the history and the description may
    lag behind RedriveExecution, so whoever redrove it gives the run as it then is: with that redrive counted.
    """
    aws = connection.aws
    begun = aws.now()
    pace = _Pace(aws.poll_seconds, begun, begun)
    growing, last = GrowingHistory(definition), 0
    history = growing.result()
    while True:
        news = _news(connection, run, last, pace)
        if news:
            growing.add(news)
            last, history = int(news[-1]["id"]), growing.result()
            yield history
        if history.status != RUNNING and _is_over(connection, run, history, pace):
            return
        until = aws.now() + pace.interval(aws.now())
        while (now := aws.now()) < until:
            left = _left(run, timeout, begun, now)
            aws.sleep(min(until - now, left, tick or until - now))
            if tick:
                yield history


def _left(run: Run, timeout: float | None, begun: float, now: float) -> float:
    left = float("inf") if timeout is None else begun + timeout - now
    if left <= 0:
        raise WaitTimedOutError(
            f"{run.name} is still running after {timeout:.0f} s", f"it goes on: opsctl status {run.name}"
        )
    return left


def _news(connection: Connection, run: Run, last: int, pace: _Pace) -> list[dict[str, Any]]:
    try:
        news = connection.states.events_after(run.arn, last)
    except ThrottledError:
        pace.was_throttled()
        return []
    pace.looked(connection.aws.now(), news=bool(news))
    return news


def _is_over(connection: Connection, run: Run, history: RunHistory, pace: _Pace) -> bool:
    """Whether the end that the history tells of is the run's end, and not one that a redrive has undone."""
    if history.redrives < run.redrives:
        return False
    try:
        described = connection.states.describe(run.arn)
    except ThrottledError:
        pace.was_throttled()
        return False
    return described.ended and history.redrives >= described.redrives
