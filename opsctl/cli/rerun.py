"""`opsctl rerun`."""

from __future__ import annotations

import sys
from typing import Any

import click

from opsctl.cli.following import announce, follow
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import document_option, setting_option, wait_options
from opsctl.cli.plans import plan_document, plan_text
from opsctl.cli.render import emit
from opsctl.domain.conditions import Setting
from opsctl.domain.rerun import Request, RerunPlan
from opsctl.domain.runs import FAILED as LATEST_FAILED
from opsctl.errors import RefusedError
from opsctl.operations import rerun as reruns
from opsctl.operations import runs
from opsctl.operations.connection import Connection
from opsctl.operations.start import Started


@click.command()
@click.argument("run", default=LATEST_FAILED)
@click.option("--from", "steps", multiple=True, required=True, metavar="STEP", help="A step to run. May be repeated.")
@setting_option
@document_option("Changes to the run input: a JSON object, merged into the source run's.")
@click.option("--name", metavar="NAME", help="The new run's name. [default: <first run>-r<next number>]")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_options
@click.pass_context
def rerun(
    context: click.Context,
    run: str,
    steps: tuple[str, ...],
    settings: tuple[Setting, ...],
    document: dict[str, Any] | None,
    name: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Run a run again from a step: a new run that reuses every result that is still good.

    What comes after the step runs too; every other step that completed is reused, its result copied into the new run's
    own prefix. The plan is shown first. RUN is @failed by default, the newest run that did not succeed. STEP is a
    state's name or its slug (train-text-model), also inside a Parallel.

    \b
    Examples:
      opsctl rerun --from "Train Sequence Model" --dry-run
      opsctl rerun nightly-7 --from train-image-model --set hyperparameters.image_model.max_lr=0.005
      opsctl rerun @latest --from Evaluate --yes --wait
    """
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    source = runs.resolve(connection, run)
    plan = reruns.plan(connection, source, Request(steps, settings, document or {}))
    shown_name = reruns.likely_name(connection, plan, name)
    if dry_run:
        document = plan_document(plan, shown_name, connection.prefix(shown_name).uri)
        emit(invocation, document, plan_text(plan, shown_name))
        return
    _agree(invocation, plan_text(plan, shown_name), yes)
    made = _carry_out(connection, plan, name)
    more = {"plan": plan_document(plan, made.run.name, connection.prefix(made.run.name).uri)}
    if wait:
        context.exit(follow(invocation, connection, made, timeout, more))
    context.exit(announce(invocation, made, more))


def _carry_out(connection: Connection, plan: RerunPlan, name: str | None) -> Started:
    try:
        return reruns.execute(connection, plan, name, lambda text: click.echo(text, err=True))
    except KeyboardInterrupt:
        click.echo("\ninterrupted; the same command again goes on from here", err=True)
        raise


def _agree(invocation: Invocation, shown: str, yes: bool) -> None:
    """Show the plan and ask. Raises RefusedError for a no, and where there is nobody to ask."""
    click.echo(shown, err=invocation.wants_json)
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("nothing was started: there is no terminal to ask on", "add --yes to go ahead, or --dry-run")
    if not click.confirm("Start it?", default=False, err=True):
        raise RefusedError("nothing was started")
