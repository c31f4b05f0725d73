"""Puts the parts together: moto's services with our extensions in their places, the engine, the front door."""

from __future__ import annotations

import os
import socket
from typing import Any

# Read by moto when it is imported: no cross-origin headers, since no browser is to reach the sandbox.
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"

import logging

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
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
from opsctl.sandbox.engine import Engine
from opsctl.sandbox.executionlogs import ExecutionLogs
from opsctl.sandbox.faults import Faults
from opsctl.sandbox.gateway import Gateway
from opsctl.sandbox.integrations import Router
from opsctl.sandbox.mapdriver import MapDriver
from opsctl.sandbox.mapfiles import MapFiles
from opsctl.sandbox.runs import Run
from opsctl.sandbox.statuschange import status_change
from opsctl.sandbox.world import World


class _Handler(MotoRequestHandler):
    """Logs nothing for requests that went well."""

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log a request that was answered with an error: as a warning, for werkzeug's own lines are not logged."""
        del size
        if not str(code).startswith(("2", "3")):
            target = self.headers.get("X-Amz-Target") or ""
            self.log("warning", '"%s" %s %s', ascii(self.requestline)[1:-1], code, ascii(target)[1:-1])


def assemble(world: World, listener: socket.socket) -> tuple[BaseWSGIServer, Clients]:
    """The server, not yet serving, on a socket that listens already; and the clients its integrations use."""
    clients = Clients(world.url, world.region, world.access)
    faults = Faults()
    mailbox.install(world)
    subscriptions.install(world, clients, faults)
    alarms.install(world, clients)
    functions.install(world, clients)
    bus = events.install(world, clients, faults)
    s3events.install(bus.emit)
    scheduler.install(world, clients, bus)
    training.install(world, lambda job: _training_changed(bus, job))
    endpoints.install(world, lambda endpoint: _endpoint_changed(bus, endpoint))
    transforms.install(world, lambda job: _transform_changed(bus, job))
    batch.install(world, lambda job: bus.emit("aws.batch", "Batch Job State Change", [job["jobArn"]], job))
    counter = Counter()
    map_driver = MapDriver(world, MapFiles(clients))
    engine = Engine(
        Router(world, clients, counter).begin,
        map_driver.begin,
        changed=lambda run: _run_changed(bus, run),
        activity_exists=lambda arn: arn in statemachines.machines(world).activities,
        moved=ExecutionLogs(world).follow,
    )
    statemachines.install(world, engine, counter, map_driver)
    statesapi.install()
    provider.install()
    simulation.install(world.access.identities)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = Gateway(DomainDispatcherApplication(create_backend_app), faults, world.access)
    server = make_server(
        "127.0.0.1",
        listener.getsockname()[1],
        application,
        threaded=True,
        request_handler=_Handler,
        fd=listener.fileno(),
    )
    return server, clients


def warm(clients: Clients) -> None:
    """Pay for the first use of the common services now."""
    clients.warm()


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
