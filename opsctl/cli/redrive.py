"""`opsctl redrive`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import data_option, document_option, setting_option, wait_options
from opsctl.cli.plans import carry_out, plan_document, plan_text
from opsctl.cli.render import duration, emit, table
from opsctl.cli.terminal import tell
from opsctl.domain.conditions import Setting
from opsctl.domain.data_modes import COPY
from opsctl.domain.redrive import NATIVE, RERUN, REUSE
from opsctl.domain.runs import FAILED as LATEST_FAILED
from opsctl.errors import OK, UsageError

if TYPE_CHECKING:
    from opsctl.domain.plan import Request
    from opsctl.operations.connection import Connection
    from opsctl.operations.redrive import RedrivePlan
    from opsctl.operations.start import Started

KEPT = "Retries count from zero, and time limits start anew; input, definition and name stay as they are."


@click.command()
@click.argument("run", default=LATEST_FAILED)
@click.option("--native", is_flag=True, help="Redrive the same run, or refuse.")
@click.option("--rerun", "anew", is_flag=True, help="Start a new run from the failed steps.")
@setting_option
@document_option("Changes to the run input, a JSON object; they make it a rerun.")
@data_option
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_options
@click.pass_context
def redrive(
    context: click.Context,
    run: str,
    native: bool,
    anew: bool,
    settings: tuple[Setting, ...],
    document: dict[str, Any] | None,
    data: str,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Resume a run that did not succeed, in the way that helps.

    AWS's own redrive resumes the same run where it ended: after a failure that nothing caught, a time limit or a stop.
    To AWS, a failure that was caught is done, and a redrive would only end in the same Fail state again; then, and
    where the input is to change, it is a rerun from the failed steps: a new run that reuses what completed. The plan is
    shown first, and says which of the two it is and why. RUN is @failed by default, the newest run that failed.

    \b
    Examples:
      opsctl redrive --dry-run
      opsctl redrive nightly-7 --yes --wait
      opsctl redrive nightly-7 --native
      opsctl redrive @failed --set hyperparameters.sequence_model.max_lr=0.01
    """
    from opsctl.domain.plan import Request

    if native and anew:
        raise UsageError("--native and --rerun exclude each other", "leave out one of them, or both to have it chosen")
    if native and (settings or document is not None):
        raise UsageError("a native redrive keeps the run's input", "leave out --native, or --set and --input")
    if native and data != COPY:
        raise UsageError(f"a native redrive copies nothing, and --data {data} is for a rerun", "leave out one of them")
    request = Request((), settings, document or {}, data=data)
    changed = bool(settings) or document is not None
    insisted = NATIVE if native else RERUN if anew else None
    context.exit(
        _resume(context.ensure_object(Invocation), run, insisted, request, changed, dry_run, yes, wait, timeout)
    )


def _resume(
    invocation: Invocation,
    run: str,
    insisted: str | None,
    request: Request,
    changed: bool,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    from opsctl.operations import redrive as redrives
    from opsctl.operations import rerun as reruns
    from opsctl.operations import runs

    connection = invocation.connect()
    wanted = runs.resolve(connection, run)
    going_on = None if changed or insisted == RERUN else redrives.in_progress(wanted)
    if going_on:
        return _follow_or_announce(invocation, connection, going_on, wait, timeout, {"way": NATIVE})
    plan = redrives.plan(connection, wanted, request, insisted)
    name = reruns.likely_name(connection, plan.rerun) if plan.rerun else plan.run.name
    if dry_run:
        emit(invocation, _document(connection, plan, name), _text(plan, name))
        return OK
    agree(invocation, _text(plan, name), yes, verb="Start" if plan.rerun else "Redrive")
    started = carry_out(connection, plan.rerun, None) if plan.rerun else redrives.execute(connection, plan.run)
    more = _document(connection, plan, started.run.name)
    return _follow_or_announce(invocation, connection, started, wait, timeout, more)


def _follow_or_announce(
    invocation: Invocation,
    connection: Connection,
    started: Started,
    wait: bool,
    timeout: float | None,
    more: dict[str, Any],
) -> int:
    from opsctl.cli.following import announce, follow, on_machine
    from opsctl.operations.start import Started

    redriven = more["way"] == NATIVE
    run = started.run
    if redriven:
        theirs = f"{run.name} {'has been' if run.ended else 'is being'} redriven already"
        said = theirs if started.resumed else f"redriven: {run.name} goes on"
        look = f"look at it: opsctl status {run.name}{on_machine(invocation)}"
        tell(said if wait else f"{said}; {look}")
    if wait:
        return follow(invocation, connection, Started(run, resumed=False) if redriven else started, timeout, more)
    if not redriven:
        return announce(invocation, started, more)
    emit(invocation, {**more, "run": run.name, "arn": run.arn, "status": run.status}, run.name)
    return OK


def _text(plan: RedrivePlan, name: str) -> str:
    warnings = "\n".join(f"warning: {warning}" for warning in plan.warnings)
    if plan.rerun is not None:
        headline = f"A rerun, not a redrive: {plan.choice.reason}"
        return "\n\n".join(part for part in (headline, warnings, plan_text(plan.rerun, name)) if part)
    rows = [[step.action, step.name, duration(step.seconds), step.reason] for step in plan.steps]
    if not rows:
        return f"{name}: {plan.choice.reason}"
    steps = table(["ACTION", "STEP", "TOOK", "WHY"], rows, fold=True)
    parts = [f"Redrive of {name}, the same run: {plan.choice.reason}", steps, warnings, f"{_summary(plan)}\n{KEPT}"]
    return "\n\n".join(part for part in parts if part)


def _summary(plan: RedrivePlan) -> str:
    from opsctl.domain.plan import RUN as AGAIN

    return f"{duration(_seconds(plan, AGAIN))} of work is done again, {duration(_seconds(plan, REUSE))} is kept"


def _document(connection: Connection, plan: RedrivePlan, name: str) -> dict[str, Any]:
    """The plan as JSON."""
    from opsctl.domain.plan import RUN as AGAIN

    common = {"way": plan.choice.way, "reason": plan.choice.reason, "run": name, "of": plan.run.name}
    if plan.rerun is not None:
        shown = plan_document(plan.rerun, name, connection.prefix(name).uri)
        return {**common, "warnings": list(plan.warnings), "plan": shown}
    seconds = {"seconds_kept": _seconds(plan, REUSE), "seconds_again": _seconds(plan, AGAIN)}
    steps = [{"step": fields.pop("name"), **fields} for fields in map(asdict, plan.steps)]
    return {**common, "warnings": list(plan.warnings), "steps": steps, **seconds}


def _seconds(plan: RedrivePlan, action: str) -> float:
    return sum(step.seconds or 0.0 for step in plan.steps if step.action == action)
