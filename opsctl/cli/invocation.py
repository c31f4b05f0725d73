"""What the global options of one command line add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from opsctl.config import Options
    from opsctl.operations.connection import Connection


class Invocation:
    """The global options as given, before or after the subcommand; None where one was not. No dataclass: to make one
    takes longer than all else that `--help` needs besides click."""

    output: str | None = None
    query: str | None = None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    context: str | None = None
    machine: str | None = None
    terraform_dir: Path | None = None
    confirm: str | None = None  # the name that has to be typed before anything is changed there

    @property
    def wants_json(self) -> bool:
        """Whether results are printed as JSON."""
        return self.output == "json" or self.query is not None

    def options(self) -> Options:
        """The same as the library takes them."""
        from opsctl.config import Options

        return Options(self.profile, self.region, self.endpoint_url, self.context, self.machine, self.terraform_dir)

    def connect(self) -> Connection:
        """The deployment that the command works on; says so where it is a sandbox's. Raises ConfigurationError."""
        from opsctl.operations.connection import connect

        connection = connect(self.options())
        if connection.context.is_sandbox:
            click.echo(f"context: sandbox {connection.context.url}", err=True)
        elif connection.context.name:
            click.echo(f"context: {connection.context.name}", err=True)
        self.confirm = connection.context.name if connection.context.confirm else None
        return connection
