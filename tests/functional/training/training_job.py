"""The training scripts as they run in a job: real processes, each in its own directory under the container contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

TRAINING = Path(__file__).parents[3] / "training"

QUICK = {  # a second or two of training on the tiny data set
    "text": {"epochs": "2", "folds": "2", "buckets": "512"},
    "image": {"epochs": "1", "folds": "2", "depth": "1", "start_filter": "2"},
    "sequence": {"epochs": "3", "hidden_size": "8"},
    "evaluate": {},
}


@dataclass(frozen=True)
class JobDirectory:
    """What SageMaker mounts at /opt/ml, for one run of one script."""

    base: Path

    def script(self, name: str) -> list[str]:
        return [sys.executable, str(TRAINING / f"{name}.py")]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(self.base), "OMP_NUM_THREADS": "1"}

    def hyperparameters(self, **values: str) -> JobDirectory:
        folder = self.base / "input" / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hyperparameters.json").write_text(json.dumps(values))
        return self

    def channel(self, name: str, folder: Path) -> JobDirectory:
        (self.base / "input" / "data").mkdir(parents=True, exist_ok=True)
        (self.base / "input" / "data" / name).symlink_to(folder)
        return self

    def artifact(self, name: str, job: JobDirectory) -> JobDirectory:
        """Gives this job the model of another, as SageMaker packs and lays it down."""
        folder = self.base / "input" / "data" / name / f"run-train-{name}-model-d0r0" / "output"
        folder.mkdir(parents=True)
        with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
            archive.add(job.base / "model", arcname=".")
        return self

    def run(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.script(name), env=self.environment() | environment, capture_output=True, text=True, check=False,
            timeout=900,
        )  # fmt: skip

    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()
