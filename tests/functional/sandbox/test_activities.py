"""Activities and task tokens: workers that fetch tasks, and whoever tells an outcome."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return cloud.client("stepfunctions")


@pytest.fixture
def activity(states: Any) -> str:
    arn: str = states.create_activity(name=unique("activity"))["activityArn"]
    return arn


def refused(call: Any, **parameters: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    code: str = raised.value.response["Error"]["Code"]
    return code


def kinds(cloud: Cloud, execution: str) -> list[str]:
    return [event["type"] for event in cloud.events(execution)]


def test_a_worker_does_a_task(cloud: Cloud, states: Any, activity: str) -> None:
    execution = cloud.start(cloud.machine({"Work": task(activity, {"number.$": "$.number"})}), {"number": 7})
    fetched = states.get_activity_task(activityArn=activity, workerName="worker-1")
    states.send_task_heartbeat(taskToken=fetched["taskToken"])
    states.send_task_success(taskToken=fetched["taskToken"], output='{"done": true}')
    assert json.loads(fetched["input"]) == {"number": 7}
    assert json.loads(cloud.finish(execution)["output"]) == {"done": True}
    assert refused(states.send_task_success, taskToken=fetched["taskToken"], output="{}") == "TaskTimedOut"
    events = cloud.events(execution)
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "TaskStateEntered", "ActivityScheduled", "ActivityStarted", "ActivitySucceeded",
        "TaskStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    assert events[2]["activityScheduledEventDetails"]["resource"] == activity
    assert events[3]["activityStartedEventDetails"] == {"workerName": "worker-1"}


def test_a_worker_waits_for_a_task_and_each_task_goes_out_once(cloud: Cloud, states: Any, activity: str) -> None:
    machine = cloud.machine({"Work": task(activity, {})})
    with ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(states.get_activity_task, activityArn=activity) for _ in range(4)]
        time.sleep(0.5)
        assert not any(poll.done() for poll in polls)
        executions = [cloud.start(machine) for _ in range(4)]
        tokens = {poll.result()["taskToken"] for poll in polls}
    assert len(tokens) == 4
    for token in tokens:
        states.send_task_failure(taskToken=token, error="Mine", cause="broken")
    ends = [cloud.finish(execution) for execution in executions]
    assert {(end["status"], end["error"], end["cause"]) for end in ends} == {("FAILED", "Mine", "broken")}


def test_clocks_of_an_activity_start_with_its_worker(cloud: Cloud, states: Any, activity: str) -> None:
    execution = cloud.start(cloud.machine({"Work": task(activity, {}, TimeoutSeconds=1)}))
    time.sleep(1.5)
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    states.get_activity_task(activityArn=activity)
    assert cloud.finish(execution)["error"] == "States.Timeout"
    assert kinds(cloud, execution)[-2:] == ["ActivityTimedOut", "ExecutionFailed"]


def test_heartbeats_keep_a_task_alive(cloud: Cloud, states: Any, activity: str) -> None:
    execution = cloud.start(cloud.machine({"Work": task(activity, {}, HeartbeatSeconds=6, TimeoutSeconds=60)}))
    token = states.get_activity_task(activityArn=activity)["taskToken"]
    for _ in range(15):
        time.sleep(0.5)
        states.send_task_heartbeat(taskToken=token)
    assert states.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert cloud.finish(execution)["error"] == "States.Timeout"
    assert refused(states.send_task_heartbeat, taskToken=token) == "TaskTimedOut"


def test_a_stopped_execution_offers_nothing_any_more(cloud: Cloud, states: Any, activity: str) -> None:
    machine = cloud.machine({"Work": task(activity, {"number.$": "$.number"})})
    states.stop_execution(executionArn=cloud.start(machine, {"number": 1}))
    execution = cloud.start(machine, {"number": 2})
    fetched = states.get_activity_task(activityArn=activity)
    assert json.loads(fetched["input"]) == {"number": 2}
    states.stop_execution(executionArn=execution)
    assert refused(states.send_task_success, taskToken=fetched["taskToken"], output="{}") == "TaskTimedOut"


def test_an_activity_that_does_not_exist(cloud: Cloud, states: Any, activity: str) -> None:
    assert refused(states.get_activity_task, activityArn=activity + "x") == "ActivityDoesNotExist"
    assert refused(states.describe_activity, activityArn=activity + "x") == "ActivityDoesNotExist"
    end = cloud.task(activity + "x", {}, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Work"}])
    assert (end["status"], end["error"]) == ("FAILED", "States.Runtime")
    history = states.get_execution_history(executionArn=end["executionArn"])["events"]
    assert [event["type"] for event in history] == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
    assert end["cause"] == (
        f"An error occurred while executing the state 'Work' (entered at the event id #2). "
        f"The activity {activity}x does not exist."
    )


def test_the_catalogue_of_activities(cloud: Cloud, states: Any) -> None:
    names = [unique("listed") for _ in range(3)]
    arns = [states.create_activity(name=name)["activityArn"] for name in names]
    assert states.create_activity(name=names[0])["activityArn"] == arns[0]
    assert states.describe_activity(activityArn=arns[0])["name"] == names[0]
    pages = states.get_paginator("list_activities").paginate(PaginationConfig={"PageSize": 2})
    listed = [entry["activityArn"] for page in pages for entry in page["activities"]]
    assert [arn for arn in listed if arn in arns] == arns
    states.delete_activity(activityArn=arns[0])
    states.delete_activity(activityArn=arns[0])
    assert refused(states.describe_activity, activityArn=arns[0]) == "ActivityDoesNotExist"
    assert refused(states.create_activity, name="a b") == "InvalidName"
    assert refused(states.create_activity, name="x" * 81) == "ValidationException"


def test_tokens_that_are_refused(cloud: Cloud, states: Any) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=unique("tokens"))["QueueUrl"]
    message = {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}}
    execution = cloud.start(cloud.machine({"Gate": task("sqs:sendMessage.waitForTaskToken", message)}))

    def look() -> str | None:
        messages = cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages", [])
        return str(json.loads(messages[0]["Body"])["token"]) if messages else None

    token = str(wait_for(look, "a task token"))
    assert refused(states.send_task_success, taskToken="foreign", output="{}") == "InvalidToken"
    assert refused(states.send_task_heartbeat, taskToken="x" * 2049) == "ValidationException"
    assert refused(states.send_task_success, taskToken=token, output="{not json") == "InvalidOutput"
    assert refused(states.send_task_success, taskToken=token, output='"' + "é" * 200_000 + '"') == "InvalidOutput"
    assert refused(states.send_task_failure, taskToken=token, error="x" * 257) == "ValidationException"
    states.send_task_success(taskToken=token, output="[1]")
    assert cloud.finish(execution)["output"] == "[1]"


def test_an_answer_that_comes_before_the_request_has_returned(cloud: Cloud) -> None:
    early = cloud.function(
        "import boto3, time\n"
        "boto3.client('stepfunctions').send_task_success(taskToken=event['token'], output='[7]')\n"
        "time.sleep(1)"
    )
    asked = {"FunctionName": early, "Payload": {"token.$": "$$.Task.Token"}}
    execution = cloud.start(cloud.machine({"Gate": task("lambda:invoke.waitForTaskToken", asked)}))
    assert cloud.finish(execution)["output"] == "[7]"
    assert kinds(cloud, execution)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
