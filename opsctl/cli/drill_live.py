"""`opsctl drill --live`: what it would do, and the going ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.cli.agreeing import agree
from opsctl.cli.drill_words import HEADERS
from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, printable, table
from opsctl.domain.conditions import Setting
from opsctl.domain.documents import with_settings
from opsctl.domain.drill.model import Kind
from opsctl.domain.drill.report import Report

if TYPE_CHECKING:
    from opsctl.operations.drill_live import LivePlan


@dataclass(frozen=True)
class Live:
    """How a live drill is wanted: the run input and changes to it, how many runs at a time, which states (none: all),
    whether only to plan, and whether to ask."""

    document: dict[str, Any]
    settings: tuple[Setting, ...]
    at_once: int
    states: tuple[str, ...]
    dry_run: bool
    yes: bool


def live(invocation: Invocation, wanted: Live, progress: Callable[[str], None]) -> Report | None:
    """Show the plan, ask, and drill; None where the plan was all."""
    from opsctl.operations import drill_live

    connection = invocation.connect()
    planned = drill_live.plan(connection, wanted.at_once, wanted.states)
    text = _plan_text(connection.machine.name, planned)
    if wanted.dry_run:
        emit(invocation, _plan_document(planned), text)
        return None
    agree(invocation, text, wanted.yes)
    return drill_live.drill(connection, planned, with_settings(wanted.document, wanted.settings), progress)


def _plan_document(planned: LivePlan) -> dict[str, Any]:
    return {
        "faults": [{"state": one.fault.state, "fault": one.fault.words} for one in planned.made],
        "left": [{"state": fault.state, "fault": fault.words, "why": why} for fault, why in planned.left],
        "at_once": planned.at_once,
        "seconds": planned.likely_seconds,
    }


def _plan_text(machine: str, planned: LivePlan) -> str:
    counts: dict[str, dict[Kind, int]] = {}
    for one in planned.made:
        cell = counts.setdefault(one.fault.state, {})
        cell[one.fault.kind] = cell.get(one.fault.kind, 0) + 1
    kinds = [kind for kind in HEADERS if any(kind in row for row in counts.values())]
    rows = [[state, *(row.get(kind, "") for kind in kinds)] for state, row in counts.items()]
    likely = planned.likely_seconds
    long = f"about {duration(likely)}, by what the last run took" if likely else "for how long, no run has shown yet"
    runs = f"{len(planned.made) + 1} runs, and one to bring back each that fails, {planned.at_once} at a time"
    return "\n".join((
        f"Live drill of {printable(machine)}: {runs}; {long}", "",
        table(["STATE", *(HEADERS[kind] for kind in kinds)], rows), "",
        f"{len(planned.left)} faults are left to opsctl drill --model",
    ))  # fmt: skip
