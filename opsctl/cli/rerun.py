"""`opsctl rerun`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import data_option, document_option, engine_options, setting_option, wait_options
from opsctl.cli.plans import carry_out, demand_hash, plan_document, plan_hash, plan_text
from opsctl.cli.render import emit
from opsctl.domain.conditions import Setting
from opsctl.domain.engines import Wish
from opsctl.domain.runs import FAILED as LATEST_FAILED
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.domain.plan import Request

SAVED = click.Path(path_type=Path)


@click.command()
@click.argument("run", default=LATEST_FAILED)
@click.option(
    "--from", "steps", multiple=True, metavar="STEP", help="A step to run, with what comes after it; or `failed`."
)
@click.option("--only", multiple=True, metavar="STEP", help="Run exactly this step; the rest is reused or skipped.")
@click.option("--skip", multiple=True, metavar="STEP", help="Bypass this step; its result is reused if there is one.")
@click.option("--until", multiple=True, metavar="STEP", help="Skip what comes after this step.")
@setting_option
@document_option("Changes to the run input: a JSON object, merged into the source run's.")
@data_option
@engine_options
@click.option("--name", metavar="NAME", help="The new run's name. [default: <first run>-r<next number>]")
@click.option("--strict", is_flag=True, help="Refuse where a reused result was made with something else.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--plan-hash", type=plan_hash, metavar="HASH", help="Start only if this still is the plan's hash.")
@click.option("--history", type=SAVED, metavar="FILE", help="A saved history: plan offline, with --dry-run.")
@click.option("--definition", type=SAVED, metavar="FILE", help="The definition that goes with --history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_options
@click.pass_context
def rerun(
    context: click.Context,
    run: str,
    steps: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    until: tuple[str, ...],
    settings: tuple[Setting, ...],
    document: dict[str, Any] | None,
    data: str,
    wish: Wish,
    name: str | None,
    strict: bool,
    dry_run: bool,
    plan_hash: str | None,
    history: Path | None,
    definition: Path | None,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Run a run again from a step: a new run that reuses every result that is still good.

    What comes after the step runs too; every other step that completed is reused, its result copied into the new run's
    own prefix. With --skip or --until alone, what never completed runs. The plan is shown first, with what it saves and
    spends. RUN is @failed by default, the newest run that did not succeed. STEP is a state's name or its slug
    (train-text-model), also inside a Parallel. --from, --only, --skip, --until and --set may be repeated.

    The same command again is the same run, as long as that goes on or once it has succeeded; --name makes it another.

    --data reuse copies nothing: the new run reads what it reuses in the prefixes of the runs that have it, and no
    cleanup deletes it there as long as the new run stays. It is for data too large to copy; the plan says what either
    way costs.

    Millions of objects are copied by the deployment's machine `bulk`, a distributed Map; --engine says which way.

    --plan-hash takes the hash that a plan ended with, or the beginning of it: if the run, the definition or an object
    that is reused has changed since, nothing is started.

    \b
    Examples:
      opsctl rerun --from "Train Sequence Model" --dry-run
      opsctl rerun nightly-7 --from train-image-model --set hyperparameters.image_model.max_lr=0.005
      opsctl rerun --from failed --yes --wait
      opsctl rerun @latest --only evaluate --plan-hash 3f6c1b2a9d04 --yes
      opsctl rerun --until train-text-model
      opsctl rerun nightly-7 --from train-text-model --data reuse
      opsctl rerun nightly-7 --from evaluate --dry-run --history history.json --definition definition.json
    """
    from opsctl.domain.plan import Request

    if not (steps or only or skip or until):
        raise UsageError(
            "which steps? give at least one of --from, --only, --skip and --until",
            "to run what failed and what comes after it: --from failed; opsctl status shows the steps",
        )
    invocation = context.ensure_object(Invocation)
    request = Request(steps, settings, document or {}, skip, only, until, strict, data, wish)
    if history is not None or definition is not None:
        _offline(invocation, run, history, definition, request, name, dry_run, plan_hash)
        return
    context.exit(_online(invocation, run, request, name, dry_run, plan_hash, yes, wait, timeout))


def _online(
    invocation: Invocation,
    run: str,
    request: Request,
    name: str | None,
    dry_run: bool,
    wanted_hash: str | None,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    from opsctl.cli.following import announce, follow
    from opsctl.operations import rerun as reruns
    from opsctl.operations import runs

    connection = invocation.connect()
    plan = reruns.plan(connection, runs.resolve(connection, run), request)
    demand_hash(plan, wanted_hash)
    shown_name = reruns.likely_name(connection, plan, name)
    text = plan_text(plan, shown_name)
    if dry_run:
        emit(invocation, plan_document(plan, shown_name, connection.prefix(shown_name).uri), text)
        return 0
    agree(invocation, text, yes)
    made = carry_out(connection, plan, name)
    more = {"plan": plan_document(plan, made.run.name, connection.prefix(made.run.name).uri)}
    if wait:
        return follow(invocation, connection, made, timeout, more)
    return announce(invocation, made, more)


def _offline(
    invocation: Invocation,
    run: str,
    history: Path | None,
    definition: Path | None,
    request: Request,
    name: str | None,
    dry_run: bool,
    wanted_hash: str | None,
) -> None:
    from opsctl.operations.offline import plan_saved

    if history is None or definition is None:
        given, lacking = ("--history", "--definition") if definition is None else ("--definition", "--history")
        raise UsageError(f"{given} needs {lacking} beside it", "a plan is made from a run and what it walks")
    if not dry_run:
        raise UsageError("a saved history can only be planned with", "add --dry-run")
    plan, shown_name, prefix = plan_saved(history, definition, run, request, name)
    demand_hash(plan, wanted_hash)
    emit(invocation, plan_document(plan, shown_name, prefix), plan_text(plan, shown_name))
