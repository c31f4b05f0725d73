"""Holds the models against the held-out stacks: no model has trained on them, or on what another made of them.

metrics.json, in the model artifact and in the output data:

    held_out            {"stacks", "documents", "pages"}
    page_accuracy       share of pages whose class is right, for each base model, their average and the sequence model
    boundary_accuracy   share of pages (but each stack's first) where it is right whether a document begins there
    document_accuracy   share of documents found whole: where they begin, where they end, and the class of every page
    confusion           {"classes": [...], <model>: rows of true classes, columns of found ones, in pages}

The sequence model says where documents begin. For the others, one begins wherever the class changes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from contract import Job, JobError, run
from hosts import read_hosts
from hyperparameters import parse_hyperparameters
from outputs import average, read_outputs
from stacks import HELD_OUT, DataSet, read_data_set

SEQUENCE, AVERAGE = "sequence", "average"
BEGINS = 0.5  # probability from which on a document begins


@dataclass(frozen=True)
class Reading:
    """What a model makes of the held-out pages: their classes, and where documents begin."""

    label: np.ndarray
    first: np.ndarray


def read_by_class(probability: np.ndarray, stack: np.ndarray) -> Reading:
    """The likeliest class of each page; a document begins where that, or the stack, changes."""
    label = probability.argmax(axis=1)
    return Reading(label, starts(label) | starts(stack))


def starts(values: np.ndarray) -> np.ndarray:
    """True where a value differs from the one before, and at the first."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def page_accuracy(reading: Reading, truth: Reading) -> float:
    return float((reading.label == truth.label).mean())


def boundary_accuracy(reading: Reading, truth: Reading, stack: np.ndarray) -> float:
    inner = ~starts(stack)
    return float((reading.first == truth.first)[inner].mean()) if inner.any() else 1.0


def document_accuracy(reading: Reading, truth: Reading) -> float:
    """A document counts if no page of it is wrong, nor the beginning of what follows it."""
    document = np.cumsum(truth.first) - 1
    wrong_boundary = reading.first != truth.first
    wrong = np.bincount(document, weights=wrong_boundary | (reading.label != truth.label)) > 0
    wrong[:-1] |= wrong_boundary[truth.first][1:]
    return float(1 - wrong.mean())


def confusion(reading: Reading, truth: Reading, classes: int) -> list[list[int]]:
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (truth.label, reading.label), 1)
    return counts.tolist()


def measure(data: DataSet, readings: dict[str, Reading], truth: Reading, stack: np.ndarray) -> dict[str, object]:
    """metrics.json of these readings of the held-out pages."""
    matrices = {name: confusion(reading, truth, len(data.classes)) for name, reading in readings.items()}
    return {
        "held_out": {
            "stacks": len(np.unique(stack)),
            "documents": int(truth.first.sum()),
            "pages": len(truth.label),
        },
        "page_accuracy": {name: page_accuracy(reading, truth) for name, reading in readings.items()},
        "boundary_accuracy": {name: boundary_accuracy(reading, truth, stack) for name, reading in readings.items()},
        "document_accuracy": {name: document_accuracy(reading, truth) for name, reading in readings.items()},
        "confusion": {"classes": list(data.classes), **matrices},
    }


def work(job: Job) -> None:
    parse_hyperparameters(job.hyperparameters(), {})
    if not read_hosts(job).leads:  # one is enough
        return
    data = read_data_set(job.channel("data"))
    if AVERAGE in job.base_models():
        raise JobError(f"a base model may not be called {AVERAGE!r}: metrics.json calls the models' average so")
    base = [read_outputs(job, model, data) for model in job.base_models()]
    sequence = read_outputs(job, SEQUENCE, data)
    pages = data.pages_in(data.stacks_in(HELD_OUT))
    stack, truth = data.stack[pages], Reading(data.label[pages], data.first[pages])
    readings = {output.model: read_by_class(output.log_probability[pages], stack) for output in base}
    readings[AVERAGE] = read_by_class(average(base)[pages], stack)
    if sequence.first is None:
        raise JobError("the sequence model's outputs say nothing about beginnings; train it with this run's code")
    beginnings = (sequence.first[pages] >= BEGINS) | starts(stack)
    readings[SEQUENCE] = Reading(sequence.log_probability[pages].argmax(axis=1), beginnings)
    metrics = measure(data, readings, truth, stack)
    job.write_metrics(metrics)
    for name, share in metrics["page_accuracy"].items():
        print(f"{name}_page_accuracy={share:.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(run(work, "Evaluate the models on the held-out stacks."))
