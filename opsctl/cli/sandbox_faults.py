"""`opsctl sandbox fault`: make requests to the sandbox fail on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsctl import config
from opsctl.cli.faults import faults_text
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import sandbox_directory
from opsctl.cli.render import emit
from opsctl.cli.terminal import tell
from opsctl.errors import UsageError

JOB_FAULTS = (
    "killed", "out-of-memory", "disk-full", "hangs", "ignores-sigterm", "spot-interruption", "corrupt-model",
)  # fmt: skip


@click.group(short_help="Make requests fail on purpose: add, list, clear.")
def fault() -> None:
    """Make requests to the sandbox's API fail on purpose: what a client, a job or a state asks for.

    \b
    Examples:
      opsctl sandbox fault add sagemaker:CreateTrainingJob --error ThrottlingException --times 5
      opsctl sandbox fault list
      opsctl sandbox fault clear
    """


@fault.command("add", short_help="Let a fault happen to the requests for ACTION.")
@click.argument("action")
@sandbox_directory
@click.option("--error", metavar="CODE", help="Answer with this error, such as ThrottlingException or AccessDenied.")
@click.option("--status", type=int, metavar="N", help="HTTP status of the error. Default: what the service uses.")
@click.option("--delay", type=float, default=0.0, metavar="SECONDS", help="Answer, or strike the job, this much later.")
@click.option(
    "--drop",
    type=click.Choice(["request", "answer", "host"]),
    help="Lose the request, or only its answer, or the host of the job that it starts.",
)
@click.option("--duplicate", type=int, default=0, metavar="N", help="Carry the request out N times more.")
@click.option(
    "--stale", type=float, default=0.0, metavar="SECONDS", help="Answer what the same question was answered until then."
)
@click.option("--reorder", type=int, metavar="N", help="Gather N deliveries, and hand them over last first.")
@click.option(
    "--job",
    metavar="WHAT",
    type=click.Choice(JOB_FAULTS),
    help="What befalls the job that the request starts.",
)
@click.option("--exit-code", type=int, metavar="N", help="What the job's program is said to end with.")
@click.option("--notice", type=float, metavar="SECONDS", help="From SIGTERM to the end of a Spot host. Default: 120.")
@click.option("--times", type=int, metavar="N", help="Only for so many requests. Default: until it is cleared.")
@click.option("--rate", type=float, default=1.0, metavar="SHARE", help="Only for this share of requests, 0 to 1.")
@click.option("--seed", type=int, default=0, metavar="N", help="Of the dice that --rate throws.")
@click.option("--match", metavar="TEXT", help="Only for requests that hold this text in their address or body.")
@click.pass_context
def add_fault(context: click.Context, /, action: str, directory: Path | None, **wanted: Any) -> None:
    """Let a fault happen to the requests for ACTION, written as in IAM: service:Operation, with * for any.

    A fault meets requests of clients, of jobs and of states alike; the state machine's own Retry is what has to deal
    with it. The first fault that fits a request is the one that happens.

    `events:delivery` and `sns:delivery` are what EventBridge hands to a target and SNS to a subscriber: both come late,
    doubled or out of order where --delay, --duplicate or --reorder says so.

    With --job or --exit-code the request is carried out, and its job is struck, --delay seconds after its program
    began: it is killed, by a signal or for want of memory; its disk is full; it stands still; SIGTERM never reaches it;
    its Spot host is taken back, two minutes after it was told so; or the model that it leaves is cut off.

    \b
    Examples:
      opsctl sandbox fault add sagemaker:CreateTrainingJob --error ThrottlingException --times 5
      opsctl sandbox fault add "s3:*" --error SlowDown --rate 0.3 --seed 7
      opsctl sandbox fault add states:StartExecution --drop answer --times 1
      opsctl sandbox fault add sns:Publish --delay 20 --match nightly-7
      opsctl sandbox fault add lambda:Invoke --duplicate 4 --match "Object Created"
      opsctl sandbox fault add batch:SubmitJob --drop host --delay 2 --times 1
      opsctl sandbox fault add "states:Describe*" --stale 5 --rate 0.5
      opsctl sandbox fault add events:delivery --duplicate 1
      opsctl sandbox fault add sns:delivery --reorder 3
      opsctl sandbox fault add sagemaker:CreateTrainingJob --job hangs --delay 5 --match nightly-7-train-text
      opsctl sandbox fault add batch:SubmitJob --exit-code 3 --times 1
    """
    from opsctl import sandbox as service

    added = service.add_fault(config.sandbox_directory(directory), {"action": action, **wanted})
    emit(context.ensure_object(Invocation), added, faults_text([added]))


@fault.command("list")
@sandbox_directory
@click.pass_context
def list_faults(context: click.Context, directory: Path | None) -> None:
    """Show the faults, and how many requests each has seen and met.

    \b
    Examples:
      opsctl sandbox fault list
    """
    from opsctl import sandbox as service

    found = service.list_faults(config.sandbox_directory(directory))
    if not found:
        tell("There is no fault. Add one: opsctl sandbox fault add --help")
    emit(context.ensure_object(Invocation), found, faults_text(found))


@fault.command("clear", short_help="Remove these faults, or all of them.")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@sandbox_directory
@click.pass_context
def clear_faults(context: click.Context, ids: tuple[int, ...], directory: Path | None) -> None:
    """Remove the faults with these numbers, or all of them, and show what they did.

    \b
    Examples:
      opsctl sandbox fault clear
      opsctl sandbox fault clear 1 3
    """
    from opsctl import sandbox as service

    gone = service.clear_faults(config.sandbox_directory(directory), ids)
    if gone or not ids:
        emit(context.ensure_object(Invocation), gone, faults_text(gone))
    missing = sorted(set(ids) - {one["id"] for one in gone})
    if missing:
        raise UsageError(f"there is no fault {missing[0]}", "opsctl sandbox fault list shows those there are")
