"""botocore clients of the server itself, for integrations: made once each, since the first use of one costs most."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any

import botocore.session
from botocore.config import Config

from opsctl.sandbox.access import Access
from opsctl.sandbox.machineroles import SESSION

ONCE = "once-"
"""How the ids of calls begin that are to be carried out once, however often they are made."""
_naming: ContextVar[tuple[str, Iterator[int]] | None] = ContextVar("naming", default=None)
LASTING = 8
"""Connections to a service that stay open."""
WARM = ("batch", "lambda", "sagemaker", "sns", "stepfunctions", "s3")


@contextmanager
def once(key: str) -> Iterator[None]:
    """Name the calls that this thread makes: made again under the same key, in the same order, each is answered as it
    was the first time (see `Repeats`), also by a server that took up the work of one before it."""
    before = _naming.set((key, count(1)))
    try:
        yield
    finally:
        _naming.reset(before)


def _name(model: Any, context: dict[str, Any], **_: Any) -> None:
    naming = _naming.get()
    if naming is not None:
        key, numbers = naming
        context.setdefault("retries", {})["invocation-id"] = f"{ONCE}{key}-{next(numbers)}-{model.name}"


class Clients:
    """Clients of every service, all speaking to one endpoint, as the sandbox itself or as a role. Safe to use from any
    thread."""

    def __init__(self, url: str, region: str, access: Access, role: str | None = None) -> None:
        self._session = botocore.session.Session()
        self._url = url
        self._region = region
        self._access = access
        self._role = role
        self._as_roles: dict[str, Clients] = {}
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        # No retries: an error answer is what the state machine's own Retry is about. And few connections that stay
        # open, for each has a thread of the server's: what comes in a burst has some of its own.
        self._config = Config(retries={"total_max_attempts": 1}, read_timeout=960, max_pool_connections=LASTING)

    def as_role(self, role: str) -> Clients:
        """Clients with a session of this role; without IAM's enforcement these very ones."""
        if not self._access.enforced:
            return self
        with self._lock:
            if role not in self._as_roles:
                self._as_roles[role] = Clients(self._url, self._region, self._access, role)
            return self._as_roles[role]

    def client(self, service: str) -> Any:
        """The client of one service, by botocore's name. Raises botocore's UnknownServiceError."""
        with self._lock:
            if service not in self._clients:
                key, secret, token = self._access.credentials(self._role, SESSION)
                client = self._session.create_client(
                    service,
                    region_name=self._region,
                    endpoint_url=self._url,
                    aws_access_key_id=key,
                    aws_secret_access_key=secret,
                    aws_session_token=token,
                    config=self._config,
                )
                client.meta.events.register("before-call", _name)
                self._clients[service] = client
            return self._clients[service]

    def services(self) -> list[str]:
        """The names of all services that botocore knows."""
        names: list[str] = self._session.get_available_services()
        return names

    def warm(self) -> None:
        """Make the clients that executions use most, so that no state pays for it."""
        for service in WARM:
            self.client(service)
