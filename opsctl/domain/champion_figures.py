"""Figures of two models side by side, and whether they compare like with like: only on one held-out set they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsctl.domain.champions import Champion
from opsctl.domain.evaluation import Evaluation, finite


@dataclass(frozen=True)
class Figures:
    """What was measured of a run's ensemble; `held_out` is the SHA-256 of the held-out set, None where unknown."""

    run: str
    metrics: Mapping[str, float]
    held_out: str | None


@dataclass(frozen=True)
class Change:
    """One metric of both, None for one that lacks it."""

    metric: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        """What the second has more."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """Two models, and their metrics by name."""

    before: Figures
    after: Figures

    @property
    def alike(self) -> bool:
        """Whether both were measured on one held-out set."""
        return self.before.held_out is not None and self.before.held_out == self.after.held_out

    @property
    def changes(self) -> tuple[Change, ...]:
        """Of all metrics that either has."""
        names = sorted({*self.before.metrics, *self.after.metrics})
        return tuple(Change(name, self.before.metrics.get(name), self.after.metrics.get(name)) for name in names)


def of_record(champion: Champion) -> Figures:
    """What a record says."""
    return Figures(champion.run, champion.metrics, champion.held_out.sha256)


def with_run(champion: Champion, run: str, evaluation: Evaluation) -> Comparison:
    """The champion beside a run: as the run's Evaluate measured both, where it did; else as the record has it."""
    ours = Figures(run, finite(evaluation.ensemble), evaluation.held_out)
    if evaluation.champion is None or evaluation.champion_run != champion.run:
        return Comparison(of_record(champion), ours)
    return Comparison(Figures(champion.run, finite(evaluation.champion), evaluation.held_out), ours)
