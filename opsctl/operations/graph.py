"""Pictures of runs: from AWS, or from files without any request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsctl.asl.history import RunHistory, read_history
from opsctl.domain.picture import Picture
from opsctl.domain.picture_run import run_told
from opsctl.domain.results import one_line
from opsctl.domain.runs import Run
from opsctl.domain.steps import StepStatus, steps_of
from opsctl.domain.times import duration, moment
from opsctl.domain.walked import walked
from opsctl.operations.connection import Connection
from opsctl.operations.drawing import drawn
from opsctl.operations.runs import input_document, resolve
from opsctl.operations.saved import load_definition, load_history
from opsctl.operations.status import describe_saved


def draw_run(connection: Connection, wanted: str) -> Picture:
    """The picture of a run. Raises as `resolve` does."""
    run = resolve(connection, wanted)
    definition = connection.states.definition_of_run(run.arn)
    history = read_history(connection.states.history(run.arn), definition)
    now = connection.aws.now()
    steps = steps_of(history, definition, input_document(run.input), now)
    return picture_of(run, history, definition, steps, now)


def draw_saved(history: Path, definition: Path | None) -> tuple[Picture, list[str]]:
    """The picture of a run from files, and what is doubtful about them, one line each.

    Without a definition it shows what the run has walked. Raises UsageError for files that are no history or no
    definition.
    """
    found, doubts = describe_saved(history, definition)
    machine = load_definition(definition) if definition else walked(load_history(history), found.history)
    return picture_of(found.run, found.history, machine, found.steps, found.run.stopped or 0.0), doubts


def picture_of(
    run: Run, history: RunHistory, definition: Mapping[str, Any], steps: tuple[StepStatus, ...], now: float
) -> Picture:
    """The picture of a run that was looked into."""
    told = run_told(history, definition, steps, now)
    error = one_line(run.error, run.cause)
    facts = [run.status.lower(), moment(run.started), duration((run.stopped or now) - run.started)]
    if run.redrives:
        facts.append(f"{run.redrives} redrive{'s' if run.redrives > 1 else ''}")
    return drawn(run.name, definition, told, (*facts, *([error] if error else ())), run.status)
