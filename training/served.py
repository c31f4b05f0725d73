"""An ensemble's artifact, read as an endpoint would read it: what the new ensemble and the champion are compared by.

Both read the same pages with this run's code, on this machine, in the same way. Only what differs between the two
artifacts can then make a difference.
"""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contract import Artifact, JobError
from ensemble import Ensemble, read_ensemble
from PIL import Image, ImageSequence
from stacks import DataSet

BITMAPS = "pages.tif"


@dataclass(frozen=True)
class Served:
    """What an ensemble makes of pages: log probabilities of `classes` [pages, classes], and the probability of a
    beginning [pages]. `classes` are the data's, in its order, then those that only the ensemble knows (`strange`); of
    the data's it does not know `unknown`, and finds none of them."""

    log_probability: np.ndarray
    first: np.ndarray
    classes: tuple[str, ...]
    strange: tuple[str, ...]
    unknown: tuple[str, ...]


def read_as_served(artifact: Artifact, data: DataSet, stacks: np.ndarray) -> Served:
    """The answers for the pages of these stacks, in order. Raises JobError if the artifact is broken.

    Classes are told apart by their names: data of another time may have other ones than the ensemble was trained on.
    """
    try:
        ensemble = _unpacked(artifact)
        own = ensemble.classes
        strange = tuple(name for name in own if name not in data.classes)
        read = [_read(ensemble, data, stack) for stack in stacks]
        probability, first = (np.concatenate(parts) for parts in zip(*read, strict=True))
        classes = (*data.classes, *strange)
        named = np.zeros((len(probability), len(classes)), probability.dtype)
        named[:, [classes.index(name) for name in own]] = probability
    except torch.cuda.OutOfMemoryError:
        raise  # says nothing about the artifact
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise JobError(f"{artifact.path} holds no ensemble that this code can read ({error!r})") from None
    if not (np.isfinite(named).all() and np.isfinite(first).all()):
        raise JobError(f"the ensemble in {artifact.path} answers with what is no number")
    logarithm = np.log(np.maximum(named, np.finfo(np.float32).tiny))
    return Served(logarithm, first, classes, strange, tuple(name for name in data.classes if name not in own))


def _unpacked(artifact: Artifact) -> Ensemble:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(artifact.path, "r:gz") as archive:
                archive.extractall(folder, filter="data")  # which lets no member out of the folder
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise JobError(f"{artifact.path} is not a whole model.tar.gz ({error})") from None
        return read_ensemble(Path(folder))


def _read(ensemble: Ensemble, data: DataSet, stack: int) -> tuple[np.ndarray, np.ndarray]:
    """A stack at a time: the bitmaps of all of them might not fit into memory."""
    texts = [data.texts[page] for page in np.flatnonzero(data.stack == stack)]
    images = list(_images(data.root / data.stacks[stack] / BITMAPS))
    if len(images) != len(texts):
        raise JobError(f"{data.stacks[stack]}/{BITMAPS} holds {len(images)} pages for {len(texts)} texts")
    return ensemble.read(DataSet.of_pages(texts, [len(texts)], ensemble.classes), images)


def _images(path: Path) -> Iterator[Any]:
    with Image.open(path) as file:
        for frame in ImageSequence.Iterator(file):
            yield frame.copy()
