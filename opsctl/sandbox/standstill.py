"""How somebody else lets a thread that carries out commands stand still for a while, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

SECONDS = 5.0


@contextmanager
def hold(order: Callable[[Callable[[], None]], None], seconds: float = SECONDS) -> Iterator[None]:
    """Let the thread stand still between two commands, with all done that was ordered before.

    Raises TimeoutError if it does not come to a stand within `seconds`, or if this has taken longer: by then it goes
    on, and what was seen is no one moment.
    """
    still, over = threading.Event(), threading.Event()
    in_time: Future[bool] = Future()

    def stand_still() -> None:
        still.set()
        in_time.set_result(over.wait(seconds))

    order(stand_still)
    try:
        if not still.wait(seconds):
            raise TimeoutError("it did not come to a stand")
        yield
    finally:
        over.set()
    if not in_time.result():
        raise TimeoutError("it could not wait any longer")
