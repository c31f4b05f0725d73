"""Figures of a run's jobs, as they stand in their `metrics.json`, made ready to be shown.

A job that trains writes `history`, an object for each epoch; one that measures writes shares by model and matrices of
true and found classes (training/evaluate.py). Other jobs may write what they like: what has one of these shapes is
shown, and what has not, or is no finite number, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EPOCH = "epoch"
HISTORY, CONFUSION, CLASSES = "history", "confusion", "classes"
ENSEMBLE = "sequence"
SHARES = ("page_accuracy", "boundary_accuracy", "document_accuracy", "log_loss")
MOST_POINTS = 2000  # of a curve; longer ones are thinned out
MOST_CLASSES = 60


@dataclass(frozen=True)
class Curve:
    """One figure of one job by epoch."""

    step: str
    figure: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Shares:
    """Figures of several models on the same pages: a row for each model, with None where it has none."""

    step: str
    figures: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True)
class Matrix:
    """How many pages of each true class (rows) a model put into each class (columns)."""

    step: str
    model: str
    classes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


def curves(metrics: Mapping[str, Mapping[str, Any]]) -> list[Curve]:
    """Every figure by epoch of every job; `metrics` by slug of the step."""
    return [curve for step, found in metrics.items() for curve in _curves(step, found.get(HISTORY))]


def _curves(step: str, history: Any) -> Iterator[Curve]:
    rows = [row for row in history if isinstance(row, Mapping)] if isinstance(history, list) else []
    names = dict.fromkeys(name for row in rows for name in row if name != EPOCH)
    for name in names:
        points = [
            (_number(row.get(EPOCH)) or float(place), value)
            for place, row in enumerate(rows, 1)
            if (value := _number(row.get(name))) is not None
        ]
        if points:
            every = math.ceil(len(points) / MOST_POINTS)
            yield Curve(step, str(name), (*points[:-1][::every], points[-1]))


def shares(metrics: Mapping[str, Mapping[str, Any]]) -> list[Shares]:
    """What the jobs that measure say of each model: base models first, the ensemble last but for the champion."""
    found = []
    for step, told in metrics.items():
        tables = {name: told[name] for name in SHARES if isinstance(told.get(name), Mapping) and told[name]}
        models = dict.fromkeys(str(model) for values in tables.values() for model in values)
        rows = tuple((model, tuple(_number(values.get(model)) for values in tables.values())) for model in models)
        if rows:
            found.append(Shares(step, tuple(tables), tuple(sorted(rows, key=lambda row: _place(row[0])))))
    return found


def matrices(metrics: Mapping[str, Mapping[str, Any]]) -> list[Matrix]:
    """The confusion matrices, the ensemble's first."""
    found = [matrix for step, told in metrics.items() for matrix in _matrices(step, told.get(CONFUSION))]
    return sorted(found, key=lambda matrix: matrix.model != ENSEMBLE)


def _matrices(step: str, told: Any) -> Iterator[Matrix]:
    classes = told.get(CLASSES) if isinstance(told, Mapping) else None
    if not isinstance(classes, list) or not 0 < len(classes) <= MOST_CLASSES:
        return
    for model, rows in told.items():
        if model != CLASSES and _is_square(rows, len(classes)):
            yield Matrix(step, str(model), tuple(map(str, classes)), tuple(map(tuple, rows)))


def _is_square(rows: Any, size: int) -> bool:
    return (
        isinstance(rows, list)
        and len(rows) == size
        and all(isinstance(row, list) and len(row) == size for row in rows)
        and all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for row in rows for count in row)
    )


def _place(model: str) -> int:
    return {"average": 1, ENSEMBLE: 2, "champion": 3}.get(model, 0)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
