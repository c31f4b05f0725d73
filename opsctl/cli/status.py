"""`opsctl status`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.following import on_machine, quoted, way_on
from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, facts, moment, table
from opsctl.cli.status_details import details
from opsctl.cli.status_document import status_document
from opsctl.cli.terminal import tell
from opsctl.domain.alerts import caught_in
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.results import one_line
from opsctl.domain.runs import LATEST, UNSUCCESSFUL, Run
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.operations.status import MapRun, RunStatus, StepStatus

HEADERS = ["STEP", "STATUS", "ATTEMPTS", "STARTED", "DURATION", "JOB", "ERROR"]
INDENT = "  "
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", required=False)
@click.option("--verbose", is_flag=True, help="Show each step's attempts, input and output; whole with -o json.")
@click.option("--history", type=FILE, metavar="FILE", help="Read a saved GetExecutionHistory instead of asking AWS.")
@click.option("--definition", type=FILE, metavar="FILE", help="With --history: the definition that the run walked.")
@click.pass_context
def status(
    context: click.Context, run: str | None, verbose: bool, history: Path | None, definition: Path | None
) -> None:
    """Show a run and what became of each of its steps. RUN is @latest by default.

    ATTEMPTS 2+1 means two in the run itself and one in its redrive. Executions and Map Runs that a step started stand
    below it. WAITING is a step that waits to be approved or rejected. A step that was not entered is SKIPPED where the
    run went past it, and NOT REACHED where it did not come that far.

    \b
    Examples:
      opsctl status
      opsctl status nightly-7 --verbose
      opsctl status @failed -o json --query "steps[?status=='FAILED'].[step, error]"
      opsctl status --history history.json --definition training.asl.json
    """
    from opsctl.operations import runs
    from opsctl.operations.status import describe

    invocation = context.ensure_object(Invocation)
    if history is not None:
        _show_saved(invocation, run, history, definition, verbose)
        return
    if definition is not None:
        raise UsageError("--definition goes with --history", "without --history, AWS tells what the run walked")
    connection = invocation.connect()
    found = describe(connection, runs.resolve(connection, LATEST if run is None else run))
    command = next_command(invocation, found)
    text = _text(found, [("RUN", found.run.name), ("MACHINE", connection.machine.name)], connection.aws.now(), verbose)
    emit(invocation, status_document(found) | {"next": command}, text)
    if command:
        tell(f"next: {command}")


def next_command(invocation: Invocation, found: RunStatus) -> str | None:
    """What to do about the run; None where there is nothing to do."""
    machine = on_machine(invocation)
    if found.run.status in UNSUCCESSFUL:
        return way_on(invocation, found.run, caught_in(found.history))
    waiting = list(_waiting(found))
    which = f" --step {quoted(waiting[0].name)}" if len(waiting) > 1 else ""
    return f"opsctl approve {found.run.name}{which}{machine}" if waiting else None


def _waiting(found: RunStatus) -> Iterator[StepStatus]:
    """The steps that wait to be answered, those of nested executions too."""
    from opsctl.domain.steps import WAITING
    from opsctl.operations.status import RunStatus

    yield from (step for step in found.steps if step.status == WAITING)
    for child in found.children.values():
        yield from _waiting(child) if isinstance(child, RunStatus) else ()


def _show_saved(invocation: Invocation, run: str | None, history: Path, definition: Path | None, verbose: bool) -> None:
    from opsctl.operations.status import describe_saved

    if run is not None:
        raise UsageError("--history is a run's history already", f"leave {run} out")
    found, doubts = describe_saved(history, definition)
    for doubt in doubts:
        tell(f"warning: {doubt}")
    text = _text(found, [("HISTORY", str(history))], found.run.stopped or 0.0, verbose)
    emit(invocation, status_document(found) | {"run": None, "arn": None, "history": str(history)}, text)


def _text(found: RunStatus, named: list[tuple[str, Any]], now: float, verbose: bool) -> str:
    run = found.run
    header = facts([
        *named,
        ("VERSION", _version(run)),
        ("STATUS", run.status),
        ("STARTED", moment(run.started)),
        ("DURATION", duration((run.stopped or now) - run.started)),
        ("REDRIVES", _redrives(found)),
        ("RERUN OF", _lineage(run.input)),
        ("ERROR", one_line(run.error, run.cause) or None),
    ])  # fmt: skip
    parts = [header, table(HEADERS, list(step_rows(found, now)), fold=True)]
    return "\n\n".join([*parts, *(details(found) if verbose else ())])


def step_rows(found: RunStatus, now: float, depth: int = 0) -> Iterator[list[Any]]:
    """A row for each step, below it the executions and Map Runs that it started."""
    for step in found.steps:
        yield _row(step, INDENT * depth)
        for arn in step.executions:
            yield from _child_rows(arn, found.children.get(arn), now, depth + 1)
        for arn in step.map_runs:
            yield _map_run_row(arn, found.map_runs.get(arn), INDENT * (depth + 1))


def _row(step: StepStatus, indent: str) -> list[Any]:
    attempts = "+".join(map(str, step.generations)) if sum(step.generations) else None
    note = "; ".join(part for part in (step.note, step.error) if part)
    started, took = _clock(step.started), duration(step.seconds)
    return [indent + step.name, step.status, attempts, started, took, step.job, note or None]


def _child_rows(arn: str, child: RunStatus | str | None, now: float, depth: int) -> Iterator[list[Any]]:
    from opsctl.operations.status import RunStatus

    name = f"{INDENT * depth}run {arn.rpartition(':')[2]}"
    if not isinstance(child, RunStatus):
        yield [name, None, None, None, None, None, child]
        return
    run = child.run
    took = duration((run.stopped or now) - run.started)
    yield [name, run.status, None, _clock(run.started), took, None, one_line(run.error, run.cause) or None]
    yield from step_rows(child, now, depth + 1)


def _map_run_row(arn: str, found: MapRun | str | None, indent: str) -> list[Any]:
    from opsctl.operations.status import MapRun

    name = f"{indent}Map Run {arn.rpartition(':')[2]}"
    if not isinstance(found, MapRun):
        return [name, None, None, None, None, None, found]
    counts = ", ".join(f"{count} {word}" for word, count in found.counts.items() if word != "total")
    return [name, found.status, None, None, None, None, f"{counts} of {found.counts.get('total', 0)} items"]


def _clock(seconds: float | None) -> str | None:
    return None if seconds is None else (moment(seconds) or "").split()[1]


def _version(run: Run) -> str | None:
    """`7, by the alias live`; None for a run that was started on the machine itself."""
    by = f", by the alias {run.alias}" if run.alias else ""
    return None if run.version is None else f"{run.version}{by}"


def _redrives(found: RunStatus) -> str | None:
    run = found.run
    last = f", the last at {moment(run.redriven)}" if run.redriven else ""
    return f"{run.redrives}{last}" if run.redrives else None


def _lineage(text: str | None) -> str | None:
    """What the run is a rerun of; None too for an input that somebody made up."""
    from opsctl.operations import runs

    document = runs.input_document(text)
    source, steps = value_at(document, ("rerun", "of")), value_at(document, ("rerun", "from"))
    known = source is not ABSENT and isinstance(steps, list)
    return f"{source}, from {', '.join(map(str, steps))}" if known else None
