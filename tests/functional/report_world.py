"""Runs with figures: archives as the training jobs leave them."""

from __future__ import annotations

import io
import json
import math
import tarfile
from typing import Any

from tests.functional.pipeline_world import BUCKET, Bench

CLASSES = ["appraisal", "contract", "invoice", "letter"]


def archive(content: bytes, name: str = "metrics.json") -> bytes:
    """An output.tar.gz with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as opened:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        opened.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def trained(epochs: int, best: float) -> dict[str, Any]:
    """metrics.json of a training job."""
    history = [
        {
            "epoch": epoch, "train_loss": 2.1 * math.exp(-epoch / 5) + 0.08,
            "validation_accuracy": best * (1 - math.exp(-epoch / 4)),
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    return {**history[-1], "device": "cpu", "history": history}


def evaluated() -> dict[str, Any]:
    """metrics.json of the Evaluate job."""
    models = {"image": 0.523, "text": 0.641, "average": 0.716, "sequence": 0.929, "champion": 0.917}
    matrix = [[52, 2, 0, 1], [3, 61, 1, 0], [0, 0, 44, 2], [2, 1, 1, 30]]
    return {
        "held_out": {"stacks": 8, "documents": 61, "pages": 200},
        "page_accuracy": models,
        "boundary_accuracy": {name: share * 0.98 for name, share in models.items()},
        "document_accuracy": {name: share * 0.9 for name, share in models.items()},
        "log_loss": {name: 1.4 - share for name, share in models.items()},
        "confusion": {"classes": CLASSES, "text": [row[::-1] for row in matrix], "sequence": matrix},
    }


def leave(bench: Bench, run: str, step: str, content: bytes) -> None:
    """Put an archive where SageMaker puts a job's output data."""
    key = f"runs/{run}/{step}/{run}-{step}-d0r0/output/output.tar.gz"
    bench.world.s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def leave_figures(bench: Bench, run: str) -> None:
    """Everything that the jobs of a whole run write."""
    told = {"train-image-model": trained(20, 0.55), "train-text-model": trained(12, 0.66)}
    told |= {"train-sequence-model": trained(30, 0.94), "evaluate": evaluated()}
    for step, metrics in told.items():
        leave(bench, run, step, archive(json.dumps(metrics).encode()))
