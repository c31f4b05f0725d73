"""What `start` and `rerun` do with the run they started: name it, or follow it to its end."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, moment
from opsctl.errors import FAILED, OK
from opsctl.operations.start import Started
from opsctl.operations.waiting import Outcome, Progress, wait

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection

PLAIN = re.compile(r"[\w .,:()?-]+")  # safe between double quotes


def announce(invocation: Invocation, started: Started, more: dict[str, Any]) -> int:
    """Name the run and say how to look at it; the exit code."""
    run = started.run
    said = f"{run.name} is already running, with this very input" if started.resumed else f"started {run.name}"
    click.echo(f"{said}; look at it: opsctl status {run.name}", err=True)
    emit(invocation, {"run": run.name, "arn": run.arn, "status": run.status, **more}, run.name)
    return OK


def follow(
    invocation: Invocation, connection: Connection, started: Started, timeout: float | None, more: dict[str, Any]
) -> int:
    """Wait for the run with a line for each thing that happens; the exit code is the run's outcome."""
    run = started.run
    click.echo(f"following {run.name}" + (", which is already running" if started.resumed else ""), err=True)
    try:
        outcome = wait(connection, run, _tell, timeout)
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; the run goes on: opsctl status {run.name}", err=True)
        raise
    next_command = _next_command(outcome)
    document = {"run": run.name, "arn": run.arn, **_document(outcome), "next": next_command, **more}
    emit(invocation, document, _sentence(outcome))
    if next_command:
        click.echo(f"next: {next_command}", err=True)
    return OK if outcome.succeeded else FAILED


def _tell(progress: Progress) -> None:
    clock = (moment(progress.at) or "").split()[1]
    click.echo(f"{clock}  {progress.step}  {progress.text}", err=True)


def _document(outcome: Outcome) -> dict[str, Any]:
    return {"status": outcome.status, "seconds": outcome.seconds, "step": outcome.step, "error": outcome.error}


def _sentence(outcome: Outcome) -> str:
    where = f" at {outcome.step}" if outcome.step else ""
    why = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.run} {outcome.status} after {duration(outcome.seconds)}{where}{why}"


def _next_command(outcome: Outcome) -> str | None:
    if outcome.succeeded:
        return None
    if outcome.step is None:
        return f"opsctl status {outcome.run}"
    step = f'"{outcome.step}"' if PLAIN.fullmatch(outcome.step) else shlex.quote(outcome.step)
    return f"opsctl rerun {outcome.run} --from {step}"
