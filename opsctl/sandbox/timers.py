"""When which execution is to be looked at next: the engine's alarm clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from opsctl.sandbox.runs import Run

LONGEST_SLEEP = 3_600.0
"""Seconds; a timer may be due in the year 9999, and Python refuses to wait that long."""


class Timers:
    """One moment for each execution, in seconds since the epoch. For one thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Run]] = []
        self._order = itertools.count()

    def arm(self, run: Run, due: float | None) -> None:
        """Set the execution's moment, or none."""
        if due is not None and due != run.armed:
            heapq.heappush(self._heap, (due, next(self._order), run))
        run.armed = due

    def due(self, now: float) -> Iterator[Run]:
        """The executions whose moment has come, each no longer armed. An entry that an execution has moved away from is
        stale."""
        while self._heap and self._heap[0][0] <= now:
            due, _, run = heapq.heappop(self._heap)
            if run.armed == due:
                run.armed = None
                yield run

    def patience(self, now: float) -> float | None:
        """Seconds until the next moment, None without one."""
        return min(max(0.0, self._heap[0][0] - now), LONGEST_SLEEP) if self._heap else None
