"""The next page is on its way while one is dealt with."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
END = object()


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, one of which is read ahead by a thread. What reading raises is raised when its item is due.

    The thread is a daemon, and a new one for each item: whoever stops in the middle (an interrupt) waits for nobody.
    """
    reader = iter(items)
    item: Any = next(reader, END)
    while item is not END:
        answer: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_read, args=(reader, answer), daemon=True, name="read ahead").start()
        yield item
        item = answer.get()
        if isinstance(item, _Raised):
            raise item.error


class _Raised:
    """What reading an item raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _read(reader: Iterator[Any], answer: SimpleQueue[Any]) -> None:
    try:
        answer.put(next(reader, END))
    except BaseException as error:  # noqa: BLE001 - raised where the item is due
        answer.put(_Raised(error))
