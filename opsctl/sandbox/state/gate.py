"""The gate at which requests that change something wait while a snapshot begins, so that none is in it by half."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opsctl.sandbox.actions import action_of
from opsctl.sandbox.faults import READS
from opsctl.sandbox.state import changes

LONGEST_WAIT = 1.0
"""Seconds that a snapshot waits for requests under way. What takes longer is in it as far as it has come."""
LONG = ("lambda:Invoke", "sagemaker:InvokeEndpoint", "sqs:ReceiveMessage", "states:GetActivityTask")
"""Requests that wait for something by their nature, other requests among it."""


class Gate:
    """Open, unless a snapshot begins. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._passing = 0
        self._shut = False

    @contextmanager
    def passing(self, environ: Mapping[str, Any], body: bytes) -> Iterator[None]:
        """Let one request pass; one that changes something waits where the gate is shut, and says so afterwards."""
        if environ.get("REQUEST_METHOD") in ("GET", "HEAD", "OPTIONS"):
            yield
            return
        action = action_of(environ, body) or "?:?"
        if action.partition(":")[2].startswith(READS) and action not in LONG:
            yield
            return
        if action.startswith(LONG):
            with _noted():
                yield
            return
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._passing += 1
        try:
            with _noted():
                yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let nobody pass any more; begins when those who were passing have passed."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._passing == 0, LONGEST_WAIT)
        try:
            yield
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()


@contextmanager
def _noted() -> Iterator[None]:
    try:
        yield
    finally:
        changes.note()
