"""Find runs."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from opsctl.domain.runs import LATEST, Run, choose_run
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection


def input_document(text: str | None) -> Any:
    """A run's input as a value. Whoever started the run by hand may have given it anything."""
    return json.loads(text or "{}")


def recent(connection: Connection, limit: int, status: str | None = None) -> list[Run]:
    """The machine's newest runs, newest first."""
    runs = connection.states.runs(connection.machine.arn)
    return list(islice((run for run in runs if status is None or run.status == status), limit))


def resolve(connection: Connection, wanted: str = LATEST) -> Run:
    """The run that a RUN argument means, with its input. Raises UsageError with the nearest names."""
    machine, states = connection.machine, connection.states
    if not wanted:
        raise UsageError("RUN is empty", "name a run, or leave it out; opsctl list shows the runs there are")
    if wanted.startswith("arn:"):
        run = states.describe(wanted)
        if run.machine_arn != machine.arn:
            other = run.machine_arn.rpartition(":")[2]
            raise UsageError(
                f"{run.name} is a run of {other}, not of {machine.name}", "name its machine with --machine"
            )
        return run
    found = None if wanted.startswith("@") or not _plausible(wanted) else states.find(machine.arn, wanted)
    return found or states.describe(choose_run(wanted, states.runs(machine.arn)).arn)


def _plausible(name: str) -> bool:
    return len(name) <= 80 and all(letter.isalnum() or letter in "-_." for letter in name)


def refuse_running(run: Run) -> None:
    """Raise RefusedError unless the run has ended."""
    if not run.ended:
        raise RefusedError(f"{run.name} is still running", "wait for its end: opsctl status shows how far it is")
