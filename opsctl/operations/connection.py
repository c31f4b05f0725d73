"""From the command line's global options to a deployment, one of its machines, and the AWS that they live in.

`--machine` also takes the name or ARN of any other Standard machine of the account; with an ARN, there need not even be
a deployment. Nothing is known of such a machine but what AWS tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions
from opsctl.aws.storage import Storage
from opsctl.config import Context, Deployment, Machine, Options, choose_context, read_deployment
from opsctl.domain.objects import Place
from opsctl.errors import ConfigurationError, RefusedError, UsageError

MACHINE_ARN = re.compile(r"arn:aws[a-z-]*:states:([a-z0-9-]+):(\d{12}):stateMachine:([^:/]+)(?::[^:/]+)?")


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

    def start_definition(self) -> dict[str, Any]:
        """The definition that runs start on now, asked of AWS."""
        return self.states.definition(self.states.leads_to(self.machine.start_arn))

    @property
    def on_machine(self) -> str:
        """What a command in a hint needs to be about this machine: nothing for the one that is meant by default."""
        name = self.machine.arn if self.machine.foreign else self.machine.key
        return "" if name == self.deployment.default_machine else f" --machine {name}"


def connect(options: Options) -> Connection:
    """Raises ConfigurationError (no sandbox, no outputs), UsageError (no such machine), RefusedError (an Express one).

    Sends nothing yet, but for a machine that is not the deployment's.
    """
    context = choose_context(options)
    wanted = options.machine or ""
    parts = MACHINE_ARN.fullmatch(wanted)
    if wanted.startswith("arn:") and parts is None:
        raise UsageError(f"{wanted} is not the ARN of a state machine", "such as arn:aws:states:…:stateMachine:NAME")
    deployment = _deployment(context, parts)
    try:
        machine = deployment.machine(options.machine)
    except UsageError:
        arn = _arn(deployment, parts, wanted)
        if arn is None:
            raise
        found = _foreign(connected(context, deployment, _unknown(arn)), options)
        if found is None:
            raise
        return found
    return connected(context, deployment, machine)


def connected(context: Context, deployment: Deployment, machine: Machine) -> Connection:
    """The connection to a deployment that is already known."""
    aws = Aws(context, machine.arn.split(":")[3] if machine.foreign else context.region or deployment.region)
    return Connection(context, deployment, machine, aws, StepFunctions(aws), Storage(aws))


def about(connection: Connection, machine_arn: str) -> Connection:
    """The same, about another machine: one of the deployment's, or one of which nothing is known."""
    try:
        machine = connection.deployment.machine(machine_arn)
    except UsageError:
        machine = _unknown(machine_arn)
    return replace(connection, machine=machine)


def _deployment(context: Context, arn: re.Match[str] | None) -> Deployment:
    """The deployment, or an empty one around a machine of a known ARN."""
    try:
        return read_deployment(context)
    except ConfigurationError:
        if arn is None:
            raise
        return Deployment("", arn[1], arn[2], "", "", "")


def _arn(deployment: Deployment, parts: re.Match[str] | None, wanted: str) -> str | None:
    """The ARN of a machine beside the deployment's own: as given, without a version, or of that name."""
    if parts:
        return ":".join(parts[0].split(":")[:7])
    known = next(iter(deployment.machines.values()), None)
    plain = wanted and not set(wanted) & set(' :/*?"#%\\^|~`$&,;<>{}[]')
    return f"{known.arn.rpartition(':')[0]}:{wanted}" if known and plain and len(wanted) <= 80 else None


def _unknown(arn: str) -> Machine:
    name = arn.rpartition(":")[2]
    return Machine(name, name, arn, "", (), {}, foreign=True)


def _foreign(connection: Connection, options: Options) -> Connection | None:
    """The connection with what AWS tells of the machine; None where there is none of that name.

    Raises UsageError where an ARN leads nowhere, RefusedError for an Express machine.
    """
    machine = connection.machine
    answer = connection.states.machine(machine.arn)
    if answer is None and options.machine != machine.name:
        raise UsageError(f"there is no state machine {machine.arn}", "aws stepfunctions list-state-machines shows them")
    if answer is None:
        return None
    if answer.get("type") == "EXPRESS":
        raise RefusedError(
            f"{machine.name} is an Express machine: Step Functions keeps no history of its runs",
            "opsctl works on Standard machines",
        )
    destinations = (answer.get("loggingConfiguration") or {}).get("destinations") or []
    groups = [(item.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn", "") for item in destinations]
    group = next((text.partition(":log-group:")[2].removesuffix(":*") for text in groups if text), "")
    return replace(connection, machine=replace(machine, log_group=group))
