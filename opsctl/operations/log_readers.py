"""Read the log of one attempt: all of it, its end, or what was written since the last look.

Nothing is kept but a page for each stream, so the longest log is read in the memory of a short one.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from opsctl.aws.logs import LogEvent, Logs
from opsctl.domain.job_logs import BatchLog, FunctionLog, JobLog, NoLog, Source, batch_log
from opsctl.domain.log_choice import Part
from opsctl.operations.function_logs import InvocationReader, Keep, TimeReader, group_of


class Reader(Protocol):
    """`where` names the place in words; `missing` says why there is nothing, once it was looked at."""

    where: str
    missing: str | None

    @property
    def streams(self) -> int:
        """How many were found."""

    def new(self) -> Iterator[LogEvent]:
        """All events, oldest first; called again, those that came since."""

    def last(self, count: int, keep: Keep) -> list[LogEvent]:
        """The last `count` events to keep; `new` goes on after them."""


class StreamsReader:
    """The streams of a SageMaker or Batch job, which may grow in number while it runs, merged by time.

    `find` looks the names of the streams up; None where their group does not exist.
    """

    def __init__(
        self, logs: Logs, group: str, wanted: str, find: Callable[[], list[str] | None], since: float | None
    ) -> None:
        self.where = f"{group}, {wanted}"
        self.missing: str | None = None
        self._logs, self._group, self._wanted, self._find, self._since = logs, group, wanted, find, since
        self._tokens: dict[str, str | None] = {}

    @property
    def streams(self) -> int:
        """How many were found."""
        return len(self._tokens)

    def new(self) -> Iterator[LogEvent]:
        """All events, oldest first; called again, those that came since."""
        self._look()
        yield from heapq.merge(*map(self._onward, list(self._tokens)), key=_time)

    def last(self, count: int, keep: Keep) -> list[LogEvent]:
        """The last `count` events to keep; `new` goes on after them."""
        self._look()
        return sorted((event for name in self._tokens for event in self._end(name, count, keep)), key=_time)[-count:]

    def _look(self) -> None:
        names = self._find()
        for name in names or ():
            self._tokens.setdefault(name, None)
        if self._tokens:
            self.missing = None
        elif names is None:
            self.missing = f"there is no log group {self._group}"
        else:
            self.missing = f"there is no {self._wanted} in the log group {self._group}"

    def _onward(self, name: str) -> Iterator[LogEvent]:
        while page := self._logs.page(self._group, name, since=self._since, token=self._tokens[name]):
            before, self._tokens[name] = self._tokens[name], page.onward
            yield from page.events
            if page.onward == before:
                return

    def _end(self, name: str, count: int, keep: Keep) -> list[LogEvent]:
        """The end of a stream, read backwards until there is enough of it."""
        found: deque[LogEvent] = deque()
        token: str | None = None
        while page := self._logs.page(self._group, name, since=self._since, token=token, newest=True):
            if token is None:
                self._tokens[name] = page.onward
            found.extendleft(event for event in reversed(page.events) if keep(event))
            if len(found) >= count or page.back == token:
                break
            token = page.back
        return list(found)[-count:] if count else []


def reader_of(logs: Logs, part: Part, source: Source, run: str, since: float | None) -> Reader | NoLog:
    """The reader of an attempt's log. Batch and Lambda are asked for what the history does not tell."""
    if isinstance(source, JobLog):
        find = partial(logs.streams, source.group, source.prefix)
        return StreamsReader(logs, source.group, f"stream {source.prefix}*", find, since)
    if isinstance(source, BatchLog):
        return _batch_reader(logs, part, source, since)
    if isinstance(source, FunctionLog):
        group = group_of(logs, source.function)
        if source.request:
            return InvocationReader(logs, group, part, source.request)
        return TimeReader(logs, group, part, run)
    return source


def _batch_reader(logs: Logs, part: Part, source: BatchLog, since: float | None) -> Reader | NoLog:
    known: BatchLog | NoLog = source
    if not source.streams:
        described = logs.batch_job(source.job_id)
        if described is None:
            return NoLog(
                f"Batch no longer knows {source.what} ({source.job_id}), and the history names no stream of it"
            )
        known = batch_log(described, source.what, source.job_id)
    if isinstance(known, NoLog):
        return known
    ended = part.attempt.ended is not None and known.streams
    find = partial(list, known.streams) if ended else partial(_streams_of, logs, source)
    return StreamsReader(logs, known.group, f"stream of {source.what}", find, since)


def _streams_of(logs: Logs, source: BatchLog) -> list[str]:
    """The streams that a Batch job has now."""
    now = batch_log(logs.batch_job(source.job_id) or {}, source.what, source.job_id)
    return list(now.streams) if isinstance(now, BatchLog) else []


def _time(event: LogEvent) -> float:
    return event.at
