"""Follow a run as it goes on, with few requests: what has happened since the last look, and nothing twice.

AWS refills 20 GetExecutionHistory a second for a whole account. A follower asks less than once in 2 seconds over any
longer time, less often the longer nothing has happened and the more executions it follows, and less often still while
AWS throttles it: throttling slows a follower down and never ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.history import RUNNING, GrowingHistory, RunHistory, StateRun, read_history
from opsctl.domain.runs import Run
from opsctl.domain.steps import execution_of
from opsctl.domain.times import whole_duration
from opsctl.errors import OpsError, ThrottledError, WaitTimedOutError
from opsctl.operations.connection import Connection

AT_FIRST = 60.0  # seconds during which a follower may ask as often as `poll_seconds` says
STEADY = 2.5
WIDEST = 15.0
THROTTLED_WIDEST = 60.0
MOST_CHILDREN = 20
DEEPEST = 3


@dataclass(frozen=True)
class Sight:
    """What is known of a run by now: its history, and those of the executions that its steps started, by ARN."""

    history: RunHistory
    children: Mapping[str, RunHistory]


NOTHING = Sight(read_history(()), {})  # before the first look


def follow(
    connection: Connection,
    run: Run,
    timeout: float | None = None,
    *,
    tick: float | None = None,
    definition: Mapping[str, Any] | None = None,
) -> Iterator[Sight]:
    """The run whenever something has happened, and every `tick` seconds too; the last sight is that of the run that
    has ended. Raises WaitTimedOutError after `timeout` seconds; the run goes on.

    A run that was redriven has not ended at an end before its latest redrive. Both the history and the description may
    lag behind RedriveExecution, so whoever redrove it gives the run as it then is: with that redrive counted.
    """
    aws = connection.aws
    begun = aws.steady()
    pace = _Pace(aws.poll_seconds, begun, begun)
    feeds = _Feeds(connection, run.arn, definition, pace)
    while True:
        news = feeds.look()
        if news:
            yield feeds.sight
        if feeds.sight.history.status != RUNNING and _is_over(connection, run, feeds.sight.history, pace):
            return
        until = aws.steady() + pace.interval(aws.steady(), feeds.open)
        while (now := aws.steady()) < until:
            aws.sleep(min(until - now, _left(run, connection.on_machine, timeout, begun, now), tick or until - now))
            if tick:
                yield feeds.sight


@dataclass
class Unsettled:
    """Of a growing history's states those that may be news, so that a look at a long run costs what has changed: all
    but those before the first task that is still at work, and all of them again after a redrive."""

    redrives: int = 0
    start: int = 0

    def states(self, history: RunHistory) -> tuple[StateRun, ...]:
        """The states that may have changed since the last call."""
        if history.redrives != self.redrives:
            self.redrives, self.start = history.redrives, 0
        states = history.states[self.start :]
        working = (number for number, state in enumerate(states) if state.type == "Task" and state.status == RUNNING)
        self.start += next(working, len(states))
        return states


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

    def interval(self, now: float, feeds: int) -> float:
        """`feeds` is how many executions are looked at each time."""
        least = self.least if now - self.started < AT_FIRST else max(self.least, STEADY)
        return max(least * feeds, min((now - self.last_news) / 10, WIDEST), self.throttled)


@dataclass
class _Feed:
    """One execution's history as far as it has been read."""

    arn: str
    depth: int
    growing: GrowingHistory
    history: RunHistory
    unsettled: Unsettled = field(default_factory=Unsettled)
    last: int = 0
    over: bool = False  # a child's end is its end; the run's own is for `_is_over` to tell


@dataclass
class _Feeds:
    """The run's history and those of its children."""

    connection: Connection
    arn: str
    definition: Mapping[str, Any] | None
    pace: _Pace
    feeds: dict[str, _Feed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._add(self.arn, 0, self.definition)

    @property
    def sight(self) -> Sight:
        children = {arn: feed.history for arn, feed in self.feeds.items() if arn != self.arn and feed.last}
        return Sight(self.feeds[self.arn].history, children)

    @property
    def open(self) -> int:
        """How many are still looked at."""
        return sum(not feed.over for feed in self.feeds.values())

    def look(self) -> bool:
        """Whether anything has happened."""
        waiting, news = list(self.feeds.values()), False
        for feed in waiting:  # and those that the news lead to
            if not feed.over and self._read(feed):
                news = True
                waiting += self._children(feed)
        return news

    def _read(self, feed: _Feed) -> bool:
        try:
            events = self.connection.states.events_after(feed.arn, feed.last)
        except ThrottledError:
            self.pace.was_throttled()
            return False
        except OpsError:
            if feed.arn == self.arn:
                raise
            feed.over = True  # a child that may not be read is told of by its step alone
            return False
        self.pace.looked(self.connection.aws.steady(), news=bool(events))
        if events:
            feed.growing.add(events)
            feed.last, feed.history = int(events[-1]["id"]), feed.growing.result()
            feed.over = feed.arn != self.arn and feed.history.status != RUNNING
        return bool(events)

    def _children(self, feed: _Feed) -> list[_Feed]:
        if feed.depth >= DEEPEST:
            return []
        found = [arn for state in feed.unsettled.states(feed.history) if (arn := execution_of(state))]
        new = [arn for arn in dict.fromkeys(found) if arn not in self.feeds]
        return [self._add(arn, feed.depth + 1, None) for arn in new[: MOST_CHILDREN + 1 - len(self.feeds)]]

    def _add(self, arn: str, depth: int, definition: Mapping[str, Any] | None) -> _Feed:
        growing = GrowingHistory(definition)
        self.feeds[arn] = _Feed(arn, depth, growing, growing.result())
        return self.feeds[arn]


def _left(run: Run, on_machine: str, timeout: float | None, begun: float, now: float) -> float:
    left = float("inf") if timeout is None else begun + timeout - now
    if left <= 0:
        raise WaitTimedOutError(
            f"{run.name} is still running after {whole_duration(timeout or 0.0)}",
            f"it goes on: opsctl status {run.name}{on_machine}",
        )
    return left


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
