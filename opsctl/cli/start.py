"""`opsctl start`."""

from __future__ import annotations

from typing import Any

import click

from opsctl.cli.following import announce, follow
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import document_option, setting_option, wait_options
from opsctl.domain.conditions import Setting
from opsctl.operations.start import StartRequest
from opsctl.operations.start import start as start_run


@click.command()
@document_option("The run input, a JSON object.")
@setting_option
@click.option("--name", metavar="NAME", help="The run's name. [default: made from the time]")
@wait_options
@click.pass_context
def start(
    context: click.Context,
    document: dict[str, Any] | None,
    settings: tuple[Setting, ...],
    name: str | None,
    wait: bool,
    timeout: float | None,
) -> None:
    """Start a run. Its input is checked before anything starts.

    \b
    Examples:
      opsctl start
      opsctl start --input run.json --name nightly-7 --wait --timeout 2h
      opsctl start --set data.source=s3://bucket/datasets/july/ --set hyperparameters.text_model.epochs=12
    """
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    started = start_run(connection, StartRequest(document or {}, settings, name))
    if wait:
        context.exit(follow(invocation, connection, started, timeout, {}))
    context.exit(announce(invocation, started, {}))
