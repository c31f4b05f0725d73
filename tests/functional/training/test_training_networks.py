"""Each hyperparameter does what its name says, and the same job gives the same numbers however its batches are made."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_job import TRAINING, JobDirectory

PRINT_DEFAULTS = """
import json, image, sequence, text
print(json.dumps({m.__name__: {k: h.default for k, h in m.HYPERPARAMETERS.items()} for m in (text, image, sequence)}))
"""


def test_the_readme_lists_every_default() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PRINT_DEFAULTS], cwd=TRAINING, capture_output=True, text=True, check=True
    )
    defaults = {
        name: {key: str(value) for key, value in declared.items()}
        for name, declared in json.loads(result.stdout).items()
    }
    readme = (TRAINING / "README.md").read_text()
    tables = dict(re.findall(r"### `(\w+)_model` .*?\n(.*?)(?=\n###)", readme, flags=re.DOTALL))
    row = re.compile(r"^\| `(\w+)` \| `(\S+)` \|", re.MULTILINE)
    assert {name: dict(row.findall(table)) for name, table in tables.items()} == defaults


def weights(**changes: float) -> int:
    from image import ImageNetwork

    sizes = {"depth": 2, "conv_block_length": 1, "start_filter": 4, "dropout": 0.1, **changes}
    return sum(weight.numel() for weight in ImageNetwork(**sizes, classes=8).parameters())


def test_the_image_networks_shape_follows_its_hyperparameters() -> None:
    from image import ImageNetwork
    from torch import nn, zeros

    network = ImageNetwork(depth=3, conv_block_length=2, start_filter=4, dropout=0.5, classes=8)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [4, 4, 8, 8, 16, 16]
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network.modules()) == 3
    assert network.dropout.p == 0.5
    assert network(zeros(2, 64, 48)).shape == (2, 8)
    assert weights() < weights(conv_block_length=2) < weights(depth=3) < weights(start_filter=16)


def test_the_learning_rate_goes_up_and_down() -> None:
    from loop import Settings

    settings = Settings(epochs=8, batch_size=1, cycle_length=4, max_lr=0.9, min_lr=0.1, seed=1)
    rates = [settings.learning_rate(progress) for progress in (0, 1, 2, 3, 4, 5, 6)]
    assert rates == pytest.approx([0.1, 0.5, 0.9, 0.5, 0.1, 0.5, 0.9])


def test_workers_change_no_number(trained: dict[str, JobDirectory], data: Path, tmp_path: Path) -> None:
    hyperparameters = json.loads((trained["image"].base / "input" / "config" / "hyperparameters.json").read_text())
    job = JobDirectory(tmp_path).channel("data", data).hyperparameters(**hyperparameters, worker="2")
    result = job.run("image")
    assert result.returncode == 0, result.stderr
    outputs = Path("model", "outputs.npz")
    with np.load(job.base / outputs) as two, np.load(trained["image"].base / outputs) as none:
        assert np.array_equal(two["log_probability"], none["log_probability"])
