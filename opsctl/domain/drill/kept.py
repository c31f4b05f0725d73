"""What the cases beside a machine say of it must hold as well: each is walked as `opsctl test` walks it.

The other rules know what is to hold of every machine. What an answer means (which one deploys, which one is a
rejection) only the machine's author knows, who says it in cases.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.domain.cases.model import BEGINNING, Difference, Record, Verdict
from opsctl.domain.cases.suite import Suite
from opsctl.domain.drill.model import Check, Refutation, Trace
from opsctl.domain.drill.trace import trace_of

LONGEST = 200  # letters of what was expected, and of what came


def broken_cases(suite: Suite) -> Iterator[Trace | None]:
    """For each case: its trace if it does not come out as it says, else None."""
    for case in suite.cases:
        verdict = suite.run(case)
        if verdict.difference is None:
            yield None
        else:
            refutation = Refutation(Check.CASES, _last(verdict.record), _words(verdict, verdict.difference))
            yield trace_of(case, verdict.record, refutation)


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
