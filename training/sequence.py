"""Trains the sequence model: each page's class, and where documents begin, from what the base models say of a stack.

It reads the pages of a stack in order and in both directions, so that an outspoken first page speaks for the vague ones
behind it. It takes any number of base models: one channel each, named by the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from base_model import settings, write_artifact
from contract import Job, run
from hosts import read_hosts
from hyperparameters import Hyperparameter, Value, parse_hyperparameters
from loop import Loop, autocast, load
from outputs import read_outputs, write_outputs
from packing import write_ensemble
from stacks import TRAIN, VALIDATION, DataSet, read_data_set
from team import leave, together
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import Dataset

HYPERPARAMETERS = {
    "batch_size": Hyperparameter(8, 1, 4096),
    "cycle_length": Hyperparameter(10, 1, 10_000),
    "dropout": Hyperparameter(0.3, 0.0, 0.95),
    "epochs": Hyperparameter(30, 1, 10_000),
    "hidden_size": Hyperparameter(48, 1, 4096),
    "layers": Hyperparameter(1, 1, 8),
    "max_lr": Hyperparameter(0.01, 0.0),
    "min_lr": Hyperparameter(0.001, 0.0),
    "seed": Hyperparameter(1, 0, 2**31),
}
PADDING = -100  # the target that cross_entropy passes over
SUREST = -8.0  # base models' log probabilities are cut here, lest one of them shouts


class SequenceNetwork(nn.Module):
    """A bidirectional GRU over a stack's pages, with one head for classes and one for beginnings."""

    def __init__(self, inputs: int, hidden_size: int, layers: int, dropout: float, classes: int) -> None:
        super().__init__()
        self.input = nn.Sequential(nn.Linear(inputs, hidden_size), nn.ReLU(), nn.Dropout(dropout))
        between = dropout if layers > 1 else 0.0
        self.pages = nn.GRU(hidden_size, hidden_size, layers, batch_first=True, bidirectional=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.label = nn.Linear(2 * hidden_size, classes)
        self.first = nn.Linear(2 * hidden_size, 2)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the class [stacks, pages, classes] and of beginning [stacks, pages, 2].

        Features are [stacks, pages, inputs], padded at the end; lengths are the stacks' pages."""
        states = self.input(features).float()
        packed = pack_padded_sequence(states, lengths.cpu(), batch_first=True, enforce_sorted=False)
        with torch.autocast(features.device.type, enabled=False):  # autocast takes cuDNN's GRU to fp16, never to bf16
            packed, _ = self.pages(packed)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=features.shape[1])
        states = self.dropout(states)
        return self.label(states), self.first(states)


class StackBatches(Dataset):
    """(features, lengths, labels, beginnings) of `batch_size` stacks at a time."""

    def __init__(self, data: DataSet, features: np.ndarray, stacks: np.ndarray, batch_size: int) -> None:
        self.data, self.features, self.stacks, self.batch_size = data, features, stacks, batch_size

    def __len__(self) -> int:
        return -(-len(self.stacks) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if index >= len(self):
            raise IndexError(index)
        stacks = self.stacks[index * self.batch_size : (index + 1) * self.batch_size]
        pages = [np.flatnonzero(self.data.stack == stack) for stack in stacks]
        return (
            pad_sequence([torch.from_numpy(self.features[own]) for own in pages], batch_first=True),
            torch.tensor([len(own) for own in pages]),
            _padded(self.data.label, pages),
            _padded(self.data.first.astype(np.int64), pages),
        )


def _padded(target: np.ndarray, pages: list[np.ndarray]) -> Tensor:
    parts = [torch.from_numpy(target[own]) for own in pages]
    return pad_sequence(parts, batch_first=True, padding_value=PADDING)


@dataclass(frozen=True)
class SequenceTask:
    """Learns the classes of a stack's pages from the base models' outputs. Its rows are stacks."""

    data: DataSet
    values: dict[str, Value]
    features: np.ndarray

    def network(self) -> nn.Module:
        names = ("hidden_size", "layers", "dropout")
        sizes = {name: self.values[name] for name in names}
        return SequenceNetwork(self.features.shape[1], **sizes, classes=len(self.data.classes))

    def batches(self, rows: np.ndarray, batch_size: int, shuffle: np.random.Generator | None) -> StackBatches:
        stacks = rows if shuffle is None else shuffle.permutation(rows)
        return StackBatches(self.data, self.features, stacks, batch_size)

    @staticmethod
    def loss(network: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        features, lengths, label, first = batch
        of_label, of_first = network(features, lengths)
        loss = nn.functional.cross_entropy
        return loss(of_label.float().flatten(0, 1), label.flatten(), ignore_index=PADDING) + loss(
            of_first.float().flatten(0, 1), first.flatten(), ignore_index=PADDING
        )

    def accuracy(self, network: nn.Module, rows: np.ndarray) -> float:
        found = self.predict(network, rows)[0].argmax(axis=1)
        return float((found == self.data.label[self.data.pages_in(rows)]).mean())

    def predict(self, network: nn.Module, stacks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For the pages of these stacks, in order: log probabilities of the classes, probability of a beginning."""
        network.eval()
        device = next(network.parameters()).device
        labels, firsts = [], []
        with torch.inference_mode(), autocast(device):
            for features, lengths, target, _ in load(self.batches(stacks, 64, None), device):
                of_label, of_first = network(features, lengths)
                there = target != PADDING
                labels.append(of_label.float().log_softmax(dim=2)[there].cpu())
                firsts.append(of_first.float().softmax(dim=2)[..., 1][there].cpu())
        return torch.cat(labels).numpy(), torch.cat(firsts).numpy()


def features_of(log_probabilities: list[np.ndarray]) -> np.ndarray:
    """What the base models say about each page, side by side: float32 [pages, models * classes], about -1 to 1."""
    together = np.concatenate(log_probabilities, axis=1)
    return (np.maximum(together, SUREST) / -SUREST * 2 + 1).astype(np.float32)


def work(job: Job) -> None:
    with together(read_hosts(job)) as team:
        values = parse_hyperparameters(job.hyperparameters(), HYPERPARAMETERS)
        data = read_data_set(job.channel("data"))
        outputs = [read_outputs(job, model, data) for model in job.base_models()]
        task = SequenceTask(data, values, features_of([output.log_probability for output in outputs]))
        identity = {
            "model": "sequence",
            "hyperparameters": values,
            "fingerprint": data.fingerprint,
            "base_models": {output.model: output.digest for output in outputs},
        }
        loop = Loop(job, task, settings(values), identity, team)
        networks, history = loop.train([data.stacks_in(TRAIN)], data.stacks_in(VALIDATION))
    if not team.leads:
        return
    log_probability, first = task.predict(networks[0], np.arange(len(data.stacks)))
    write_artifact(job, loop.identity, data, networks[0], history)
    write_outputs(job.model, log_probability=log_probability, first=first)
    write_ensemble(job, job.base_models())


if __name__ == "__main__":
    leave(run(work, "Train the sequence model."))
