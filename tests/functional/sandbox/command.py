"""The command line on a state machine of the sandbox, whatever made it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from click.testing import CliRunner, Result

from opsctl.aws.session import Aws
from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, Deployment, Machine
from opsctl.operations.connection import Connection, connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud


def opsctl(cloud: Cloud, machine: str, *words: str) -> Result:
    """Run one command, with that machine as the one that it is about."""
    return CliRunner().invoke(root, list(words), obj=FakeInvocation(connection(cloud, machine)))


@cache
def connection(cloud: Cloud, machine: str) -> Connection:
    """What the command line works on."""
    url, region = cloud.server["url"], cloud.server["region"]
    name = machine.rpartition(":")[2]
    one = Machine(name, name, machine, "", (), {})
    deployment = Deployment("test", region, "123456789012", cloud.bucket, "", "", {name: one})
    return connected(Context(SANDBOX, url, region, None, Path("unused")), deployment, one)


def aws(cloud: Cloud, machine: str) -> Aws:
    """The same, as the library sees it."""
    return connection(cloud, machine).aws
