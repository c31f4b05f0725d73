"""`opsctl logs`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from opsctl.cli.following import on_machine
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import duration
from opsctl.cli.render import emit_line, iso
from opsctl.cli.terminal import harmless
from opsctl.domain.names import slug
from opsctl.domain.runs import LATEST, Run
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection
    from opsctl.operations.logs import Line

_UNITS = {"d": 86_400.0, "w": 7 * 86_400.0}


def since(text: str) -> float | datetime:
    """Seconds ago, as `90s`, `10m`, `2h`, `3d`, `1w`; or a moment in ISO 8601, UTC unless it says otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([dw])", text)
    if match:
        return float(match[1]) * _UNITS[match[2]]
    if re.fullmatch(r"\d+(\.\d+)?[smh]", text):
        return duration(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a time ago, such as 10m, 2h or 3d, nor a moment, such as 2026-11-21T14:30"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression of Python's."""
    try:
        return re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!r} is not a regular expression: {error}") from None


@click.command()
@click.argument("run", default=LATEST)
@click.argument("step", required=False)
@click.option("--failed", is_flag=True, help="The failed attempts of every failed step, or of STEP.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="This attempt of the step. [default: the last]")
@click.option("-f", "--follow", is_flag=True, help="Go on until the step has ended; without STEP, until the run has.")
@click.option("--since", type=since, metavar="TIME", help="Nothing older: 90s, 10m, 2h, 3d, or 2026-11-21T14:30 (UTC).")
@click.option("--grep", type=pattern, metavar="REGEX", help="Only lines in which this regular expression is found.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of each attempt.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time, in UTC.")
@click.pass_context
def logs(
    context: click.Context,
    run: str,
    step: str | None,
    failed: bool,
    attempt: int | None,
    follow: bool,
    since: float | datetime | None,
    grep: re.Pattern[str] | None,
    tail: int | None,
    timestamps: bool,
) -> None:
    """Print what the jobs of a run wrote to CloudWatch Logs: SageMaker and Batch jobs, Lambda functions.

    RUN is @latest by default. Without STEP it is the step to blame for a run that failed, the steps at work in one that
    goes on, and every step of one that succeeded. Lines of several steps or attempts begin with whose they are.

    With -o json each line is a JSON object of its own, and --query is asked of each.

    \b
    Examples:
      opsctl logs
      opsctl logs nightly-7 train-text-model --tail 50 --timestamps
      opsctl logs @failed --failed --grep 'Error|Traceback'
      opsctl logs @latest "Train Image Model" -f
      opsctl logs @latest evaluate -o json --query message
    """
    from opsctl.operations import logs as reading
    from opsctl.operations.log_following import read_on
    from opsctl.operations.logs import Wanted

    invocation = context.ensure_object(Invocation)
    _check(failed, attempt, follow)
    connection = invocation.connect()
    found = _resolved(connection, run, step)
    wanted = Wanted(step, attempt, failed, _moment(since, connection), tail, grep)
    if follow and not found.ended:
        try:
            _print(invocation, read_on(connection, found, wanted, _tell), timestamps, labelled=step is None)
        except KeyboardInterrupt:
            _tell(f"\ninterrupted; the run goes on: opsctl status {found.name}{on_machine(invocation)}")
            raise
        return
    parts = reading.choose(connection, found, wanted)
    several = len(parts) > 1
    _print(invocation, reading.read(connection, found, parts, wanted, _tell), timestamps, labelled=several)


def _check(failed: bool, attempt: int | None, follow: bool) -> None:
    if failed and attempt is not None:
        raise UsageError("--failed and --attempt each say which attempts", "leave one out")
    if follow and (failed or attempt is not None):
        raise UsageError(
            "-f follows what goes on, not attempts that have ended", "leave out -f, or --failed and --attempt"
        )


def _resolved(connection: Connection, run: str, step: str | None) -> Run:
    from opsctl.operations import logs as reading
    from opsctl.operations import runs

    try:
        return runs.resolve(connection, run)
    except UsageError as error:
        if step is None and reading.is_step(connection, run):
            hint = f"to name a step, name its run too: opsctl logs {LATEST} {slug(run)}"
            raise UsageError(error.message, hint) from error
        raise


def _moment(since: float | datetime | None, connection: Connection) -> float | None:
    if isinstance(since, datetime):
        return since.timestamp()
    return None if since is None else connection.aws.now() - since


def _print(invocation: Invocation, lines: Iterator[Line], timestamps: bool, *, labelled: bool) -> None:
    from opsctl.operations import logs as reading

    for line in lines:
        if invocation.wants_json:
            emit_line(invocation, _document(line))
            continue
        start = f"{iso(line.at)} " if timestamps else ""
        whose = [reading.label(line.part)] if labelled else []
        whose += [line.host] if line.host else []
        start += f"{'/'.join(whose)} | " if whose else ""
        for text in line.message.rstrip("\r\n").split("\n"):
            _print_text(start, text)


def _print_text(start: str, text: str) -> None:
    """Anywhere but on a terminal as it is."""
    if sys.stdout.isatty():
        text = harmless(text, colours=not os.environ.get("NO_COLOR"))
    click.echo(start + text, color=True)


def _document(line: Line) -> dict[str, object]:
    return {
        "time": iso(line.at),
        "step": line.part.step,
        "attempt": line.part.number,
        "stream": line.stream,
        "message": line.message,
    }


def _tell(text: str) -> None:
    click.echo(text, err=True)
