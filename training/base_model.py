"""What the base models share: cross-fitting over stacks, and the artifact.

The final network trains on all training stacks. Beside it, one network per fold trains without that fold's stacks and
says what it makes of them, so that the sequence model learns from outputs for pages that their model had not seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from contract import Job, JobError
from hosts import read_hosts
from hyperparameters import Hyperparameter, Value, parse_hyperparameters
from loop import Loop, Settings, Task, autocast, choose_device, load
from outputs import write_outputs
from stacks import TRAIN, VALIDATION, DataSet, read_data_set
from team import together
from torch import nn

PREDICTION_BATCH = 64


class PageTask(Task, Protocol):
    """A task whose rows are pages."""

    data: DataSet


def cross_entropy(network: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The loss of page classification. The last part of a batch is the pages' classes."""
    *features, label = batch
    return nn.functional.cross_entropy(network(*features).float(), label)


def predict(task: PageTask, network: nn.Module, pages: np.ndarray) -> np.ndarray:
    """Log probabilities of the classes: float32 [pages, classes]."""
    network.eval()
    device = next(network.parameters()).device
    results = []
    with torch.inference_mode(), autocast(device):
        for *features, _ in load(task.batches(pages, PREDICTION_BATCH, None), device):
            results.append(network(*features).float().log_softmax(dim=1).cpu())
    return torch.cat(results).numpy()


def accuracy(task: PageTask, network: nn.Module, pages: np.ndarray) -> float:
    found = predict(task, network, pages).argmax(axis=1)
    return float((found == task.data.label[pages]).mean())


def train_base_model(
    job: Job,
    name: str,
    declared: dict[str, Hyperparameter],
    make_task: Callable[[DataSet, dict[str, Value]], PageTask],
    served_by: str | None = None,
) -> None:
    """Trains a base model as the job's hyperparameters say and writes its artifact. `served_by` is the module whose
    `serving_task` makes a task of a request's pages; without one, an ensemble with this model cannot be deployed."""
    with together(read_hosts(job)) as team:
        values = parse_hyperparameters(job.hyperparameters(), declared)
        data = read_data_set(job.channel("data"))
        fold = folds_of_pages(data, int(values["folds"]))
        task = make_task(data, values)
        loop = Loop(
            job,
            task,
            settings(values),
            {"model": name, "hyperparameters": values, "fingerprint": data.fingerprint},
            team,
        )
        train_pages = data.pages_in(data.stacks_in(TRAIN))
        others = [train_pages[fold[train_pages] != index] for index in range(int(values["folds"]))]
        networks, history = loop.train([train_pages, *others], data.pages_in(data.stacks_in(VALIDATION)))
    if not team.leads:
        return
    log_probability = predict(task, networks[0], np.arange(len(data)))
    for index, network in enumerate(networks[1:]):
        pages = np.flatnonzero(fold == index)
        log_probability[pages] = predict(task, network, pages)
    write_artifact(job, loop.identity | {"served_by": served_by}, data, networks[0], history)
    write_outputs(job.model, log_probability=log_probability, fold=fold)


def settings(values: dict[str, Value]) -> Settings:
    names = Settings.__dataclass_fields__
    return Settings(**{key: value for key, value in values.items() if key in names})


def folds_of_pages(data: DataSet, folds: int) -> np.ndarray:
    """The fold of each training page, -1 for other pages: int8 [pages]. A stack lies whole in one fold."""
    train = data.stacks_in(TRAIN)
    if folds > len(train):
        raise JobError(f"hyperparameter folds is {folds}, but there are only {len(train)} training stacks")
    fold_of_stack = np.full(len(data.stacks), -1, dtype=np.int8)
    fold_of_stack[train] = np.arange(len(train)) % folds
    return fold_of_stack[data.stack]


def write_artifact(job: Job, identity: dict, data: DataSet, network: nn.Module, history: list[dict]) -> None:
    """weights.pt, config.json (all that is needed to build the network again) and metrics.json."""
    job.model.mkdir(parents=True, exist_ok=True)
    weights = {key: value.cpu() for key, value in network.state_dict().items()}
    torch.save(weights, job.model / "weights.pt")
    config = {"version": 1, **identity, "classes": data.classes, "torch": torch.__version__}
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (job.model / "config.json").write_text(text, encoding="utf-8")
    job.write_metrics({**history[-1], "device": choose_device().type, "history": history})
