"""Work on any number of items in threads, in bounded memory."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # tasks that wait, for each thread


def in_parallel(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """The results in the order of the items, which are read only as fast as they are worked on.

    If an item cannot be read, the work raises, or the reader stops (an interrupt), what was begun is finished and
    nothing else is begun.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(threads)
    try:
        first = itertools.islice(waiting, threads * (1 + AHEAD))
        running = deque(pool.submit(work, item) for item in first)
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(work, item) for item in itertools.islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
