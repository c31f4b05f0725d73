"""A sandbox to test with: clients, and the few things that most tests create in it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
SECONDS = 300.0


class Cloud:
    """One running sandbox, through AWS's own API."""

    def __init__(self, server: Mapping[str, Any], directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.client = cache(self._client)
        self.role = self._role()
        self.bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client("s3").create_bucket(Bucket=self.bucket)

    def put(self, key: str, text: str) -> str:
        """Store an object; returns its URI."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        """Read an object."""
        content: bytes = self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def keys(self, prefix: str = "") -> list[str]:
        """The keys below a prefix."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    # functions

    def function(self, body: str, **options: Any) -> str:
        """A Lambda function whose `main.handler(event, context)` has this body; returns its name."""
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("main.py", f"def handler(event, context):\n{lines}\n")
        name = unique("function")
        self.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.12",
                "Role": self.role,
                "Handler": "main.handler",
                "Timeout": 120,
                "Code": {"ZipFile": archive.getvalue()},
                **options,
            }
        )
        return name

    # state machines

    def machine(self, states: Mapping[str, Any], start: str | None = None, **more: Any) -> str:
        """A state machine of these states, the first one its start; returns its ARN."""
        definition = {"StartAt": start or next(iter(states)), "States": states, **more}
        answer = self.client("stepfunctions").create_state_machine(
            name=unique("machine"), definition=json.dumps(definition), roleArn=self.role
        )
        arn: str = answer["stateMachineArn"]
        return arn

    def start(self, machine: str, data: Any = None, **options: Any) -> str:
        """Start an execution; returns its ARN."""
        text = json.dumps({} if data is None else data)
        answer = self.client("stepfunctions").start_execution(stateMachineArn=machine, input=text, **options)
        arn: str = answer["executionArn"]
        return arn

    def finish(self, execution: str) -> dict[str, Any]:
        """Wait for an execution to end; returns its description."""
        describe = self.client("stepfunctions").describe_execution
        return wait_for(lambda: ended(describe(executionArn=execution)), f"{execution} to end")

    def run(self, states: Mapping[str, Any], data: Any = None) -> dict[str, Any]:
        """Make a machine of these states, run it, and return the execution's description."""
        return self.finish(self.start(self.machine(states), data))

    def task(self, resource: str, parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Run a machine of one Task state and return the execution's description."""
        return self.run({"Work": task(resource, parameters, **more)})

    def events(self, execution: str, **options: Any) -> list[dict[str, Any]]:
        """An execution's history."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [event for page in pages.paginate(executionArn=execution, **options) for event in page["events"]]

    # jobs

    def training(self, program: str, **request: Any) -> dict[str, Any]:
        """CreateTrainingJob parameters for a job that runs this Python program from a `code` channel."""
        name = unique("job")
        code = self.put(f"code/{name}/main.py", program).rpartition("/")[0] + "/"
        return {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
                **request.pop("AlgorithmSpecification", {}),
            },
            "InputDataConfig": [channel("code", code), *request.pop("channels", [])],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **request,
        }

    def train(self, program: str, **request: Any) -> dict[str, Any]:
        """Run a training job to its end; returns its description."""
        wanted = self.training(program, **request)
        self.client("sagemaker").create_training_job(**wanted)
        return self.trained(wanted["TrainingJobName"])

    def trained(self, name: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Wait for a training job to end; returns its description."""
        describe = self.client("sagemaker").describe_training_job

        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = describe(TrainingJobName=name)
            return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_for(look, f"training job {name} to end", seconds)

    def message_queue(self, name: str | None = None) -> tuple[str, str]:
        """A queue of SQS, each of whose messages is received once; returns its URL and its ARN."""
        name, once = name or unique("queue"), {"VisibilityTimeout": "43200"}
        url: str = self.client("sqs").create_queue(QueueName=name, Attributes=once)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"

    def queue(self) -> str:
        """A Batch queue; returns its ARN."""
        subnet = self.client("ec2").describe_subnets()["Subnets"][0]
        group = self.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
        environment = self.client("batch").create_compute_environment(
            computeEnvironmentName=unique("environment"),
            type="MANAGED",
            computeResources={
                "type": "FARGATE",
                "maxvCpus": 1,
                "subnets": [subnet["SubnetId"]],
                "securityGroupIds": [group],
            },
        )
        answer = self.client("batch").create_job_queue(
            jobQueueName=unique("queue"),
            priority=1,
            state="ENABLED",
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}],
        )
        arn: str = answer["jobQueueArn"]
        return arn

    def job_definition(self, command: list[str], **options: Any) -> str:
        """A Batch job definition; returns its ARN."""
        container = {
            "image": "image",
            "command": command,
            "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
            "executionRoleArn": self.role,
            **options.pop("container", {}),
        }
        answer = self.client("batch").register_job_definition(
            jobDefinitionName=unique("definition"),
            type="container",
            platformCapabilities=["FARGATE"],
            containerProperties=container,
            **options,
        )
        arn: str = answer["jobDefinitionArn"]
        return arn

    def batch_job(self, job: str) -> dict[str, Any]:
        """Wait for a Batch job to end; returns its description."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.client("batch").describe_jobs(jobs=[job])["jobs"][0]
            return found if found["status"] in ("SUCCEEDED", "FAILED") else None

        return wait_for(look, f"Batch job {job} to end")

    # what jobs leave

    def logs(self, group: str, prefix: str = "") -> list[str]:
        """The lines of all streams of a group whose name starts with the prefix."""
        client = self.client("logs")
        streams = client.describe_log_streams(logGroupName=group)["logStreams"]
        return [
            event["message"]
            for stream in streams
            if stream["logStreamName"].startswith(prefix)
            for event in client.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
        ]

    def begun(self, training_job: str) -> list[str]:
        """The words that a training job prints first."""
        return str(wait_for(lambda: "\n".join(self._printed(training_job)), f"{training_job} to begin")).split()

    def _printed(self, training_job: str) -> list[str]:
        try:
            return self.logs("/aws/sagemaker/TrainingJobs", f"{training_job}/")
        except ClientError:  # there is no group before the first line
            return []

    def mail(self) -> list[str]:
        """The messages in the mailbox."""
        return [path.read_text() for path in sorted((self.directory / "mailbox").glob("*.txt"))]

    def _client(self, service: str, config: Config | None = None) -> Any:
        return boto3.session.Session().client(
            service,
            config=config,
            region_name=self.server["region"],
            endpoint_url=self.server["url"],
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )

    def _role(self) -> str:
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        answer = self.client("iam").create_role(RoleName=unique("role"), AssumeRolePolicyDocument=policy)
        arn: str = answer["Role"]["Arn"]
        return arn


def alive(pid: int) -> bool:
    """Whether a process is there, and not as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def task(resource: str, parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A Task state that ends its machine unless `Next` is given."""
    name = resource if resource.startswith("arn:") else f"arn:aws:states:::{resource}"
    end = {} if "Next" in more else {"End": True}
    return {"Type": "Task", "Resource": name, "Parameters": parameters, **end, **more}


def channel(name: str, uri: str) -> dict[str, Any]:
    """An input channel of a training job."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def unique(kind: str) -> str:
    """A name that no other test uses."""
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def ended(description: dict[str, Any]) -> dict[str, Any] | None:
    """An execution's description once it is final."""
    return None if description["status"] == "RUNNING" else description


def wait_for(look: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Look until something is found, less and less often. Raises AssertionError after `seconds`."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
        pause = min(1.4 * pause, 0.15)
    raise AssertionError(f"waited {seconds} s for {what}")
