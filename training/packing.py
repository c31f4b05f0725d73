"""Packs the whole ensemble into one artifact, the sequence model's, so that it can be served as it is.

    config.json, weights.pt, ...    the sequence model
    base/<model>/                   config.json and weights.pt of each base model
    code/                           this code; inference.py holds the handlers that AWS's inference containers load

A base model can be served if its config.json names the module that reads pages for it (`served_by`), as base_model.py
writes it. With one that cannot, the artifact says so and holds no code: it can be evaluated, not deployed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from contract import Job, find_artifact

CONFIG, WEIGHTS = "config.json", "weights.pt"


def write_ensemble(job: Job, models: list[str]) -> None:
    """Adds the base models and the code to the job's artifact."""
    artifacts = {model: find_artifact(job.channel(model)) for model in models}
    configs = {model: artifact.read_json(CONFIG) for model, artifact in artifacts.items()}
    unserved = [model for model, config in configs.items() if not config.get("served_by")]
    if unserved:
        print(f"the ensemble cannot be deployed: nothing says how to serve {', '.join(unserved)}", flush=True)
        return
    for model, artifact in artifacts.items():
        folder = job.model / "base" / model
        folder.mkdir(parents=True, exist_ok=True)
        for name in (CONFIG, WEIGHTS):
            (folder / name).write_bytes(artifact.read(name))
    code = job.model / "code"
    code.mkdir(exist_ok=True)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        shutil.copyfile(path, code / path.name)
