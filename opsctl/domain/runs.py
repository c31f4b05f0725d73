"""Runs (executions) as values, and how a RUN argument of the command line finds one.

A RUN is a name, a unique prefix of one, an ARN, `@latest` or `@failed` (the newest run that ended badly). Names are
those of one state machine; runs come newest first, as ListExecutions gives them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opsctl.asl.history import seconds as seconds
from opsctl.errors import UsageError

RUNNING = "RUNNING"
SUCCEEDED = "SUCCEEDED"
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")
LATEST = "@latest"
FAILED = "@failed"
NEAREST = 3


@dataclass(frozen=True)
class Run:
    """One execution. Times are seconds since the epoch; `input` and `output` JSON text, None where not asked for.

    `redrives` is how often it was redriven, `redriven` when it last was. `redrive_status` is AWS's word on whether
    it can be (REDRIVABLE, NOT_REDRIVABLE, REDRIVABLE_BY_MAP_RUN, or one still to come), `redrive_reason` why not.
    `version` is the machine's version that the run walks, and `alias` the name of the alias that it was started on;
    None for a run that was started on the machine itself.
    """

    name: str
    arn: str
    machine_arn: str
    status: str
    started: float
    stopped: float | None = None
    redrives: int = 0
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redriven: float | None = None
    redrive_status: str | None = None
    redrive_reason: str | None = None
    version: int | None = None
    alias: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is over, for better or worse."""
        return self.status == SUCCEEDED or self.status in UNSUCCESSFUL


def version_number(arn: str | None) -> int | None:
    """The number of a state machine's version; None for the ARN of anything else."""
    parts = (arn or "").split(":")
    return int(parts[7]) if len(parts) == 8 and parts[7].isdecimal() else None


def of_version(number: int | None) -> str:
    """` (version 7)`; nothing where there is none."""
    return "" if number is None else f" (version {number})"


def choose_run(wanted: str, runs: Iterable[Run]) -> Run:
    """The run that `wanted` means.

    Raises UsageError: no run yet, an ambiguous prefix, or an unknown name, with the nearest ones. `runs` is read no
    further than needed for `@latest` and `@failed`.
    """
    if wanted in (LATEST, FAILED):
        return _newest(wanted, runs)
    listed = list(runs)
    exact = [run for run in listed if wanted in (run.name, run.arn)]
    found = exact or [run for run in listed if run.name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{len(found)} runs begin with {wanted!r}", f"say which one: {_names(found)}")
    raise UsageError(f"no run {wanted!r}", _suggestion(wanted, [run.name for run in listed]))


def _newest(wanted: str, runs: Iterable[Run]) -> Run:
    for run in runs:
        if wanted == LATEST or run.status in UNSUCCESSFUL:
            return run
    if wanted == FAILED:
        raise UsageError("no run has failed", "name the run to work on: opsctl list shows them")
    raise UsageError("there is no run yet", "opsctl start makes one")


def _names(runs: Sequence[Run]) -> str:
    shown = ", ".join(run.name for run in runs[:NEAREST])
    return shown + (", …" if len(runs) > NEAREST else "")


def _suggestion(wanted: str, names: Sequence[str]) -> str:
    if not names:
        return "there is no run yet; opsctl start makes one"
    nearest = difflib.get_close_matches(wanted, names, n=NEAREST, cutoff=0.0)
    return f"the nearest names are: {', '.join(nearest)}"
