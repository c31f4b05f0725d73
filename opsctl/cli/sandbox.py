"""`opsctl sandbox`: the embedded AWS on loopback: start it, end it, look at it, point a shell at it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from opsctl import config
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import sandbox_directory
from opsctl.cli.render import emit, table, told
from opsctl.cli.sandbox_faults import fault
from opsctl.cli.terminal import tell
from opsctl.errors import FAILED, ConfigurationError


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
@sandbox_directory
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
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    envvar="OPSCTL_SANDBOX_STATE",
    help="Keep everything in this directory, and go on with what it holds. Default: OPSCTL_SANDBOX_STATE or nothing.",
)
@click.pass_context
def up(
    context: click.Context,
    directory: Path | None,
    port: int | None,
    stopped_jobs: str | None,
    grace: float | None,
    enforce_iam: bool | None,
    state: Path | None,
) -> None:
    """Start the sandbox, unless it is up already, and print its URL.

    With --state, what the sandbox holds outlives it: however it ended, the next one with that directory has it again,
    up to the second before a crash, and goes on with what ran.

    \b
    Examples:
      opsctl sandbox up
      opsctl sandbox up --state .opsctl/state
      eval "$(opsctl sandbox env)"
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    began = time.monotonic()
    known = service.status(place)
    server = service.up(place, port, stopped_jobs=stopped_jobs, grace=grace, enforce_iam=enforce_iam, state=state)
    if known:
        tell(f"The sandbox is already up, in {_shown(place)}.")
    else:
        tell(f"The sandbox is up, in {_shown(place)} ({time.monotonic() - began:.1f} s).")
    if server.get("state"):
        tell(f"It keeps its state in {_shown(Path(server['state']))}.")
    _prepare_terraform(place, server)
    emit(context.ensure_object(Invocation), server, server["url"])


@sandbox.command(short_help="End the sandbox and everything it started.")
@sandbox_directory
def down(directory: Path | None) -> None:
    """End the sandbox and everything it started, and remove its directory. A state's directory stays.

    \b
    Examples:
      opsctl sandbox down
      opsctl sandbox down --dir /tmp/other
    """
    from opsctl import sandbox as service

    place = config.sandbox_directory(directory)
    state = service.state_of(place)
    if service.down(place):
        kept = f" Its state is kept: opsctl sandbox up --state {_shown(state)}" if state else ""
        tell(f"The sandbox is down; {_shown(place)} is removed.{kept}")
    else:
        tell(f"No sandbox in {_shown(place)}.")


@sandbox.command()
@sandbox_directory
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
    if server and server.get("state"):
        report["state_moment"], report["state_written"] = service.state_written(server)
    invocation = context.ensure_object(Invocation)
    if server or invocation.wants_json:
        emit(invocation, report, _report_text(report, place) if server else "")
    else:
        tell(f"No sandbox is up in {_shown(place)}. Start one: opsctl sandbox up")
    context.exit(0 if server else FAILED)


@sandbox.command(short_help="Point the aws CLI, boto3 and Terraform to it.")
@sandbox_directory
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


sandbox.add_command(fault)


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
        tell(f"The sandbox has no Terraform: {error.message}; {error.hint}")
        return
    tell(f"Terraform of the sandbox: {_shown(workspace.program)} init, then apply.")


def _report_text(report: dict[str, Any], place: Path) -> str:
    messages = sorted((place / "mailbox").glob("*.txt"))
    rows = [
        ["url", report["url"]],
        ["started", told(report["started"])],
        ["process", str(report["pid"])],
        ["region", report["region"]],
        ["account", report["account"]],
        ["IAM", "enforced" if report.get("enforce_iam") else "not enforced"],
        ["directory", _shown(place)],
        ["mailbox", f"{len(messages)} message{'' if len(messages) == 1 else 's'} in {_shown(place / 'mailbox')}"],
        *([["state", _state_text(report, place)]] if "state" in report else []),
        *[["job", f"{job['kind']} {job['name']} (process {job['pid']})"] for job in report["jobs"]],
    ]
    return table(["SANDBOX", "UP"], rows)


def _state_text(report: dict[str, Any], place: Path) -> str:
    late = (
        "" if report["state_written"] else f"; what came later could not be written, see {_shown(place / 'server.log')}"
    )
    moment = report["state_moment"]
    return f"{_shown(Path(report['state']))}, {f'as of {told(moment)}' if moment else 'not written yet'}{late}"


def _shown(path: Path) -> str:
    """A path as the user would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
