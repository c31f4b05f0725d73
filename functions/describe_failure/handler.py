"""From a run that ended to a message that a person can act on.

Called in two ways. The machine calls it with the failures that it caught, and publishes the answer itself. The status
rule calls it with EventBridge's event for every run that ended, also those that ended where no Catch reaches (a time
limit, an abort, an error of the machine itself); then it reads the run's history and publishes to the topic of
failures or of successes, unless the machine told so itself. What counts as one end is the execution and its redrive
count: a redrive's end is told anew, and an end that was redriven before its event came here is told as it was.
EventBridge may deliver an event several times: a claim in the bucket settles which call tells
(opsctl/domain/alert_claims.py), and where no claim can be written, the message goes out all the same.
"""

import itertools
import json
import os
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from opsctl.asl.history import SUCCEEDED, read_history
from opsctl.domain.alert_claims import claim, claim_key, given_up, told, verdict
from opsctl.domain.alerts import (
    DESCRIBE_STATE,
    NOTIFY_FAILURE,
    NOTIFY_SUCCESS,
    RUNBOOKS,
    caught_in,
    compose,
    compose_success,
    failures_in,
    reported_failures,
    was_told,
)

TIME_TO_PUBLISH = 30_000  # milliseconds of the function's time that waiting leaves over
TAKEN = {"ConditionalRequestConflict", "PreconditionFailed"}


class HeldByAnother(Exception):  # noqa: N818 - shown as the function's error
    """Another call was about to tell of the same end, and has not said that it did: Lambda tries this one again."""


def handler(event, context):
    if event.get("source") == "aws.states":
        return _from_rule(event["detail"], context)
    alert = compose(event["arn"], "FAILED", reported_failures(event["failures"]), runbooks=_runbooks())
    return {"subject": alert.subject, "message": alert.message, "step": alert.attributes["step"]}


def _runbooks():
    """Where the pages are to be read that alerts name."""
    return os.environ.get("RUNBOOKS") or RUNBOOKS


def _from_rule(detail, context):
    arn, status, redrives = detail["executionArn"], detail["status"], detail.get("redriveCount") or 0
    history = _ended_history(arn, redrives, context)
    well = status == SUCCEEDED
    topic = os.environ["SUCCESSES_TOPIC" if well else "FAILURES_TOPIC"]
    if was_told(history, NOTIFY_SUCCESS if well else NOTIFY_FAILURE, topic):
        return {"published": False}
    failures = failures_in(history, DESCRIBE_STATE)
    caught = bool(caught_in(history))
    message = compose_success(arn) if well else compose(arn, status, failures, caught=caught, runbooks=_runbooks())
    claims = Claims(claim_key(arn, redrives), context)
    if not claims.take():
        return {"published": False}
    try:
        _publish(topic, message)
    except BaseException:
        claims.change(given_up)
        raise
    claims.change(told)
    return {"published": True}


def _publish(topic, message):
    boto3.client("sns").publish(
        TopicArn=topic,
        Subject=message.subject,
        Message=message.message,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in message.attributes.items()
        },
    )


class Claims:
    """The claim for one end, as this call sees it. No trouble with S3 keeps a message from going out."""

    def __init__(self, key, context):
        self._s3, self._place = boto3.client("s3"), {"Bucket": os.environ["BUCKET"], "Key": key}
        self._context = context
        self._mine, self._tag = None, None

    def take(self):
        """Whether this call is to tell. Raises HeldByAnother where that is not settled in time."""
        try:
            while not self._write({"IfNoneMatch": "*"}):
                found, tag = self._read()
                said = verdict(found, self._context.aws_request_id, time.time())
                if said == "told":
                    return False
                if said == "free" and self._write({"IfMatch": tag}):
                    return True
                if self._context.get_remaining_time_in_millis() < TIME_TO_PUBLISH:
                    raise HeldByAnother(f"{self._place['Key']} is held by another call: {json.dumps(found)}")
                time.sleep(1)
        except (BotoCoreError, ClientError) as error:
            print(f"no claim could be written, so the message may go out twice: {error}")
        return True

    def change(self, how):
        """Say what became of it. If that cannot be said, another call of the same event tells again, later."""
        if self._tag is None:
            return
        try:
            self._s3.put_object(**self._place, Body=json.dumps(how(self._mine)), IfMatch=self._tag)
        except (BotoCoreError, ClientError) as error:
            print(f"what became of the claim could not be written: {error}")

    def _write(self, condition):
        """Claim it; False if somebody else has."""
        until = time.time() + self._context.get_remaining_time_in_millis() / 1000
        mine = claim(self._context.aws_request_id, until)
        try:
            answer = self._s3.put_object(**self._place, Body=json.dumps(mine), **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in TAKEN:
                return False
            raise
        self._mine, self._tag = mine, answer["ETag"]
        return True

    def _read(self):
        answer = self._s3.get_object(**self._place)
        text = answer["Body"].read()
        try:
            return json.loads(text), answer["ETag"]
        except ValueError:
            return None, answer["ETag"]


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
