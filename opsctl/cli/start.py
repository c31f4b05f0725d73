"""`opsctl start`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.following import announce, follow
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import data_option, document_option, engine_options, setting_option, wait_options
from opsctl.cli.plans import carry_out, plan_document, plan_text
from opsctl.cli.render import emit
from opsctl.domain.conditions import Setting
from opsctl.domain.data_modes import COPY
from opsctl.domain.engines import Wish
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.domain.plan import RerunPlan
    from opsctl.operations.connection import Connection
    from opsctl.operations.start import Started, StartRequest


@click.command()
@document_option("The run input, a JSON object.")
@setting_option
@click.option("--skip", multiple=True, metavar="STEP", help="Bypass this step. May be repeated.")
@click.option("--reuse-from", metavar="RUN", help="Take the results of the skipped steps from this run.")
@data_option
@engine_options
@click.option("--name", metavar="NAME", help="The run's name. [default: made from the time]")
@click.option(
    "--dry-run", is_flag=True, help="Show what would run, and what it is likely to take and cost; do nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask; only --reuse-from does.")
@wait_options
@click.pass_context
def start(
    context: click.Context,
    document: dict[str, Any] | None,
    settings: tuple[Setting, ...],
    skip: tuple[str, ...],
    reuse_from: str | None,
    data: str,
    wish: Wish,
    name: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Start a run. Its input is checked before anything starts.

    With --reuse-from, the results of the steps that are skipped are copied from another run into the new one's own
    prefix, as a rerun does, after the plan was shown; that run may be so old that AWS has forgotten it. With --data
    reuse they are read where they lie, and no cleanup deletes them there as long as the new run stays.

    \b
    Examples:
      opsctl start
      opsctl start --input run.json --name nightly-7 --wait --timeout 2h
      opsctl start --set data.source=s3://bucket/datasets/july/ --set hyperparameters.text_model.epochs=12
      generate-input | opsctl start --input -
      opsctl start --skip evaluate
      opsctl start --skip fetch-preprocessed-data --skip train-text-model --reuse-from nightly-7 --yes
    """
    from opsctl.operations import start as starts
    from opsctl.operations.start import StartRequest

    if data != COPY and reuse_from is None:
        raise UsageError(f"--data {data} is about reused results, and none are reused", "name a run with --reuse-from")
    if wish.engine and reuse_from is None:
        raise UsageError(f"--engine {wish.engine} is about reused results, and none are reused", "leave it out")
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    request = StartRequest(document or {}, settings, name, skip, reuse_from, data, wish)
    shown_name = starts.new_name(connection, request)
    if invocation.confirm is not None and not dry_run:
        agree(invocation, f"Start of {shown_name}", yes)
    if not (skip or reuse_from is not None or dry_run):
        context.exit(_report(invocation, connection, starts.start(connection, request), wait, timeout, {}))
    plan = starts.plan(connection, request, shown_name)
    shown = plan_document(plan, shown_name, connection.prefix(shown_name).uri)
    if dry_run:
        emit(invocation, shown, plan_text(plan, shown_name))
        return
    made = _begin(invocation, connection, request, plan, shown_name, yes)
    context.exit(_report(invocation, connection, made, wait, timeout, {"plan": shown}))


def _begin(
    invocation: Invocation, connection: Connection, request: StartRequest, plan: RerunPlan, name: str, yes: bool
) -> Started:
    """Start at once where nothing is reused; else ask, claim the name, and copy or verify first."""
    from opsctl.operations import start as starts

    if not plan.reused:
        return starts.start(connection, replace(request, document=plan.input, settings=()))
    agree(invocation, plan_text(plan, name), yes or invocation.confirm is not None)
    return carry_out(connection, plan, name)


def _report(
    invocation: Invocation,
    connection: Connection,
    made: Started,
    wait: bool,
    timeout: float | None,
    more: dict[str, Any],
) -> int:
    if wait:
        return follow(invocation, connection, made, timeout, more)
    return announce(invocation, made, more)
