"""RedriveExecution: an execution goes on from what did not end well."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsctl.sandbox.clienttokens import ClientTokens
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for

FAIL = {"No": {"Type": "Fail", "Error": "NoData", "Cause": "the prefix is empty"}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return cloud.client("stepfunctions")


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """The error code and message that a call is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def training(cloud: Cloud, program: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A training state whose job's name tells attempts apart, and the request it was made of."""
    wanted = cloud.training(program)
    prefix = wanted.pop("TrainingJobName")
    name = f"States.Format('{prefix}-d{{}}r{{}}', $$.Execution.RedriveCount, $$.State.RetryCount)"
    return task("sagemaker:createTrainingJob.sync", {**wanted, "TrainingJobName.$": name}), {"prefix": prefix}


def fails_until(cloud: Cloud, key: str) -> str:
    """A program that fails until the object is there."""
    return (
        f"import boto3, os, sys\nfound = boto3.client('s3').list_objects_v2(Bucket='{cloud.bucket}', Prefix='{key}')\n"
        "open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()\nsys.exit(0 if found['KeyCount'] else 3)\n"
    )


def test_a_failed_training_job_is_run_again_and_succeeds(cloud: Cloud, states: Any) -> None:
    state, made = training(cloud, fails_until(cloud, "redrive/fixed"))
    before = {"Before": {"Type": "Pass", "Result": {"a": 1}, "Next": "Train"}}
    machine = cloud.machine({**before, "Train": state}, TimeoutSeconds=120)
    execution = cloud.start(machine)
    failed = cloud.finish(execution)
    first = cloud.events(execution)
    cloud.put("redrive/fixed", "yes")
    redriven = states.redrive_execution(executionArn=execution)["redriveDate"]
    running = states.describe_execution(executionArn=execution)
    end = cloud.finish(execution)
    events = cloud.events(execution)

    assert (failed["status"], failed["error"], failed["redriveStatus"]) == ("FAILED", "States.TaskFailed", "REDRIVABLE")
    assert (running["status"], "stopDate" in running, "error" in running) == ("RUNNING", False, False)
    assert running["startDate"] == failed["startDate"]
    assert (end["status"], end["redriveCount"], end["redriveDate"]) == ("SUCCEEDED", 1, redriven)
    assert json.loads(end["output"])["TrainingJobName"] == f"{made['prefix']}-d1r0"
    assert cloud.trained(f"{made['prefix']}-d0r0")["TrainingJobStatus"] == "Failed"
    assert events[: len(first)] == first
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    again = events[len(first) :]
    assert kinds(again) == [
        "ExecutionRedriven", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited",
        "ExecutionSucceeded",
    ]  # fmt: skip
    assert again[0]["executionRedrivenEventDetails"] == {"redriveCount": 1}
    entered = next(event["id"] for event in first if event["type"] == "TaskStateEntered")
    assert (again[0]["previousEventId"], again[1]["previousEventId"]) == (len(first), entered)
    listed = states.list_executions(stateMachineArn=machine)["executions"][0]
    assert (listed["redriveCount"], listed["redriveDate"]) == (1, redriven)


def test_a_parallel_keeps_what_its_successful_branch_made(cloud: Cloud, states: Any) -> None:
    good, made = training(cloud, "import os\nopen(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()\n")
    bad, _ = training(cloud, fails_until(cloud, "parallel/fixed"))
    activity = states.create_activity(name=unique("pause"))["activityArn"]
    patient = {"StartAt": "Pause", "States": {"Pause": task(activity, {}, Next="Bad"), "Bad": bad}}
    branches = [{"StartAt": "Good", "States": {"Good": good}}, patient]
    execution = cloud.start(cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    wait_for(lambda: "TaskSucceeded" in kinds(cloud.events(execution)), "the branch that succeeds")
    token = states.get_activity_task(activityArn=activity)["taskToken"]
    states.send_task_success(taskToken=token, output="{}")
    assert cloud.finish(execution)["status"] == "FAILED"
    cloud.put("parallel/fixed", "yes")
    states.redrive_execution(executionArn=execution)
    first, second = json.loads(cloud.finish(execution)["output"])
    assert first["TrainingJobName"] == f"{made['prefix']}-d0r0"
    assert second["TrainingJobName"].endswith("-d1r0")
    assert kinds(cloud.events(execution)).count("ParallelStateStarted") == 1


def test_an_aborted_execution_goes_on(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine({"Wait": {"Type": "Wait", "Seconds": 2, "End": True}}))
    states.stop_execution(executionArn=execution, error="Mine")
    states.redrive_execution(executionArn=execution)
    end = cloud.finish(execution)
    assert (end["status"], "error" in end) == ("SUCCEEDED", False)


def test_a_fail_state_fails_again_at_once(cloud: Cloud, states: Any) -> None:
    failing = task("lambda:invoke", {"FunctionName": "nowhere"}, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "No"}])
    execution = cloud.start(cloud.machine({"Try": failing, **FAIL}))
    first = cloud.finish(execution)
    states.redrive_execution(executionArn=execution)
    end = cloud.finish(execution)
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", first["error"], first["cause"])
    assert kinds(cloud.events(execution))[-3:] == ["ExecutionFailed", "ExecutionRedriven", "ExecutionFailed"]


def test_what_cannot_be_redriven(cloud: Cloud, states: Any) -> None:
    running = cloud.start(cloud.machine(WAIT))
    done = cloud.start(cloud.machine({"Done": {"Type": "Pass", "End": True}}))
    cloud.finish(done)
    for execution, status in ((running, "RUNNING"), (done, "SUCCEEDED")):
        reason = f"Execution is {status} and cannot be redriven"
        described = states.describe_execution(executionArn=execution)
        assert (described["redriveStatus"], described["redriveStatusReason"]) == ("NOT_REDRIVABLE", reason)
        assert refusal(states.redrive_execution, executionArn=execution) == (
            "ExecutionNotRedrivable",
            f"Execution {execution} invalid for redrive as: {reason}",
        )
    states.stop_execution(executionArn=running)
    assert refusal(states.redrive_execution, executionArn=running + "no")[0] == "ExecutionDoesNotExist"
    express = running.replace(":execution:", ":express:") + ":1"
    assert refusal(states.redrive_execution, executionArn=express)[0] == "InvalidArn"


def test_client_tokens(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine(FAIL))
    cloud.finish(execution)
    first = states.redrive_execution(executionArn=execution, clientToken="one")
    again = states.redrive_execution(executionArn=execution, clientToken="one")
    assert first["redriveDate"] == again["redriveDate"]
    assert cloud.finish(execution)["redriveCount"] == 1
    for number in range(10):
        states.redrive_execution(executionArn=execution, clientToken=f"other-{number}")
    assert cloud.finish(execution)["redriveCount"] == 11
    # Ten tokens are remembered: the first is a new intent by now.
    states.redrive_execution(executionArn=execution, clientToken="one")
    assert cloud.finish(execution)["redriveCount"] == 12


def test_client_tokens_are_forgotten_after_a_quarter_of_an_hour() -> None:
    tokens = ClientTokens()
    tokens.accept("one", 1000.0)
    assert (tokens.seen("one", 1899.0), tokens.seen("one", 1900.0)) == (1000.0, None)
    assert (tokens.seen(None, 1000.0), tokens.seen("two", 1000.0)) == (None, None)


def test_a_refused_client_token_is_not_used_up(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine(WAIT))
    assert refusal(states.redrive_execution, executionArn=execution, clientToken="a")[0] == "ExecutionNotRedrivable"
    states.stop_execution(executionArn=execution)
    states.redrive_execution(executionArn=execution, clientToken="a")
    assert states.describe_execution(executionArn=execution)["redriveCount"] == 1
    states.stop_execution(executionArn=execution)


def test_a_redrive_keeps_its_definition(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(FAIL)
    execution = cloud.start(machine)
    cloud.finish(execution)
    other = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}})
    states.update_state_machine(stateMachineArn=machine, definition=other)
    states.redrive_execution(executionArn=execution)
    assert cloud.finish(execution)["error"] == "NoData"
    assert "No" in states.describe_state_machine_for_execution(executionArn=execution)["definition"]


def test_a_new_task_token_is_given_and_the_old_one_is_closed(cloud: Cloud, states: Any) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=f"{cloud.bucket}-redrive")["QueueUrl"]
    gate = task(
        "sqs:sendMessage.waitForTaskToken",
        {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
        TimeoutSeconds=1,
    )
    execution = cloud.start(cloud.machine({"Gate": gate}))
    assert cloud.finish(execution)["error"] == "States.Timeout"
    old = token_of(cloud, queue)
    states.redrive_execution(executionArn=execution)
    new = token_of(cloud, queue)
    assert refusal(states.send_task_success, taskToken=old, output="{}")[0] == "TaskTimedOut"
    states.send_task_success(taskToken=new, output='{"approved": true}')
    assert json.loads(cloud.finish(execution)["output"]) == {"approved": True}


def test_events_of_a_redrive(cloud: Cloud, states: Any) -> None:
    queue, arn = cloud.message_queue(f"{cloud.bucket}-status")
    machine = cloud.machine(FAIL)
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}
    cloud.client("events").put_rule(Name=f"{cloud.bucket}-status", EventPattern=json.dumps(pattern))
    cloud.client("events").put_targets(Rule=f"{cloud.bucket}-status", Targets=[{"Id": "queue", "Arn": arn}])
    execution = cloud.start(machine)
    cloud.finish(execution)
    states.redrive_execution(executionArn=execution)
    cloud.finish(execution)
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        answer = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        seen.extend(json.loads(message["Body"])["detail"] for message in answer.get("Messages", []))
        return len(seen) == 4

    wait_for(look, "four status changes")
    assert sorted((one["redriveCount"], one["status"], one["redriveStatus"]) for one in seen) == [
        (0, "FAILED", "REDRIVABLE"), (0, "RUNNING", "NOT_REDRIVABLE"),
        (1, "FAILED", "REDRIVABLE"), (1, "RUNNING", "NOT_REDRIVABLE"),
    ]  # fmt: skip


def token_of(cloud: Cloud, queue: str) -> str:
    """The task token in the next message of a queue."""
    receive = cloud.client("sqs").receive_message

    def look() -> str | None:
        for message in receive(QueueUrl=queue).get("Messages", []):
            cloud.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            token: str = json.loads(message["Body"])["token"]
            return token
        return None

    return str(wait_for(look, "a task token"))
