"""The training scripts are no package: in a job they lie side by side in one directory, and so they do here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[3] / "training"), str(Path(__file__).parent)]

from training_job import QUICK, TRAINING, JobDirectory  # noqa: E402


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set, generated and fetched by the scripts themselves."""
    root = tmp_path_factory.mktemp("data")
    generator = [sys.executable, str(TRAINING / "documents.py"), "--out", str(root / "source"), "--stacks", "9"]
    subprocess.run(generator, check=True, capture_output=True)
    places = {"DATA_INPUT_PATH": str(root / "source"), "OUTPUT_PATH": str(root / "copy")}
    subprocess.run([sys.executable, str(TRAINING / "fetch.py")], env=places, check=True, capture_output=True)
    return root / "copy"


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobDirectory]:
    """The whole chain, once: text, image, sequence, evaluate."""
    root = tmp_path_factory.mktemp("chain")
    jobs = {name: JobDirectory(root / name).channel("data", data).hyperparameters(**QUICK[name]) for name in QUICK}
    for name, job in jobs.items():
        result = job.run(name)
        assert result.returncode == 0, result.stderr
        (job.base / "stdout").write_text(result.stdout)
        for consumer in {"text": ["sequence", "evaluate"], "image": ["sequence", "evaluate"]}.get(name, ["evaluate"]):
            if name != "evaluate":
                jobs[consumer].artifact(name, job)
    return jobs
