"""From a failed run to an alert that a person can act on.

Called in two ways. The machine calls it with the failures that it caught, and publishes the answer itself. The status
rule calls it with EventBridge's event for every run that ended without success, also those that ended where no Catch
reaches (a time limit, an abort, an error of the machine itself); then it reads the run's history and publishes, unless
the machine's own alert went out since the last redrive.
"""

import os
import time

import boto3

from opsctl.asl.history import read_history
from opsctl.domain.alerts import DESCRIBE_STATE, caught_in, compose, failures_in, reported_failures, was_reported

TIME_TO_PUBLISH = 30_000  # milliseconds of the function's time that waiting leaves over


def handler(event, context):
    if event.get("source") == "aws.states":
        return _from_rule(event["detail"], context)
    alert = compose(event["arn"], "FAILED", reported_failures(event["failures"]))
    return {"subject": alert.subject, "message": alert.message, "step": alert.attributes["step"]}


def _from_rule(detail, context):
    arn, redrives = detail["executionArn"], detail.get("redriveCount") or 0
    history = _ended_history(arn, redrives, context)
    # After a redrive the earlier end is history: the redrive's own end sends the next event.
    if history.redrives > redrives or was_reported(history, os.environ["NOTIFY_STATE"]):
        return {"published": False}
    alert = compose(arn, detail["status"], failures_in(history, DESCRIBE_STATE), caught=bool(caught_in(history)))
    boto3.client("sns").publish(
        TopicArn=os.environ["TOPIC_ARN"],
        Subject=alert.subject,
        Message=alert.message,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in alert.attributes.items()
        },
    )
    return {"published": True}


def _ended_history(arn, redrives, context):
    """The history, as a rule up to its end: AWS serves histories eventually consistent, and an alert must not wait."""
    states = boto3.client("stepfunctions")
    history = read_history(_events(states, arn))
    while history.status == "RUNNING" and history.redrives <= redrives:
        if context.get_remaining_time_in_millis() < TIME_TO_PUBLISH:
            break
        time.sleep(1)
        history = read_history(_events(states, arn))
    return history


def _events(states, arn):
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=True)
    return (event for page in pages for event in page["events"])
