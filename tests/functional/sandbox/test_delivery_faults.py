"""Deliveries of EventBridge and SNS that come late, more than once, or out of order, because somebody asked for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.test_deliveries import hook, subscribe
from tests.functional.sandbox.test_faults import met, opsctl


@pytest.fixture
def faulty(cloud: Cloud) -> Iterator[Cloud]:
    """The sandbox, with no fault left after the test."""
    yield cloud
    sandbox.clear_faults(cloud.directory)


def put_events(cloud: Cloud, target: str, count: int) -> str:
    """So many events, one after the other, for a target; the rule's name is their source."""
    name, events = unique("rule"), cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target}])
    for number in range(count):
        events.put_events(Entries=[{"Source": name, "DetailType": "Test", "Detail": json.dumps({"number": number})}])
    return name


def received(cloud: Cloud, url: str, count: int) -> list[int]:
    """The numbers of the events in a queue, in the order in which they came, once there are so many."""
    sqs = cloud.client("sqs")
    found: list[int] = []

    def look() -> bool:
        told = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages", [])
        found.extend(json.loads(message["Body"])["detail"]["number"] for message in told)
        return len(found) >= count

    wait_for(look, f"{count} messages")
    return found


def test_an_event_comes_more_than_once(faulty: Cloud) -> None:
    url, arn = faulty.message_queue()
    assert "2 times more" in opsctl(faulty, "add", "events:delivery", "--duplicate", "2", "--match", arn)
    put_events(faulty, arn, 2)
    assert sorted(received(faulty, url, 6)) == [0, 0, 0, 1, 1, 1]
    assert met(faulty) == [(2, 2)]


def test_events_come_last_first(faulty: Cloud) -> None:
    url, arn = faulty.message_queue()
    opsctl(faulty, "add", "events:delivery", "--reorder", "3", "--delay", "600", "--match", arn)
    put_events(faulty, arn, 4)
    assert received(faulty, url, 3) == [2, 1, 0]
    opsctl(faulty, "clear")  # the fourth waits for two more, and then for nobody
    assert received(faulty, url, 1) == [3]


def test_a_pattern_means_no_deliveries(faulty: Cloud) -> None:
    url, arn = faulty.message_queue()
    opsctl(faulty, "add", "events:*", "--delay", "0.01")
    put_events(faulty, arn, 1)
    assert received(faulty, url, 1) == [0]
    assert met(faulty) == [(3, 3)]  # PutRule, PutTargets, PutEvents


def test_messages_come_late_doubled_and_out_of_order(faulty: Cloud) -> None:
    sns = faulty.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    with hook(200) as listener:
        subscribe(faulty, topic, "http", f"http://127.0.0.1:{listener.server_port}/")

        def told(count: int) -> list[str]:
            wait_for(lambda: len(listener.heard) >= count, f"{count} messages")
            words = [message["Message"] for message in listener.heard]
            listener.heard.clear()
            return words

        opsctl(faulty, "add", "sns:delivery", "--reorder", "2", "--match", str(listener.server_port))
        sns.publish(TopicArn=topic, Message="first")
        sns.publish(TopicArn=topic, Message="second")
        assert told(2) == ["second", "first"]
        opsctl(faulty, "clear")

        opsctl(faulty, "add", "sns:delivery", "--delay", "600", "--duplicate", "1", "--match", "late")
        sns.publish(TopicArn=topic, Message="late one")
        sns.publish(TopicArn=topic, Message="other")
        assert told(1) == ["other"]
        assert "600 s late, 1 times more" in opsctl(faulty, "clear")
        assert told(2) == ["late one", "late one"]


def test_a_queue_gets_a_message_as_often_as_it_is_delivered(faulty: Cloud) -> None:
    url, arn = faulty.message_queue()
    sns = faulty.client("sns")
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    subscribe(faulty, topic, "sqs", arn, RawMessageDelivery="true")
    opsctl(faulty, "add", "sns:delivery", "--duplicate", "3", "--match", arn)
    sns.publish(TopicArn=topic, Message=json.dumps({"detail": {"number": 7}}))
    assert received(faulty, url, 4) == [7, 7, 7, 7]
