"""From a run that ended to a message that a person can act on.

Called in two ways. The machine calls it with the failures that it caught, and publishes the answer itself. The status
rule calls it with EventBridge's event for every run that ended, also those that ended where no Catch reaches (a time
limit, an abort, an error of the machine itself); then it reads the run's history and publishes to the topic of failures
or of successes, unless the machine told so itself. What counts as one end is the execution and its redrive count: a
redrive's end is told anew, and an end that was redriven before its event came here is told as it was.
"""

import itertools
import os
import time

import boto3

from opsctl.asl.history import SUCCEEDED, read_history
from opsctl.domain.alerts import (
    DESCRIBE_STATE,
    NOTIFY_FAILURE,
    NOTIFY_SUCCESS,
    caught_in,
    compose,
    compose_success,
    failures_in,
    reported_failures,
    was_told,
)

TIME_TO_PUBLISH = 30_000  # milliseconds of the function's time that waiting leaves over


def handler(event, context):
    if event.get("source") == "aws.states":
        return _from_rule(event["detail"], context)
    alert = compose(event["arn"], "FAILED", reported_failures(event["failures"]))
    return {"subject": alert.subject, "message": alert.message, "step": alert.attributes["step"]}


def _from_rule(detail, context):
    arn, status = detail["executionArn"], detail["status"]
    history = _ended_history(arn, detail.get("redriveCount") or 0, context)
    well = status == SUCCEEDED
    topic = os.environ["SUCCESSES_TOPIC" if well else "FAILURES_TOPIC"]
    if was_told(history, NOTIFY_SUCCESS if well else NOTIFY_FAILURE, topic):
        return {"published": False}
    failures = failures_in(history, DESCRIBE_STATE)
    message = compose_success(arn) if well else compose(arn, status, failures, caught=bool(caught_in(history)))
    boto3.client("sns").publish(
        TopicArn=topic,
        Subject=message.subject,
        Message=message.message,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in message.attributes.items()
        },
    )
    return {"published": True}


def _ended_history(arn, redrives, context):
    """The history up to this end: AWS serves histories eventually consistent, and an alert must not wait for ever."""
    states = boto3.client("stepfunctions")
    history = read_history(_events_until(states, arn, redrives))
    while history.status == "RUNNING" or history.redrives < redrives:
        if context.get_remaining_time_in_millis() < TIME_TO_PUBLISH:
            break
        time.sleep(1)
        history = read_history(_events_until(states, arn, redrives))
    return history


def _events_until(states, arn, redrives):
    """The events before the redrive that came after this end."""
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=True)
    begun = itertools.count(1)
    for event in (event for page in pages for event in page["events"]):
        if event["type"] == "ExecutionRedriven" and next(begun) > redrives:
            return
        yield event
