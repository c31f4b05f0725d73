"""Puts the parts together: moto's services with our extensions in their places, the engine, the front door."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Read by moto when it is imported: no cross-origin headers, since no browser is to reach the sandbox.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

import logging
from functools import partial

from werkzeug.serving import BaseWSGIServer, make_server

from opsctl.sandbox import (
    alarms,
    batch,
    endpoints,
    events,
    functions,
    mailbox,
    provider,
    s3events,
    scheduler,
    statemachines,
    statesapi,
    subscriptions,
    training,
    transforms,
)
from opsctl.sandbox.access import simulation
from opsctl.sandbox.activities import Counter
from opsctl.sandbox.clients import Clients
from opsctl.sandbox.courier import Courier
from opsctl.sandbox.deliveries import Deliveries
from opsctl.sandbox.engine import Engine
from opsctl.sandbox.executionlogs import ExecutionLogs
from opsctl.sandbox.faults import Faults
from opsctl.sandbox.gateway import Gateway
from opsctl.sandbox.integrations import Router
from opsctl.sandbox.mapdriver import MapDriver
from opsctl.sandbox.mapfiles import MapFiles
from opsctl.sandbox.repeats import Repeats
from opsctl.sandbox.runs import Run
from opsctl.sandbox.serving import Dispatcher, Handler, remember
from opsctl.sandbox.state import changes
from opsctl.sandbox.state.gate import Gate
from opsctl.sandbox.state.world import Keeper
from opsctl.sandbox.statuschange import status_change
from opsctl.sandbox.tasks import MapTask
from opsctl.sandbox.world import World


@dataclass(frozen=True)
class Assembly:
    """The server, not yet serving, and what a state on disk has to do with it: the `parts` that each server has of its
    own, those that keep something besides moto's tables, and what begins again once everything is read back."""

    server: BaseWSGIServer
    clients: Clients
    engine: Engine
    parts: Mapping[str, Any]
    keepers: Mapping[str, Keeper]
    resume: tuple[Callable[[], None], ...]


def assemble(world: World, listener: socket.socket, gate: Gate | None = None) -> Assembly:
    """The server, on a socket that listens already. At the `gate`, requests wait while a snapshot begins."""
    clients = Clients(world.url, world.region, world.access)
    faults = Faults()
    bus = _install_services(world, clients, faults)
    timekeeper = scheduler.install(world, clients, bus)
    counter = Counter()
    map_driver = MapDriver(world, MapFiles(clients))
    repeats, logs = Repeats(own=gate is not None), ExecutionLogs(world)
    router = Router(world, clients, counter, repeats.answered)
    engine = Engine(
        router.begin,
        lambda task: map_driver.resume(task) if isinstance(task, MapTask) else router.resume(task),
        map_driver.begin,
        changed=lambda run: _run_changed(bus, run),
        activity_exists=lambda arn: arn in statemachines.machines(world).activities,
        moved=partial(_moved, logs),
    )
    statemachines.install(world, engine, counter, map_driver)
    statesapi.install()
    remember()
    server = _server(listener, Gateway(Dispatcher(), faults, world.access, repeats, gate))
    parts = {
        "world": world, "access": world.access, "clients": clients, "faults": faults, "events": bus, "router": router,
        "engine": engine, "map driver": map_driver, "counter": counter, "timekeeper": timekeeper,
    }  # fmt: skip
    keepers: dict[str, Keeper] = {
        "engine": engine,
        "counter": counter,
        "repeats": repeats,
        "execution logs": logs,
        "mailbox": mailbox.PublishingBackend.mailbox,
        "sessions": world.access.identities,
        "due": timekeeper,
    }
    ways = _ways(bus, timekeeper)
    # Jobs before the executions whose tasks wait for them.
    resume = (*_jobs(world), lambda: statemachines.machines(world).take_up(), logs.take_up, timekeeper.resume)
    return Assembly(
        server, clients, engine, parts, {**keepers, **ways}, (*resume, *(way.resume for way in ways.values()))
    )


def _install_services(world: World, clients: Clients, faults: Faults) -> events.Events:
    """Put moto's extensions in their places, but for what the engine has a part in; returns EventBridge."""
    mailbox.install(world)
    subscriptions.install(world, clients, faults)
    alarms.install(world, clients)
    functions.install(world, clients)
    bus = events.install(world, clients, faults)
    s3events.install(bus.emit)
    training.install(world, lambda job: _training_changed(bus, job))
    endpoints.install(world, lambda endpoint: _endpoint_changed(bus, endpoint))
    transforms.install(world, lambda job: _transform_changed(bus, job))
    batch.install(world, lambda job: bus.emit("aws.batch", "Batch Job State Change", [job["jobArn"]], job))
    provider.install()
    simulation.install(world.access.identities)
    return bus


def _server(listener: socket.socket, application: Gateway) -> BaseWSGIServer:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it warns of connections that do not last
    port = listener.getsockname()[1]
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler, fd=listener.fileno())


def _ways(bus: events.Events, timekeeper: scheduler.Timekeeper) -> dict[str, Courier | Deliveries]:
    """What is on its way outside of executions, by the name that it is kept by."""
    couriers = {
        "events": bus.courier,
        "subscriptions": subscriptions.DeliveringSubscription.courier,
        "alarms": alarms.RingingBackend.courier,
        "asynchronous calls": functions.FunctionsBackend.calls.courier,
        "schedules": timekeeper.courier,
    }
    held_back = {"events": bus.deliveries, "subscriptions": subscriptions.DeliveringSubscription.deliveries}
    return {
        **{f"deliveries of {name}": courier for name, courier in couriers.items()},
        **{f"held back of {name}": deliveries for name, deliveries in held_back.items()},
    }


def _jobs(world: World) -> tuple[Callable[[], None], ...]:
    """What begins endpoints and jobs again."""
    return (
        partial(endpoints.resume, world),
        lambda: training.training(world).take_up(),
        lambda: transforms.take_up(world),
        lambda: batch.batch(world).take_up(),
    )


def _moved(logs: ExecutionLogs, run: Run) -> None:
    logs.follow(run)
    changes.note()


def _run_changed(bus: events.Events, run: Run) -> None:
    bus.emit("aws.states", "Step Functions Execution Status Change", [run.arn], status_change(run.describe()))


def _endpoint_changed(bus: events.Events, endpoint: dict[str, Any]) -> None:
    bus.emit("aws.sagemaker", "SageMaker Endpoint State Change", [endpoint["EndpointArn"]], _plain(endpoint))


def _training_changed(bus: events.Events, job: dict[str, Any]) -> None:
    hidden = ("SecondaryStatusTransitions", "FinalMetricDataList")
    detail = {name: value for name, value in _plain(job).items() if name not in hidden}
    bus.emit("aws.sagemaker", "SageMaker Training Job State Change", [job["TrainingJobArn"]], detail)


def _transform_changed(bus: events.Events, job: dict[str, Any]) -> None:
    bus.emit("aws.sagemaker", "SageMaker Transform Job State Change", [job["TransformJobArn"]], _plain(job))


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """With its times as SageMaker's events have them, in milliseconds."""
    times = {name: int(value.timestamp() * 1000) for name, value in document.items() if hasattr(value, "timestamp")}
    return document | times
