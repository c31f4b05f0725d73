"""`opsctl sandbox`: the embedded AWS on loopback: start it, end it, look at it, point a shell at it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from opsctl import config
from opsctl.cli.faults import faults_text
from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit, table
from opsctl.errors import FAILED, ConfigurationError, UsageError

JOB_FAULTS = (
    "killed", "out-of-memory", "disk-full", "hangs", "ignores-sigterm", "spot-interruption", "corrupt-model",
)  # fmt: skip


def _directory_option(command: Any) -> Any:
    return click.option(
        "--dir",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        help="The sandbox's own directory. Default: OPSCTL_SANDBOX_DIR, else .opsctl/sandbox below the module.",
    )(command)


@click.group()
def sandbox() -> None:
    """An embedded AWS on loopback, to try, develop and test with.

    While a sandbox is up in this directory, opsctl's commands talk to it. It needs no account, no Docker and no
    network, and all of it lies in one directory.

    \b
    Examples:
      opsctl sandbox up
      opsctl sandbox status
      opsctl sandbox down
    """


@sandbox.command()
@_directory_option
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here. Default: a free port.")
@click.option(
    "--stopped-jobs",
    type=click.Choice(["succeed", "fail"]),
    envvar="OPSCTL_SANDBOX_STOPPED",
    help="What a waiting state makes of a training job that ended Stopped. Default: OPSCTL_SANDBOX_STOPPED or succeed.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    envvar="OPSCTL_SANDBOX_GRACE",
    help="Time from SIGTERM to SIGKILL for a stopped training job. Default: OPSCTL_SANDBOX_GRACE or 120, as on AWS.",
)
@click.option(
    "--enforce-iam/--no-enforce-iam",
    default=None,
    envvar="OPSCTL_SANDBOX_ENFORCE_IAM",
    help="Let jobs, functions, machines and users do only what their policies allow. Default: no.",
)
@click.pass_context
def up(
    context: click.Context,
    directory: Path | None,
    port: int | None,
    stopped_jobs: str | None,
    grace: float | None,
    enforce_iam: bool | None,
) -> None:
    """Start the sandbox, unless it is up already, and print its URL.

    \b
    Examples:
      opsctl sandbox up
      eval "$(opsctl sandbox env)"
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    began = time.monotonic()
    known = service.status(place)
    server = service.up(place, port, stopped_jobs=stopped_jobs, grace=grace, enforce_iam=enforce_iam)
    if known:
        _talk(f"The sandbox is already up, in {_shown(place)}.")
    else:
        _talk(f"The sandbox is up, in {_shown(place)} ({time.monotonic() - began:.1f} s).")
    _prepare_terraform(place, server)
    emit(context.ensure_object(Invocation), server, server["url"])


@sandbox.command(short_help="End the sandbox and everything it started.")
@_directory_option
def down(directory: Path | None) -> None:
    """End the sandbox and everything it started, and remove its directory.

    \b
    Examples:
      opsctl sandbox down
      opsctl sandbox down --dir /tmp/other
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    if service.down(place):
        _talk(f"The sandbox is down; {_shown(place)} is removed.")
    else:
        _talk(f"No sandbox in {_shown(place)}.")


@sandbox.command()
@_directory_option
@click.pass_context
def status(context: click.Context, directory: Path | None) -> None:
    """Say whether the sandbox is up, where, and what runs in it. Exit code 1 if it is down.

    \b
    Examples:
      opsctl sandbox status
      opsctl sandbox status -o json --query url
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    server = service.status(place)
    jobs = service.jobs(place) if server else []
    report = {"status": "up" if server else "down", "directory": str(place), **(server or {}), "jobs": jobs}
    invocation = context.ensure_object(Invocation)
    if server or invocation.wants_json:
        emit(invocation, report, _report_text(report, place) if server else "")
    else:
        _talk(f"No sandbox is up in {_shown(place)}. Start one: opsctl sandbox up")
    context.exit(0 if server else FAILED)


@sandbox.command(short_help="Point the aws CLI, boto3 and Terraform to it.")
@_directory_option
def env(directory: Path | None) -> None:
    """Print the shell commands that point the aws CLI, boto3 and Terraform to the sandbox.

    \b
    Example:
      eval "$(opsctl sandbox env)" && aws s3 ls
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    server = service.status(place)
    if server is None:
        raise ConfigurationError(f"no sandbox is up in {place}", "start one: opsctl sandbox up")
    click.echo(service.exports(server, os.environ))


@sandbox.group(short_help="Make requests fail on purpose: add, list, clear.")
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
@_directory_option
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
@_directory_option
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
        _talk("There is no fault. Add one: opsctl sandbox fault add --help")
    emit(context.ensure_object(Invocation), found, faults_text(found))


@fault.command("clear", short_help="Remove these faults, or all of them.")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@_directory_option
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
    emit(context.ensure_object(Invocation), gone, faults_text(gone))
    missing = sorted(set(ids) - {one["id"] for one in gone})
    if missing:
        raise UsageError(f"there is no fault {missing[0]}", "opsctl sandbox fault list shows those there are")


def _prepare_terraform(place: Path, server: dict[str, Any]) -> None:
    """Lay out the sandbox's own Terraform workspace. The sandbox is of use without Terraform too."""
    from opsctl import sandbox as service
    from opsctl.operations import provision

    module = config.module_directory()
    if module is None:
        return
    try:
        workspace = provision.prepare_workspace(place, module, service.environment(server))
    except ConfigurationError as error:
        _talk(f"The sandbox has no Terraform: {error.message}; {error.hint}")
        return
    _talk(f"Terraform of the sandbox: {_shown(workspace.program)} init, then apply.")


def _report_text(report: dict[str, Any], place: Path) -> str:
    messages = sorted((place / "mailbox").glob("*.txt"))
    rows = [
        ["url", report["url"]],
        ["started", report["started"]],
        ["process", str(report["pid"])],
        ["region", report["region"]],
        ["account", report["account"]],
        ["IAM", "enforced" if report.get("enforce_iam") else "not enforced"],
        ["directory", _shown(place)],
        ["mailbox", f"{len(messages)} message{'' if len(messages) == 1 else 's'} in {_shown(place / 'mailbox')}"],
        *[["job", f"{job['kind']} {job['name']} (process {job['pid']})"] for job in report["jobs"]],
    ]
    return table(["SANDBOX", "UP"], rows)


def _shown(path: Path) -> str:
    """A path as the user would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _talk(text: str) -> None:
    click.echo(text, err=True)
