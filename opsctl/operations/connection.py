"""From the command line's global options to a deployment, one of its machines, and the AWS that they live in."""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions
from opsctl.aws.storage import Storage
from opsctl.config import Context, Deployment, Machine, Options, choose_context, read_deployment
from opsctl.domain.objects import Place


@dataclass(frozen=True)
class Connection:
    """What every operation works on."""

    context: Context
    deployment: Deployment
    machine: Machine
    aws: Aws
    states: StepFunctions
    storage: Storage

    def prefix(self, run: str, step: str | None = None) -> Place:
        """Where a run keeps what it writes, or what one of its steps (a slug) does."""
        return Place(self.deployment.bucket, f"runs/{run}/" + (f"{step}/" if step else ""))


def connect(options: Options) -> Connection:
    """Raises ConfigurationError (no sandbox, no outputs), UsageError (no such machine). Sends nothing yet."""
    context = choose_context(options)
    deployment = read_deployment(context)
    machine = deployment.machine(options.machine)
    return connected(context, deployment, machine)


def connected(context: Context, deployment: Deployment, machine: Machine) -> Connection:
    """The connection to a deployment that is already known."""
    aws = Aws(context, context.region or deployment.region)
    return Connection(context, deployment, machine, aws, StepFunctions(aws), Storage(aws))
