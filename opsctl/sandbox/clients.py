"""botocore clients of the server itself, for integrations: made once each, since the first use of one costs most."""

from __future__ import annotations

import threading
from typing import Any

import botocore.session
from botocore.config import Config

from opsctl.sandbox.environment import ACCESS_KEY, SECRET_KEY

WARM = ("batch", "lambda", "sagemaker", "sns", "stepfunctions", "s3")


class Clients:
    """Clients of every service, all speaking to one endpoint. Safe to use from any thread."""

    def __init__(self, url: str, region: str) -> None:
        self._session = botocore.session.Session()
        self._url = url
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        # No retries: an error answer is what the state machine's own Retry is about.
        self._config = Config(retries={"total_max_attempts": 1}, read_timeout=960, max_pool_connections=64)

    def client(self, service: str) -> Any:
        """The client of one service, by botocore's name. Raises botocore's UnknownServiceError."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.create_client(
                    service,
                    region_name=self._region,
                    endpoint_url=self._url,
                    aws_access_key_id=ACCESS_KEY,
                    aws_secret_access_key=SECRET_KEY,
                    config=self._config,
                )
            return self._clients[service]

    def services(self) -> list[str]:
        """The names of all services that botocore knows."""
        names: list[str] = self._session.get_available_services()
        return names

    def warm(self) -> None:
        """Make the clients that executions use most, so that no state pays for it."""
        for service in WARM:
            self.client(service)
