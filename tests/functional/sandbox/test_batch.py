"""Batch jobs: real programs, with Batch's parameters, retries and limits."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, unique, wait_for


@pytest.fixture(scope="session")
def queue(cloud: Cloud) -> str:
    return cloud.queue()


def submit(cloud: Cloud, queue: str, command: list[str], definition: dict | None = None, **options: Any) -> str:
    job = cloud.client("batch").submit_job(
        jobName=unique("job"), jobQueue=queue, jobDefinition=cloud.job_definition(command, **(definition or {})),
        **options,
    )  # fmt: skip
    job_id: str = job["jobId"]
    return job_id


def output(cloud: Cloud, job: dict[str, Any]) -> list[str]:
    return cloud.logs("/aws/batch/job", job["container"]["logStreamName"])


def test_parameters_overrides_and_environment(cloud: Cloud, queue: str) -> None:
    program = "import os, sys; e = os.environ; print(*sys.argv[1:], e['KIND'], e['SIZE'], len(e['AWS_BATCH_JOB_ID']))"
    command = ["python3", "-c", program, "Ref::source", "to Ref::target", "Ref::unknown"]
    job_id = submit(
        cloud, queue, command,
        {
            "parameters": {"source": "there", "target": "nowhere"},
            "container": {"environment": [{"name": "KIND", "value": "deed"}, {"name": "SIZE", "value": "1"}]},
        },
        parameters={"target": "here"},
        containerOverrides={"environment": [{"name": "SIZE", "value": "2"}]},
    )  # fmt: skip
    job = cloud.batch_job(job_id)
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job["container"]["exitCode"] == 0
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert output(cloud, job) == ["there to here Ref::unknown deed 2 36"]


def test_a_job_that_fails(cloud: Cloud, queue: str) -> None:
    job = cloud.batch_job(submit(cloud, queue, ["sh", "-c", "echo no data >&2; exit 4"]))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 4)
    assert output(cloud, job) == ["no data"]


def test_a_program_that_is_not_there(cloud: Cloud, queue: str) -> None:
    job = cloud.batch_job(submit(cloud, queue, ["no-such-program"]))
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 127)


def test_attempts(cloud: Cloud, queue: str) -> None:
    program = "import os, sys; sys.exit(int(os.environ['AWS_BATCH_JOB_ATTEMPT']) < 3)"
    job = cloud.batch_job(submit(cloud, queue, ["python3", "-c", program], retryStrategy={"attempts": 5}))
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 0]


def test_an_exit_code_that_is_not_retried(cloud: Cloud, queue: str) -> None:
    rules = [{"onExitCode": "3", "action": "EXIT"}, {"onReason": "*", "action": "RETRY"}]
    job = cloud.batch_job(
        submit(cloud, queue, ["sh", "-c", "exit 3"], retryStrategy={"attempts": 5, "evaluateOnExit": rules})
    )
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_terminate(cloud: Cloud, queue: str) -> None:
    job_id = submit(cloud, queue, ["sleep", "60"], retryStrategy={"attempts": 3})
    wait_for(lambda: cloud.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]["status"] == "RUNNING", "a start")
    cloud.client("batch").terminate_job(jobId=job_id, reason="no longer needed")
    job = cloud.batch_job(job_id)
    assert (job["status"], job["statusReason"], len(job["attempts"])) == ("FAILED", "no longer needed", 1)
    assert job["container"]["exitCode"] == 143


def test_the_attempts_time_limit(cloud: Cloud, queue: str) -> None:
    # The API allows no less than 60 s; botocore does not check that, and neither do we.
    job = cloud.batch_job(submit(cloud, queue, ["sleep", "60"], timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")


def test_dependencies(cloud: Cloud, queue: str) -> None:
    first = submit(cloud, queue, ["sh", "-c", "exit 1"])
    job = cloud.batch_job(submit(cloud, queue, ["true"], dependsOn=[{"jobId": first}]))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Dependent Job failed")


def test_what_does_not_exist(cloud: Cloud, queue: str) -> None:
    with pytest.raises(ClientError, match="JobDefinition absent not found"):
        cloud.client("batch").submit_job(jobName="job", jobQueue=queue, jobDefinition="absent")
    with pytest.raises(ClientError, match="JobQueue absent not found"):
        cloud.client("batch").submit_job(jobName="job", jobQueue="absent", jobDefinition=cloud.job_definition(["true"]))
