"""What AWS did otherwise in the past, where recordings on both sides of a change tell of it.

An execution follows today's habits. Whoever compares with a history of another day says which: the interpreter then
writes what AWS wrote on that day, and nothing in the comparison has to be lenient.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_REDRIVE_LAUNCH = date(2023, 11, 15)
_MAP_RUN_LINK = date(2024, 10, 1)
"""Some day between 19 August and 13 November 2024: the last recording before the change, the first after it."""


@dataclass(frozen=True, slots=True)
class Habits:
    """`counts_redrives`: the context object has Execution.RedriveCount (whoever makes the execution puts it there).
    `map_exit_after_run_end`: a distributed Map's MapStateExited links to MapRunSucceeded, not to MapRunStarted."""

    counts_redrives: bool = True
    map_exit_after_run_end: bool = False


TODAY = Habits()


def habits_on(day: date) -> Habits:
    """AWS's habits on a day."""
    return Habits(counts_redrives=day >= _REDRIVE_LAUNCH, map_exit_after_run_end=day < _MAP_RUN_LINK)
