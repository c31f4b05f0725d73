"""The one place where clients of botocore come from.

In the sandbox nothing of the user's own AWS set-up counts: no variable, no profile, no configuration file, no proxy.
The session is then built with every source of botocore's configuration switched off, and each client with the
sandbox's endpoint and dummy keys: that keeps its commands off a real account, whatever the environment holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from opsctl.aws.errors import explained
from opsctl.aws.listing import parse_fast
from opsctl.config import Context

SANDBOX_KEY = "sandbox"
RETRIES = 8
POLL_TIMEOUT = 75
SANDBOX_RETRIES = 5  # its faults are to be borne like AWS's; a server that died is still told of within seconds


@dataclass(frozen=True)
class Keys:
    """What a request is signed with."""

    key: str
    secret: str
    token: str | None = None


@dataclass(frozen=True)
class Aws:
    """Clients for one context and region, made when first asked for; and the clocks, so that tests need not wait: `now`
    says what time it is, `steady` what time passes, whatever somebody does to the clock meanwhile."""

    context: Context
    region: str
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def client(self, service: str) -> Any:
        """The client of a service. Raises ConfigurationError for a profile or endpoint that cannot be used."""
        with self._lock:
            if service not in self._clients:
                with self.explained(f"{service}: client", service):
                    self._clients[service] = self._make_client(service)
            return self._clients[service]

    def identity(self) -> str:
        """The ARN of whoever these credentials belong to."""
        with self.explained("sts:GetCallerIdentity", "this account"):
            arn: str = self.client("sts").get_caller_identity()["Arn"]
        return arn

    def explained(self, action: str, resource: str) -> AbstractContextManager[None]:
        """Turn what botocore raises inside into an OpsError, with remedies for this context."""
        return explained(action, resource, self.context.apply_command)

    @property
    def poll_seconds(self) -> float:
        """How long to wait between looks at a run: AWS refills 20 GetExecutionHistory a second for a whole account."""
        return 1.0 if self.context.is_sandbox else 3.0

    @cached_property
    def session(self) -> Any:
        """botocore's session: for what needs the credentials themselves."""
        from opsctl.aws.lean import lean_session

        session = lean_session(profile=self.context.profile, sources=not self.context.is_sandbox)
        # Times stay as AWS sent them (seconds or ISO 8601): parsing them costs more than all the rest of an answer.
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=lambda value: value)
        return session

    @cached_property
    def sandbox_keys(self) -> Keys:
        """What the sandbox lets everything be done with, or a session of the role that OPSCTL_SANDBOX_ROLE names."""
        own = Keys(SANDBOX_KEY, SANDBOX_KEY)
        if self.context.role is None:
            return own
        from botocore.config import Config

        sts = self.session.create_client(
            "sts", region_name=self.region, endpoint_url=self.context.url, config=Config(proxies={}),
            aws_access_key_id=own.key, aws_secret_access_key=own.secret,
        )  # fmt: skip
        with self.explained("sts:AssumeRole", self.context.role):
            given = sts.assume_role(RoleArn=self.context.role, RoleSessionName="opsctl")["Credentials"]
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def _make_client(self, service: str) -> Any:
        from botocore.config import Config

        options: dict[str, Any] = {"region_name": self.region, "endpoint_url": self.context.url}
        settings: dict[str, Any] = {
            "retries": {"mode": "standard", "max_attempts": RETRIES},
            "user_agent_extra": "opsctl",
        }
        if service == "s3":
            settings |= {"max_pool_connections": 32, "s3": {"addressing_style": "path"} if self.context.url else {}}
        if service == "stepfunctions":  # GetActivityTask answers after a minute at the latest, says AWS
            settings |= {"read_timeout": POLL_TIMEOUT, "max_pool_connections": 32}
        if service == "pricing":  # a courtesy, from one region for all: nobody is to wait for it
            settings |= {"connect_timeout": 3, "read_timeout": 10, "retries": {"mode": "standard", "max_attempts": 2}}
        if self.context.is_sandbox:
            settings |= {"proxies": {}, "retries": {"mode": "standard", "max_attempts": SANDBOX_RETRIES}}
            keys = self.sandbox_keys
            options |= {"aws_access_key_id": keys.key, "aws_secret_access_key": keys.secret}
            options |= {"aws_session_token": keys.token}
        client = self.session.create_client(service, config=Config(**settings), **options)
        if service == "s3":
            parse_fast(client)
        return client
