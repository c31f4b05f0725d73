"""Writes snapshots: a copy of the server (fork) pickles the world as it was at one moment, while the server goes on."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from opsctl.sandbox.state import changes
from opsctl.sandbox.state.contents import Contents
from opsctl.sandbox.state.directory import StateDirectory

SHORTEST_PAUSE = 0.5
"""Seconds from the beginning of one snapshot to that of the next."""
SHARE = 5
"""A snapshot takes at most one part in so many of the time, or the next one waits."""
HANGS = 120
"""Seconds after which a copy that does not end is ended."""
LONGEST_PAUSE = 30.0
"""Seconds after a failure until the next try, at most."""
LAST_TRIES = 4
"""To let the world stand still at the end: what is written of one that moves has answers that nobody took."""
logger = logging.getLogger(__name__)


class Writer:
    """Writes one state. `dump` makes the bytes, in the copy; `hold` keeps the world still for a moment, in the server.
    `descriptor` is the lock that the copy holds on to."""

    def __init__(
        self,
        place: StateDirectory,
        contents: Contents,
        about: dict[str, Any],
        dump: Callable[[], bytes],
        hold: Callable[[], AbstractContextManager[Any]],
        descriptor: int,
    ) -> None:
        self._place = place
        self._contents = contents
        self._about = about
        self._dump = dump
        self._hold = hold
        self._descriptor = descriptor
        self._one = threading.Lock()

    def start(self) -> None:
        """Write whenever something has changed, in a thread of its own."""
        changes.note()  # the directory is to hold a state from the beginning
        threading.Thread(target=self._keep_writing, name="state", daemon=True).start()

    def write(self) -> bool:
        """Write now; whether that went well."""
        with self._one:
            begun = None
            try:
                with self._hold():
                    begun = self._begin()
            except TimeoutError:  # what the copy saw, if there is one, was no one moment
                logger.warning("nothing came to a stand for a snapshot of the state; it is tried again")
                if begun is None:
                    self._tell_of_failure()
                    return False
                os.kill(begun[0], signal.SIGKILL)
            return begun is not None and self._await(*begun)

    def write_last(self) -> bool:
        """Write, and let nothing change any more: the server ends."""
        self._one.acquire()
        for _ in range(LAST_TRIES):
            self._held = self._hold()  # kept, or it would let go at once
            try:
                self._held.__enter__()
                break
            except TimeoutError:
                logger.warning("nothing came to a stand for the last snapshot of the state")
        begun = self._begin()
        return begun is not None and self._await(*begun)

    def _begin(self) -> tuple[int, list[str], list[str]] | None:
        """Make the copy, while the world stands still; None where the machine has no room for one."""
        changes.forget()
        new, unwanted = self._contents.turn()
        moment = time.time()
        try:
            pid = os.fork()
        except OSError:
            logger.exception("no copy of the server could be made")
            self._come_to_nothing(new, unwanted)
            return None
        if pid == 0:
            self._be_a_copy(new, moment)
        return pid, new, unwanted

    def _await(self, pid: int, new: list[str], unwanted: list[str]) -> bool:
        _, status = os.waitpid(pid, 0)
        if status == 0:
            self._contents.remove(unwanted)
            self._place.unwritten.unlink(missing_ok=True)
            return True
        self._come_to_nothing(new, unwanted)
        return False

    def _come_to_nothing(self, new: list[str], unwanted: list[str]) -> None:
        """What was to be in this snapshot is to be in the next one."""
        logger.error("the state in %s was not written", self._place.root)
        self._contents.turn_back(new, unwanted)
        changes.note()
        self._tell_of_failure()

    def _tell_of_failure(self) -> None:
        with contextlib.suppress(OSError):
            self._place.unwritten.touch()

    def _keep_writing(self) -> None:
        failures = 0
        while True:
            changes.wait()
            began = time.monotonic()
            try:
                good = self.write()
            except Exception:
                logger.exception("the state could not be written")
                good = False
            took = time.monotonic() - began
            failures = 0 if good else failures + 1
            pause = max(SHORTEST_PAUSE, SHARE * took) if good else min(LONGEST_PAUSE, 2.0**failures)
            time.sleep(max(0.0, pause - took))

    def _be_a_copy(self, new: list[str], moment: float) -> NoReturn:
        """In the copy, whose only thread this is: write, and end. What the server has open is none of its business, or
        jobs would not notice that the server is gone."""
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(HANGS)
            gc.disable()
            os.closerange(3, self._descriptor)
            os.closerange(self._descriptor + 1, os.sysconf("SC_OPEN_MAX"))
            content = self._dump()
            self._contents.settle(new)
            self._place.write(content, {**self._about, "moment": moment})
            code = 0
        except BaseException:  # noqa: BLE001  nothing of the server's may run on in the copy
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
