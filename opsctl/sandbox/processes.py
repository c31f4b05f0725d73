"""Real subprocesses under a supervisor each: start, read their output, stop, learn how they ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SUPERVISOR = Path(__file__).with_name("supervisor.py")
KILLED = 137
LINE_BYTES = 65536
DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Order:
    """What a supervisor is to run. `lock` is the file that it shares a lock of while it lives, `fault` what befalls the
    program on purpose."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    lock: Path
    fault: Mapping[str, Any] | None = None

    def line(self) -> bytes:
        """As a supervisor reads it."""
        return json.dumps(asdict(self), default=str).encode() + b"\n"


# Starts a supervisor whose input, output and report are these file descriptors; returns what waits for its end.
Start = Callable[[Order, int, int, int], Callable[[], object]]


def start_program(order: Order, orders: int, output: int, report: int) -> Callable[[], object]:
    """Start the supervisor as a new program."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISOR), str(report)],
        stdin=orders,
        stdout=output,
        stderr=output,
        env=dict(order.environment),
        cwd=order.directory,
        start_new_session=True,
        pass_fds=(report,),
    ).wait


class Process:
    """One job's process, its group and its descendants. All but `stop` is for the one thread that waits for it.

    `on_line` is called in a thread of its own with each line of output (without its newline, at most 64 KiB).
    """

    def __init__(self, order: Order, on_line: Callable[[str], None], start: Start = start_program) -> None:
        orders, stdin = os.pipe()
        stdout, output = os.pipe()
        self._report, report = os.pipe()
        self._stdin = os.fdopen(stdin, "wb", buffering=0)
        self._stdout = os.fdopen(stdout, "rb")
        try:
            self._gone = start(order, orders, output, report)
        finally:
            for descriptor in (orders, output, report):
                os.close(descriptor)
        self._said = b""
        self._ended = False
        # The supervisor is told its order on its input, not by arguments, so that no `pkill -f <script>` hits it.
        self._send(order.line())
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def pid(self) -> int | None:
        """The job's own process number, once it runs; None if it never did."""
        while b"\n" not in self._said and not self._ended:
            self._hear(None)
        return int(self._said.split()[0]) if self._said else None

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit status (docker's: 128 + n for signal n), or None if the job still runs after `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._ended:
            if not self._hear(None if deadline is None else max(0.0, deadline - time.monotonic())):
                return None
        self._gone()
        # A descendant that outlived even its supervisor may hold the output open: do not wait for it for ever.
        self._reader.join(DRAIN_SECONDS)
        words = self._said.split()
        return int(words[1]) if len(words) > 1 else KILLED

    def stop(self, grace: float) -> None:
        """SIGTERM to the job's group now, SIGKILL to all of it after `grace` seconds."""
        self._send(f"stop {grace}\n".encode())

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line:
                line = line[self._stdin.write(line) :]

    def _hear(self, seconds: float | None) -> bool:
        """Read what the supervisor reports next; False if that took longer than `seconds`."""
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            return False
        data = os.read(self._report, 64)
        self._said += data
        if not data:
            self._ended = True
            os.close(self._report)
            with contextlib.suppress(OSError):
                self._stdin.close()
        return True

    def _read(self, on_line: Callable[[str], None]) -> None:
        with self._stdout as stdout:
            for line in iter(lambda: stdout.readline(LINE_BYTES), b""):
                on_line(line.decode("utf-8", "replace").rstrip("\r\n"))
