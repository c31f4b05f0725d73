"""Trains the text model: the class of a page from its OCR text, by hashed word n-grams.

Hashing needs no vocabulary: a word that OCR has mangled in a new way is one more bucket, not an error.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from base_model import accuracy, cross_entropy, train_base_model
from contract import Job, run
from hyperparameters import Hyperparameter, Value
from stacks import DataSet
from team import leave
from torch import Tensor, nn
from torch.utils.data import Dataset

HYPERPARAMETERS = {
    "batch_size": Hyperparameter(64, 1, 4096),
    "buckets": Hyperparameter(16384, 2, 2**24),
    "cycle_length": Hyperparameter(6, 1, 10_000),
    "dropout": Hyperparameter(0.3, 0.0, 0.95),
    "embedding_size": Hyperparameter(32, 1, 1024),
    "epochs": Hyperparameter(6, 1, 10_000),
    "folds": Hyperparameter(3, 2, 20),
    "max_lr": Hyperparameter(0.1, 0.0),
    "min_lr": Hyperparameter(0.005, 0.0),
    "ngrams": Hyperparameter(1, 1, 5),
    "seed": Hyperparameter(1, 0, 2**31),
}
WORD = re.compile(r"[^\W_]+")


def features_of(text: str, ngrams: int, buckets: int) -> np.ndarray:
    """The buckets of all runs of 1 to `ngrams` words of a page: int64. Never empty: a blank page has a bucket too."""
    words = WORD.findall(text.lower())
    grams = [" ".join(words[at : at + size]) for size in range(1, ngrams + 1) for at in range(len(words) - size + 1)]
    return np.array([zlib.crc32(gram.encode()) % buckets for gram in grams or [""]], dtype=np.int64)


class TextNetwork(nn.Module):
    """The mean of the n-grams' embeddings, and a linear layer."""

    def __init__(self, buckets: int, embedding_size: int, dropout: float, classes: int) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(buckets, embedding_size, mode="mean")
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(embedding_size, classes)

    def forward(self, features: Tensor, offsets: Tensor) -> Tensor:
        """Logits [pages, classes] of pages whose features lie one after the other, each from its offset on."""
        return self.output(self.dropout(self.embedding(features, offsets)))


class TextBatches(Dataset):
    """(features, offsets, labels) of `batch_size` pages at a time."""

    def __init__(self, features: list[np.ndarray], label: np.ndarray, pages: np.ndarray, batch_size: int) -> None:
        self.features, self.label, self.pages, self.batch_size = features, label, pages, batch_size

    def __len__(self) -> int:
        return -(-len(self.pages) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if index >= len(self):
            raise IndexError(index)
        pages = self.pages[index * self.batch_size : (index + 1) * self.batch_size]
        features = [self.features[page] for page in pages]
        offsets = np.cumsum([0, *(len(each) for each in features[:-1])])
        return (
            torch.from_numpy(np.concatenate(features)),
            torch.from_numpy(offsets),
            torch.from_numpy(self.label[pages]),
        )


@dataclass(frozen=True)
class TextTask:
    """Learns a page's class from its text."""

    data: DataSet
    values: dict[str, Value]
    features: list[np.ndarray]

    def network(self) -> nn.Module:
        values = self.values
        return TextNetwork(values["buckets"], values["embedding_size"], values["dropout"], len(self.data.classes))

    def batches(self, rows: np.ndarray, batch_size: int, shuffle: np.random.Generator | None) -> TextBatches:
        pages = rows if shuffle is None else shuffle.permutation(rows)
        return TextBatches(self.features, self.data.label, pages, batch_size)

    loss = staticmethod(cross_entropy)
    accuracy = accuracy


def make_task(data: DataSet, values: dict[str, Value]) -> TextTask:
    features = [features_of(text, int(values["ngrams"]), int(values["buckets"])) for text in data.texts]
    return TextTask(data, values, features)


def serving_task(data: DataSet, values: dict[str, Value], images: list[object]) -> TextTask:
    """For pages of a request: their bitmaps tell this model nothing."""
    del images
    return make_task(data, values)


def work(job: Job) -> None:
    train_base_model(job, "text", HYPERPARAMETERS, make_task, served_by="text")


if __name__ == "__main__":
    leave(run(work, "Train the text model."))
