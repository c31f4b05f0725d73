"""Roll back: deploy a model again that was in production before."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from itertools import islice

from opsctl.asl.history import RUNNING
from opsctl.config import DEFAULT_MACHINE, DEPLOYMENT_MACHINE
from opsctl.domain.champions import (
    ROLLBACK,
    Champion,
    CorruptRecordError,
    found,
    history_prefix,
    pointer_key,
    read_record,
)
from opsctl.domain.objects import Place
from opsctl.domain.rollback import Way, choose, execution_name
from opsctl.domain.runs import Run
from opsctl.errors import ConfigurationError, RefusedError
from opsctl.operations.connection import Connection, connected

MOST_READ = 200  # of the history's newest promotions
LISTED = 20  # of the newest deployments, for those that go on


@dataclass(frozen=True)
class RollbackPlan:
    """What is deployed again, in the place of what, by which execution; `resumed` if that goes on already."""

    machine: str
    name: str
    present: Champion | None
    target: Champion
    warnings: tuple[str, ...]
    resumed: bool = False


def deployments(connection: Connection) -> Connection:
    """The connection to the machine that deploys. Raises ConfigurationError where the deployment has none."""
    machine = connection.deployment.machines.get(DEPLOYMENT_MACHINE)
    if machine is None:
        raise ConfigurationError(
            "this deployment has no machine that deploys models",
            "leave `deployment` out of the variable `definitions`, and run terraform apply",
        )
    return connected(connection.context, connection.deployment, machine)


def plan(connection: Connection, wanted: str | None) -> RollbackPlan:
    """What a rollback would deploy; reads, and changes nothing.

    Raises RefusedError where there is nothing to go back to, or its model is gone; UsageError for a run that never was
    in production; ConfigurationError where no machine deploys.
    """
    deploying, machine = deployments(connection), _trained(connection)
    record = found(machine, connection.storage.read(Place(connection.deployment.bucket, pointer_key(machine))))
    way = choose(record.champion, _promotions(connection, machine), wanted)
    _refuse_gone(connection, way.target)
    warnings = [record.warning] if record.warning else []
    name, resumed = _name(deploying, way)
    going_on = [other for other in _going_on(deploying) if other != name]
    if going_on:
        warnings.append(f"these deployments go on, and may deploy another model after it: {', '.join(going_on)}")
    return RollbackPlan(machine, name, way.present, way.target, tuple(warnings), resumed)


def execute(connection: Connection, planned: RollbackPlan) -> Run:
    """Start the deployment; the same name and input again are the one that goes on."""
    deploying = deployments(connection)
    document = {"machine": planned.machine, "reason": ROLLBACK, "run": planned.target.run}
    arn = deploying.states.start(deploying.machine.start_arn, planned.name, json.dumps(document, sort_keys=True))
    return Run(planned.name, arn, deploying.machine.arn, RUNNING, connection.aws.now())


def _name(deploying: Connection, way: Way) -> tuple[str, bool]:
    """The deployment's name, and whether it goes on: one that has ended and changed nothing is followed by another."""
    for number in itertools.count(1):
        name = execution_name(way, number)
        run = deploying.states.find(deploying.machine.arn, name)
        if run is None or not run.ended:
            break
    return name, run is not None


def _trained(connection: Connection) -> str:
    """The name of the machine whose champion it is about."""
    if connection.machine.key != DEPLOYMENT_MACHINE:
        return connection.machine.name
    training = connection.deployment.machines.get(DEFAULT_MACHINE)
    return training.name if training else connection.machine.name


def _promotions(connection: Connection, machine: str) -> list[Champion]:
    """The history's promotions that can be read, the newest last."""
    prefix = Place(connection.deployment.bucket, history_prefix(machine))
    items = sorted(connection.storage.list(prefix), key=lambda item: item.modified or 0.0)[-MOST_READ:]
    promotions = []
    for item in items:
        try:
            content = connection.storage.read(replace(prefix, key=prefix.key + item.key))
            promotions.append(read_record(content or b""))
        except CorruptRecordError:
            continue
    return sorted(promotions, key=lambda one: one.promoted_at)


def _refuse_gone(connection: Connection, target: Champion) -> None:
    bucket, _, key = target.model.uri.removeprefix("s3://").partition("/")
    if not any(True for _ in connection.storage.list(Place(bucket, key))):
        raise RefusedError(
            f"the model of {target.run} is gone: {target.model.uri}",
            f"what a cleanup deleted may come back: opsctl cleanup --undo --run {target.run}",
        )


def _going_on(deploying: Connection) -> list[str]:
    newest = islice(deploying.states.runs(deploying.machine.arn, RUNNING), LISTED)
    return [run.name for run in newest if run.status == RUNNING]
