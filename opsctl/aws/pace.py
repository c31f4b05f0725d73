"""How fast S3 may be written to: as fast as it goes until it says SlowDown, and then a little below what it bears.

Two limits. The window is the number of requests in flight: it starts small and grows with every answer, as TCP's does,
so that a store which refuses has not been sent hundreds of requests first. The rate, in writes a second, counts from
the first SlowDown on: it starts just below the 3,500 that AWS documents for one prefix (or at what was borne so far, if
that is more), falls at every further SlowDown, by a step or to what was borne, and rises slowly in between. A key of
DeleteObjects is a write.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

DOCUMENTED = 3500.0  # writes a second that AWS promises for one partition of the keys
FIRST_RATE = 0.95 * DOCUMENTED
STEP = 0.1 * DOCUMENTED  # off the rate at a SlowDown
GROWTH = 5.0  # writes a second, on top of the rate in every second without a SlowDown
LEAST_RATE = 5.0
REACTION = 0.25  # seconds; SlowDowns closer together tell of the same moment
CATCHING_UP = 0.05  # seconds
TELLING = 50  # requests; what was borne of fewer says nothing
SAMPLE = 2.0  # seconds; what was borne for less says nothing, for stores let a burst pass


class Pace:
    """Shared by the coroutines of one event loop. `first` and `most` bound the requests in flight."""

    def __init__(self, first: int, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._window, self._most, self._now = float(first), most, now
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._rate: float | None = None
        self._changed = now()
        self._next = 0.0
        self._line = asyncio.Lock()
        self._borne = self._answers = 0  # writes and requests that were carried out since the rate changed
        self._refused_at = float("-inf")

    @property
    def rate(self) -> float | None:
        """Writes a second, now; None as long as there was no SlowDown."""
        return None if self._rate is None else self._grown(self._rate, self._now())

    @asynccontextmanager
    async def turn(self, writes: int = 1) -> AsyncIterator[None]:
        """Wait until a request with that many writes may be sent, and count it as in flight inside."""
        while self._in_flight >= int(self._window):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._in_flight += 1
        try:
            await self._place(writes)
            yield
        finally:
            self._in_flight -= 1
            self._wake()

    def accepted(self, writes: int = 1) -> None:
        """The request was carried out: with every two of them the window grows by one."""
        self._borne += writes
        self._answers += 1
        self._window = min(self._most, self._window + 0.5)

    def refused(self) -> None:
        """S3 said SlowDown. Those that come together count as one."""
        now = self._now()
        if now - self._refused_at < REACTION:
            return
        self._refused_at = now
        self._window = max(1.0, self._window / 2)
        self._rate = self._lower(now)
        self._changed, self._borne, self._answers = now, 0, 0

    def _lower(self, now: float) -> float:
        lasted = now - self._changed
        if self._rate is None:
            return max(FIRST_RATE, 0.9 * self._borne / lasted if lasted >= SAMPLE else 0.0)
        rate = self._grown(self._rate, now)
        lower = max(rate - STEP, rate / 2)
        borne = self._borne / lasted if self._answers >= TELLING else rate
        return max(LEAST_RATE, min(lower, max(borne, rate / 2)))

    def _wake(self) -> None:
        free = int(self._window) - self._in_flight
        while free > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1

    async def _place(self, writes: int) -> None:
        """Wait for this request's place in the rate. One write that is late is made up for; a request with many is not,
        for stores allow no burst of that size."""
        async with self._line:
            if self._rate is None:
                return
            now = self._now()
            each = writes / self._grown(self._rate, now)
            # The first place is a whole request away: what was left of the store's allowance is used up.
            begin = max(self._next, self._refused_at + each)
            if begin > now:
                await asyncio.sleep(begin - now)
            self._next = max(begin, self._now() - (CATCHING_UP if writes == 1 else 0.0)) + each

    def _grown(self, rate: float, now: float) -> float:
        return rate + (now - self._changed) * GROWTH
