"""Task tokens: which task each of them answers, and which answer nothing any more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from opsctl.sandbox.tasks import Task

CLOSED = 10_000
"""So many tokens of ended tasks are told from those that never were."""


class UnknownTokenError(LookupError):
    """No task was ever given this token."""


class ClosedTokenError(LookupError):
    """The token's task has ended."""


class Tokens:
    """Those of one sandbox, kept over restarts of its server. Safe to use from any thread."""

    def __init__(self) -> None:
        self._open: dict[str, Task] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"open": dict(self._open), "closed": list(self._closed)}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self._open, self._closed = kept["open"], OrderedDict.fromkeys(kept["closed"])
        self._lock = threading.Lock()

    def open(self, task: Task) -> None:
        """A task may be answered by its token, if it has one."""
        if task.token is not None:
            with self._lock:
                self._open[task.token] = task

    def use(self, token: str, *, closing: bool) -> Task:
        """The task that a token answers. Raises UnknownTokenError or ClosedTokenError."""
        with self._lock:
            task = self._open.get(token)
            if task is None:
                raise ClosedTokenError(token) if token in self._closed else UnknownTokenError(token)
            if closing:
                self._close(token)
        return task

    def close(self, token: str | None) -> None:
        """A task has ended; nothing happens if it has no token, or is closed already."""
        if token is not None:
            with self._lock:
                self._close(token)

    def _close(self, token: str) -> None:
        if self._open.pop(token, None) is not None:
            self._closed[token] = None
            if len(self._closed) > CLOSED:
                self._closed.popitem(last=False)
