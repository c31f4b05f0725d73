"""Batch's environments and queues: what changes in place, what is refused, and what a change does to jobs that run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, unique, wait_for


def place(cloud: Cloud) -> dict[str, list[str]]:
    subnet = cloud.client("ec2").describe_subnets()["Subnets"][0]
    group = cloud.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
    return {"subnets": [subnet["SubnetId"]], "securityGroupIds": [group]}


def profile(cloud: Cloud) -> str:
    name = unique("profile")
    cloud.client("iam").create_instance_profile(InstanceProfileName=name)
    arn: str = cloud.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    return arn


def environment(cloud: Cloud, kind: str, **resources: Any) -> str:
    """A compute environment's name."""
    on_instances: Mapping[str, Any] = {}
    if kind in ("EC2", "SPOT"):
        on_instances = {"instanceRole": profile(cloud), "instanceTypes": ["g5.xlarge", "c5"], "minvCpus": 0}
    answer = cloud.client("batch").create_compute_environment(
        computeEnvironmentName=unique("environment"),
        type="MANAGED",
        computeResources={"type": kind, "maxvCpus": 4, **place(cloud), **on_instances, **resources},
    )
    name: str = answer["computeEnvironmentName"]
    return name


def described(cloud: Cloud, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("batch").describe_compute_environments(computeEnvironments=[name])[
        "computeEnvironments"
    ][0]
    return found


def order(*names: str) -> list[dict[str, Any]]:
    return [{"order": number, "computeEnvironment": name} for number, name in enumerate(names, 1)]


def queue(cloud: Cloud, *names: str) -> str:
    answer = cloud.client("batch").create_job_queue(
        jobQueueName=unique("queue"), priority=1, state="ENABLED", computeEnvironmentOrder=order(*names)
    )
    arn: str = answer["jobQueueArn"]
    return arn


def test_an_environment_of_instances_changes_in_place(cloud: Cloud) -> None:
    name = environment(cloud, "SPOT", allocationStrategy="SPOT_CAPACITY_OPTIMIZED")
    cloud.client("batch").update_compute_environment(
        computeEnvironment=name,
        computeResources={"maxvCpus": 9, "instanceTypes": ["m5"], "launchTemplate": {"launchTemplateId": "lt-1"}},
        updatePolicy={"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 60},
    )
    changed = described(cloud, name)
    assert changed["updatePolicy"] == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": 60}
    resources = changed["computeResources"]
    assert (resources["type"], resources["maxvCpus"], resources["instanceTypes"]) == ("SPOT", 9, ["m5"])


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("EC2", {"instanceTypes": ["m5"]}, "instanceTypes cannot be updated"),  # BEST_FIT, the default strategy
        ("FARGATE", {"instanceTypes": ["m5"]}, "instanceTypes cannot be updated"),
        ("EC2", {"minvCpus": 5}, "minvCpus must be less than or equal to maxvCpus"),
    ],
)
def test_a_change_that_is_refused(cloud: Cloud, kind: str, changes: dict[str, Any], message: str) -> None:
    name = environment(cloud, kind)
    with pytest.raises(ClientError, match=message):
        cloud.client("batch").update_compute_environment(computeEnvironment=name, computeResources=changes)


def test_a_queue_does_not_mix_fargate_and_instances(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="cannot mix Fargate and EC2"):
        queue(cloud, environment(cloud, "FARGATE"), environment(cloud, "EC2"))


def test_a_queue_is_led_to_another_environment_while_a_job_runs(cloud: Cloud) -> None:
    client = cloud.client("batch")
    old, new = environment(cloud, "FARGATE"), environment(cloud, "FARGATE_SPOT")
    arn = queue(cloud, old)
    gate = f"open-{unique('gate')}"
    program = f"""
import boto3, os, time
while not boto3.client("s3").list_objects_v2(Bucket="{cloud.bucket}", Prefix="{gate}")["KeyCount"]:
    time.sleep(0.1)
"""
    definition = cloud.job_definition(["python3", "-c", program])
    job = client.submit_job(jobName="job", jobQueue=arn, jobDefinition=definition)["jobId"]
    wait_for(lambda: client.describe_jobs(jobs=[job])["jobs"][0]["status"] == "RUNNING", "a start")

    with pytest.raises(ClientError, match="state must be DISABLED"):
        client.delete_compute_environment(computeEnvironment=old)
    client.update_compute_environment(computeEnvironment=old, state="DISABLED")
    with pytest.raises(ClientError, match="found existing JobQueue relationship"):
        client.delete_compute_environment(computeEnvironment=old)
    client.update_job_queue(jobQueue=arn, computeEnvironmentOrder=order(described(cloud, new)["computeEnvironmentArn"]))
    client.delete_compute_environment(computeEnvironment=old)

    cloud.put(gate, "")
    assert cloud.batch_job(job)["status"] == "SUCCEEDED"
