"""What a drill of one machine came to: the matrix of faults, the pairs, and each refutation with a minimal trace.

Minimal: of all runs that refute the same, the one with the fewest faults and then the fewest events is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from opsctl.domain.drill.explore import Outcome
from opsctl.domain.drill.model import Fault, Kind, Refutation, Trace
from opsctl.domain.drill.trace import trace

OK, REFUTED, NEVER, NONE = "ok", "refuted", "never", ""
CUT_OFF = "the drill was interrupted before it"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: in how many scenarios it struck, how the runs ended, and what they refute."""

    fault: Fault
    ends: tuple[str, ...] = ()
    refuted: tuple[Refutation, ...] = ()
    why_never: str = ""

    @property
    def result(self) -> str:
        """`ok`, `refuted`, or `never` for a fault that struck in no scenario."""
        return REFUTED if self.refuted else OK if self.ends else NEVER


@dataclass
class Tally:
    """What outcomes add up to, as they come."""

    walked: int = 0
    refuted: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    rows: dict[Fault, Row] = field(default_factory=dict)
    traces: dict[Refutation, Trace] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.walked += 1
        self.refuted += bool(outcome.refutations)
        self.ends[outcome.status] += 1
        for refutation in outcome.refutations:
            made = trace(outcome.drive, outcome.faults, refutation)
            self.keep(made)
        if outcome.faults:
            fault = outcome.faults[-1]
            row = self.rows.get(fault, Row(fault))
            refuted = tuple(dict.fromkeys((*row.refuted, *outcome.refutations)))
            self.rows[fault] = Row(fault, (*row.ends, outcome.status), refuted)

    def add_case(self, made: Trace | None) -> None:
        """Count a case that was walked; with its trace if it does not hold."""
        self.walked += 1
        if made is not None:
            self.refuted += 1
            self.keep(made)

    def keep(self, made: Trace) -> None:
        """Keep a trace if it is the shortest for what it refutes."""
        known = self.traces.get(made.refutation)
        if known is None or _length(made) < _length(known):
            self.traces[made.refutation] = made

    def join(self, other: Tally) -> None:
        """Take over what another tally counted."""
        self.walked += other.walked
        self.refuted += other.refuted
        self.ends += other.ends
        for made in other.traces.values():
            self.keep(made)


def _length(made: Trace) -> tuple[int, int]:
    return len(made.faults), len(made.events)


@dataclass(frozen=True, slots=True)
class Count:
    """How much of something had to be there after all runs of a live drill, and how much was."""

    what: str
    expected: int
    found: int


@dataclass(frozen=True)
class Report:
    """A drill of one machine. `singles` are all single faults in the definition's order, `classes` how many there are
    if those that cannot be told apart count once; `pairs` is how many pairs were walked, None where they were not;
    `cases` how many of the author's cases were; `counts` what a live drill expected and found."""

    title: str
    definition: object = field(repr=False)
    scenarios: tuple[str, ...]
    singles: tuple[Row, ...]
    stops: int
    stops_refuted: int
    classes: int
    pairs: int | None
    pairs_refuted: int
    traces: tuple[Trace, ...]
    interrupted: str = ""
    cases: int = 0
    cases_refuted: int = 0
    counts: tuple[Count, ...] = ()

    @property
    def refuted(self) -> bool:
        """Whether anything does not hold."""
        return bool(self.traces)

    @property
    def never(self) -> tuple[Row, ...]:
        """The faults that struck in no scenario."""
        return tuple(row for row in self.singles if row.result == NEVER)

    def cells(self) -> dict[str, dict[Kind, tuple[int, int, int]]]:
        """The matrix: by state and kind, how many faults held, were refuted, and never struck."""
        found: dict[str, dict[Kind, tuple[int, int, int]]] = {}
        for row in self.singles:
            cell = found.setdefault(row.fault.state, {})
            ok, refuted, never = cell.get(row.fault.kind, (0, 0, 0))
            counts = (ok + (row.result == OK), refuted + (row.result == REFUTED), never + (row.result == NEVER))
            cell[row.fault.kind] = counts
        return found


def in_order(traces: Iterable[Trace]) -> tuple[Trace, ...]:
    """The most telling first: fewest faults, fewest events."""
    return tuple(sorted(traces, key=lambda made: (*_length(made), made.refutation.check, made.refutation.at)))
