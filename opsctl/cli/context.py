"""`opsctl context`: deployments by name, such as staging and production."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit, table
from opsctl.contexts import Contexts, Named, change_contexts, contexts_file, read_contexts
from opsctl.errors import ConfigurationError, UsageError

HEADERS = ["CURRENT", "NAME", "DEPLOYMENT", "PROFILE", "REGION", "CONFIRM"]
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def context() -> None:
    """Deployments by name, such as staging and production: which one a command works on, and with whose credentials.

    A command takes the context that --context or OPSCTL_CONTEXT names (or a FILE with the Terraform output), else the
    sandbox that is up in this directory, else the current context, else the Terraform configuration around it.

    \b
    Examples:
      opsctl context add staging --terraform-dir infra/staging --profile staging
      opsctl context add production --outputs production.json --profile production --confirm
      opsctl context use staging
      opsctl --context production status
    """


@context.command(name="list")
@click.pass_context
def list_contexts(here: click.Context) -> None:
    """Show the contexts there are, and which one is the current one.

    \b
    Examples:
      opsctl context list
      opsctl context list --query "[].name"
    """
    found = read_contexts()
    if not found.known:
        click.echo("no context has a name yet: opsctl context add NAME", err=True)
    rows = [_row(name, one, found) for name, one in sorted(found.known.items())]
    emit(here.ensure_object(Invocation), [_document(name, found) for name in sorted(found.known)], table(HEADERS, rows))


@context.command()
@click.argument("name")
@click.option("--terraform-dir", type=FOLDER, metavar="DIR", help="Terraform configuration to read the outputs of.")
@click.option("--outputs", type=FILE, metavar="FILE", help="What terraform output -json printed, or its output opsctl.")
@click.option("--profile", metavar="NAME", help="AWS profile.")
@click.option("--region", metavar="NAME", help="AWS region; by default the deployment's own.")
@click.option("--endpoint-url", metavar="URL", help="Another endpoint.")
@click.option("--confirm", is_flag=True, help="Whoever changes something there has to type the context's name.")
@click.pass_context
def add(here: click.Context, /, name: str, confirm: bool, **settings: Any) -> None:
    """Give a deployment a name, or describe the one of that name anew.

    With --confirm, commands that change something ask for the context's name instead of a yes, and --yes is not enough:
    a script sets OPSCTL_CONFIRM to the name.

    \b
    Examples:
      opsctl context add staging --terraform-dir infra/staging --profile staging
      opsctl context add production --outputs production.json --profile production --confirm
    """
    texts = {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in settings.items()}
    named = Named(**texts, confirm=confirm)
    read_contexts(strictly=True).with_one(name, named)  # refuse before anything is written
    if named.outputs:
        _refuse_others(Path(named.outputs))
    found = change_contexts(lambda there: there.with_one(name, named))
    emit(here.ensure_object(Invocation), _document(name, found), f"{name} is kept in {contexts_file()}")


@context.command()
@click.argument("name", required=False)
@click.option("--none", is_flag=True, help="Go back to having no current context.")
@click.pass_context
def use(here: click.Context, name: str | None, none: bool) -> None:
    """Make a context the current one.

    \b
    Examples:
      opsctl context use staging
      opsctl context use --none
    """
    if (name is None) != none:
        raise click.UsageError("name a context, or give --none")
    read_contexts(strictly=True).at(name)  # refuse before anything is written
    change_contexts(lambda there: there.at(name))
    emit(here.ensure_object(Invocation), {"current": name}, f"{name or 'no context'} is the current one")


@context.command()
@click.argument("name")
@click.pass_context
def remove(here: click.Context, name: str) -> None:
    """Forget a context. Nothing happens to the deployment.

    \b
    Examples:
      opsctl context remove staging
    """
    read_contexts(strictly=True).without(name)  # refuse before anything is written
    change_contexts(lambda there: there.without(name))
    emit(here.ensure_object(Invocation), {"removed": name}, f"{name} is forgotten")


def _refuse_others(outputs: Path) -> None:
    """Raise UsageError for a file that no command could work with."""
    from opsctl.config import AWS, Context, read_deployment

    try:
        read_deployment(Context(AWS, None, None, None, outputs))
    except ConfigurationError as error:
        raise UsageError(error.message, error.hint) from error


def _row(name: str, one: Named, found: Contexts) -> list[Any]:
    mark = "*" if name == found.current else None
    return [mark, name, one.terraform_dir or one.outputs, one.profile, one.region, "typed" if one.confirm else None]


def _document(name: str, found: Contexts) -> dict[str, Any]:
    return {"name": name, "current": name == found.current, **asdict(found.of(name))}
