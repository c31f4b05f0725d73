"""Any number of requests, many in flight, in bounded memory: coroutines in a thread of their own, for sync callers."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
BLOCKING = 16  # threads for what cannot be awaited: botocore


def in_parallel(work: Callable[[T], Awaitable[R]], items: Iterable[T], most: int) -> Generator[R, None, None]:
    """The results in the order of the items, of which at most that many are read ahead of the result that is next.

    If an item cannot be read, the work raises, or the reader stops (an interrupt), what is in flight is abandoned: S3
    may carry it out or not. Close it (contextlib.closing) where the reader may fail.
    """
    loop, waiting = asyncio.new_event_loop(), iter(items)
    loop.set_default_executor(ThreadPoolExecutor(BLOCKING))
    thread = threading.Thread(target=loop.run_forever, name="s3 in bulk", daemon=True)
    thread.start()
    running: deque[Future[R]] = deque()

    async def awaited(item: T) -> R:
        return await work(item)

    def begin(count: int) -> None:
        batch = itertools.islice(waiting, count)
        running.extend(asyncio.run_coroutine_threadsafe(awaited(item), loop) for item in batch)

    try:
        begin(most)
        while running:
            result = running.popleft().result()
            begin(1)
            yield result
    finally:
        if not sys.is_finalizing():  # then the thread stands still already, and would be waited for in vain
            asyncio.run_coroutine_threadsafe(_end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _end() -> None:
    """Cancel what goes on; and wait for the threads, which end their request first."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()
