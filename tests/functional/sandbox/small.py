"""A deployment in small: one machine of a test's own, and the commands on it as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.functional.sandbox.cloud import Cloud, task

ROOT = Path(__file__).parents[3]


class Small:
    """What `opsctl`, run in the sandbox's directory, finds: the machine as `training`, the sandbox's bucket, and where
    that is wanted a machine that deploys."""

    def __init__(self, cloud: Cloud, arn: str, deployment: str | None = None, **machine: Any) -> None:
        self.cloud, self.machine = cloud, arn
        self.temporary = cloud.directory.with_name("temporary")
        self.temporary.mkdir(exist_ok=True)
        machines = {"training": described(arn) | machine}
        machines |= {"deployment": described(deployment)} if deployment else {}
        value = {
            "version": 1, "name": "small", "region": cloud.server["region"], "account": "123456789012",
            "bucket": cloud.bucket, "default_data_source": f"s3://{cloud.bucket}/datasets/x/", "topic": "none",
            "machines": machines,
        }  # fmt: skip
        folder = cloud.directory / "terraform"
        folder.mkdir(exist_ok=True)
        state = {"version": 4, "outputs": {"opsctl": {"value": value}}}
        (folder / "terraform.tfstate").write_text(json.dumps(state))

    def opsctl(self, *words: str, under: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """A command, running; `under` is the program that runs it."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.cloud.directory), "PYTHONPATH": str(ROOT),
            "OPSCTL_SANDBOX_DIR": str(self.cloud.directory), "TMPDIR": str(self.temporary),
        }  # fmt: skip
        return subprocess.Popen(
            [*under, sys.executable, "-m", "opsctl", *words], cwd=self.cloud.directory, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def described(arn: str) -> dict[str, Any]:
    """A machine, as the Terraform output has it."""
    name = arn.rpartition(":")[2]
    return {"arn": arn, "name": name, "log_group": "none", "steps": [], "hyperparameters": {}, "needs": {}}


def two_steps(cloud: Cloud) -> str:
    """The ARN of a machine that fetches, trains (which fails at a rate of 1000), and then waits for ever; each step has
    a guard."""
    body = "if event['rate'] == '1000':\n    raise ValueError('diverged')\nreturn {}"
    work = {"FunctionName": cloud.function(body)}
    rate = {"rate.$": "$$.Execution.Input.hyperparameters.train.rate"}
    return cloud.machine({
        "Skip Fetch?": guard("fetch", "Skip Train?", "Fetch"),
        "Fetch": task("lambda:invoke", {**work, "Payload": {"rate": "1"}}, ResultPath=None, Next="Skip Train?"),
        "Skip Train?": guard("train", "Rest", "Train"),
        "Train": task("lambda:invoke", {**work, "Payload": rate}, ResultPath=None, Next="Rest"),
        "Rest": {"Type": "Wait", "Seconds": 3600, "End": True},
    })  # fmt: skip


def guard(key: str, around: str, into: str) -> dict[str, Any]:
    """A Choice that goes `around` a step where the run input says so, else `into` it."""
    variable = f"$$.Execution.Input.skip.{key}"
    rule = {"And": [{"Variable": variable, "IsPresent": True}, {"Variable": variable, "BooleanEquals": True}]}
    return {"Type": "Choice", "Choices": [{**rule, "Next": around}], "Default": into}


def kill(process: subprocess.Popen[str]) -> None:
    """At once, without a word."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
