"""What SageMaker says about one endpoint, and what serves behind it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsctl.sandbox.variantserver import VariantServer

STARTUP_SECONDS = 480
"""How long a container may take to pass its health check, unless the variant says otherwise."""
BUSY = frozenset({"Creating", "Updating", "RollingBack", "Deleting"})


@dataclass(frozen=True)
class Fleet:
    """The servers of one endpoint configuration: one process a variant, however many instances it asks for."""

    config: str
    variants: Sequence[Mapping[str, Any]]
    servers: Mapping[str, VariantServer]

    def problem(self) -> str | None:
        """Wait until all of them serve; why not, if they do not."""
        began = time.monotonic()
        for variant in self.variants:
            name = variant["VariantName"]
            seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_SECONDS
            server = self.servers[name]
            if not server.ready.wait(max(0.0, began + seconds - time.monotonic())):
                return _unhealthy(name, f"it did not answer within {seconds} seconds")
            if server.problem or not server.healthy():
                return _unhealthy(name, server.problem or "GET /ping was not answered with 200.")
        return None

    def choose(self, wanted: str | None) -> VariantServer | None:
        """The variant of that name, or one by the variants' weights."""
        if wanted:
            return self.servers.get(wanted)
        weights = [float(variant.get("InitialVariantWeight", 1.0)) for variant in self.variants]
        names = [variant["VariantName"] for variant in self.variants]
        return self.servers[random.choices(names, weights if any(weights) else None)[0]]

    def end(self) -> None:
        """End all of them."""
        for server in self.servers.values():
            server.end()


class Endpoint:
    """One endpoint. Safe to use from any thread. The attributes in snake case are those that moto's lists look at."""

    def __init__(
        self,
        name: str,
        arn: str,
        tags: list[dict[str, str]],
        launch: Callable[[Mapping[str, Any]], Fleet],
        changed: Callable[[dict[str, Any]], None],
    ) -> None:
        self.endpoint_name, self.arn, self.tags = name, arn, tags
        self.endpoint_status = "Creating"
        self.endpoint_config_name = ""
        self.failure_reason: str | None = None
        self.creation_time = self.last_modified_time = datetime.now(UTC)
        self.production_variants: list[dict[str, Any]] = []
        self._launch, self._changed = launch, changed
        self._fleet: Fleet | None = None
        self._served: Mapping[str, Any] | None = None
        """The configuration that serves."""
        self._wanted: Mapping[str, Any] | None = None
        """The configuration that is to take over."""
        self._lock = threading.RLock()
        self._deleted = False

    def deploy(self, config: Mapping[str, Any]) -> None:
        """Bring up a configuration's servers and, once they serve, let them take over. In a thread of its own.

        If they do not, a new endpoint has failed, and one that served goes on serving as it did.
        """
        with self._lock:
            self.failure_reason = None
            self._wanted = config
            self._move("Updating" if self._fleet else "Creating", config["EndpointConfigName"])
        threading.Thread(target=self._take_over, args=(config,), daemon=True).start()

    def __getstate__(self) -> dict[str, Any]:
        """What lasts: without the processes, and without who hears of changes."""
        gone = {"_fleet": None, "_changed": None, "_lock": None}
        return {**self.__dict__, **gone}

    def resume(self, changed: Callable[[dict[str, Any]], None]) -> None:
        """In a new server: serve again what served, and take up what was under way."""
        self._changed, self._lock = changed, threading.RLock()
        if self._served is not None:
            self._fleet = self._launch(self._served)
        if self._wanted is not None:
            threading.Thread(target=self._take_over, args=(self._wanted,), daemon=True).start()

    def delete(self) -> None:
        """Take no more requests, and end the servers."""
        with self._lock:
            self._deleted = True
            fleet, self._fleet = self._fleet, None
            self._move("Deleting", self.endpoint_config_name)
        if fleet:
            threading.Thread(target=fleet.end, daemon=True).start()

    @contextmanager
    def serving(self, variant: str | None) -> Iterator[VariantServer | None]:
        """A server for one request, which is not ended before the request has; None where nothing serves."""
        with self._lock:
            server = self._fleet.choose(variant) if self._fleet else None
            if server:
                server.enter()
        try:
            yield server
        finally:
            if server:
                server.leave()

    @property
    def response_object(self) -> dict[str, Any]:
        """The document of DescribeEndpoint."""
        with self._lock:
            document = {
                "EndpointName": self.endpoint_name,
                "EndpointArn": self.arn,
                "EndpointConfigName": self.endpoint_config_name,
                "ProductionVariants": self.production_variants,
                "EndpointStatus": self.endpoint_status,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
            }
            return document | ({"FailureReason": self.failure_reason} if self.failure_reason else {})

    def summary(self) -> dict[str, Any]:
        """The entry of ListEndpoints."""
        names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        document = self.response_object
        return {name: document[name] for name in names}

    def _take_over(self, config: Mapping[str, Any]) -> None:
        fleet = self._launch(config)
        problem = fleet.problem()
        with self._lock:
            before = self._fleet
            taken = problem is None and not self._deleted
            self._wanted = None
            if taken:
                self._fleet, self._served = fleet, config
                self.production_variants = [_shown(variant) for variant in fleet.variants]
                self._move("InService", fleet.config)
            elif not self._deleted:
                self.failure_reason = problem
                # What served before never stopped.
                self._move("InService" if before else "Failed", before.config if before else fleet.config)
        if taken and before:
            before.end()
        if not taken:
            fleet.end()

    def _move(self, status: str, config: str) -> None:
        self.endpoint_status, self.endpoint_config_name = status, config
        self.last_modified_time = datetime.now(UTC)
        self._changed(self.response_object)


def _unhealthy(variant: str, reason: str) -> str:
    return (
        f"The primary container for production variant {variant} did not pass the ping health check. "
        f"Please check CloudWatch logs for this endpoint. {reason}"
    )


def _shown(variant: Mapping[str, Any]) -> dict[str, Any]:
    """A variant as DescribeEndpoint shows it."""
    count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1.0)
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }
