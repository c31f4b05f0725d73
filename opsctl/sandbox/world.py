"""What every part of the server shares: where it lives, what it answers to, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from opsctl.sandbox.access import Access
from opsctl.sandbox.directory import SandboxDirectory
from opsctl.sandbox.environment import ACCOUNT, REGION

StoppedJobs = Literal["succeed", "fail"]


@dataclass(frozen=True)
class World:
    """One sandbox, seen from inside its server.

    `stopped_jobs` is what `.sync` answers for a training job that ended Stopped: AWS's own answer is not documented,
    so both can be had. `grace` is the time in seconds between SIGTERM and SIGKILL for a training job (AWS: 120).
    `access` says who may do what, if that is asked at all.
    """

    place: SandboxDirectory
    url: str
    region: str
    account: str
    stopped_jobs: StoppedJobs = "succeed"
    grace: float = 120.0
    access: Access = field(default_factory=lambda: Access(ACCOUNT, REGION, enforced=False))

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"
