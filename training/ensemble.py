"""The whole ensemble, as it lies in an unpacked artifact of the sequence model (packing.py), ready to read pages."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from base_model import predict
from contract import JobError
from packing import CONFIG, WEIGHTS
from sequence import SequenceNetwork, SequenceTask, features_of
from stacks import DataSet
from torch import nn

Config = dict[str, Any]


@dataclass(frozen=True)
class BaseModel:
    """A trained base model, and the module that makes tasks of pages for it."""

    name: str
    module: ModuleType
    config: Config
    network: nn.Module


@dataclass(frozen=True)
class Ensemble:
    """The base models in the order in which the sequence model takes their outputs, and the sequence model."""

    base: tuple[BaseModel, ...]
    config: Config
    network: nn.Module

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.config["classes"])

    def read(self, data: DataSet, images: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the classes [pages, classes] and of beginning a document [pages] of these pages."""
        pages = np.arange(len(data))
        found = []
        for model in self.base:
            task = model.module.serving_task(data, model.config["hyperparameters"], images)
            found.append(predict(task, model.network, pages))
        task = SequenceTask(data, self.config["hyperparameters"], features_of(found))
        log_probability, first = task.predict(self.network, np.arange(len(data.stacks)))
        return np.exp(log_probability), first


def read_ensemble(folder: Path) -> Ensemble:
    """The ensemble in an unpacked artifact. Raises JobError if anything of it is missing or broken."""
    config = _config(folder)
    if not isinstance(config.get("base_models"), dict):
        raise JobError(f"{folder / CONFIG} names no base models: this is not a sequence model's artifact")
    base = tuple(_base_model(folder / "base" / model, model) for model in sorted(config["base_models"]))
    classes = len(config["classes"])
    values = config["hyperparameters"]
    sizes = {name: values[name] for name in ("hidden_size", "layers", "dropout")}
    network = SequenceNetwork(len(base) * classes, **sizes, classes=classes)
    return Ensemble(base, config, _loaded(network, folder))


def _base_model(folder: Path, name: str) -> BaseModel:
    config = _config(folder)
    module = _module(str(config.get("served_by")))
    empty = DataSet.of_pages([], [], tuple(config["classes"]))
    network = module.serving_task(empty, config["hyperparameters"], []).network()
    return BaseModel(name, module, config, _loaded(network, folder))


def _module(name: str) -> ModuleType:
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except ImportError as error:
        raise JobError(f"the artifact's code lacks the module {name!r}: {error}") from None


def _config(folder: Path) -> Config:
    path = folder / CONFIG
    try:
        config: Config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read: {error}") from None
    return config


def _loaded(network: nn.Module, folder: Path) -> nn.Module:
    path = folder / WEIGHTS
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # noqa: BLE001 - torch.load documents no errors: zip, pickle, EOF, Runtime
        raise JobError(f"{path} cannot be read ({type(error).__name__}); train that model again") from None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.to(device).eval()
