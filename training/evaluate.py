"""Holds the models against the held-out stacks: no model has trained on them, or on what another made of them.

metrics.json, in the model artifact and in the output data:

    held_out            {"stacks", "documents", "pages", "sha256"}: how much it is, and of what its files hold
    page_accuracy       share of pages whose class is right, for each base model, their average and the sequence model
    boundary_accuracy   share of pages (but each stack's first) where it is right whether a document begins there
    document_accuracy   share of documents found whole: where they begin, where they end, and the class of every page
    log_loss            mean of -ln(probability of the right class), per page: less is better
    confusion           {"classes": [...], <model>: rows of true classes, columns of found ones, in pages}; the last
                        classes are those that only the champion knows
    champion            {"run", "warning", "note"}: the run that the champion comes from, why it counts as none, and in
                        which classes it differs from the data; else null
    deployable          whether the sequence model's artifact can be served

The sequence model says where documents begin. For the others, one begins wherever the class changes.

With a champion (its run in $CHAMPION_RUN, its artifact in the channel `champion`) each figure is there for `champion`
too, on the same pages; `sequence` is then read from its artifact in the same way as the champion (served.py). A
champion that cannot be read counts as none, with a warning. One that was trained on other classes than this data has
is measured all the same: classes go by their names, a page of a class that it does not know is wrong, and so is a page
that it takes for something that the data has not.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from contract import Artifact, Job, JobError, find_artifact, run
from hosts import read_hosts
from hyperparameters import parse_hyperparameters
from outputs import average, read_outputs
from stacks import HELD_OUT, DataSet, read_data_set

if TYPE_CHECKING:
    from served import Served

AVERAGE, CHAMPION, SEQUENCE = "average", "champion", "sequence"
HANDLERS = "code/inference.py"  # what an artifact is served by
LEAST = np.finfo(np.float32).tiny  # the smallest probability whose logarithm is taken
BEGINS = 0.5  # probability from which on a document begins


@dataclass(frozen=True)
class Reading:
    """What a model makes of the held-out pages: their classes, and where documents begin."""

    label: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Answers(Reading):
    """A reading with what it was made from: log probabilities of the classes [pages, classes]."""

    log_probability: np.ndarray


def read_by_class(log_probability: np.ndarray, stack: np.ndarray) -> Answers:
    """The likeliest class of each page; a document begins where that, or the stack, changes."""
    label = log_probability.argmax(axis=1)
    return Answers(label, starts(label) | starts(stack), log_probability)


def read_with_beginnings(log_probability: np.ndarray, first: np.ndarray, stack: np.ndarray) -> Answers:
    """The same of a model that says where documents begin."""
    return Answers(log_probability.argmax(axis=1), (first >= BEGINS) | starts(stack), log_probability)


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


def log_loss(log_probability: np.ndarray, truth: Reading) -> float:
    """Mean of -ln(probability of the right class) of what a model says of each class [pages, classes]."""
    return float(-log_probability[np.arange(len(truth.label)), truth.label].astype(float).mean())


def confusion(reading: Reading, truth: Reading, classes: int) -> list[list[int]]:
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (truth.label, reading.label), 1)
    return counts.tolist()


def measure(
    data: DataSet, readings: dict[str, Answers], truth: Reading, stack: np.ndarray, classes: tuple[str, ...]
) -> dict[str, object]:
    """The figures of metrics.json of these readings of the held-out pages; `classes` are all that anybody names."""
    matrices = {name: confusion(reading, truth, len(classes)) for name, reading in readings.items()}
    return {
        "held_out": {
            "stacks": len(np.unique(stack)),
            "documents": int(truth.first.sum()),
            "pages": len(truth.label),
            "sha256": held_out_digest(data),
        },
        "page_accuracy": {name: page_accuracy(reading, truth) for name, reading in readings.items()},
        "boundary_accuracy": {name: boundary_accuracy(reading, truth, stack) for name, reading in readings.items()},
        "document_accuracy": {name: document_accuracy(reading, truth) for name, reading in readings.items()},
        "log_loss": {name: log_loss(reading.log_probability, truth) for name, reading in readings.items()},
        "confusion": {"classes": list(classes), **matrices},
    }


def held_out_digest(data: DataSet) -> str:
    """The SHA-256 of the held-out stacks: their names, and what their files hold."""
    whole = hashlib.sha256()
    for name in (data.stacks[stack] for stack in data.stacks_in(HELD_OUT)):
        for path in sorted((data.root / name).iterdir()):
            with path.open("rb") as file:
                whole.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}/{path.name}\n".encode())
    return whole.hexdigest()


def base_readings(job: Job, data: DataSet, pages: np.ndarray, stack: np.ndarray) -> dict[str, Answers]:
    """What the base models make of the held-out pages, and what their average does."""
    if AVERAGE in job.base_models():
        raise JobError(f"a base model may not be called {AVERAGE!r}: metrics.json calls the models' average so")
    base = [read_outputs(job, model, data) for model in job.base_models()]
    readings = {output.model: read_by_class(output.log_probability[pages], stack) for output in base}
    together = np.log(np.maximum(average(base)[pages], LEAST))
    return readings | {AVERAGE: read_by_class(together, stack)}


def sequence_reading(job: Job, data: DataSet, pages: np.ndarray, stack: np.ndarray) -> Answers:
    """What the sequence model made of the held-out pages when it was trained."""
    outputs = read_outputs(job, SEQUENCE, data)
    if outputs.first is None:
        raise JobError("the sequence model's outputs say nothing about beginnings; train it with this run's code")
    return read_with_beginnings(outputs.log_probability[pages], outputs.first[pages], stack)


@dataclass(frozen=True)
class Compared:
    """The champion on the held-out pages: its reading, None with a `warning` if it cannot be read; all classes that it
    or the data knows; and a `note` where these differ."""

    reading: Answers | None
    classes: tuple[str, ...]
    warning: str | None = None
    note: str | None = None


def served_reading(artifact: Artifact, data: DataSet, stack: np.ndarray) -> tuple[Served, Answers]:
    """What the ensemble in an artifact makes of the held-out pages. Raises JobError if it cannot be read."""
    from served import read_as_served  # PyTorch, which nothing else here needs

    served = read_as_served(artifact, data, data.stacks_in(HELD_OUT))
    return served, read_with_beginnings(served.log_probability, served.first, stack)


def champion_reading(job: Job, run: str, data: DataSet, truth: Reading, stack: np.ndarray) -> Compared:
    """What the champion makes of the held-out pages."""
    try:
        served, reading = served_reading(find_artifact(job.channel(CHAMPION)), data, stack)
    except JobError as error:
        warning = f"the champion, of {run}, counts as none: {error}"
        print(f"warning: {warning}", flush=True)
        return Compared(None, data.classes, warning)
    note = difference(data, truth, served.strange, served.unknown)
    if note:
        print(f"note: {note}", flush=True)
    return Compared(reading, served.classes, note=note)


def difference(data: DataSet, truth: Reading, strange: tuple[str, ...], unknown: tuple[str, ...]) -> str | None:
    """In which classes the champion differs from the data, in words; None where it does not."""
    parts = []
    if unknown:
        pages = int(np.isin(truth.label, [data.classes.index(name) for name in unknown]).sum())
        parts.append(
            f"the champion does not know {', '.join(unknown)}: {pages} of the {len(truth.label)} held-out pages"
        )
    if strange:
        parts.append(f"the data has no {', '.join(strange)}, which the champion knows")
    return "; ".join(parts) or None


def work(job: Job) -> None:
    parse_hyperparameters(job.hyperparameters(), {})
    if not read_hosts(job).leads:  # one is enough
        return
    data = read_data_set(job.channel("data"))
    pages = data.pages_in(data.stacks_in(HELD_OUT))
    stack, truth = data.stack[pages], Reading(data.label[pages], data.first[pages])
    readings = base_readings(job, data, pages, stack) | {SEQUENCE: sequence_reading(job, data, pages, stack)}
    ours = find_artifact(job.channel(SEQUENCE))
    deployable, run = ours.holds(HANDLERS), os.environ.get("CHAMPION_RUN")
    if run and deployable:
        readings[SEQUENCE] = served_reading(ours, data, stack)[1]
    champion = champion_reading(job, run, data, truth, stack) if run else Compared(None, data.classes)
    if champion.reading:
        readings[CHAMPION] = champion.reading
    metrics = measure(data, readings, truth, stack, champion.classes)
    given = {"run": run, "warning": champion.warning, "note": champion.note} if run else None
    job.write_metrics(metrics | {"champion": given, "deployable": deployable})
    for name, share in metrics["page_accuracy"].items():
        print(f"{name}_page_accuracy={share:.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(run(work, "Evaluate the models on the held-out stacks."))
