"""`opsctl stop`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import duration as duration_of
from opsctl.cli.render import duration, emit, table
from opsctl.cli.terminal import tell
from opsctl.errors import FAILED, OK, REFUSED

if TYPE_CHECKING:
    from opsctl.domain.stop import JobState
    from opsctl.operations.connection import Connection
    from opsctl.operations.stop import Stopped, StopPlan


@click.command()
@click.argument("wanted", metavar="RUN...", nargs=-1, required=True)
@click.option("--reason", metavar="TEXT", help="Why: it becomes the cause in the run's history and alert.")
@click.option(
    "--timeout", type=duration_of, metavar="DURATION", default="5m", show_default=True,
    help="How long to wait for the jobs to stop (90s, 15m, 2h).",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be stopped and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def stop(
    context: click.Context, wanted: tuple[str, ...], reason: str | None, timeout: float, dry_run: bool, yes: bool
) -> None:
    """Stop runs, and wait until their jobs have really stopped.

    What they are at is shown first, with the work that is lost. Step Functions stops a run's jobs as well as it can;
    each job is looked at in its own service until it is at rest (SageMaker gives a training two minutes). Those that
    are not after --timeout are listed with the command that stops them, and the exit code is 1. A stopped run can be
    resumed: opsctl redrive.

    \b
    Examples:
      opsctl stop nightly-7 --reason "wrong data set"
      opsctl stop nightly-7 nightly-8 --yes --timeout 10m
      opsctl stop @latest --dry-run
    """
    context.exit(_stop(context.ensure_object(Invocation), wanted, reason, timeout, dry_run, yes))


def _stop(
    invocation: Invocation, wanted: tuple[str, ...], reason: str | None, timeout: float, dry_run: bool, yes: bool
) -> int:
    from opsctl.operations import stop as stops

    stops.check_reason(reason)
    connection = invocation.connect()
    plan = stops.plan(connection, wanted)
    for run in plan.ended:
        tell(f"error: {run.name} has ended already ({run.status}): there is nothing to stop")
    if not plan.runs:
        return REFUSED
    if dry_run:
        emit(invocation, _plan_document(plan), _plan_text(plan))
        return REFUSED if plan.ended else OK
    agree(invocation, _plan_text(plan), yes, verb="Stop", done="stopped")
    stopped = stops.execute(connection, plan, reason)
    for name, error in stopped.refused:
        tell(f"error: {name} was not stopped: {error.message}")
    for run in stopped.too_late:
        tell(f"error: {run.name} had ended {run.status} before it was stopped")
    states = _followed(connection, stopped, timeout) if stopped.jobs else ()
    emit(invocation, _document(connection, stopped, states), _text(stopped, states))
    return _code(connection, plan, stopped, states)


def _followed(connection: Connection, stopped: Stopped, timeout: float) -> tuple[JobState, ...]:
    """The jobs' last states. Says what each job becomes on the way, and when interrupted which ones are left."""
    from opsctl.domain.stop import JobState
    from opsctl.operations import stop as stops

    states: tuple[JobState, ...] = tuple(JobState(job, "not asked for yet") for job in stopped.jobs)
    told: dict[tuple[str, str], str] = {}
    try:
        for states in stops.looks(connection, stopped.jobs, timeout):
            for state in states:
                if told.get(state.job.key) != state.word:
                    told[state.job.key] = state.word
                    tell(f"{state.job.step}  {state.job.id}  {state.word}")
    except KeyboardInterrupt:
        left = ", ".join(f"{state.job.id} ({state.word})" for state in states if not state.stopped)
        tell(f"\ninterrupted; still being stopped: {left or 'nothing'}")
        raise
    return states


def _code(connection: Connection, plan: StopPlan, stopped: Stopped, states: Sequence[JobState]) -> int:
    """The exit code, with a line for each job that is left."""
    from opsctl.operations import stop as stops

    left = [state for state in states if not state.stopped]
    for state in left:
        tell(f"error: {state.job.arn or state.job.id} is not known to be at rest: {state.word}")
        tell(f"hint: {stops.stop_command(connection, state.job) or 'stop it with its service'}")
    if left:
        return FAILED
    if stopped.refused:
        return stopped.refused[0][1].exit_code
    return REFUSED if plan.ended or stopped.too_late else OK


def _plan_text(plan: StopPlan) -> str:
    headline = f"Stop {', '.join(run.name for run in plan.runs)}"
    rows = [[step.run, step.step, duration(step.seconds), step.job.id if step.job else None] for step in plan.steps]
    if not rows:
        return f"{headline}: no step is at work"
    work = sum(step.seconds for step in plan.steps if step.job)
    lost = f"\n\n{duration(work)} of work by jobs is lost" if work else ""
    return f"{headline}\n\n{table(['RUN', 'STEP', 'WORKED', 'JOB'], rows)}{lost}"


def _text(stopped: Stopped, states: Sequence[JobState]) -> str:
    runs = "\n".join(f"{run.name} {run.status}" for run in stopped.runs)
    rows = [[state.job.run, state.job.step, state.word, state.job.id] for state in states]
    return f"{runs}\n\n{table(['RUN', 'STEP', 'STATUS', 'JOB'], rows)}" if rows else runs


def _plan_document(plan: StopPlan) -> dict[str, Any]:
    steps = [
        {"run": step.run, "step": step.step, "seconds": step.seconds, "job": step.job.id if step.job else None}
        for step in plan.steps
    ]
    return {"runs": [run.name for run in plan.runs], "steps": steps, "ended": [run.name for run in plan.ended]}


def _document(connection: Connection, stopped: Stopped, states: Sequence[JobState]) -> dict[str, Any]:
    from opsctl.operations import stop as stops

    jobs = [
        {
            "run": state.job.run,
            "step": state.job.step,
            "job": state.job.id,
            "arn": state.job.arn,
            "status": state.status,
            "problem": state.problem,
            "stopped": state.stopped,
            "stop": None if state.stopped else stops.stop_command(connection, state.job),
        }
        for state in states
    ]
    return {"runs": [{"run": run.name, "arn": run.arn, "status": run.status} for run in stopped.runs], "jobs": jobs}
