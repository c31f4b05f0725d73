"""`opsctl watch`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.following import conclude, on_machine, outcome_document, progress_line, sentence
from opsctl.cli.invocation import Invocation
from opsctl.cli.live import Screen, can_redraw
from opsctl.cli.params import duration as seconds
from opsctl.cli.render import columns, duration, emit_line, iso, status_word
from opsctl.cli.status import HEADERS, step_rows
from opsctl.cli.terminal import steadied, tell
from opsctl.domain.runs import LATEST, Run

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection
    from opsctl.operations.status import RunStatus
    from opsctl.operations.waiting import Outcome, Progress

TICK = 1.0
STATES_A_SECOND = 1000  # redrawn on average at most: what a thousand states are worth in time on the processor
AT_WORK = ("RUNNING", "WAITING", "FAILED")  # what is shown first of a table that is too long
AROUND = 4  # lines of the window that are no rows: what stands above them, and the cursor's


@click.command()
@click.argument("run", default=LATEST)
@click.option("--timeout", type=seconds, metavar="DURATION", help="Watch no longer (90s, 15m, 2h); exit code 124.")
@click.pass_context
def watch(context: click.Context, run: str, timeout: float | None) -> None:
    """Watch a run until it ends, and exit with its outcome: 0 or 1. RUN is @latest by default.

    On a terminal it is a table of the steps, kept up to date. Anywhere else it is a line for each thing that happens,
    with -o json a JSON object in each line; the last one is the outcome. Ctrl-C leaves the run alone.

    \b
    Examples:
      opsctl watch
      opsctl watch nightly-7 --timeout 2h
      opsctl watch -o json | jq -r .step
    """
    from opsctl.operations import runs

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    found = runs.resolve(connection, run)
    try:
        outcome = _watched(invocation, connection, found, timeout)
    except KeyboardInterrupt:
        tell(f"\ninterrupted; the run goes on: opsctl watch {found.name}{on_machine(invocation)}")
        raise
    if invocation.wants_json:
        emit_line(invocation, outcome_document(invocation, found, outcome))
    else:
        click.echo(steadied(sentence(outcome)))
    context.exit(conclude(invocation, found, outcome))


def _watched(invocation: Invocation, connection: Connection, run: Run, timeout: float | None) -> Outcome:
    from opsctl.operations.waiting import wait

    if invocation.wants_json:
        return wait(connection, run, lambda progress: emit_line(invocation, _document(progress)), timeout)
    if can_redraw():
        return _live(connection, run, timeout)
    return wait(connection, run, lambda progress: click.echo(steadied(progress_line(progress))), timeout)


def _live(connection: Connection, run: Run, timeout: float | None) -> Outcome:
    from opsctl.operations.status import seen
    from opsctl.operations.waiting import outcome_of
    from opsctl.operations.watch import NOTHING, follow

    definition = connection.states.definition_of_run(run.arn)
    screen, sight, due = Screen(), NOTHING, 0.0
    for sight in follow(connection, run, timeout, tick=TICK, definition=definition):
        now = connection.aws.now()
        if now >= due:
            screen.draw(_frame(seen(run, sight, definition, now), now))
            due = now + len(sight.history.states) / STATES_A_SECOND
    now = connection.aws.now()
    screen.draw(_frame(seen(run, sight, definition, now), now))
    return outcome_of(run.name, sight.history)


def _frame(found: RunStatus, now: float) -> list[str]:
    run = found.run
    took = duration((run.stopped or now) - run.started)
    redrives = f", redrive {run.redrives}" if run.redrives else ""
    rows = fitting(list(step_rows(found, now)), shutil.get_terminal_size().lines - AROUND)
    return [f"{run.name}  {status_word(run.status)}  {took}{redrives}", "", *columns(HEADERS, rows).splitlines()]


def fitting(rows: Sequence[list[Any]], room: int) -> list[list[Any]]:
    """The rows that fit into the window: those at work or in trouble rather than others."""
    if len(rows) <= room:
        return list(rows)
    by_need = sorted(range(len(rows)), key=lambda number: rows[number][1] not in AT_WORK)
    kept = sorted(by_need[: max(room - 1, 1)])
    rest = [f"… {len(rows) - len(kept)} more", *[None] * (len(HEADERS) - 1)]
    return [*(rows[number] for number in kept), rest]


def _document(progress: Progress) -> dict[str, Any]:
    return asdict(progress) | {"at": iso(progress.at)}
