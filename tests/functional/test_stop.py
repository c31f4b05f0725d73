"""`opsctl stop`: what it shows and refuses, and what the services' own words come to. Real jobs are stopped in
tests/functional/sandbox/test_recovery_commands.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.session import Session
from botocore.stub import Stubber

from opsctl.asl.run_history import Attempt
from opsctl.aws.jobs import Jobs
from opsctl.aws.session import Aws
from opsctl.aws.stepfunctions import StepFunctions, execution_arn
from opsctl.config import AWS, Context
from opsctl.domain.stop import job_at
from opsctl.errors import ConfigurationError, RefusedError
from tests.functional.pipeline_world import MACHINE, Bench

IMAGE, TEXT = "Train Image Model", "Train Text Model"
PLAN = """\
Stop nightly-7

RUN        STEP               WORKED     JOB
nightly-7  Train Image Model  1 min 0 s  nightly-7-train-image-model-d0r0
nightly-7  Train Text Model   1 min 0 s  nightly-7-train-text-model-d0r0

2 min 0 s of work by jobs is lost
"""
STOPPED = """\
nightly-7 ABORTED

RUN        STEP               STATUS     JOB
nightly-7  Train Image Model  not there  nightly-7-train-image-model-d0r0
nightly-7  Train Text Model   not there  nightly-7-train-text-model-d0r0
"""
ARN = "arn:aws:states:us-east-1:123456789012:execution:m:r"


@pytest.fixture
def running(bench: Bench) -> Bench:
    """A bench on which nightly-6 has succeeded and nightly-7 trains both base models, for a minute by now."""
    bench.opsctl("start", "--name", "nightly-6")
    bench.world.open_steps = {IMAGE, TEXT}
    bench.opsctl("start", "--name", "nightly-7")
    bench.world.now += 60
    return bench


def test_the_plan_is_shown_and_nothing_happens(running: Bench) -> None:
    result = running.opsctl("stop", "nightly-7", "--dry-run")
    assert (result.exit_code, result.stdout, result.stderr) == (0, PLAN, "")
    plan = json.loads(running.opsctl("stop", "nightly-7", "--dry-run", "-o", "json").stdout)
    assert (plan["runs"], plan["ended"]) == (["nightly-7"], [])
    assert plan["steps"][0] == {
        "run": "nightly-7", "step": IMAGE, "seconds": 60.0, "job": "nightly-7-train-image-model-d0r0",
    }  # fmt: skip
    result = running.opsctl("stop", "nightly-7")
    assert (result.exit_code, result.stdout, result.stderr) == (3, PLAN, (
        "error: nothing was stopped: there is no terminal to ask on\nhint: add --yes to go ahead, or --dry-run\n"
    ))  # fmt: skip
    assert running.states.describe(execution_arn(MACHINE, "nightly-7")).status == "RUNNING"


def test_it_stops_what_runs_and_refuses_what_has_ended(running: Bench) -> None:
    result = running.opsctl("stop", "nightly-6", "nightly-7", "nightly-7", "--yes", "--reason", "wrong data")
    assert (result.exit_code, result.stdout) == (3, PLAN + STOPPED)
    assert result.stderr.splitlines()[0] == ("error: nightly-6 has ended already (SUCCEEDED): there is nothing to stop")
    run = running.states.describe(execution_arn(MACHINE, "nightly-7"))
    assert (run.status, run.error, run.cause) == ("ABORTED", "StoppedByOpsctl", "wrong data")


def test_only_runs_that_have_ended(running: Bench) -> None:
    result = running.opsctl("stop", "nightly-6", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (
        3, "", "error: nightly-6 has ended already (SUCCEEDED): there is nothing to stop\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing argument 'RUN...'."),
        (("nightly-7", "nightly-9"), "no run 'nightly-9'"),
        (("nightly-7", "--reason", " "), "--reason is empty"),
        (("nightly-7", "--reason", "x" * 32_769), "--reason has 32769 characters, and AWS takes 32768"),
    ],
)  # fmt: skip
def test_bad_requests_stop_nothing(running: Bench, words: tuple[str, ...], message: str) -> None:
    result = running.opsctl("stop", *words, "--yes")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (2, "", f"error: {message}")
    assert running.states.describe(execution_arn(MACHINE, "nightly-7")).status == "RUNNING"


# What the services say


class Stubbed:
    """Clients whose answers a test writes down."""

    def __init__(self) -> None:
        self.aws = Aws(Context(AWS, None, "us-east-1", None, Path("unused")), "us-east-1")

    def client(self, service: str) -> Any:
        """The client of a service that `aws` gives out from now on."""
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        client = Session().create_client(service, region_name="us-east-1", **keys)
        self.aws._clients[service] = client
        return client

    def answers(self, service: str) -> Stubber:
        """The stub of a service's client."""
        stub = Stubber(self.client(service))
        stub.activate()
        return stub

    def always(self, service: str, answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Give this answer to every request, and return the list of what was asked: (method, parameters)."""
        asked: list[tuple[str, dict[str, Any]]] = []

        def note(params: dict[str, Any], model: Any, **_: Any) -> None:
            asked.append((xform_name(model.name), params))

        def reply(**_: Any) -> tuple[Any, dict[str, Any]]:
            return AWSResponse(service, 200, {}, None), answer

        events = self.client(service).meta.events
        events.register("provide-client-params.*.*", note)
        events.register("before-call.*.*", reply)
        return asked


@pytest.fixture
def stubbed() -> Stubbed:
    return Stubbed()


def attempt(
    resource: str, asked: Mapping[str, Any], told: Mapping[str, Any] | None, status: str = "RUNNING"
) -> Attempt:
    submitted = None if told is None else json.dumps(told)
    return Attempt(resource, json.dumps(asked), 0.0, 0.0, None, status, None, None, None, 0, submitted)


TRAINING = attempt("sagemaker:createTrainingJob.sync", {"TrainingJobName": "t"}, {"TrainingJobArn": "arn:t"})
TASK = "arn:aws:ecs:us-east-1:123456789012:task/gpu/1"
BUILD = "arn:aws:codebuild:us-east-1:123456789012:build/b:1"


@pytest.mark.parametrize(
    ("made", "service", "method", "request_", "answer", "status", "stopped", "command"),
    [
        (attempt("sagemaker:createProcessingJob.sync", {"ProcessingJobName": "p"}, {"ProcessingJobArn": "arn:p"}),
         "sagemaker", "describe_processing_job", {"ProcessingJobName": "p"}, {"ProcessingJobStatus": "Stopping"},
         "Stopping", False, "aws sagemaker stop-processing-job --processing-job-name p"),
        (attempt("sagemaker:createHyperParameterTuningJob.sync", {"HyperParameterTuningJobName": "h"}, {}),
         "sagemaker", "describe_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "h"},
         {"HyperParameterTuningJobStatus": "Stopped"}, "Stopped", True,
         "aws sagemaker stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name h"),
        (attempt("batch:submitJob.sync", {"JobName": "n"}, {"JobId": "7"}), "batch", "describe_jobs", {"jobs": ["7"]},
         {"jobs": [{"status": "RUNNING"}]}, "RUNNING", False, "aws batch terminate-job --job-id 7 --reason stopped"),
        (attempt("batch:submitJob.sync", {"JobName": "n"}, {"JobId": "7"}), "batch", "describe_jobs", {"jobs": ["7"]},
         {"jobs": []}, None, True, "aws batch terminate-job --job-id 7 --reason stopped"),
        (attempt("ecs:runTask.sync", {"Cluster": "gpu"}, {"Tasks": [{"TaskArn": TASK}]}), "ecs", "describe_tasks",
         {"cluster": "gpu", "tasks": [TASK]}, {"tasks": [{"lastStatus": "DEPROVISIONING"}]}, "DEPROVISIONING", False,
         f"aws ecs stop-task --cluster gpu --task {TASK}"),
        (attempt("glue:startJobRun.sync", {"JobName": "a b"}, {"JobRunId": "jr_1"}), "glue", "get_job_run",
         {"JobName": "a b", "RunId": "jr_1"}, {"JobRun": {"JobRunState": "STOPPED"}}, "STOPPED", True,
         "aws glue batch-stop-job-run --job-name 'a b' --job-run-ids jr_1"),
        (attempt("codebuild:startBuild.sync", {"ProjectName": "b"}, {"Build": {"Arn": BUILD}}), "codebuild",
         "batch_get_builds", {"ids": [BUILD]}, {"builds": [{"buildStatus": "IN_PROGRESS"}]}, "IN_PROGRESS", False,
         f"aws codebuild stop-build --id {BUILD}"),
    ],
)  # fmt: skip
def test_each_service_is_asked_in_its_own_words(
    stubbed: Stubbed, made: Attempt, service: str, method: str, request_: dict[str, Any], answer: dict[str, Any],
    status: str | None, stopped: bool, command: str,
) -> None:  # fmt: skip
    asked = stubbed.always(service, answer)
    job = job_at("r", "Step", made)
    assert job
    state = Jobs(stubbed.aws).look(job)
    assert asked == [(method, request_)]
    assert (state.status, state.stopped, state.job.stop) == (status, stopped, command)


@pytest.mark.parametrize(
    ("code", "problem", "final", "stopped"),
    [
        ("AccessDeniedException", "not allowed: sagemaker:DescribeTrainingJob on arn:t", True, False),
        ("ValidationException", None, False, True),
        ("ThrottlingException", "AWS throttles sagemaker:DescribeTrainingJob and went on doing so: text", False, False),
    ],
)
def test_a_service_that_does_not_answer(
    stubbed: Stubbed, code: str, problem: str | None, final: bool, stopped: bool
) -> None:
    stubbed.answers("sagemaker").add_client_error("describe_training_job", code, "text")
    job = job_at("r", "Step", TRAINING)
    assert job
    state = Jobs(stubbed.aws).look(job)
    assert (state.problem, state.final, state.stopped) == (problem, final, stopped)


def test_what_is_no_job_and_what_opsctl_cannot_ask_about(stubbed: Stubbed) -> None:
    assert job_at("r", "S", attempt("lambda:invoke", {"FunctionName": "f"}, None)) is None
    assert job_at("r", "S", attempt("sqs:sendMessage.waitForTaskToken", {}, {"MessageId": "1"})) is None
    assert job_at("r", "S", attempt("batch:submitJob.sync", {"JobName": "n"}, None)) is None
    job = job_at("r", "S", attempt("elasticmapreduce:addStep.sync", {"Name": "n"}, {"StepId": "s"}))
    assert job
    state = Jobs(stubbed.aws).look(job)
    assert (state.word, state.stopped, state.settled) == (
        "opsctl cannot ask elasticmapreduce:addStep about jobs", False, True,
    )  # fmt: skip


# What Step Functions says


def test_a_permission_that_is_missing_is_named(stubbed: Stubbed) -> None:
    states, stub = StepFunctions(stubbed.aws), stubbed.answers("stepfunctions")
    stub.add_client_error("redrive_execution", "AccessDeniedException", "no")
    stub.add_client_error("stop_execution", "AccessDeniedException", "no")
    with pytest.raises(ConfigurationError, match=f"^not allowed: states:RedriveExecution on {ARN}$"):
        states.redrive(ARN, "token")
    with pytest.raises(ConfigurationError, match=f"^not allowed: states:StopExecution on {ARN}$"):
        states.stop(ARN, "E", None)


def test_a_redrive_that_aws_refuses(stubbed: Stubbed) -> None:
    states, stub = StepFunctions(stubbed.aws), stubbed.answers("stepfunctions")
    text = f"Execution {ARN} invalid for redrive as: Execution is RUNNING and cannot be redriven"
    stub.add_client_error("redrive_execution", "ExecutionNotRedrivable", text)
    assert states.redrive(ARN, "token") is False
    stub.add_client_error("redrive_execution", "ExecutionNotRedrivable", "State machine is in DELETING status")
    described = {"executionArn": ARN, "stateMachineArn": MACHINE, "name": "r", "status": "FAILED", "startDate": 0}
    stub.add_response("describe_execution", described, {"executionArn": ARN})
    with pytest.raises(RefusedError) as raised:
        states.redrive(ARN, "token")
    assert (raised.value.message, raised.value.hint) == (
        "AWS refuses to redrive it: State machine is in DELETING status", "rerun it instead: --rerun",
    )  # fmt: skip
