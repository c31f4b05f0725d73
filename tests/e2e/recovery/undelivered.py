"""What cannot be delivered, lost on purpose: each service keeps it in the module's queue, by the policies there."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.e2e.conftest import ACCOUNT
from tests.e2e.recovery.pipeline import Pipeline, wait_for

REGION = "us-east-1"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT.split(':')[4]}:{resource}"


QUEUE = _arn("sqs", "documents-dead-letters")
UNWILLING = _arn("lambda", "function:documents-prune-versions")
"""A function that lets neither SNS nor EventBridge call it."""


def lose_all(pipeline: Pipeline) -> set[str]:
    """One message by each way; returns the ways by which it came to the queue."""
    ways: dict[str, Callable[[Any], None]] = {
        "events": _lose_an_event, "sns": _lose_a_message,
        **{name: partial(_fail_for_good, name) for name in ("days-without-success", "describe-failure")},
    }  # fmt: skip
    for lose in ways.values():
        lose(pipeline.clone)
    return {way for way in ways if wait_for(lambda way=way: _kept(pipeline, f"lost by {way}"), f"what {way} lost")}


def _lose_a_message(clone: Any) -> None:
    sns, topic = clone.client("sns"), _arn("sns", "documents-successes")
    policy = json.dumps({"deadLetterTargetArn": QUEUE})
    subscribed = sns.subscribe(
        TopicArn=topic, Protocol="lambda", Endpoint=UNWILLING, Attributes={"RedrivePolicy": policy},
        ReturnSubscriptionArn=True,
    )  # fmt: skip
    sns.publish(TopicArn=topic, Message="lost by sns")
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])


def _lose_an_event(clone: Any) -> None:
    events, rule = clone.client("events"), "documents-unwilling"
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["test.lost"]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "one", "Arn": UNWILLING, "DeadLetterConfig": {"Arn": QUEUE}}])
    detail = json.dumps({"what": "lost by events"})
    events.put_events(Entries=[{"Source": "test.lost", "DetailType": "test", "Detail": detail}])


def _fail_for_good(name: str, clone: Any) -> None:
    event = json.dumps({"detail": f"lost by {name}"}).encode()
    clone.client("lambda").invoke(FunctionName=f"documents-{name}", InvocationType="Event", Payload=event)


def _kept(pipeline: Pipeline, text: str) -> bool:
    """Whether a message with this text lies in the queue."""
    queues = pipeline.clone.client("sqs")
    url = queues.get_queue_url(QueueName=QUEUE.rpartition(":")[2])["QueueUrl"]
    got = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return any(text in message["Body"] for message in got.get("Messages", []))
