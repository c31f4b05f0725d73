"""What EventBridge, SNS and Lambda's asynchronous calls make of targets that do not take what they are given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import ACCOUNT, Cloud, unique, wait_for

SECONDS = 300.0  # a function is called three times, on a machine that may be busy
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"


def letter(cloud: Cloud, url: str) -> tuple[Any, dict[str, str]]:
    """The one message that comes to a queue, and its attributes."""
    sqs = cloud.client("sqs")

    def look() -> Any:
        return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages")

    (message,) = wait_for(look, "a dead letter", SECONDS)
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    return json.loads(message["Body"]), attributes


@contextmanager
def broken(cloud: Cloud, action: str, **fault: Any) -> Iterator[int]:
    """A fault while the block runs."""
    number = int(sandbox.add_fault(cloud.directory, {"action": action, **fault})["id"])
    try:
        yield number
    finally:
        sandbox.clear_faults(cloud.directory, [number])


def send_event(cloud: Cloud, target: str, **options: Any) -> str:
    """Put an event on the bus that a rule hands to the target; returns the rule's name."""
    name = unique("rule")
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target, **options}])
    events.put_events(Entries=[{"Source": name, "DetailType": "Test", "Detail": '{"a": 1}'}])
    return name


def test_an_event_for_a_function_that_is_gone_is_a_dead_letter_at_once(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    rule = send_event(cloud, f"{LAMBDA}nobody", DeadLetterConfig={"Arn": arn})
    event, facts = letter(cloud, url)
    assert (event["source"], event["detail"]) == (rule, {"a": 1})
    assert facts.pop("ERROR_MESSAGE").startswith("ResourceNotFoundException")
    assert facts == {
        "RULE_ARN": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}",
        "TARGET_ARN": f"{LAMBDA}nobody",
        "ERROR_CODE": "NO_RESOURCE",
        "RETRY_ATTEMPTS": "0",
    }


def test_an_event_is_tried_again_until_its_target_takes_it(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    with broken(cloud, "states:StartExecution", error="ServiceUnavailable", match=machine, times=2):
        send_event(cloud, machine, RoleArn=cloud.role, DeadLetterConfig={"Arn": arn}, InputPath="$.detail")
        list_executions = cloud.client("stepfunctions").list_executions
        (entry,) = wait_for(lambda: list_executions(stateMachineArn=machine)["executions"], "an execution")
    assert cloud.finish(entry["executionArn"])["input"] == '{"a": 1}'
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=url)


def test_an_event_that_was_tried_often_enough_is_a_dead_letter(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    with broken(cloud, "sns:Publish", error="InternalError", match=topic) as fault:
        send_event(cloud, topic, DeadLetterConfig={"Arn": arn}, RetryPolicy={"MaximumRetryAttempts": 2})
        _, facts = letter(cloud, url)
        (seen,) = [one["applied"] for one in sandbox.list_faults(cloud.directory) if one["id"] == fault]
    assert (facts["ERROR_CODE"], facts["RETRY_ATTEMPTS"], facts["EXHAUSTED_RETRY_CONDITION"], seen) == (
        "ERROR_FROM_TARGET", "2", "MaximumRetryAttempts", 3
    )  # fmt: skip


def test_a_failing_asynchronous_call_is_tried_three_times_and_kept_as_a_record(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    counted = cloud.put(unique("calls"), "")
    key = counted.rpartition("/")[2]
    body = f"import boto3\ns3 = boto3.client('s3')\ns3.put_object(Bucket='{cloud.bucket}', Key='{key}/'"
    body += " + context.aws_request_id)\nraise ValueError('no')"
    name = cloud.function(body)
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    send_event(cloud, LAMBDA + name)
    record, _ = letter(cloud, url)
    assert len(cloud.keys(f"{key}/")) == 3
    context = record["requestContext"]
    assert (context["functionArn"], context["condition"]) == (f"{LAMBDA}{name}:$LATEST", "RetriesExhausted")
    assert context["approximateInvokeCount"] == 3
    assert record["requestPayload"]["detail"] == {"a": 1}
    assert record["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
    }  # fmt: skip
    assert (record["responsePayload"]["errorType"], record["responsePayload"]["errorMessage"]) == ("ValueError", "no")


def test_a_function_without_retries_has_a_queue_for_the_event_as_it_was(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    name = cloud.function("raise ValueError('no')", DeadLetterConfig={"TargetArn": arn})
    client = cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert client.get_function_event_invoke_config(FunctionName=name)["MaximumRetryAttempts"] == 0
    assert client.get_function_configuration(FunctionName=name)["DeadLetterConfig"] == {"TargetArn": arn}
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"run": "nightly"}')
    event, facts = letter(cloud, url)
    assert (event, facts["ErrorCode"], facts["ErrorMessage"]) == ({"run": "nightly"}, "200", "no")


def test_a_successful_asynchronous_call_goes_to_its_destination(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    name = cloud.function("return {'done': event['run']}")
    client = cloud.client("lambda")
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"run": "nightly"}')
    record, _ = letter(cloud, url)
    assert (record["requestContext"]["condition"], record["responsePayload"]) == ("Success", {"done": "nightly"})


def subscribe(cloud: Cloud, topic: str, protocol: str, endpoint: str, **attributes: Any) -> None:
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}
    cloud.client("sns").subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=values)


@pytest.mark.parametrize("protocol", ["lambda", "sqs"])
def test_a_message_for_a_subscriber_that_is_gone_is_a_dead_letter(cloud: Cloud, protocol: str) -> None:
    url, arn = cloud.message_queue()
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    gone = {"lambda": f"{LAMBDA}nobody", "sqs": f"arn:aws:sqs:us-east-1:{ACCOUNT}:nobody"}[protocol]
    subscribe(cloud, topic, protocol, gone, RedrivePolicy={"deadLetterTargetArn": arn})
    cloud.client("sns").publish(TopicArn=topic, Subject="Failed", Message="a run")
    notification, facts = letter(cloud, url)
    assert (notification["TopicArn"], notification["Subject"], notification["Message"]) == (topic, "Failed", "a run")
    assert set(facts) == {"RequestID", "ErrorCode", "ErrorMessage"}


def test_a_subscribed_function_is_told_the_message_with_its_attributes(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    name = cloud.function("return event['Records'][0]")
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    subscribe(cloud, topic, "lambda", LAMBDA + name)
    cloud.client("sns").publish(
        TopicArn=topic, Subject="s", Message="m",
        MessageAttributes={"run": {"DataType": "String", "StringValue": "nightly"}},
    )  # fmt: skip
    told = letter(cloud, url)[0]["responsePayload"]
    assert (told["EventSource"], told["EventSubscriptionArn"].rpartition(":")[0]) == ("aws:sns", topic)
    assert (told["Sns"]["TopicArn"], told["Sns"]["Subject"], told["Sns"]["Message"]) == (topic, "s", "m")
    assert told["Sns"]["MessageAttributes"] == {"run": {"Type": "String", "Value": "nightly"}}


class Listener(HTTPServer):
    """A web hook that answers with each of `answers` in turn, the last one for good, and keeps what it was sent."""

    def __init__(self, answers: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.answers = answers
        self.heard: list[Any] = []


class Hook(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hook(*answers: int) -> Iterator[Listener]:
    listener = Listener(list(answers))
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.mark.parametrize(
    ("answers", "calls", "lost"),
    [((503, 200), 2, False), ((404,), 1, True), ((500,), 4, True)],
    ids=["in trouble once", "refuses", "in trouble for good"],
)
def test_a_web_hook_in_trouble_is_called_again_three_times(
    cloud: Cloud, answers: tuple[int, ...], calls: int, lost: bool
) -> None:
    url, arn = cloud.message_queue()
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    with hook(*answers) as listener:
        address = f"http://127.0.0.1:{listener.server_port}/"
        subscribe(cloud, topic, "http", address, RedrivePolicy={"deadLetterTargetArn": arn})
        cloud.client("sns").publish(TopicArn=topic, Message="a run")
        wait_for(lambda: len(listener.heard) >= calls, "the calls", SECONDS)
        if lost:
            assert letter(cloud, url)[0]["Message"] == "a run"
        assert [told["Message"] for told in listener.heard] == ["a run"] * calls
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=url)


def test_a_filter_policy_decides_what_a_subscriber_is_told(cloud: Cloud) -> None:
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    boxes = {name: cloud.message_queue() for name in ("attributes", "body", "everything")}
    subscribe(cloud, topic, "sqs", boxes["attributes"][1], FilterPolicy={"status": [{"anything-but": "SUCCEEDED"}]})
    policy = {"detail": {"minutes": [{"numeric": [">", 60]}]}}
    subscribe(cloud, topic, "sqs", boxes["body"][1], FilterPolicyScope="MessageBody", FilterPolicy=policy)
    subscribe(cloud, topic, "sqs", boxes["everything"][1])
    for status, minutes in (("FAILED", 5), ("SUCCEEDED", 90), ("TIMED_OUT", 61)):
        cloud.client("sns").publish(
            TopicArn=topic, Message=json.dumps({"detail": {"minutes": minutes}}),
            MessageAttributes={"status": {"DataType": "String", "StringValue": status}},
        )  # fmt: skip
    assert {name: minutes_told(cloud, url) for name, (url, _) in boxes.items()} == {
        "attributes": [5, 61], "body": [61, 90], "everything": [5, 61, 90]
    }  # fmt: skip


def minutes_told(cloud: Cloud, url: str) -> list[int]:
    messages = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    return sorted(json.loads(json.loads(one["Body"])["Message"])["detail"]["minutes"] for one in messages)
