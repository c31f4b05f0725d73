"""Step Functions: the catalogue of machines, and the executions that the engine walks."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import moto.stepfunctions.models
from moto.stepfunctions.exceptions import (
    ExecutionAlreadyExists,
    ExecutionDoesNotExist,
    InvalidArn,
    InvalidExecutionInput,
)

from opsctl.asl.payload import Payload
from opsctl.errors import RefusedError
from opsctl.sandbox.activities import Counter
from opsctl.sandbox.api import ApiError
from opsctl.sandbox.catalogue import Catalogue, check_name, machine_of
from opsctl.sandbox.engine import Engine
from opsctl.sandbox.mapruns import MapRun
from opsctl.sandbox.runs import Origin, Run
from opsctl.sandbox.world import World

if TYPE_CHECKING:
    from opsctl.sandbox.mapdriver import MapDriver

PAYLOAD_BYTES = 262_144
ABANDONED = "The parent execution no longer waits for this one"


class MachinesBackend(Catalogue):
    """moto's Step Functions, with executions that our interpreter walks."""

    engine: ClassVar[Engine]
    counter: ClassVar[Counter]
    map_driver: ClassVar[MapDriver]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._runs: dict[str, Run] = {}
        self._numbers = itertools.count(1)
        self._starting = threading.Lock()
        self.map_runs: dict[str, MapRun] = {}

    def reset(self) -> None:
        """Forget everything, ending what runs first."""
        self._end(self._runs.values())
        super().reset()

    def delete_state_machine(self, arn: str) -> None:
        """DeleteStateMachine: its executions end, and are forgotten with it."""
        runs = [run for run in list(self._runs.values()) if f"{run.origin.arn}/".startswith(f"{arn}/")]
        super().delete_state_machine(arn)
        self._end(runs)
        for run in runs:
            self._runs.pop(run.arn, None)
        for known in [run.arn for run in self.map_runs.values() if f"{run.origin.arn}/".startswith(f"{arn}/")]:
            self.map_runs.pop(known, None)

    # executions

    def launch(self, state_machine_arn: str, name: str | None, execution_input: str, trace: str | None = None) -> Run:
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
            run = self._runs[arn] = Run(next(self._numbers), arn, name, execution_input, origin, time.time(), trace)
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
        if run.origin.map_run is not None:
            reason = "Execution is a child of a Map Run and can only be redriven with its parent"
            raise ApiError("ExecutionNotRedrivable", f"Execution {run.arn} invalid for redrive as: {reason}")
        try:
            return self.engine.redrive(run, token)
        except RefusedError as refusal:
            message = f"Execution {run.arn} invalid for redrive as: {refusal.message}"
            raise ApiError("ExecutionNotRedrivable", message) from refusal

    def abandon_execution(self, run: Run) -> None:
        """Stop a child that nobody waits for any more."""
        self.engine.stop(run, None, ABANDONED)

    def take_up(self) -> None:
        """Go on with the executions that were running when a server before this one ended."""
        children = {id(child.run) for run in self.map_runs.values() for child in run.children}
        running = [run for run in self._runs.values() if run.walk is not None]
        for run in running:
            if run.origin.map_run is not None and not run.events() and id(run) not in children:
                del self._runs[run.arn]  # it was only just being made, and is made again
        self.engine.take_up(run for run in running if run.arn in self._runs)

    # Map Runs

    def make_child(self, origin: Origin, text: str) -> Run:
        """Make a child execution of a Map Run. It begins when the Map Run knows it: see `take_up`."""
        name = str(uuid.uuid4())
        arn = self.world.arn("states", f"execution:{origin.name}:{name}")
        run = self._runs[arn] = Run(next(self._numbers), arn, name, text, origin, time.time())
        return run

    def map_run(self, arn: str) -> MapRun:
        """One Map Run. Raises ApiError (ResourceNotFound), InvalidArn."""
        if ":mapRun:" not in arn:
            raise InvalidArn(f"Invalid Arn: 'Resource type not valid in this context: {arn}'")
        if arn not in self.map_runs:
            raise ApiError("ResourceNotFound", f"Resource not found: '{arn}'")
        return self.map_runs[arn]

    def map_runs_of(self, execution_arn: str) -> list[MapRun]:
        """The Map Runs of an execution, oldest first."""
        parent = self.run(execution_arn)
        return [run for run in list(self.map_runs.values()) if run.parent is parent]

    def _origin(self, arn: str) -> Origin:
        machine, version, alias = self.resolve(arn, random.uniform(0, 100))
        revision = self.revision(machine)
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
                **({} if revision is None else {"revisionId": revision}),
            },
        )

    def _end(self, runs: Iterable[Run]) -> None:
        for run in list(runs):
            self.engine.stop(run)


def check_input(text: str) -> None:
    """An execution's input must be JSON within 256 KiB. Raises InvalidExecutionInput."""
    if len(text.encode()) > PAYLOAD_BYTES:
        message = f"Invalid State Machine Execution Input: 'Input exceeds {PAYLOAD_BYTES} bytes'"
        raise InvalidExecutionInput(message)
    try:
        _ = Payload(text=text).value
    except ValueError as error:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: '{error}'") from error


def install(world: World, engine: Engine, counter: Counter, map_driver: MapDriver) -> None:
    """Put the backend in place."""
    MachinesBackend.counter = counter
    MachinesBackend.map_driver = map_driver
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
