"""Trains the image model: the class of a page from its bitmap, by a convolutional network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from base_model import accuracy, cross_entropy, train_base_model
from contract import Job, JobError, run
from hyperparameters import Hyperparameter, Value
from PIL import Image, ImageSequence, UnidentifiedImageError
from stacks import DataSet
from team import leave
from torch import Tensor, nn
from torch.utils.data import Dataset

HYPERPARAMETERS = {
    "batch_size": Hyperparameter(32, 1, 4096),
    "conv_block_length": Hyperparameter(1, 1, 8),
    "cycle_length": Hyperparameter(6, 1, 10_000),
    "depth": Hyperparameter(4, 1, 4),
    "dropout": Hyperparameter(0.2, 0.0, 0.95),
    "epochs": Hyperparameter(6, 1, 10_000),
    "folds": Hyperparameter(2, 2, 20),
    "max_lr": Hyperparameter(0.004, 0.0),
    "min_lr": Hyperparameter(0.0004, 0.0),
    "seed": Hyperparameter(1, 0, 2**31),
    "start_filter": Hyperparameter(8, 1, 512),
    "worker": Hyperparameter(0, 0, 64),
}
WIDTH, HEIGHT = 48, 64  # pages are scaled to this; 4 halvings (depth) leave 3 x 4
GRID = (4, 3)
LARGEST_SHIFT = 2  # pixels that a training page is moved by, at most


def read_bitmaps(data: DataSet) -> np.ndarray:
    """Every page in grey, black 255: uint8 [pages, HEIGHT, WIDTH]. Raises JobError if a file lacks pages."""
    bitmaps = np.empty((len(data), HEIGHT, WIDTH), dtype=np.uint8)
    for index, name in enumerate(data.stacks):
        pages = np.flatnonzero(data.stack == index)
        path = data.root / name / "pages.tif"
        try:
            with Image.open(path) as file:
                frames = [np.asarray(_scaled(frame)) for frame in ImageSequence.Iterator(file)]
        except (OSError, UnidentifiedImageError) as error:
            raise JobError(f"{path} cannot be read as a TIFF: {error}") from None
        if len(frames) != len(pages):
            raise JobError(f"{path} has {len(frames)} images for {len(pages)} records in pages.jsonl")
        bitmaps[pages] = 255 - np.stack(frames)
    return bitmaps


def _scaled(frame: Image.Image) -> Image.Image:
    grey = frame.convert("L")
    return grey if grey.size == (WIDTH, HEIGHT) else grey.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


class ImageNetwork(nn.Module):
    """`depth` blocks of `conv_block_length` convolutions. Each block halves the page and doubles the filters."""

    def __init__(self, depth: int, conv_block_length: int, start_filter: int, dropout: float, classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 1
        for level in range(depth):
            for _ in range(conv_block_length):
                filters = start_filter * 2**level
                blocks += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
            blocks.append(nn.MaxPool2d(2))
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels * GRID[0] * GRID[1], classes)

    def forward(self, bitmaps: Tensor) -> Tensor:
        """Logits [pages, classes] of bitmaps uint8 [pages, HEIGHT, WIDTH]: a quarter of the bytes to send to a GPU."""
        features = self.pool(self.blocks(bitmaps.unsqueeze(1).float() / 255))
        return self.output(self.dropout(features.flatten(1)))


class ImageBatches(Dataset):
    """(bitmaps, labels) of `batch_size` pages at a time, each moved a little if `shifts` says by how much."""

    def __init__(
        self, bitmaps: np.ndarray, label: np.ndarray, pages: np.ndarray, batch_size: int, shifts: np.ndarray | None
    ) -> None:
        self.bitmaps, self.label, self.pages, self.batch_size, self.shifts = bitmaps, label, pages, batch_size, shifts

    def __len__(self) -> int:
        return -(-len(self.pages) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        if index >= len(self):
            raise IndexError(index)
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        pages = self.pages[part]
        bitmaps = self.bitmaps[pages]
        if self.shifts is not None:
            bitmaps = shifted(bitmaps, self.shifts[part])
        return torch.from_numpy(bitmaps), torch.from_numpy(self.label[pages])


def shifted(bitmaps: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each bitmap moved by its own (rows, columns), what leaves on one side coming in on the other."""
    rows = (np.arange(HEIGHT)[None, :] - shifts[:, :1]) % HEIGHT
    columns = (np.arange(WIDTH)[None, :] - shifts[:, 1:]) % WIDTH
    return bitmaps[np.arange(len(bitmaps))[:, None, None], rows[:, :, None], columns[:, None, :]]


@dataclass(frozen=True)
class ImageTask:
    """Learns a page's class from its bitmap."""

    data: DataSet
    values: dict[str, Value]
    bitmaps: np.ndarray

    def network(self) -> nn.Module:
        names = ("depth", "conv_block_length", "start_filter", "dropout")
        return ImageNetwork(**{name: self.values[name] for name in names}, classes=len(self.data.classes))

    def batches(self, rows: np.ndarray, batch_size: int, shuffle: np.random.Generator | None) -> ImageBatches:
        if shuffle is None:
            return ImageBatches(self.bitmaps, self.data.label, rows, batch_size, None)
        pages = shuffle.permutation(rows)
        shifts = shuffle.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, size=(len(pages), 2))
        return ImageBatches(self.bitmaps, self.data.label, pages, batch_size, shifts)

    loss = staticmethod(cross_entropy)
    accuracy = accuracy


def make_task(data: DataSet, values: dict[str, Value]) -> ImageTask:
    return ImageTask(data, values, read_bitmaps(data))


def serving_task(data: DataSet, values: dict[str, Value], images: list[Image.Image]) -> ImageTask:
    """For pages of a request, given as images of any size."""
    bitmaps = [255 - np.asarray(_scaled(image)) for image in images]
    return ImageTask(data, values, np.array(bitmaps, dtype=np.uint8).reshape(-1, HEIGHT, WIDTH))


def work(job: Job) -> None:
    train_base_model(job, "image", HYPERPARAMETERS, make_task, served_by="image")


if __name__ == "__main__":
    leave(run(work, "Train the image model."))
