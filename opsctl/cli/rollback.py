"""`opsctl rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.following import announce, follow
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import wait_options
from opsctl.cli.render import emit, facts, told
from opsctl.config import DEPLOYMENT_MACHINE
from opsctl.domain.champion_gate import number
from opsctl.domain.champions import Champion, document

if TYPE_CHECKING:
    from opsctl.operations.rollback import RollbackPlan


@click.command()
@click.option("--to", metavar="RUN", help="The training run whose model is to serve. [default: the champion before]")
@click.option("--dry-run", is_flag=True, help="Show what would be deployed and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_options
@click.pass_context
def rollback(
    context: click.Context, to: str | None, dry_run: bool, yes: bool, wait: bool, timeout: float | None
) -> None:
    """Deploy a model again that was in production before: the champion before the present one, or --to RUN.

    It is a deployment like any other, tried by the smoke test, and put back if it fails. Nobody is asked to approve it,
    unless deployment.approval.rollback is true in the module. The same command again is the same rollback as long as
    that goes on; once it is done, it leads forward again, unless --to says where.

    \b
    Examples:
      opsctl rollback --dry-run
      opsctl rollback --yes --wait
      opsctl rollback --to nightly-5
    """
    from opsctl.operations import rollback as rollbacks
    from opsctl.operations.start import Started

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    planned = rollbacks.plan(connection, to)
    shown = _text(planned)
    if dry_run:
        emit(invocation, _document(planned), shown)
        return
    agree(invocation, shown, yes)
    started = Started(rollbacks.execute(connection, planned), resumed=planned.resumed)
    invocation.machine = DEPLOYMENT_MACHINE  # what the next commands are about
    if wait:
        context.exit(follow(invocation, rollbacks.deployments(connection), started, timeout, _document(planned)))
    context.exit(announce(invocation, started, _document(planned)))


def _text(planned: RollbackPlan) -> str:
    return facts([
        ("ROLLBACK", planned.machine),
        ("FROM", "no champion on record" if planned.present is None else _model(planned.present)),
        ("TO", _model(planned.target)),
        ("MODEL", planned.target.model.uri),
        ("AS", planned.name),
        *(("WARNING", warning) for warning in planned.warnings),
    ])  # fmt: skip


def _model(champion: Champion) -> str:
    figures = ", ".join(f"{name} {number(value)}" for name, value in champion.metrics.items())
    return f"{champion.run}, promoted {told(champion.promoted_at)}" + (f", {figures}" if figures else "")


def _document(planned: RollbackPlan) -> dict[str, Any]:
    return {
        "rollback": planned.machine,
        "deployment": planned.name,
        "from": None if planned.present is None else document(planned.present),
        "to": document(planned.target),
        "warnings": list(planned.warnings),
    }
