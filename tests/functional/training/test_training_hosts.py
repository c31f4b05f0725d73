"""Several hosts train one image model together: each a process with its own /opt/ml, on this machine's loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from training_job import QUICK, JobDirectory

HOSTS = ("algo-1", "algo-2")
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
Start = Callable[[list[JobDirectory]], "list[subprocess.Popen[str]]"]


def host(root: Path, name: str, data: Path, **hyperparameters: str) -> JobDirectory:
    job = JobDirectory(root / name).channel("data", data).hyperparameters(**{**QUICK["image"], **hyperparameters})
    resources = {"current_host": name, "hosts": [*HOSTS], "network_interface_name": LOOPBACK}
    (job.base / "input" / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    return job


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts hosts that meet on a port that nobody else gets: it stays bound, and the first may listen there."""
    with ExitStack() as bound:
        yield lambda jobs: begin(jobs, bound.enter_context(socket.socket()))


def begin(jobs: list[JobDirectory], bound: socket.socket) -> list[subprocess.Popen[str]]:
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(bound.getsockname()[1])}
    if sys.platform != "linux":
        bound.close()
    return [
        subprocess.Popen(
            job.script("image"), env=job.environment() | meeting, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for job in jobs
    ]  # fmt: skip


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Exit status of each, and what it printed."""
    printed = [process.communicate(timeout=900)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, printed, strict=True)]


def test_two_hosts_stop_together_go_on_and_the_first_leaves_the_model(data: Path, tmp_path: Path, start: Start) -> None:
    jobs = [host(tmp_path, name, data, epochs="6", batch_size="2") for name in HOSTS]
    processes = start(jobs)
    assert processes[0].stdout is not None
    first = processes[0].stdout.readline()
    processes[1].send_signal(signal.SIGTERM)  # one host alone is told
    ended = ends(processes)
    assert [code for code, _ in ended] == [75, 75]
    done = len((first + ended[0][1]).splitlines())
    line = f"stopped by SIGTERM in epoch {done + 1} of 6; run again to resume with that epoch"
    assert [job.failure() for job in jobs] == [line, line]
    assert not (jobs[1].base / "checkpoints").exists()

    (code, printed), other = ends(start(jobs))
    assert (code, other) == (0, (0, ""))
    assert printed.splitlines()[0] == f"resumed from the checkpoint of epoch {done}"
    assert [line.split()[0] for line in printed.splitlines()[1:]] == [f"epoch={epoch}" for epoch in range(done + 1, 7)]
    assert not (jobs[1].base / "model").exists()
    assert json.loads((jobs[0].base / "model" / "config.json").read_text())["hosts"] == 2
    history = json.loads((jobs[0].base / "model" / "metrics.json").read_text())["history"]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    with np.load(jobs[0].base / "model" / "outputs.npz") as outputs:
        assert np.isfinite(outputs["log_probability"]).all()


def test_when_one_host_fails_the_other_ends_and_says_why(data: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "bare").mkdir()
    whole, bare = host(tmp_path, "algo-1", data), host(tmp_path, "algo-2", tmp_path / "bare")
    assert [code for code, _ in ends(start([whole, bare]))] == [1, 1]
    assert bare.failure().startswith("no manifest.json in ")
    assert whole.failure() == f"another host failed: algo-2: {bare.failure()}"


def test_a_host_that_is_killed_ends_the_other(data: Path, tmp_path: Path, start: Start) -> None:
    jobs = [host(tmp_path, name, data, epochs="500") for name in HOSTS]
    processes = start(jobs)
    assert processes[0].stdout is not None
    processes[0].stdout.readline()
    processes[0].kill()
    assert [code for code, _ in ends(processes)] == [-signal.SIGKILL, 1]
    assert jobs[1].failure().startswith("lost another host, whose own log says why: ")
