"""The gate between training and deployment: when a new model may take the champion's place.

Both are measured by one job on the same held-out stacks. Equal is good enough unless the rule asks for more: the new
model has seen newer data.
"""

from __future__ import annotations

from dataclasses import dataclass

MAXIMIZE, MINIMIZE = "maximize", "minimize"

_DIGITS = 10  # decimals to which improvements are told apart: 0.3 - 0.2 is 0.1


@dataclass(frozen=True)
class Rule:
    """When a model may take the champion's place: it must be better in `metric` by `least_improvement`, or more."""

    metric: str
    direction: str = MAXIMIZE
    least_improvement: float = 0.0

    @property
    def words(self) -> str:
        """`page_accuracy must rise by at least 0.01`."""
        verb = "rise" if self.direction == MAXIMIZE else "fall"
        if not self.least_improvement:
            return f"{self.metric} must not {'fall' if self.direction == MAXIMIZE else 'rise'}"
        return f"{self.metric} must {verb} by at least {number(self.least_improvement)}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says: `improvement` is positive for a better model whatever the metric's direction, and None where
    there is no champion to compare with."""

    rule: Rule
    ours: float
    champion: float | None
    improvement: float | None

    @property
    def passed(self) -> bool:
        """Whether the model may be deployed."""
        return self.improvement is None or self.improvement >= self.rule.least_improvement

    @property
    def words(self) -> str:
        """One line that says by how much, such as `page_accuracy 0.91 is 0.02 worse than the champion's 0.93`."""
        ours = f"{self.rule.metric} {number(self.ours)}"
        if self.champion is None or self.improvement is None:
            return f"{ours}; there is no champion to compare with"
        if not self.improvement:
            return f"{ours} equals the champion's"
        how = f"{number(abs(self.improvement))} {'better' if self.improvement > 0 else 'worse'}"
        return f"{ours} is {how} than the champion's {number(self.champion)}"


def compare(rule: Rule, ours: float, champion: float | None) -> Verdict:
    """The verdict on a model; None for a champion that there is not, or that could not be measured. Both must be
    finite."""
    if champion is None:
        return Verdict(rule, ours, None, None)
    gain = ours - champion if rule.direction == MAXIMIZE else champion - ours
    return Verdict(rule, ours, champion, round(gain, _DIGITS) + 0.0)


def number(value: float) -> str:
    """A figure as people read it: at most 6 significant digits."""
    return f"{value:.6g}"
