"""What a measure found, and how it is printed and judged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class Measure:
    """One figure: `right` of `total` cases. `excluded` and `differing` map a case's file to the cause.

    `bar` is the least percentage that passes; None where the figure is only told. An empty measure passes: what a
    corpus does not hold cannot be held against it.
    """

    name: str
    bar: float | None
    right: int = 0
    excluded: dict[str, str] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.right + sum(map(len, self.differing.values()))

    @property
    def percentage(self) -> float:
        return 100.0 if self.total == 0 else 100.0 * self.right / self.total

    @property
    def passed(self) -> bool:
        return self.bar is None or self.percentage >= self.bar

    def exclude(self, case: str, cause: str) -> None:
        self.excluded[case] = cause

    def count(self, case: str, cause: str | None) -> None:
        """A case is right if nothing (`cause` None) is wrong with it."""
        if cause is None:
            self.right += 1
        else:
            self.differing[cause].append(case)


def lines(measure: Measure) -> Iterator[str]:
    """The measure for people, one line each."""
    bar = "" if measure.bar is None else f", at least {measure.bar:g} %: {'ok' if measure.passed else 'MISSED'}"
    yield f"{measure.name}: {measure.right} of {measure.total} = {measure.percentage:.2f} %{bar}"
    for cause, count in Counter(measure.excluded.values()).most_common():
        yield f"  excluded {count}: {cause}"
    yield from (f"  {note}" for note in measure.notes)
    for cause, cases in sorted(measure.differing.items(), key=lambda entry: -len(entry[1])):
        yield f"  differing {len(cases)}: {cause}"
        yield from (f"    {case}" for case in sorted(cases))


def bar_from(environment: Mapping[str, str], name: str, default: float) -> float:
    """A bar, which the environment may move. Raises `ValueError` for one that is no number."""
    text = environment.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ValueError(f"{name} must be a number of percent, not {text!r}") from None
