"""What the cases beside a machine say of it must hold as well: each is walked as `opsctl test` walks it.

The other rules know what is to hold of every machine. What an answer means (which one deploys, which one is a
rejection) only the machine's author knows, who says it in cases. So too which states there are: a case that names one
which the machine does not have does not hold, and its run shows what comes instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.domain.cases.absent import Absent
from opsctl.domain.cases.model import BEGINNING, Case, Difference, Record, Verdict
from opsctl.domain.cases.suite import Suite
from opsctl.domain.drill.model import Check, Refutation, Trace
from opsctl.domain.drill.trace import trace_of

LONGEST = 200  # letters of what was expected, and of what came
_NOTHING = Record("RUNNING", None, None, None, 0.0, (), frozenset(), (), (), 0)
"""Of a case that there is no state to begin at."""


def broken_cases(suite: Suite) -> Iterator[Trace | None]:
    """For each case: its trace if it does not come out as it says, else None."""
    for case in suite.cases:
        absent = suite.absent.get(case.name)
        verdict = suite.run(case) if suite.begins(case) else None
        if absent:
            yield _of_absent(case, absent, verdict.record if verdict else _NOTHING)
        elif verdict is None or verdict.difference is None:
            yield None
        else:
            refutation = Refutation(Check.CASES, _last(verdict.record), _words(verdict, verdict.difference))
            yield trace_of(case, verdict.record, refutation)


def _of_absent(case: Case, absent: Absent, record: Record) -> Trace:
    told = " and ".join(f"{name!r}" + (f" (the nearest is {near!r})" if near else "") for name, near in absent.items())
    what = "no such state" if len(absent) == 1 else "no such states"
    words = f"the case {case.name!r} does not hold: it names {told}, and the machine has {what}"
    return trace_of(case, record, Refutation(Check.CASES, next(iter(absent)), words), tuple(absent))


def _words(verdict: Verdict, found: Difference) -> str:
    told = found.what
    if found.expected is not None:
        told = f"{found.what}: {_short(found.expected)} was expected, and came {_short(found.actual or 'nothing')}"
    return f"the case {verdict.case.name!r} does not hold: {told}"


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _last(record: Record) -> str:
    """The state that was entered last."""
    entered = (event.get("stateEnteredEventDetails", {}).get("name") for event in reversed(record.history))
    return str(next((name for name in entered if name and name != BEGINNING), ""))
