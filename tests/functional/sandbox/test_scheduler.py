"""EventBridge Scheduler: schedules that are due call their targets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.test_events import LAMBDA, received

OFF = {"Mode": "OFF"}


def soon(zone: str = "UTC", seconds: int = 0) -> str:
    """An expression for a moment that is about to come, or has just come."""
    return f"at({datetime.now(ZoneInfo(zone)) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S})"


def schedule(cloud: Cloud, expression: str, target: dict[str, Any], **options: Any) -> str:
    name = unique("schedule")
    wanted = {"FlexibleTimeWindow": OFF, "Target": {"RoleArn": cloud.role, **target}, **options}
    cloud.client("scheduler").create_schedule(Name=name, ScheduleExpression=expression, **wanted)
    return name


def collected(cloud: Cloud, url: str, count: int) -> list[Any]:
    found: list[Any] = []
    wait_for(lambda: found.extend(received(cloud, url)) or len(found) >= count, f"{count} messages")
    return found


def test_a_moment_in_a_time_zone_calls_its_target_once(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    expression = soon("Asia/Kolkata")
    facts = {"at": "scheduled-time", "by": "schedule-arn", "n": "attempt-number"}
    told = json.dumps({key: f"<aws.scheduler.{name}>" for key, name in facts.items()})
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    options = {"ScheduleExpressionTimezone": "Asia/Kolkata", "FlexibleTimeWindow": window}
    name = schedule(cloud, expression, {"Arn": arn, "Input": told}, **options)
    (found,) = collected(cloud, url, 1)
    local = datetime.fromisoformat(expression[3:-1]).replace(tzinfo=ZoneInfo("Asia/Kolkata"))
    assert found["at"] == f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert found["by"].endswith(f":schedule/default/{name}")
    assert found["n"] == "1"
    assert cloud.client("scheduler").get_schedule(Name=name)["State"] == "ENABLED", "it stays, unless told otherwise"


def test_a_rate_calls_a_function_at_once_and_a_machine_too(cloud: Cloud) -> None:
    url, _ = cloud.message_queue()
    function = cloud.function(
        f"import boto3, json\nboto3.client('sqs').send_message(QueueUrl='{url}', MessageBody=json.dumps(event))"
    )
    schedule(cloud, "rate(1 day)", {"Arn": LAMBDA + function, "Input": '{"trigger": "schedule"}'})
    assert collected(cloud, url, 1) == [{"trigger": "schedule"}]
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    schedule(cloud, "rate(1 hour)", {"Arn": machine, "Input": '{"a": 1}'})
    list_executions = cloud.client("stepfunctions").list_executions
    (entry,) = wait_for(lambda: list_executions(stateMachineArn=machine)["executions"], "an execution")
    assert cloud.finish(entry["executionArn"])["input"] == '{"a": 1}'


def test_what_is_disabled_or_has_ended_calls_nothing(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    schedule(cloud, soon(), {"Arn": arn, "Input": '"disabled"'}, State="DISABLED")
    past = datetime.now(UTC) - timedelta(minutes=4)
    dates = {"StartDate": past, "EndDate": past + timedelta(seconds=59)}
    schedule(cloud, "rate(1 minute)", {"Arn": arn, "Input": '"ended"'}, **dates)
    schedule(cloud, soon(), {"Arn": arn, "Input": '"last"'})
    assert collected(cloud, url, 1) == ["last"]


def test_what_is_deleted_with_its_group_calls_nothing(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    scheduler, group, due = cloud.client("scheduler"), unique("group"), datetime.now(UTC) + timedelta(seconds=3)
    scheduler.create_schedule_group(Name=group)
    schedule(cloud, soon(seconds=3), {"Arn": arn, "Input": '"group"'}, GroupName=group)
    deleted = schedule(cloud, soon(seconds=3), {"Arn": arn, "Input": '"deleted"'})
    scheduler.delete_schedule(Name=deleted)
    scheduler.delete_schedule_group(Name=group)
    in_time = datetime.now(UTC) < due - timedelta(seconds=1)
    schedule(cloud, soon(seconds=4), {"Arn": arn, "Input": '"last"'})
    found: list[Any] = []
    wait_for(lambda: found.extend(received(cloud, url)) or "last" in found, "the last message")
    assert found == ["last"] or not in_time


def test_an_update_takes_the_place_of_what_was_due(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    name = schedule(cloud, "at(2100-01-01T00:00:00)", {"Arn": arn, "Input": '"before"'})
    target = {"RoleArn": cloud.role, "Arn": arn, "Input": '"after"'}
    cloud.client("scheduler").update_schedule(
        Name=name, ScheduleExpression=soon(), FlexibleTimeWindow=OFF, Target=target
    )
    assert collected(cloud, url, 1) == ["after"]


def test_one_that_deletes_itself_is_gone(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    name = schedule(cloud, soon(), {"Arn": arn, "Input": '"once"'}, ActionAfterCompletion="DELETE")
    assert collected(cloud, url, 1) == ["once"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        cloud.client("scheduler").get_schedule(Name=name)


def test_a_call_that_fails_is_tried_again_and_then_kept(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    function = cloud.function("return None")
    fault = {"action": "lambda:Invoke", "error": "TooManyRequestsException", "match": function}
    added = sandbox.add_fault(cloud.directory, fault)
    target = {
        "Arn": LAMBDA + function,
        "Input": '{"attempt": "<aws.scheduler.attempt-number>"}',
        "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": arn},
    }
    name = schedule(cloud, soon(), target)

    def look() -> Any:
        return cloud.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")

    (message,) = wait_for(look, "the dead letter")
    sandbox.clear_faults(cloud.directory, (added["id"],))
    told = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"]) == {"attempt": "2"}
    assert told["ERROR_CODE"] == "THROTTLING"
    assert told["RETRY_ATTEMPTS"] == "1"
    assert told["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert told["TARGET_ARN"] == target["Arn"]
    assert told["SCHEDULE_ARN"].endswith(name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ScheduleExpression": "cron(0 2 * * *)"}, "Invalid Schedule Expression cron(0 2 * * *)."),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "Invalid Schedule Expression Timezone Mars/Base."),
    ],
)
def test_what_is_no_schedule_is_refused(cloud: Cloud, options: dict[str, str], said: str) -> None:
    wanted = {"ScheduleExpression": "rate(1 day)", **options}
    target = {"RoleArn": cloud.role, "Arn": f"{LAMBDA}any"}
    with pytest.raises(ClientError) as caught:
        cloud.client("scheduler").create_schedule(Name=unique("s"), FlexibleTimeWindow=OFF, Target=target, **wanted)
    assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": said}
