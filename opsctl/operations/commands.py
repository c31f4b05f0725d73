"""Programs of the user's, run for a task: input in, output and last words out, and an end that is an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from opsctl.domain.work import OUTPUT_BYTES, Ended

GRACE_SECONDS = 10.0
DRAIN_SECONDS = 2.0
LAST_WORDS = 32_768
_PIECE = 65_536


def run(
    command: Sequence[str],
    given: Path,
    *,
    environment: Mapping[str, str],
    every: float,
    look: Callable[[], str | None],
    on_line: Callable[[str], None],
) -> Ended:
    """Run `command` in this `environment` to its end. The file `given` is its input, and named to it as
    OPSCTL_TASK_INPUT too.

    Every `every` seconds `look` is asked whether it may go on; the word that `look` returns, if any, ends it: SIGTERM
    to its process group, SIGKILL ten seconds later. `on_line` gets each line of its stderr. What it starts and leaves
    in its process group ends with it. Raises OSError where it cannot be started.
    """
    with given.open("rb") as stdin:
        process = subprocess.Popen(
            list(command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "OPSCTL_TASK_INPUT": str(given)},
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101  (mypy does not know PIPE)
    assert process.stderr is not None  # noqa: S101
    stdout, stderr = bytearray(), bytearray()
    readers = [
        threading.Thread(target=_collect, args=(process.stdout, stdout), daemon=True),
        threading.Thread(target=_listen, args=(process.stderr, stderr, on_line), daemon=True),
    ]
    for reader in readers:
        reader.start()
    word = _wait(process, every, look)
    _signal(process.pid, signal.SIGKILL)  # whoever is left of its group may hold its output open
    for reader in readers:
        reader.join(DRAIN_SECONDS)
    return Ended(process.returncode, bytes(stdout), stderr.decode(errors="replace"), word)


def _wait(process: subprocess.Popen[bytes], every: float, look: Callable[[], str | None]) -> str | None:
    """Wait for the end; the word that made us end it, if one did."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(every)
            return None
        word = look()
        if word is not None:
            _end(process)
            return word


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _collect(stream: IO[bytes], into: bytearray) -> None:
    """Keep one byte more than an output may have, and read on so that a flood does not block the command."""
    while piece := os.read(stream.fileno(), _PIECE):
        into += piece[: OUTPUT_BYTES + 1 - len(into)]
    stream.close()


def _listen(stream: IO[bytes], into: bytearray, on_line: Callable[[str], None]) -> None:
    while line := stream.readline(_PIECE):
        into += line
        del into[:-LAST_WORDS]
        on_line(line.decode(errors="replace").rstrip("\r\n"))
    stream.close()
