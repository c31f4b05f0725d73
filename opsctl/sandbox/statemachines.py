"""Step Functions on moto's backend: its state machines, versions and aliases; our executions."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar

import moto.stepfunctions.models
import moto.stepfunctions.urls
from moto.stepfunctions.exceptions import (
    ExecutionAlreadyExists,
    ExecutionDoesNotExist,
    InvalidArn,
    InvalidExecutionInput,
    InvalidName,
    NameTooLongException,
    ResourceNotFound,
    StateMachineDoesNotExist,
)
from moto.stepfunctions.models import StateMachine, StateMachineAlias, StateMachineVersion, StepFunctionBackend

from opsctl import asl
from opsctl.errors import RefusedError
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.engine import Engine
from opsctl.sandbox.runs import Origin, Run
from opsctl.sandbox.world import World

PAYLOAD_BYTES = 262_144
ABANDONED = "The parent execution no longer waits for this one"
FORBIDDEN_IN_NAMES = frozenset(' <>{}[]?*"#%\\^|~`$&,;:/')


class MachinesBackend(StepFunctionBackend):
    """moto's Step Functions, with executions that our interpreter walks."""

    world: ClassVar[World]
    engine: ClassVar[Engine]
    _url_module = moto.stepfunctions.urls

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._runs: dict[str, Run] = {}
        self._numbers = itertools.count(1)
        self._starting = threading.Lock()

    def reset(self) -> None:
        """Forget everything, ending what runs first."""
        self._end(self._runs.values())
        super().reset()

    # state machines

    def create_state_machine(
        self,
        name: str,
        definition: str,
        roleArn: str,  # noqa: N803  moto's name for it
        *arguments: Any,
        **options: Any,
    ) -> StateMachine:
        """CreateStateMachine, idempotent for an equal definition, type and role as AWS has it."""
        check_name(name)
        machine_of(definition)
        arn = self.world.arn("states", f"stateMachine:{name}")
        known = next((machine for machine in self.state_machines if machine.arn == arn), None)
        wanted = (definition, roleArn, options.get("sm_type") or "STANDARD")
        if known is not None and (known.definition, known.roleArn, known.type) != wanted:
            raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        return super().create_state_machine(name, definition, roleArn, *arguments, **options)

    def update_state_machine(
        self, arn: str, definition: str | None = None, *arguments: Any, **options: Any
    ) -> StateMachine:
        """UpdateStateMachine. Executions under way keep the definition they started with."""
        if definition is not None:
            machine_of(definition)
        return super().update_state_machine(arn, definition, *arguments, **options)

    def delete_state_machine(self, arn: str) -> None:
        """DeleteStateMachine: its executions end, and are forgotten with it."""
        runs = [run for run in list(self._runs.values()) if run.origin.arn == arn]
        super().delete_state_machine(arn)
        self._end(runs)
        for run in runs:
            self._runs.pop(run.arn, None)

    def describe_state_machine_alias(self, arn: str) -> StateMachineAlias:
        """DescribeStateMachineAlias; the Terraform provider expects ResourceNotFound for a machine that is gone too."""
        try:
            return super().describe_state_machine_alias(arn)
        except StateMachineDoesNotExist as error:
            raise ResourceNotFound(arn) from error

    def versions(self, arn: str) -> list[StateMachineVersion]:
        """The versions of a machine, newest first."""
        machine = self.describe_state_machine(arn)
        return sorted(getattr(machine, "versions", {}).values(), key=lambda version: version.version, reverse=True)

    def publish(self, arn: str, description: str | None) -> StateMachineVersion:
        """PublishStateMachineVersion: the latest version again if nothing changed since."""
        machine = self.describe_state_machine(arn)
        latest = machine.latest_version
        if latest is None or (latest.definition, latest.roleArn) != (machine.definition, machine.roleArn):
            machine.publish(description)
        return machine.versions[machine.latest_version_number]

    def delete_version(self, arn: str) -> None:
        """DeleteStateMachineVersion. Raises ApiError if an alias leads to it."""
        source, _, number = arn.rpartition(":")
        machine = next((known for known in self.state_machines if known.arn == source), None)
        if machine is None or not number.isdigit():
            return
        for alias in machine.aliases.values():
            if any(route["stateMachineVersionArn"] == arn for route in alias.routing_configuration):
                raise ApiError(
                    "ConflictException",
                    "Version to be deleted must not be referenced by an alias. Current list of aliases referencing "
                    f"this version: [{alias.name}]",
                )
        machine.versions.pop(int(number), None)

    # executions

    def launch(self, state_machine_arn: str, name: str | None, execution_input: str) -> Run:
        """StartExecution: same name and input while RUNNING is the same execution."""
        if name:
            check_name(name)
        check_input(execution_input)
        origin = self._origin(state_machine_arn)
        name = name or str(uuid.uuid4())
        arn = self.world.arn("states", f"execution:{origin.name}:{name}")
        with self._starting:
            known = self._runs.get(arn)
            if known is not None:
                if known.status == "RUNNING" and known.input == execution_input:
                    return known
                raise ExecutionAlreadyExists(f"Execution Already Exists: '{arn}'")
            run = self._runs[arn] = Run(next(self._numbers), arn, name, execution_input, origin, time.time())
        self.engine.start(run)
        return run

    def run(self, arn: str) -> Run:
        """One execution. Raises ExecutionDoesNotExist, InvalidArn."""
        if ":execution:" not in arn:
            raise InvalidArn(f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
        run = self._runs.get(arn)
        if run is None:
            raise ExecutionDoesNotExist(f"Execution Does Not Exist: '{arn}'")
        return run

    def runs(self, machine_arn: str) -> list[Run]:
        """The executions of a machine, or of one of its versions or aliases, newest first."""
        self.resolve(machine_arn)
        runs = (run for run in list(self._runs.values()) if machine_arn in _arns(run.origin))
        return sorted(runs, key=lambda run: run.number, reverse=True)

    def halt(self, execution_arn: str, error: str | None = None, cause: str | None = None) -> Run:
        """StopExecution: ABORTED at once. An execution that has ended stays as it is."""
        run = self.run(execution_arn)
        self.engine.stop(run, error, cause)
        return run

    def redrive(self, execution_arn: str, token: str | None = None) -> float:
        """RedriveExecution: returns when it began, in seconds. Raises ApiError (ExecutionNotRedrivable)."""
        run = self.run(execution_arn)
        try:
            return self.engine.redrive(run, token)
        except RefusedError as refusal:
            message = f"Execution {run.arn} invalid for redrive as: {refusal.message}"
            raise ApiError("ExecutionNotRedrivable", message) from refusal

    def abandon_execution(self, run: Run) -> None:
        """Stop a child that nobody waits for any more."""
        self.engine.stop(run, None, ABANDONED)

    def resolve(self, arn: str) -> tuple[Any, str | None, str | None]:
        """What an ARN of a machine, a version or an alias leads to: the definition, version ARN and alias ARN.

        Raises InvalidArn, StateMachineDoesNotExist.
        """
        source, _, last = arn.rpartition(":")
        owner = next((machine for machine in self.state_machines if machine.arn == source), None)
        if owner is None:
            return self.describe_state_machine(arn), None, None
        if last in owner.aliases:
            routes = owner.aliases[last].routing_configuration
            chosen = random.choices(routes, weights=[route["weight"] for route in routes])[0]
            version = chosen["stateMachineVersionArn"]
            return self.resolve(version)[0], version, arn
        found = owner.versions.get(int(last)) if last.isdigit() else None
        if found is None:
            raise StateMachineDoesNotExist(f"State Machine Does Not Exist: '{arn}'")
        return found, arn, None

    def _origin(self, arn: str) -> Origin:
        machine, version, alias = self.resolve(arn)
        return Origin(
            arn=getattr(machine, "source_arn", machine.arn),
            name=machine.name,
            role=machine.roleArn,
            definition=machine.definition,
            machine=machine_of(machine.definition),
            version_arn=version,
            alias_arn=alias,
            description={
                "updateDate": machine.update_date,
                "loggingConfiguration": machine.loggingConfiguration,
                "tracingConfiguration": machine.tracingConfiguration,
                "encryptionConfiguration": machine.encryptionConfiguration,
            },
        )

    def _end(self, runs: Iterable[Run]) -> None:
        for run in list(runs):
            self.engine.stop(run)


@lru_cache(maxsize=256)
def machine_of(definition: str) -> asl.StateMachine:
    """The parsed definition. Raises ApiError (InvalidDefinition) with every finding."""
    errors = [finding for finding in asl.validate(definition) if finding.severity == "ERROR"]
    if not errors:
        try:
            return asl.parse(definition)
        except asl.InvalidDefinition as error:
            errors = list(error.diagnostics)
    findings = ", ".join(f"{finding.code}: {finding.message} at {finding.location or '/'}" for finding in errors)
    raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{findings}'")


def check_name(name: str) -> None:
    """AWS's rule for names of machines and executions. Raises InvalidName, or ValidationException if too long."""
    if len(name) > 80:
        raise NameTooLongException(name)
    if not name or any(char in FORBIDDEN_IN_NAMES or not char.isprintable() for char in name):
        raise InvalidName(f"Invalid Name: '{name}'")


def check_input(text: str) -> None:
    """An execution's input must be JSON within 256 KiB. Raises InvalidExecutionInput."""
    if len(text.encode()) > PAYLOAD_BYTES:
        message = f"Invalid State Machine Execution Input: 'Input exceeds {PAYLOAD_BYTES} bytes'"
        raise InvalidExecutionInput(message)
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: '{error}'") from error


def install(world: World, engine: Engine) -> None:
    """Put the backend in place."""
    MachinesBackend.world = world
    MachinesBackend.engine = engine
    moto.stepfunctions.models.stepfunctions_backends.backend = MachinesBackend


def machines(world: World) -> MachinesBackend:
    """The backend of the sandbox's account and region."""
    backend: Any = moto.stepfunctions.models.stepfunctions_backends[world.account][world.region]
    found: MachinesBackend = backend
    return found


def _arns(origin: Origin) -> tuple[str | None, ...]:
    return (origin.arn, origin.version_arn, origin.alias_arn)
