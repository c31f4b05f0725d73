"""The picture of a refutation: the machine, coloured by what became of each state in the run that refutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from opsctl.asl.history import read_history
from opsctl.domain.drill.model import Trace
from opsctl.domain.drill.report import Report
from opsctl.domain.picture import Picture, lane_of
from opsctl.domain.picture_run import run_told


def picture(report: Report, trace: Trace) -> Picture:
    """The run of a trace as `opsctl graph` draws runs."""
    definition = cast("Mapping[str, Any]", report.definition)
    history = read_history(trace.events, definition)
    last = float(trace.events[-1]["timestamp"]) if trace.events else 0.0
    told = run_told(history, definition, (), last)
    facts = tuple(fault.words for fault in trace.faults) or ("no fault",)
    return Picture(f"{report.title}: {trace.refutation.words}", lane_of(definition, told), history.status, facts)
