"""Read the log of one invocation of a function, out of streams that hold many.

The function's own lines say nothing of who called. What says it is the request id, which START and REPORT bear around
an invocation's lines, and which the history knows in most cases. Where it does not, all that is left is the time.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from opsctl.aws.logs import LogEvent, Logs
from opsctl.domain.job_logs import FUNCTION_GROUP
from opsctl.domain.log_choice import Part
from opsctl.errors import ConfigurationError

Keep = Callable[[LogEvent], bool]
BEFORE_START = 1000  # lines of an environment's start that are kept until its first invocation begins
LONGEST_INVOCATION = 900.0
SKEW = 60.0  # how far apart the clocks of two services, and a line's time and its arrival, may be
_STARTS = re.compile(r'^START RequestId: ([0-9a-f-]{36})|"platform\.start".*?"requestId"\s*:\s*"([0-9a-f-]{36})"')
_ENDS = re.compile(r'^REPORT RequestId: |"platform\.report"')


class InvocationReader:
    """The lines of the invocation with a known request id."""

    streams = 1

    def __init__(self, logs: Logs, group: str, part: Part, request: str) -> None:
        self.where = f"{group}, request {request}"
        self.missing: str | None = None
        self._logs, self._group, self._request = logs, group, request
        self._since = part.attempt.scheduled - SKEW
        self._until = part.attempt.scheduled + LONGEST_INVOCATION + SKEW
        self._read = 0

    def new(self) -> Iterator[LogEvent]:
        """All events, oldest first; called again, those that came since."""
        for event in islice(self._lines(), self._read, None):
            self._read += 1
            yield event
        self.missing = None if self._read else f"there is no request {self._request} in the log group {self._group}"

    def last(self, count: int, keep: Keep) -> list[LogEvent]:
        """The last `count` events to keep."""
        return list(deque(filter(keep, self.new()), maxlen=count))

    def _lines(self) -> Iterator[LogEvent]:
        named = self._logs.found(self._group, self._since, self._until, self._request)
        stream = next((event.stream for event in named if self._request in event.message), None)
        begun = False
        for owner, event in _by_invocation(self._stream(stream) if stream else ()):
            if owner == self._request:
                begun = True
                yield event
            elif begun:
                return

    def _stream(self, name: str) -> Iterator[LogEvent]:
        token: str | None = None
        while page := self._logs.page(self._group, name, since=self._since, token=token):
            yield from page.events
            if page.onward == token:
                return
            token = page.onward


class TimeReader:
    """The lines of every invocation that began in the attempt's time; of an attempt that has ended, only of those that
    name the run in one of their lines, if any does."""

    streams = 1

    def __init__(self, logs: Logs, group: str, part: Part, run: str) -> None:
        attempt = part.attempt
        self.where = f"{group}, every request that began in the time of the attempt: the history does not name its own"
        self.missing: str | None = None
        self._logs, self._group, self._run = logs, group, run
        self._since = self._onward = attempt.scheduled - 1.0
        self._began_by = None if attempt.ended is None else min(attempt.ended, self._since + LONGEST_INVOCATION) + 1.0
        self._invocations = _Invocations()
        self._seen: dict[str, float] = {}  # events that the next look may find again

    def new(self) -> Iterator[LogEvent]:
        """All events, oldest first; called again, those that came since."""
        wanted = self._wanted()
        latest = self._onward
        for event in self._found(self._onward):
            if event.id in self._seen:
                continue
            self._seen[event.id], latest = event.at, max(latest, event.at)
            for owner, owned in self._invocations.take(event):
                if wanted is None or owner in wanted:
                    yield owned
        none = f"no request began in the time of the attempt, going by the log group {self._group}"
        self.missing = None if self._seen else none
        self._onward = max(self._onward, latest - SKEW)
        self._seen = {key: at for key, at in self._seen.items() if at >= self._onward}

    def last(self, count: int, keep: Keep) -> list[LogEvent]:
        """The last `count` events to keep; `new` goes on after them."""
        return list(deque(filter(keep, self.new()), maxlen=count))

    def _found(self, since: float) -> Iterator[LogEvent]:
        until = None if self._began_by is None else self._began_by + SKEW
        return self._logs.found(self._group, since, until)

    def _wanted(self) -> set[str] | None:
        """The requests whose lines to show; None for all, as long as the attempt goes on."""
        if self._began_by is None:
            return None
        began: set[str] = set()
        naming: set[str] = set()
        for owner, event in _by_invocation(self._found(self._since)):
            if _begun(event.message) and event.at <= self._began_by:
                began.add(owner)
            if self._run in event.message:
                naming.add(owner)
        return (began & naming) or began


def group_of(logs: Logs, function: str) -> str:
    """The group that the function's configuration names; AWS's own where nobody may ask, or the function is gone."""
    try:
        return logs.group_of_function(function) or FUNCTION_GROUP + function
    except ConfigurationError:
        return FUNCTION_GROUP + function


class _Invocations:
    """Tells which invocation a line belongs to. An environment serves one at a time and has one stream; what it prints
    while it starts belongs to its first invocation."""

    def __init__(self) -> None:
        self._current: dict[str, str] = {}
        self._waiting: dict[str, deque[LogEvent]] = {}

    def take(self, event: LogEvent) -> Iterator[tuple[str, LogEvent]]:
        """The events of which this one tells the invocation, each with its request id."""
        if begun := _begun(event.message):
            self._current[event.stream] = begun
            yield from ((begun, before) for before in self._waiting.pop(event.stream, ()))
        owner = self._current.get(event.stream)
        if owner is None:
            self._waiting.setdefault(event.stream, deque(maxlen=BEFORE_START)).append(event)
            return
        yield owner, event
        if _ENDS.search(event.message):
            del self._current[event.stream]


def _by_invocation(events: Iterable[LogEvent]) -> Iterator[tuple[str, LogEvent]]:
    invocations = _Invocations()
    for event in events:
        yield from invocations.take(event)


def _begun(message: str) -> str | None:
    found = _STARTS.search(message)
    return (found[1] or found[2]) if found else None
