"""The virtual clock: outcomes that are due, in order of time and then of being asked; and jitter that is none."""

from __future__ import annotations

import heapq
from random import Random

from opsctl.asl.effects import Outcome

_END_OF_TIME = 253_370_764_800.0
"""The first second of the year 9999, beyond which timestamps cannot be written much longer."""


class EndOfTimeError(Exception):
    """The clock has come to a moment that no timestamp can tell."""


class LongestDelays(Random):
    """A source of reproducible numbers in which jitter takes its upper end."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Clock:
    """`now` is in seconds since the epoch; it never goes back."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._due: list[tuple[float, int, int, Outcome]] = []
        self._order = 0

    def fork(self) -> Clock:
        """A second clock that stands where this one does."""
        twin = Clock(self.now)
        twin._due, twin._order = list(self._due), self._order
        return twin

    @property
    def next_due(self) -> float | None:
        """When the next outcome is due."""
        return self._due[0][0] if self._due else None

    def jump(self, moment: float) -> None:
        """Go on to a moment. Raises EndOfTimeError."""
        self.now = max(self.now, moment)
        if self.now > _END_OF_TIME:
            raise EndOfTimeError("the virtual clock has come to the year 9999")

    def put(self, at: float, task: int, outcome: Outcome) -> None:
        """Let an outcome of a task be due at a moment."""
        self._order += 1
        heapq.heappush(self._due, (at, self._order, task, outcome))

    def take(self) -> tuple[int, Outcome]:
        """The next outcome, with its task."""
        _, _, task, outcome = heapq.heappop(self._due)
        return task, outcome

    def drop(self, task: int) -> None:
        """Forget what is due of a task."""
        if any(entry[2] == task for entry in self._due):
            self._due = [entry for entry in self._due if entry[2] != task]
            heapq.heapify(self._due)
