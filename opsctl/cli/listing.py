"""`opsctl list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.params import duration as seconds
from opsctl.cli.render import duration, emit, iso, moment, table
from opsctl.domain.runs import RUNNING, SUCCEEDED, UNSUCCESSFUL

if TYPE_CHECKING:
    from opsctl.operations.connection import Connection
    from opsctl.operations.runs import Listed

STATUSES = [RUNNING, SUCCEEDED, *UNSUCCESSFUL]
HEADERS = ["STATUS", "MACHINE", "SINCE", "DURATION", "RUN", "LINEAGE"]


@click.command(name="list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only these.")
@click.option("--since", type=seconds, metavar="DURATION", help="Only those started in the last 90m, 12h, 7d, …")
@click.pass_context
def list_runs(context: click.Context, limit: int, status: str | None, since: float | None) -> None:
    """Show the newest runs of all machines of the deployment, or of one: --machine NAME.

    LINEAGE tells a rerun by its name, <root>-r<N>, where its root is among the newest runs too or has a name that
    opsctl made. A rerun that was given another name is not marked here: opsctl lineage RUN finds it.

    \b
    Examples:
      opsctl list
      opsctl list --status FAILED --since 7d
      opsctl list --machine bulk --limit 5
      opsctl list --query "[?status=='RUNNING'].run"
    """
    from opsctl.operations import runs

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    now = connection.aws.now()
    machines = _machines(invocation, connection)
    found = runs.recent(connection, machines, limit, status, None if since is None else now - since)
    if not found:
        click.echo(_nothing(invocation, machines, filtered=status is not None or since is not None), err=True)
    documents = [_document(listed, machines[listed.run.machine_arn]) for listed in found]
    emit(invocation, documents, table(HEADERS, [_row(listed, machines, now) for listed in found]))


def _machines(invocation: Invocation, connection: Connection) -> dict[str, str]:
    """The names of the machines by their ARN."""
    machines = [connection.machine] if invocation.machine else connection.deployment.machines.values()
    return {machine.arn: machine.name for machine in machines}


def _nothing(invocation: Invocation, machines: dict[str, str], *, filtered: bool) -> str:
    names = ", ".join(machines.values())
    if filtered:
        return f"no such run of {names}"
    return f"no run of {names} yet" + ("" if invocation.machine else "; start one: opsctl start")


def _row(listed: Listed, machines: dict[str, str], now: float) -> list[str | None]:
    run = listed.run
    took = duration((run.stopped or now) - run.started)
    return [run.status, machines[run.machine_arn], moment(run.started), took, run.name, _lineage(listed)]


def _lineage(listed: Listed) -> str | None:
    """`rerun 2 of nightly-7, 1 redrive`."""
    rerun, redrives = listed.rerun, listed.run.redrives
    parts = [f"rerun {rerun.number} of {rerun.root}"] if rerun else []
    parts += [f"{redrives} redrive{'s' if redrives > 1 else ''}"] if redrives else []
    return ", ".join(parts) or None


def _document(listed: Listed, machine: str) -> dict[str, object]:
    run, rerun = listed.run, listed.rerun
    return {
        "run": run.name,
        "arn": run.arn,
        "machine": machine,
        "version": run.version,
        "alias": run.alias,
        "status": run.status,
        "started": iso(run.started),
        "stopped": iso(run.stopped),
        "redrives": run.redrives,
        "rerun": None if rerun is None else {"root": rerun.root, "number": rerun.number},
    }
