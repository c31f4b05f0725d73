"""Spot capacity that is taken back: what Batch's retry strategy and SageMaker's checkpoints make of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsctl import sandbox
from opsctl.errors import OpsError
from tests.functional.sandbox.cloud import Cloud, unique
from tests.functional.sandbox.test_compute_environments import environment, queue

BOOTSTRAP = (Path(__file__).resolve().parents[3] / "modules/batch/bootstrap.py").read_text()
# As modules/batch/job.tf has them.
RULES = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onStatusReason": "Your Spot Task was interrupted*", "action": "RETRY"},
    {"onExitCode": "75", "action": "RETRY"},
    {"onExitCode": "*", "action": "EXIT"},
]


@pytest.fixture
def faulty(cloud: Cloud) -> Iterator[Cloud]:
    """The sandbox, with no fault left after the test."""
    yield cloud
    sandbox.clear_faults(cloud.directory)


@pytest.fixture(scope="module")
def spot(cloud: Cloud) -> str:
    return queue(cloud, environment(cloud, "SPOT"))


def fetch(cloud: Cloud, on: str, program: str, name: str, attempts: int = 5) -> dict[str, Any]:
    """The end of the fetch job with this program for fetch.py, as the module defines it for two failures of it."""
    code = cloud.put(f"{name}/code/fetch.py", program).removesuffix("fetch.py")
    variables = {"CODE_URI": code, "SCRIPT_ATTEMPTS": "2", "TRY_AGAIN": "75"}
    definition = cloud.job_definition(
        ["python3", "-c", BOOTSTRAP],
        container={"environment": [{"name": key, "value": value} for key, value in variables.items()]},
    )
    job = cloud.client("batch").submit_job(
        jobName=name, jobQueue=on, jobDefinition=definition,
        retryStrategy={"attempts": attempts, "evaluateOnExit": RULES},
    )  # fmt: skip
    return cloud.batch_job(job["jobId"])


def endings(job: dict[str, Any]) -> list[tuple[int | None, str]]:
    return [(attempt["container"].get("exitCode"), attempt["statusReason"]) for attempt in job["attempts"]]


WAITS_ONCE = "import os, time\nif os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1':\n    time.sleep(60)\n"


def test_a_job_that_lost_its_instance_is_tried_again(faulty: Cloud, spot: str) -> None:
    name = unique("job")
    sandbox.add_fault(faulty.directory, {"action": "batch:SubmitJob", "drop": "host", "match": name})
    job = fetch(faulty, spot, WAITS_ONCE, name)
    first, second = endings(job)
    assert job["status"] == "SUCCEEDED"
    assert first[0] is None
    assert first[1].startswith("Host EC2 (instance i-")
    assert first[1].endswith(") terminated.")
    assert second == (0, "Essential container in task exited")


def test_a_job_that_lost_its_fargate_spot_task_is_tried_again(faulty: Cloud) -> None:
    name = unique("job")
    sandbox.add_fault(faulty.directory, {"action": "batch:SubmitJob", "drop": "host", "match": name})
    job = fetch(faulty, queue(faulty, environment(faulty, "FARGATE_SPOT")), WAITS_ONCE, name)
    assert endings(job)[0] == (137, "Your Spot Task was interrupted.")
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


def test_a_script_fails_as_often_as_it_may_and_no_more(cloud: Cloud, spot: str) -> None:
    job = fetch(cloud, spot, "import sys; sys.exit(3)", unique("job"))
    assert [code for code, _ in endings(job)] == [75, 3]
    assert job["status"] == "FAILED"


def test_a_lost_host_leaves_the_script_fewer_failures(faulty: Cloud, spot: str) -> None:
    name = unique("job")
    sandbox.add_fault(faulty.directory, {"action": "batch:SubmitJob", "drop": "host", "match": name})
    job = fetch(faulty, spot, WAITS_ONCE + "else:\n    raise ValueError('no such data')\n", name)
    assert [code for code, _ in endings(job)] == [None, 1]
    assert any("ValueError: no such data" in line for line in cloud_log(faulty, job))


def cloud_log(cloud: Cloud, job: dict[str, Any]) -> list[str]:
    return cloud.logs("/aws/batch/job", job["container"]["logStreamName"])


def test_an_attempt_out_of_time_is_not_tried_again(cloud: Cloud, spot: str) -> None:
    job = cloud.client("batch").submit_job(
        jobName=unique("job"), jobQueue=spot, jobDefinition=cloud.job_definition(["sleep", "60"]),
        retryStrategy={"attempts": 3}, timeout={"attemptDurationSeconds": 1},
    )  # fmt: skip
    assert [reason for _, reason in endings(cloud.batch_job(job["jobId"]))] == ["Job attempt duration exceeded timeout"]


# SageMaker

SAVES = """
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
saved = base / "checkpoints" / "epoch.txt"
if saved.exists():
    (base / "model" / "model.txt").write_text(f"from {saved.read_text()}")
    sys.exit()
saved.write_text("epoch 7")
time.sleep(60)
"""


def train(cloud: Cloud, **request: Any) -> dict[str, Any]:
    checkpoints = {"S3Uri": f"s3://{cloud.bucket}/{unique('checkpoints')}/"}
    return cloud.train(SAVES, CheckpointConfig=checkpoints, **request)


def on_spot(wait: int = 120) -> dict[str, Any]:
    stopping = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": wait}
    return {"EnableManagedSpotTraining": True, "StoppingCondition": stopping}


def test_a_spot_job_goes_on_from_its_checkpoint(faulty: Cloud) -> None:
    sandbox.add_fault(
        faulty.directory, {"action": "sagemaker:CreateTrainingJob", "drop": "host", "delay": 6, "times": 1}
    )
    job = train(faulty, **on_spot())
    assert job["TrainingJobStatus"] == "Completed"
    assert [entry["Status"] for entry in job["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Interrupted",
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert job["EnableManagedSpotTraining"] is True


def test_another_job_fails_with_its_host(faulty: Cloud) -> None:
    sandbox.add_fault(faulty.directory, {"action": "sagemaker:CreateTrainingJob", "drop": "host", "times": 1})
    job = train(faulty)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (on_spot(wait=59), "greater than or equal to MaxRuntimeInSeconds"),
        ({**on_spot(), "EnableManagedSpotTraining": False}, "for managed spot training only"),
        ({**on_spot(), "ResourceConfig": {"KeepAlivePeriodInSeconds": 60}}, "cannot be used with managed spot"),
        ({"ResourceConfig": {"KeepAlivePeriodInSeconds": 3601}}, "must be 0 to 3600"),
        ({"ResourceConfig": {"VolumeKmsKeyId": "key", "InstanceType": "ml.g5.xlarge"}}, "whose storage is local"),
        ({"VpcConfig": {"Subnets": ["subnet-0"], "SecurityGroupIds": ["sg-0"]}}, "'subnet-0' does not exist"),
    ],
)
def test_what_sagemaker_refuses(cloud: Cloud, request_: dict[str, Any], message: str) -> None:
    wanted = cloud.training("pass", **request_)
    wanted["ResourceConfig"] = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1} | wanted[
        "ResourceConfig"
    ]
    with pytest.raises(ClientError, match=message):
        cloud.client("sagemaker").create_training_job(**wanted)


def test_an_isolated_program_reaches_no_aws(cloud: Cloud) -> None:
    program = "import boto3\nboto3.client('s3', config=__import__('botocore').config.Config(retries={'total_max_attempts': 1})).list_buckets()\n"  # noqa: E501
    job = cloud.train(program, EnableNetworkIsolation=True)
    assert (job["TrainingJobStatus"], job["EnableNetworkIsolation"]) == ("Failed", True)


def test_only_what_starts_a_job_loses_its_host(cloud: Cloud) -> None:
    with pytest.raises(
        OpsError, match="only batch:SubmitJob and sagemaker:CreateTrainingJob start something on a host"
    ):
        sandbox.add_fault(cloud.directory, {"action": "s3:GetObject", "drop": "host"})
