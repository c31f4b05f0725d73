"""`opsctl list`."""

from __future__ import annotations

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, iso, moment, table
from opsctl.domain.runs import RUNNING, SUCCEEDED, UNSUCCESSFUL, Run
from opsctl.operations import runs

STATUSES = [RUNNING, SUCCEEDED, *UNSUCCESSFUL]


@click.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option(
    "--status", type=click.Choice([RUNNING, SUCCEEDED, *UNSUCCESSFUL], case_sensitive=False), help="Only these."
)
@click.pass_context
def list_runs(context: click.Context, limit: int, status: str | None) -> None:
    """Show the newest runs of a machine.

    \b
    Examples:
      opsctl list
      opsctl list --status FAILED --limit 5
      opsctl list --query "[?status=='RUNNING'].run"
    """
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    found = runs.recent(connection, limit, status)
    now = connection.aws.now()
    rows = [[run.status, moment(run.started), duration((run.stopped or now) - run.started), run.name] for run in found]
    if not found:
        click.echo(f"no run of {connection.machine.name} yet; start one: opsctl start", err=True)
    emit(invocation, [_document(run) for run in found], table(["STATUS", "STARTED", "DURATION", "RUN"], rows))


def _document(run: Run) -> dict[str, object]:
    return {
        "run": run.name,
        "arn": run.arn,
        "status": run.status,
        "started": iso(run.started),
        "stopped": iso(run.stopped),
        "redrives": run.redrives,
    }
