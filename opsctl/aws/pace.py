"""How fast S3 may be written to: as fast as it goes until it says SlowDown, and then a little below what it bears.

Two limits. The window is the number of requests in flight: it starts small and grows with the answers, as TCP's does,
so that a store which refuses has not been sent hundreds of requests first; and shrinks again where a larger one has
only made the answers later, for then the store, or this machine, is at its limit. The rate, in writes a second, counts
from the first SlowDown on: it starts just below the 3,500 that AWS documents for one prefix (or at what was borne so
far, if that is more). At every further SlowDown it falls, by a tenth or to what was borne, and rises again as CUBIC has
TCP's window rise (RFC 9438): steeply at first, hardly at all around a level just below what was refused, and ever more
steeply beyond, for S3 comes to bear more as it divides a busy prefix. A key of DeleteObjects is a write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DOCUMENTED = 3500.0  # writes a second that AWS promises for one partition of the keys
FIRST_RATE = 0.94 * DOCUMENTED
FALL = 0.1  # of the rate, at a SlowDown
LEVEL = 0.98  # of the rate that was refused: where the growth levels off
GROWTH = 2e-7  # of the level, times the cube of the seconds from there: 1 % in 37 s, a third in 2 minutes, all in 3
LEAST_RATE = 5.0
REACTION = 0.25  # seconds; SlowDowns closer together tell of the same moment
CATCHING_UP = 0.05  # seconds
TELLING = 50  # requests; what was borne of fewer says nothing
SAMPLE = 2.0  # seconds; what was borne for less says nothing, for stores let a burst pass
ROUND = 64.0  # by which the window grows at the most until each request in it is answered
SMOOTHING = 1 / 16  # weight of an answer in the mean of how long they take
PATIENT = 64.0  # requests: as many are sent however late the answers, for large objects take their time
LATE = 3.0  # times the quickest mean: longer than requests take that wait for nobody


class Pace:
    """Shared by the coroutines of one event loop. `first` and `most` bound the requests in flight."""

    def __init__(self, first: int, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._window, self._most, self._now = float(first), most, now
        self._level: float | None = None  # writes a second
        self._leveling = 0.0  # seconds from the last SlowDown until the rate is at the level
        self._changed = now()
        self._next = 0.0
        self._line = asyncio.Lock()
        self._borne = self._answers = 0  # writes and requests that were carried out since the rate changed
        self._refused_at = float("-inf")
        self._lasting = self._quickest = 0.0  # seconds; how long answers take now, and at the best so far

    @property
    def rate(self) -> float | None:
        """Writes a second, now; None as long as there was no SlowDown."""
        return None if self._level is None else self._grown(self._level, self._now())

    @property
    def window(self) -> int:
        """Requests that may be in flight, now; at least one."""
        return int(self._window)

    async def turn(self, writes: int = 1) -> float:
        """Wait until a request with that many writes may be sent; gives the time. One write that is late is made up
        for; a request with many is not, for stores allow no burst of that size."""
        if self._level is None:
            return self._now()
        async with self._line:
            now = self._now()
            each = writes / self._grown(self._level, now)
            # The first place is a whole request away: what was left of the store's allowance is used up.
            begin = max(self._next, self._refused_at + each)
            if begin > now:
                await asyncio.sleep(begin - now)
            self._next = max(begin, self._now() - (CATCHING_UP if writes == 1 else 0.0)) + each
        return self._now()

    def accepted(self, sent: float, writes: int = 1) -> None:
        """The request that was sent then was carried out: with every two of them the window grows by one, unless
        answers have become late."""
        self._borne += writes
        self._answers += 1
        took = self._now() - sent
        self._lasting += (took - self._lasting) * (SMOOTHING if self._quickest else 1)
        self._quickest = min(self._lasting, self._quickest or self._lasting)
        if self._lasting <= LATE * self._quickest:
            self._window = min(self._most, self._window + min(0.5, ROUND / self._window))
        elif self._window > PATIENT:
            self._window -= min(0.5, ROUND / self._window)

    def refused(self) -> None:
        """S3 said SlowDown. Those that come together count as one."""
        now = self._now()
        if now - self._refused_at < REACTION:
            return
        self._refused_at = now
        self._window = max(1.0, self._window / 2)
        self._settle(now)
        self._changed, self._borne, self._answers = now, 0, 0

    def _settle(self, now: float) -> None:
        lasted = now - self._changed
        if self._level is None:
            self._level = max(FIRST_RATE, 0.9 * self._borne / lasted if lasted >= SAMPLE else 0.0)
            return
        rate = self._grown(self._level, now)
        lower = (1 - FALL) * rate
        if self._answers >= TELLING:
            lower = min(lower, max(self._borne / lasted, rate / 2))
        self._level = max(LEAST_RATE, lower / (1 - FALL) * LEVEL)
        self._leveling = (max(0.0, 1 - lower / self._level) / GROWTH) ** (1 / 3)

    def _grown(self, level: float, now: float) -> float:
        return max(LEAST_RATE, level * (1 + GROWTH * (now - self._changed - self._leveling) ** 3))
