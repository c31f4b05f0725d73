"""Any number of requests, many in flight, in bounded memory: coroutines in a thread of their own, for sync callers."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from opsctl.aws.pace import Pace

T = TypeVar("T")
R = TypeVar("R")
PATIENCE = 5.0  # seconds for requests that are abandoned: one that never comes back is to keep no interrupt waiting
BLOCKING = 16  # threads for what cannot be awaited: botocore
TELLING = 0.02  # seconds between results that are handed back: to wake the other thread for each would take longer


def in_parallel(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], pace: Pace, most: int
) -> Generator[R, None, None]:
    """The results as they come, of as many items at a time as the pace has in flight; at most `most` items are read
    ahead of the results.

    If an item cannot be read, the work raises, or the reader stops (an interrupt), what is in flight is abandoned: S3
    may carry it out or not. Close it (contextlib.closing) where the reader may fail.
    """
    loop, ahead = _new_loop(), 0
    blocking = ThreadPoolExecutor(BLOCKING)
    loop.set_default_executor(blocking)
    thread = threading.Thread(target=loop.run_forever, name="s3 in bulk", daemon=True)
    thread.start()
    workers = _Workers(work, pace, loop)
    try:
        for item in items:
            workers.take(item)
            ahead += 1
            for result in workers.results(wait=ahead == most):
                ahead -= 1
                yield result
        while ahead:
            for result in workers.results(wait=True):
                ahead -= 1
                yield result
    finally:
        if not sys.is_finalizing():  # then the thread stands still already, and would be waited for in vain
            asyncio.run_coroutine_threadsafe(_end(), loop).result()
            _let_end(blocking)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class _Workers(Generic[T, R]):
    """Tasks of one loop that take items from one queue. There are as many as the pace has in flight, so that none waits
    for its turn."""

    def __init__(self, work: Callable[[T], Awaitable[R]], pace: Pace, loop: asyncio.AbstractEventLoop) -> None:
        self._work, self._pace, self._loop = work, pace, loop
        self._waiting: deque[T] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_called = False
        self._found: list[R] = []
        self._told: SimpleQueue[list[R] | BaseException] = SimpleQueue()

    def take(self, item: T) -> None:
        """One more to do; called in another thread than the loop's. Who is at work looks for more at the end of it, so
        that the loop is woken only for what there are too few for."""
        self._waiting.append(item)
        if len(self._tasks) < self._pace.window and not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._called)

    def results(self, wait: bool) -> list[R]:
        """What was found since, for the other thread. Raises what the work raised."""
        if not wait and self._told.empty():
            return []
        found = self._told.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def _called(self) -> None:
        self._is_called = False
        self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._tasks) < self._pace.window:
            task = self._loop.create_task(self._go_on())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def _go_on(self) -> None:
        while self._waiting and len(self._tasks) <= self._pace.window:
            result = await self._work(self._waiting.popleft())
            if not self._found:
                self._loop.call_later(TELLING, self._tell)
            self._found.append(result)
            self._begin()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error:
            self._told.put(error)
            return
        self._begin()  # for what was taken after its last look
        if not self._tasks:
            self._tell()

    def _tell(self) -> None:
        if self._found:
            self._told.put(self._found)
            self._found = []


def _new_loop() -> asyncio.AbstractEventLoop:
    """libuv's, which is woken once where many threads have an answer for it; there is none for Windows."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _end() -> None:
    """Cancel what goes on."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _let_end(blocking: ThreadPoolExecutor) -> None:
    """Wait for the threads, which end their request first, but not for ever."""
    ending = threading.Thread(target=blocking.shutdown, kwargs={"cancel_futures": True}, daemon=True)
    ending.start()
    ending.join(PATIENCE)
