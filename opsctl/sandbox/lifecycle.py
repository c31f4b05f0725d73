"""Start and end the sandbox's server: `up`, `down`, `status`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import opsctl
from opsctl.errors import ConfigurationError, OpsError, RefusedError
from opsctl.sandbox.directory import SandboxDirectory, wait_until

START_SECONDS = 30.0
STOP_SECONDS = 10.0


def status(directory: Path) -> dict[str, Any] | None:
    """What server.json says of the live server of this directory; None if no server is up there."""
    place = SandboxDirectory(directory)
    return place.read_server() if place.server_lives() else None


def jobs(directory: Path) -> list[dict[str, Any]]:
    """The jobs that run in the sandbox now: kind, name, pid of the program, started (seconds since the epoch)."""
    found = []
    for note in sorted(SandboxDirectory(directory).jobs.glob("*/job.json")):
        # A job may end while we look.
        with contextlib.suppress(FileNotFoundError, ValueError):
            found.append(json.loads(note.read_text()))
    return found


def up(
    directory: Path,
    port: int | None = None,
    *,
    stopped_jobs: str | None = None,
    grace: float | None = None,
    enforce_iam: bool | None = None,
) -> dict[str, Any]:
    """Start the server unless one is up, and return its server.json once it answers.

    `port` None takes a free one. `stopped_jobs` ("succeed", the default, or "fail") is what a `.sync` task answers for
    a training job that ended Stopped. `grace` is the time in seconds from SIGTERM to SIGKILL for a stopped training
    job, by default 120 as on AWS. `enforce_iam` lets everybody but the sandbox's own key do only what policies allow.
    Raises ConfigurationError (port in use, moto not installed), RefusedError (the server
    that is up was started otherwise, foreign directory), OpsError (the server died; its log says why).
    """
    place = SandboxDirectory(directory.absolute())
    running = status(place.root)
    if running is not None:
        return _as_asked(
            running, {"port": port, "stopped_jobs": stopped_jobs, "grace": grace, "enforce_iam": enforce_iam}
        )
    fresh = not place.root.exists()
    place.create()
    # What a killed server left: its announcement and its jobs' directories are worth nothing.
    place.server_file.unlink(missing_ok=True)
    wait_until(lambda: not place.jobs_live(), STOP_SECONDS)
    answer = _launch(
        place,
        *("--port", str(port or 0)),
        *("--stopped-jobs", stopped_jobs or "succeed"),
        *("--grace", str(120 if grace is None else grace)),
        *("--enforce-iam", "yes" if enforce_iam else "no"),
    )
    if "error" not in answer:
        return answer
    if not answer["error"]:
        raise OpsError(f"the sandbox's server did not start: {place.last_words()}", f"see {place.log}")
    if fresh:
        place.remove()
    raise ConfigurationError(answer["error"], answer.get("hint"))


def down(directory: Path) -> bool:
    """End the server, all it started, and remove the directory. False if there was none.

    Raises RefusedError for a directory that is not a sandbox's, OpsError if something will not end.
    """
    place = SandboxDirectory(directory.absolute())
    if not place.root.exists():
        return False
    place.refuse_foreign()
    _end_server(place)
    # Jobs are ended by their supervisors, which notice that the server is gone.
    if not wait_until(lambda: not place.jobs_live(), STOP_SECONDS):
        raise OpsError("a job of the sandbox does not end", f"see {place.jobs}")
    place.remove()
    return True


def _as_asked(running: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The server that is up, if it is the one that was asked for."""
    for name, value in asked.items():
        if value is not None and value != running.get(name):
            raise RefusedError(
                f"the sandbox is up with {name.replace('_', ' ')} {running.get(name)}, not {value}",
                "end it first: opsctl sandbox down",
            )
    return running


def _launch(place: SandboxDirectory, *options: str) -> dict[str, Any]:
    """Start the server in a session of its own and read the one line that it writes when it is ready or has failed."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "opsctl.sandbox.server", "--dir", str(place.root), "--ready-fd", str(writer)]
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_server_environment(),
            cwd=place.root,
            start_new_session=True,
            pass_fds=(writer,),
        )
    os.close(writer)
    answer = _read_answer(reader, process)
    if "error" not in answer:
        return answer
    process.wait()
    return answer


def _read_answer(reader: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The server's line, or an empty error if it ended, or took too long, without one."""
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        with os.fdopen(reader, "rb") as stream:
            line = stream.readline()
    finally:
        timer.cancel()
    answer: dict[str, Any] = json.loads(line) if line.strip() else {"error": ""}
    return answer


def _server_environment() -> dict[str, str]:
    """What the server itself runs with: no AWS variable at all, and this very package on its path."""
    kept = ("HOME", "TMPDIR", "PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(opsctl.__file__).parent.parent),
    }


def _end_server(place: SandboxDirectory) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = place.server_pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: not place.server_lives(), STOP_SECONDS)
    if place.server_lives():
        raise OpsError(f"the sandbox's server (process {place.server_pid()}) does not end", f"see {place.log}")
