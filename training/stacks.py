"""The `data` channel as arrays: every page of every stack in the order of scanning, its label and its split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contract import JobError

TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held_out"


@dataclass(frozen=True)
class DataSet:
    """Pages in order. Arrays have one entry per page; `stack` and `label` index `stacks` and `classes`."""

    root: Path
    fingerprint: str
    classes: tuple[str, ...]
    stacks: tuple[str, ...]
    splits: tuple[str, ...]  # one per stack
    stack: np.ndarray
    label: np.ndarray
    first: np.ndarray  # True where a document begins
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @staticmethod
    def of_pages(texts: Sequence[str], sizes: Sequence[int], classes: tuple[str, ...]) -> DataSet:
        """Pages of which nothing is known but their text, in stacks of these sizes; class and beginning are blank."""
        stack = np.repeat(np.arange(len(sizes)), sizes)
        names = tuple(str(number) for number in range(1, len(sizes) + 1))
        label, first = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=bool)
        return DataSet(Path(), "", classes, names, ("",) * len(sizes), stack, label, first, tuple(texts))

    def stacks_in(self, split: str) -> np.ndarray:
        """Indices of the stacks of a split, in order."""
        return np.array([index for index, own in enumerate(self.splits) if own == split], dtype=np.int64)

    def pages_in(self, stacks: np.ndarray) -> np.ndarray:
        """Indices of the pages of these stacks, in order."""
        return np.flatnonzero(np.isin(self.stack, stacks))


def read_data_set(channel: Path) -> DataSet:
    """Reads what fetch.py wrote. Raises JobError if it is not there, or not what its manifest says."""
    manifest = _read_manifest(channel)
    classes = {name: index for index, name in enumerate(manifest["classes"])}
    stack, label, first, texts = [], [], [], []
    for index, entry in enumerate(manifest["stacks"]):
        records = _read_records(channel / entry["name"] / "pages.jsonl", entry["pages"])
        stack += [index] * len(records)
        label += [classes[record["label"]] for record in records]
        first += [record["document_page"] == 1 for record in records]
        texts += [record["text"] for record in records]
    return DataSet(
        root=channel,
        fingerprint=manifest["fingerprint"],
        classes=tuple(manifest["classes"]),
        stacks=tuple(entry["name"] for entry in manifest["stacks"]),
        splits=tuple(entry["split"] for entry in manifest["stacks"]),
        stack=np.array(stack, dtype=np.int64),
        label=np.array(label, dtype=np.int64),
        first=np.array(first, dtype=bool),
        texts=tuple(texts),
    )


def _read_manifest(channel: Path) -> dict:
    path = channel / "manifest.json"
    if not path.exists():
        raise JobError(f"no manifest.json in {channel}: run fetch.py, which writes it when a data set is whole")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("version") != 1:
        raise JobError(f"{path} has version {manifest.get('version')!r}, this code reads 1: fetch the data again")
    return manifest


def _read_records(path: Path, pages: int) -> list[dict]:
    if not path.exists():
        raise JobError(f"{path} is missing, but its manifest lists it: fetch the data again")
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    if len(lines) != pages:
        raise JobError(f"{path} holds {len(lines)} pages, its manifest says {pages}: fetch the data again")
    return [json.loads(line) for line in lines]
