"""What a run's `Evaluate` job measured: the figures of the whole ensemble, and of the champion on the same pages.

They stand in `metrics.json`, in the job's artifact (training/evaluate.py says what is in it). A job of one's own that
measures leaves the same file: each figure an object with a number for `sequence`, the ensemble, and for `champion`
where there was one.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.champions import is_figure

ENSEMBLE, CHAMPION = "sequence", "champion"
ARTIFACT = "output/model.tar.gz"
METRICS = "metrics.json"
MOST_BYTES = 20 * 1024 * 1024
"""Of metrics.json: matrices of 1,000 classes for 18 models are less."""

_ATTEMPT = re.compile(r"-d(\d+)r(\d+)$")


class InvalidEvaluation(ValueError):  # noqa: N818 - Step Functions shows the name as the state's error
    """Figures that are missing, or are no numbers; the message says where and what to do."""


@dataclass(frozen=True)
class Evaluation:
    """The figures by name, of the ensemble and of the champion (None where none was measured). `champion_run` is the
    run that the champion came from that Evaluate was given, None where there was none; `warning` says why it counts as
    none all the same, and `note` in which classes it differs from the data. `held_out` is the SHA-256 of the held-out
    set, None where it is not told."""

    ensemble: Mapping[str, float]
    champion: Mapping[str, float] | None
    champion_run: str | None = None
    warning: str | None = None
    note: str | None = None
    held_out: str | None = None
    deployable: bool = True


def artifact_among(keys: Iterable[str]) -> str | None:
    """Of the keys below a step's prefix that of the step's artifact, `<job>/output/model.tar.gz`; of several attempts'
    (jobs named …-d<redrives>r<retries>) the latest."""
    found = [key for key in keys if key.endswith(f"/{ARTIFACT}")]
    return max(found, key=_attempt, default=None)


def read_evaluation(artifact: bytes, where: str) -> Evaluation:
    """The figures in the artifact of an Evaluate job; `where` is what messages call it. Raises InvalidEvaluation."""
    try:
        with tarfile.open(fileobj=io.BytesIO(artifact), mode="r:gz") as archive:
            member = next((member for member in archive if member.name.removeprefix("./") == METRICS), None)
            plain = member and member.isfile() and member.size <= MOST_BYTES  # a link leads to what has no limit
            file = archive.extractfile(member) if member and plain else None
            text = file.read() if file else None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InvalidEvaluation(f"{where} is not a whole model.tar.gz ({error}): run Evaluate again") from None
    if text is None:
        raise InvalidEvaluation(f"{where} holds no {METRICS}: the job that measures must write one")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidEvaluation(f"{METRICS} in {where} is not JSON: run Evaluate again") from None
    if not isinstance(document, dict):
        raise InvalidEvaluation(f"{METRICS} in {where} is no JSON object: run Evaluate again")
    return _evaluation(document)


def figure(figures: Mapping[str, float], metric: str, whose: str, where: str) -> float:
    """One figure. Raises InvalidEvaluation if it is missing, or no finite number."""
    if metric not in figures:
        known = ", ".join(sorted(figures)) or "none at all"
        raise InvalidEvaluation(
            f"{METRICS} in {where} has no {metric} of {whose}, which the gate compares; figures that it has: {known}. "
            "Choose one of them as champion.metric, or have Evaluate measure it"
        )
    value = figures[metric]
    if not is_figure(value):
        raise InvalidEvaluation(f"{metric} of {whose} in {where} is {value!r}, no finite number: run Evaluate again")
    return value


def finite(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures that can be put on record."""
    return {name: value for name, value in figures.items() if is_figure(value)}


def _evaluation(document: Mapping[str, Any]) -> Evaluation:
    ensemble, champion = (_figures(document, model) for model in (ENSEMBLE, CHAMPION))
    given, held_out = document.get("champion"), document.get("held_out")
    run = given.get("run") if isinstance(given, dict) else None
    warning, note = (given.get(key) if isinstance(given, dict) else None for key in ("warning", "note"))
    sha256 = held_out.get("sha256") if isinstance(held_out, dict) else None
    return Evaluation(
        ensemble=ensemble,
        champion=champion if run and not warning else None,
        champion_run=str(run) if run else None,
        warning=str(warning) if warning else None,
        note=str(note) if note else None,
        held_out=sha256 if isinstance(sha256, str) and sha256 else None,
        deployable=document.get("deployable") is not False,
    )


def _figures(document: Mapping[str, Any], model: str) -> dict[str, Any]:
    """What the figures say of a model; lists, as the rows of a matrix, are no figure."""
    found = {name: values[model] for name, values in document.items() if isinstance(values, dict) and model in values}
    return {name: value for name, value in sorted(found.items()) if not isinstance(value, list)}


def _attempt(key: str) -> tuple[int, int, str]:
    match = _ATTEMPT.search(key.removesuffix(f"/{ARTIFACT}"))
    return (int(match[1]), int(match[2]), key) if match else (-1, -1, key)
