"""How training jobs end when they cannot go on: by SIGTERM, by divergence, by missing or foreign input."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from training_job import QUICK, JobDirectory

SLOW = {**QUICK["text"], "epochs": "12", "batch_size": "3"}


def outputs_of(job: JobDirectory) -> np.ndarray:
    with np.load(job.base / "model" / "outputs.npz") as outputs:
        return outputs["log_probability"]


def test_a_stopped_job_resumes_and_ends_as_if_it_had_never_stopped(data: Path, tmp_path: Path) -> None:
    stopped = JobDirectory(tmp_path / "stopped").channel("data", data).hyperparameters(**SLOW)
    process = subprocess.Popen(
        stopped.script("text"), env=stopped.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    before = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=240)
    before += rest.splitlines()
    assert process.returncode == 75, errors
    done = len(before)
    line = f"stopped by SIGTERM in epoch {done + 1} of 12; run again to resume with that epoch"
    assert (stopped.failure(), errors) == (line, f"error: {line}\n")
    assert not (stopped.base / "model").exists()
    assert [path.name for path in (stopped.base / "checkpoints").iterdir()] == ["checkpoint.pt"]

    resumed = stopped.run("text")
    assert resumed.returncode == 0, resumed.stderr
    first, *epochs = resumed.stdout.splitlines()
    assert first == f"resumed from the checkpoint of epoch {done}"
    assert [line.split()[0] for line in epochs] == [f"epoch={epoch}" for epoch in range(done + 1, 13)]
    assert not (stopped.base / "output" / "failure").exists()
    history = json.loads((stopped.base / "model" / "metrics.json").read_text())["history"]
    assert [entry["epoch"] for entry in history] == list(range(1, 13))

    whole = JobDirectory(tmp_path / "whole").channel("data", data).hyperparameters(**SLOW)
    assert whole.run("text").returncode == 0
    assert np.array_equal(outputs_of(whole), outputs_of(stopped))


def test_a_rate_far_too_high_diverges(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    job = JobDirectory(tmp_path).channel("data", data).hyperparameters(max_lr="1000000", batch_size="1")
    job.artifact("text", trained["text"]).artifact("image", trained["image"])
    result = job.run("sequence")
    assert result.returncode == 1
    assert job.failure().startswith("training diverged in epoch ")
    assert job.failure().endswith(" with hyperparameter max_lr=1000000; run again with a lower max_lr")
    assert "loss=nan" in job.failure() or "loss=inf" in job.failure()
    assert not (job.base / "model").exists()


@pytest.mark.parametrize(
    ("script", "hyperparameters", "message"),
    [
        ("text", {}, "no channel 'data': "),
        ("image", {"start_filters": "8"}, "unknown hyperparameter 'start_filters': did you mean 'start_filter'?"),
        ("evaluate", {"epochs": "8"}, "unknown hyperparameter 'epochs': this job takes none"),
        ("evaluate", {}, "no channel 'data': "),
    ],
)
def test_input_that_is_not_there(tmp_path: Path, script: str, hyperparameters: dict[str, str], message: str) -> None:
    job = JobDirectory(tmp_path).hyperparameters(**hyperparameters)
    result = job.run(script)
    assert result.returncode == 1
    assert job.failure().startswith(message)
    assert result.stderr == f"error: {job.failure()}\n"


def test_data_that_is_not_whole(data: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    job = JobDirectory(tmp_path / "a").channel("data", tmp_path / "bare")
    assert job.run("evaluate").returncode == 1
    assert job.failure().startswith("no manifest.json in ")
    (tmp_path / "bare" / "manifest.json").write_bytes((data / "manifest.json").read_bytes())
    assert job.run("evaluate").returncode == 1
    assert job.failure().endswith("pages.jsonl is missing, but its manifest lists it: fetch the data again")


def test_models_of_another_data_set_are_refused(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in data.iterdir():
        (other / path.name).symlink_to(path)
    manifest = json.loads((data / "manifest.json").read_text())
    (other / "manifest.json").unlink()
    (other / "manifest.json").write_text(json.dumps({**manifest, "fingerprint": "0" * 64}))
    job = JobDirectory(tmp_path / "job").channel("data", other).artifact("text", trained["text"])
    assert job.run("evaluate").returncode == 1
    assert job.failure() == "the text model was trained on another data set than this run's; train it again"
