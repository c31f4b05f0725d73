"""What is soaked: a small pipeline on a sandbox, and the command line, run in this process as an operator would."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, parse_deployment
from opsctl.operations.connection import connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.small import guard
from tests.functional.sandbox.test_alerts import Alerts
from tests.functional.sandbox.test_state import wait_until_written

PARTS = [f"fetch/part-{number}" for number in range(3)]
UNSUCCESSFUL = ("ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")


class PatientCloud(Cloud):
    """Whoever looks at a sandbox in bad weather asks often enough to see."""

    def _client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service, region_name=self.server["region"], endpoint_url=self.server["url"], aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox", config=Config(retries={"mode": "standard", "total_max_attempts": 20}),
        )  # fmt: skip


class World:
    """A machine that fetches (an object for each of PARTS), trains (which fails at a rate of 1000) and asks a person;
    whatever ends badly, the shipped function tells of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.alerts = Alerts(cloud)
        cloud.client("s3").put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
        cloud.put("code/train.py", "# train\n")
        self.machine = self.alerts.machine(_states(cloud))
        deployment = parse_deployment(self._outputs())
        self._invocation = FakeInvocation(connected(_context(cloud), deployment, deployment.machine(None)))

    def opsctl(self, *words: str) -> tuple[int, str]:
        """Exit code and talk of a command."""
        result = CliRunner().invoke(root, list(words), obj=self._invocation, catch_exceptions=False)
        return result.exit_code, result.stderr.strip()

    def restart(self) -> None:
        """Kill the server, once what was answered is on disk, and let another one go on."""
        wait_until_written(self.cloud)
        os.kill(self.cloud.server["pid"], signal.SIGKILL)
        wait_for(lambda: sandbox.status(self.cloud.directory) is None, "the server to be gone")
        self.cloud.server = sandbox.up(self.cloud.directory, state=Path(self.cloud.server["state"]))

    def arn(self, run: str) -> str:
        """The ARN of a run."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run}"

    def statuses(self) -> dict[str, str]:
        """Every run's status, by name."""
        pages = (
            self.cloud.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        )
        return {entry["name"]: entry["status"] for page in pages for entry in page["executions"]}

    def status(self, run: str) -> str:
        """A run's status, as it is now."""
        found: str = self.cloud.client("stepfunctions").describe_execution(executionArn=self.arn(run))["status"]
        return found

    def has_fetched(self, run: str) -> bool:
        """Whether a run itself has fetched its data."""
        return any(event.get("stateExitedEventDetails", {}).get("name") == "Fetch" for event in self.events(run))

    def events(self, run: str) -> list[dict[str, Any]]:
        """A run's history."""
        return self.cloud.events(self.arn(run))

    def waits(self, run: str) -> bool:
        """Whether a run asks for approval."""
        events = self.events(run)
        return bool(events) and events[-1]["type"] == "TaskSubmitted"

    def kept(self, run: str) -> list[str]:
        """The objects of a run, but for its plan."""
        keys = (key.removeprefix(f"runs/{run}/") for key in self.cloud.keys(f"runs/{run}/"))
        return [key for key in keys if key != "plan.json"]

    def alerts_sent(self) -> Counter[str]:
        """How many alerts there were of each run."""
        return Counter({run: _failures(told) for run, told in self.alerts.told().items() if _failures(told)})

    def _outputs(self) -> dict[str, Any]:
        machine = {
            "arn": self.machine, "name": self.machine.rpartition(":")[2], "log_group": "none",
            "steps": ["fetch", "train"], "hyperparameters": {"train": {"rate": "1"}}, "needs": {"train": ["fetch"]},
        }  # fmt: skip
        return {
            "version": 1, "name": "soak", "region": self.cloud.server["region"], "account": "123456789012",
            "bucket": self.cloud.bucket, "default_data_source": f"s3://{self.cloud.bucket}/datasets/x/",
            "topic": self.alerts.topics["failures"], "machines": {"training": machine},
        }  # fmt: skip


def _states(cloud: Cloud) -> dict[str, Any]:
    topic = cloud.client("sns").create_topic(Name=unique("approvals"))["TopicArn"]
    fetch = cloud.function(
        f"import boto3\nfor part in {PARTS}:\n"
        f"    key = 'runs/' + event['run'] + '/' + part\n"
        f"    boto3.client('s3').put_object(Bucket='{cloud.bucket}', Key=key, Body=key.encode())"
    )
    train = cloud.function("if event['rate'] == '1000':\n    raise ValueError('diverged')\nreturn {}")
    rate = {"rate.$": "$$.Execution.Input.hyperparameters.train.rate"}
    asked = {"TopicArn": topic, "Subject": "Approve?", "Message": {"token.$": "$$.Task.Token"}}
    named = {"run.$": "$$.Execution.Name"}
    again = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 5}]
    call = {"ResultPath": None, "Retry": again}
    return {
        "Skip Fetch?": guard("fetch", "Skip Train?", "Fetch"),
        "Fetch": task("lambda:invoke", {"FunctionName": fetch, "Payload": named}, **call, Next="Skip Train?"),
        "Skip Train?": guard("train", "Approve", "Train"),
        "Train": task("lambda:invoke", {"FunctionName": train, "Payload": rate}, **call, Next="Approve"),
        "Approve": task("sns:publish.waitForTaskToken", asked, ResultPath="$.answer"),
    }


def _context(cloud: Cloud) -> Context:
    return Context(SANDBOX, cloud.server["url"], cloud.server["region"], None, Path("unused"))


def _failures(told: Counter[str]) -> int:
    return sum(count for words, count in told.items() if words.startswith("failures "))


def answer_of(events: list[dict[str, Any]]) -> list[str]:
    """The reasons of the answers that a run's history holds."""
    outputs = [event.get("taskSucceededEventDetails", {}).get("output") for event in events]
    reasons = [answer.get("reason") for answer in map(json.loads, filter(None, outputs)) if isinstance(answer, dict)]
    causes = [str(event.get("taskFailedEventDetails", {}).get("cause", "")) for event in events]
    return [
        *filter(None, reasons),
        *(cause.partition(" (rejected by ")[0] for cause in causes if " (rejected" in cause),
    ]
