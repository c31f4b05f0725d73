"""What commands do with the run they started or found: name it, or follow it to its end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, moment
from opsctl.cli.terminal import tell
from opsctl.domain.alerts import Failure, next_command
from opsctl.domain.runs import Run
from opsctl.errors import FAILED, OK

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection
    from opsctl.operations.start import Started
    from opsctl.operations.waiting import Outcome, Progress

PLAIN = re.compile(r"[\w .,:()?-]+")  # safe between double quotes


def announce(invocation: Invocation, started: Started, more: dict[str, Any]) -> int:
    """Name the run and say how to look at it; the exit code."""
    run = started.run
    tell(f"{_found(started)}; look at it: opsctl status {run.name}{on_machine(invocation)}")
    emit(invocation, {"run": run.name, "arn": run.arn, "status": run.status, **more}, run.name)
    return OK


def follow(
    invocation: Invocation, connection: Connection, started: Started, timeout: float | None, more: dict[str, Any]
) -> int:
    """Wait for the run with a line for each thing that happens; the exit code is the run's outcome."""
    from opsctl.operations.waiting import wait

    run = started.run
    following = f"following {run.name}" + (", which is already running" if started.resumed else "")
    tell(_found(started) if started.resumed and run.ended else following)
    try:
        outcome = wait(connection, run, _tell, timeout)
    except KeyboardInterrupt:
        tell(f"\ninterrupted; the run goes on: opsctl status {run.name}{on_machine(invocation)}")
        raise
    emit(invocation, outcome_document(invocation, run, outcome) | more, sentence(outcome))
    return conclude(invocation, run, outcome)


def conclude(invocation: Invocation, run: Run, outcome: Outcome) -> int:
    """Say what to do next; the exit code."""
    command = _next_command(invocation, run, outcome)
    if command:
        tell(f"next: {command}")
    return OK if outcome.succeeded else FAILED


def outcome_document(invocation: Invocation, run: Run, outcome: Outcome) -> dict[str, Any]:
    """How a run ended, as JSON."""
    return {"run": run.name, "arn": run.arn, **_document(outcome), "next": _next_command(invocation, run, outcome)}


def progress_line(progress: Progress) -> str:
    """`08:00:13  Train Image Model  started`; of a nested execution with its name."""
    clock = (moment(progress.at) or "").split()[1]
    step = f"{progress.run} > {progress.step}" if progress.run else progress.step
    return f"{clock}  {step}  {progress.text}"


def _found(started: Started) -> str:
    """What became of the request. One that has succeeded before is not carried out again: it would cost as much."""
    run = started.run
    if not started.resumed:
        return f"started {run.name}"
    if run.ended:
        return f"nothing was started: {run.name} did the same and has {run.status} (another --name would do it again)"
    return f"{run.name} is already running, with this very input"


def _tell(progress: Progress) -> None:
    tell(progress_line(progress))


def _document(outcome: Outcome) -> dict[str, Any]:
    return {"status": outcome.status, "seconds": outcome.seconds, "step": outcome.step, "error": outcome.error}


def sentence(outcome: Outcome) -> str:
    """How a run ended, in a line."""
    where = f" at {outcome.step}" if outcome.step else ""
    why = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.run} {outcome.status} after {duration(outcome.seconds)}{where}{why}"


def on_machine(invocation: Invocation) -> str:
    """What a command needs to be about the same machine."""
    return f" --machine {shlex.quote(invocation.machine)}" if invocation.machine else ""


def quoted(step: str) -> str:
    """A step's name as a word of a command line."""
    return f'"{step}"' if PLAIN.fullmatch(step) else shlex.quote(step)


def way_on(invocation: Invocation, run: Run, caught: Sequence[Failure]) -> str:
    """The command to go on with after an end without success, as the alert says it."""
    return next_command(run.arn.split(":")[6], run.name, caught, on_machine(invocation))


def _next_command(invocation: Invocation, run: Run, outcome: Outcome) -> str | None:
    return None if outcome.succeeded else way_on(invocation, run, outcome.caught)
