"""Where an attempt's log is, by what the history recorded of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.history import Attempt
from opsctl.domain.job_logs import BatchLog, FunctionLog, JobLog, NoLog, batch_log, source_of

METADATA = {"SdkResponseMetadata": {"RequestId": "cd50c989-9a89-5128-aee3-30c7c7496bd9"}}
REQUEST = "cd50c989-9a89-5128-aee3-30c7c7496bd9"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:prepare:live"
CHILD = "arn:aws:states:us-east-1:123456789012:execution:deploy:nightly-7"


def attempt(resource: str, parameters: Any = None, **more: Any) -> Attempt:
    """One that succeeded unless told otherwise; documents are written as JSON."""
    fields: dict[str, Any] = {"ended": 20.0, "status": "SUCCEEDED", "output": None, "error": None, "cause": None} | more
    texts = {key: json.dumps(fields[key]) if isinstance(fields[key], dict) else fields[key] for key in fields}
    submitted = texts.pop("submitted", None)
    asked = json.dumps(parameters or {})
    return Attempt(resource, asked, 10.0, 10.0, generation=0, submitted=submitted, **texts)


@pytest.mark.parametrize(
    ("action", "key", "group", "prefix"),
    [
        ("createTrainingJob", "TrainingJobName", "TrainingJobs", "job-7/"),
        ("createTransformJob", "TransformJobName", "TransformJobs", "job-7/"),
        ("createProcessingJob", "ProcessingJobName", "ProcessingJobs", "job-7/"),
        ("createHyperParameterTuningJob", "HyperParameterTuningJobName", "TrainingJobs", "job-7-"),
    ],
)
def test_sagemaker_jobs(action: str, key: str, group: str, prefix: str) -> None:
    for suffix in (".sync", ""):
        found = source_of(attempt(f"sagemaker:{action}{suffix}", {key: "job-7"}))
        assert isinstance(found, JobLog)
        assert (found.group, found.prefix) == (f"/aws/sagemaker/{group}", prefix)


@pytest.mark.parametrize(
    ("made", "request_id"),
    [
        (attempt("lambda:invoke", {"FunctionName": FUNCTION}, output=METADATA), REQUEST),
        (attempt("lambda:invoke.waitForTaskToken", {"FunctionName": "prepare"}, submitted=METADATA), REQUEST),
        (attempt("lambda:invoke", {"FunctionName": "prepare:live"}, status="FAILED", error="ValueError", cause={
            "errorMessage": "no", "errorType": "ValueError", "requestId": REQUEST}), REQUEST),
        (attempt(FUNCTION, status="FAILED", error="Sandbox.Timedout", cause={
            "errorMessage": f"RequestId: {REQUEST} Error: Task timed out after 3.00 seconds"}), REQUEST),
        (attempt(FUNCTION, status="FAILED", error="Error", cause={"errorMessage": "no", "trace": []}), None),
        (attempt(FUNCTION, output=METADATA), None),
        (attempt(FUNCTION, output="[1]"), None),
        (attempt(FUNCTION, output="not json"), None),
    ],
)  # fmt: skip
def test_functions_and_their_request_ids(made: Attempt, request_id: str | None) -> None:
    assert source_of(made) == FunctionLog("function prepare", "prepare", request_id)


def test_batch_jobs_that_ended() -> None:
    log = {"LogDriver": "awslogs", "Options": {"awslogs-group": "/own"}}
    tried = [{"Container": {"LogStreamName": f"fetch/default/{n}"}} for n in (1, 2)]
    done = {"JobId": "j", "JobName": "fetch", "Attempts": tried, "Container": {"LogStreamName": "fetch/default/2"}}
    submitted = {"JobId": "j", "JobName": "fetch"}
    ended = attempt("batch:submitJob.sync", {}, output=done, submitted=submitted)
    assert source_of(ended) == BatchLog(
        "Batch job fetch", "j", "/aws/batch/job", ("fetch/default/1", "fetch/default/2")
    )
    done["Container"]["LogConfiguration"] = log  # type: ignore[index]
    failed = attempt("batch:submitJob.sync", {}, status="FAILED", error="States.TaskFailed", cause=done)
    assert source_of(failed) == BatchLog("Batch job fetch", "j", "/own", ("fetch/default/1", "fetch/default/2"))
    done["Container"]["LogConfiguration"] = {"LogDriver": "splunk"}  # type: ignore[index]
    assert source_of(attempt("batch:submitJob.sync", {}, output=done)) == NoLog(
        "Batch job fetch writes its log with the driver splunk, not to CloudWatch Logs"
    )


def test_batch_jobs_of_which_batch_must_be_asked() -> None:
    unknown = BatchLog("Batch job fetch", "j", "/aws/batch/job")
    submitted = {"JobId": "j", "JobName": "fetch"}
    running = attempt("batch:submitJob.sync", {"JobName": "fetch"}, ended=None, status="RUNNING", submitted=submitted)
    cut = attempt(
        "batch:submitJob.sync", {}, status="FAILED", error="States.TaskFailed", cause='{"Att', submitted=submitted
    )
    assert (source_of(running), source_of(cut)) == (unknown, unknown)
    early = attempt("batch:submitJob.sync", {}, ended=None, status="RUNNING")
    assert source_of(early) == NoLog("the history does not name its Batch job yet", "try again in a moment")
    tasks = {"taskProperties": [{"containers": [{"logStreamName": "a"}, {"logStreamName": "b"}]}]}
    asked = {
        "jobId": "j",
        "ecsProperties": tasks,
        "attempts": [{"taskProperties": [{"containers": [{"logStreamName": "z"}]}]}],
    }
    assert batch_log(asked, "Batch job fetch", "j") == BatchLog(
        "Batch job fetch", "j", "/aws/batch/job", ("z", "a", "b")
    )
    assert batch_log({"arrayProperties": {"size": 3}}, "Batch job fetch", "j") == NoLog(
        "Batch job fetch is an array job, whose children write the logs",
        "aws batch list-jobs --array-job-id j names them",
    )
    assert batch_log({"attempts": [None, 7], "container": "x"}, "it", "j") == BatchLog("it", "j", "/aws/batch/job")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (attempt("sagemaker:createTrainingJob.sync", {"TrainingJobName": "t"}, status="FAILED",
                 error="SageMaker.ResourceLimitExceededException", cause="no more ml.p3"),
         "its job was never started: SageMaker.ResourceLimitExceededException: no more ml.p3"),
        (attempt("lambda:invoke", {"FunctionName": "f"}, status="FAILED", error="Lambda.TooManyRequestsException",
                 cause="Rate"),
         "its function was never invoked: Lambda.TooManyRequestsException: Rate"),
        (attempt("arn:aws:states:us-east-1:123456789012:activity:gpu"),
         "its work is done by a worker of the activity gpu, which keeps its own log"),
        (attempt("sns:publish.waitForTaskToken"),
         "sns:publish writes no log that opsctl can read; it reads those of Lambda, Batch and SageMaker"),
        (attempt("states:startExecution.sync", status="FAILED", error="StepFunctions.ExecutionLimitExceeded",
                 cause="many"),
         "its job was never started: StepFunctions.ExecutionLimitExceeded: many"),
    ],
)  # fmt: skip
def test_what_has_none(made: Attempt, why: str) -> None:
    assert source_of(made) == NoLog(why)


def test_a_run_of_another_machine_is_named() -> None:
    for made in (
        attempt("states:startExecution.sync:2", submitted={"ExecutionArn": CHILD}, ended=None, status="RUNNING"),
        attempt("states:startExecution", output={"ExecutionArn": CHILD}),
    ):
        assert source_of(made) == NoLog("its work is the run nightly-7", child=CHILD)
