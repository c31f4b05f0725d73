"""What a model says about every page of a data set: the file `outputs.npz` of an artifact.

    log_probability   float32 [pages, classes]
    first             float32 [pages], probability that a document begins here; only the sequence model's
    fold              int8 [pages], the fold whose network, trained without it, read the page; -1: the final network

A base model's outputs for its own training pages come from networks that never saw them. The sequence model would
otherwise learn to trust outputs that are far better than those of unseen pages.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contract import Artifact, Job, JobError, find_artifact
from stacks import DataSet

OUTPUTS = "outputs.npz"


@dataclass(frozen=True)
class Outputs:
    """A trained model's outputs, and the model's name: its channel's."""

    model: str
    log_probability: np.ndarray
    first: np.ndarray | None
    digest: str


def write_outputs(folder: Path, **arrays: np.ndarray) -> None:
    with (folder / OUTPUTS).open("wb") as file:
        np.savez(file, **arrays)


def read_outputs(job: Job, model: str, data: DataSet) -> Outputs:
    """The outputs in the artifact of a channel. Raises JobError unless they are for exactly this data set."""
    artifact = find_artifact(job.channel(model))
    _check(artifact, model, data)
    with np.load(io.BytesIO(artifact.read(OUTPUTS)), allow_pickle=False) as arrays:
        log_probability = arrays["log_probability"]
        first = arrays.get("first")
    if log_probability.shape != (len(data), len(data.classes)) or not np.isfinite(log_probability).all():
        raise JobError(f"the outputs in {artifact.path} do not fit this data set; train the {model} model again")
    return Outputs(model, log_probability, first, artifact.digest())


def _check(artifact: Artifact, model: str, data: DataSet) -> None:
    config = artifact.read_json("config.json")
    if config.get("fingerprint") != data.fingerprint:
        raise JobError(f"the {model} model was trained on another data set than this run's; train it again")


def average(outputs: list[Outputs]) -> np.ndarray:
    """The mean of the models' probabilities: float [pages, classes]."""
    return np.mean([np.exp(output.log_probability) for output in outputs], axis=0)
