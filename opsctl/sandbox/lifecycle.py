"""Start and end the sandbox's server: `up`, `down`, `status`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import opsctl
from opsctl.errors import ConfigurationError, OpsError, RefusedError, UsageError
from opsctl.sandbox.directory import SandboxDirectory, wait_until
from opsctl.sandbox.state.directory import StateDirectory

DEFAULTS: dict[str, Any] = {"port": 0, "stopped_jobs": "succeed", "grace": 120.0, "enforce_iam": False}
START_SECONDS = 120.0  # a second where nothing else runs, and much longer where dozens start at once
READ_SECONDS = 300.0  # to start, and to read a state, which may be large
STOP_SECONDS = 60.0  # a moment, where nothing else runs


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


def state_of(directory: Path) -> Path | None:
    """Where the sandbox of this directory keeps its state, whether it is up or not; None if it keeps none."""
    return SandboxDirectory(directory.absolute()).state()


def state_written(server: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Of which moment the last snapshot is that the server of this server.json has written, None before the first; and
    whether it could write all since then."""
    state = StateDirectory(Path(server["state"]))
    header = state.header()
    moment = None if header is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(header["moment"]))
    return moment, state.is_up_to_date()


def up(
    directory: Path,
    port: int | None = None,
    *,
    stopped_jobs: str | None = None,
    grace: float | None = None,
    enforce_iam: bool | None = None,
    state: Path | None = None,
) -> dict[str, Any]:
    """Start the server unless one is up, and return its server.json once it answers.

    `port` None takes a free one. `stopped_jobs` ("succeed", the default, or "fail") is what a `.sync` task answers for
    a training job that ended Stopped. `grace` is the time in seconds from SIGTERM to SIGKILL for a stopped training
    job, by default 120 as on AWS. `enforce_iam` lets everybody but the sandbox's own key do only what policies allow.
    `state` is the directory in which everything is kept: what a server kept there is all there again, and so are its
    port and its settings where none are given.
    Raises ConfigurationError (port in use, moto not installed), RefusedError (the server that is up was started
    otherwise, foreign directory, a state that cannot be read), UsageError (a state's directory that is none, or not
    private), OpsError (the server died; its log says why).
    """
    place = SandboxDirectory(directory.absolute())
    kept = None if state is None else StateDirectory(Path(os.path.abspath(state)))
    running = status(place.root)
    asked = {"port": port, "stopped_jobs": stopped_jobs, "grace": grace, "enforce_iam": enforce_iam}
    if running is not None:
        return _as_asked(running, {**asked, "state": None if kept is None else str(kept.root)})
    fresh = not place.root.exists()
    before = _prepare_state(place, kept)
    settings = {**DEFAULTS, **before, **{name: value for name, value in asked.items() if value is not None}}
    place.create()
    # What a killed server left: its announcement and its jobs' directories are worth nothing.
    place.server_file.unlink(missing_ok=True)
    wait_until(lambda: not place.jobs_live(), STOP_SECONDS)
    answer = _launch(
        place,
        START_SECONDS if kept is None else READ_SECONDS,
        *("--port", str(settings["port"])),
        *("--stopped-jobs", settings["stopped_jobs"]),
        *("--grace", str(settings["grace"])),
        *("--enforce-iam", "yes" if settings["enforce_iam"] else "no"),
        *(() if kept is None else ("--state", str(kept.root))),
    )
    if "error" not in answer:
        return answer
    if not answer["error"]:
        raise OpsError(f"the sandbox's server did not start: {place.last_words()}", f"see {place.log}")
    if fresh:
        place.remove()
    raise (RefusedError if answer.get("refused") else ConfigurationError)(answer["error"], answer.get("hint"))


def down(directory: Path) -> bool:
    """End the server, all it started, and remove the directory. False if there was none.

    Raises RefusedError for a directory that is not a sandbox's, OpsError if something will not end, or if the last of
    its state could not be written.
    """
    place = SandboxDirectory(directory.absolute())
    if not place.root.exists():
        return False
    place.refuse_foreign()
    lived, began = place.server_lives(), time.time()
    _end_server(place)
    # Jobs are ended by their supervisors, which notice that the server is gone.
    if not wait_until(lambda: not place.jobs_live(), STOP_SECONDS):
        raise OpsError("a job of the sandbox does not end", f"see {place.jobs}")
    state = place.state()
    if lived and state is not None:
        _check_written(StateDirectory(state), began, place)
    place.remove()
    return True


def _prepare_state(place: SandboxDirectory, kept: StateDirectory | None) -> dict[str, Any]:
    """Let the sandbox keep its state there; returns the settings of the server that did so last."""
    before = place.state()
    if before is not None and (kept is None or before != kept.root):
        raise RefusedError(
            f"the sandbox in {place.root} keeps its state in {before}",
            f"go on with --state {before}, or end it first, which leaves the state: opsctl sandbox down",
        )
    if kept is None:
        return {}
    if kept.root.is_relative_to(place.root) or place.root.is_relative_to(kept.root):
        raise UsageError(f"{kept.root} and the sandbox's own directory overlap", "name another one with --state")
    place.refuse_foreign()
    kept.create()
    header = kept.header() or {}
    place.keep_in(kept.root)
    return {name: header[name] for name in DEFAULTS if name in header}


def _check_written(state: StateDirectory, since: float, place: SandboxDirectory) -> None:
    """Raise OpsError unless the state is written as it was when the server was told to end."""
    wait_until(state.rests, STOP_SECONDS)
    header = state.header()
    if header is None or header["moment"] < since:
        raise OpsError(
            f"the sandbox is down, and the last of its state could not be written: {place.last_words()}",
            "what was written before is whole; opsctl sandbox down once more removes the sandbox's directory",
        )


def _as_asked(running: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The server that is up, if it is the one that was asked for."""
    for name, value in asked.items():
        if value is not None and value != running.get(name):
            words = name.replace("_", " ")
            has = f"with {words} {running[name]}" if name in running else f"without {words}"
            raise RefusedError(
                f"the sandbox is up {has}, not {value}",
                "end it first: opsctl sandbox down",
            )
    return running


def _launch(place: SandboxDirectory, seconds: float, *options: str) -> dict[str, Any]:
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
    answer = _read_answer(reader, process, seconds)
    if "error" in answer:
        process.wait()
    return answer


def _read_answer(reader: int, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    """The server's line, or an empty error if it ended, or took too long, without one."""
    timer = threading.Timer(seconds, process.kill)
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
