"""The server's end of the process that runtimes of Lambda functions are copies of (zygote.py)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from opsctl.sandbox.directory import SandboxDirectory
from opsctl.sandbox.environment import PROGRAMS
from opsctl.sandbox.processes import Order

PROGRAM = Path(__file__).with_name("zygote.py")


class Zygote:
    """One sandbox's; started when it is first needed, and again if it died. Safe to use from any thread.

    It is a new program, never a copy of the server: a copy of a process with threads may hold locks for ever.
    """

    def __init__(self, place: SandboxDirectory, variables: Mapping[str, str]) -> None:
        self._place = place
        self._variables = variables
        self._lock = threading.Lock()
        self._channel = socket.socket()  # to nobody yet

    def start(self, _: Order, *descriptors: int) -> Callable[[], object]:
        """Start a supervisor as `processes.start_program` does. It is no child of ours, so nothing waits for it."""
        with self._lock:
            try:
                self._send(descriptors)
            except OSError:
                self._begin()
                self._send(descriptors)
        return lambda: None

    def _send(self, descriptors: tuple[int, ...]) -> None:
        """Raises OSError where nobody takes them: one that is being killed leaves them unread."""
        socket.send_fds(self._channel, [b"+"], descriptors)
        if not self._channel.recv(1):
            raise ConnectionResetError

    def _begin(self) -> None:
        self._channel.close()
        self._channel, its = socket.socketpair()
        with its:
            self._program = subprocess.Popen(
                [sys.executable, "-P", str(PROGRAM), str(its.fileno()), str(self._place.jobs_lock)],
                stdin=subprocess.DEVNULL,
                env={**PROGRAMS, **self._variables},
                cwd=self._place.root,
                start_new_session=True,
                pass_fds=(its.fileno(),),
            )
