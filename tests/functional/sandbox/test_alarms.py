"""CloudWatch: alarms that ring when they are told to, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, unique, wait_for

METRIC = {
    "ComparisonOperator": "LessThanThreshold",
    "MetricName": "ExecutionsSucceeded",
    "Namespace": "AWS/States",
    "Statistic": "Sum",
}


def alarm(cloud: Cloud, name: str, **more: Any) -> None:
    cloud.client("cloudwatch").put_metric_alarm(
        **{**METRIC, "AlarmName": name, "EvaluationPeriods": 1, "Period": 60, "Threshold": 1.0, **more}
    )


def state(cloud: Cloud, name: str) -> str:
    return str(cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def test_an_alarm_that_rings_is_told_once_and_not_to_who_asks_for_an_attribute(cloud: Cloud) -> None:
    sns, sqs, watch = (cloud.client(service) for service in ("sns", "sqs", "cloudwatch"))
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    name = unique("alarm")
    queue, arn = cloud.message_queue()
    policy = {"FilterPolicy": json.dumps({"kind": [{"exists": True}]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=policy)
    alarm(cloud, name, AlarmActions=[topic], AlarmDescription="no run has succeeded")
    assert state(cloud, name) == "INSUFFICIENT_DATA"
    for _ in range(2):
        watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="trying it out")
    watch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="over")
    (mail,) = wait_for(lambda: [text for text in cloud.mail() if topic in text], "the message")
    head, _, body = mail.partition("\n\n")
    told = json.loads(body)
    assert f'Subject: ALARM: "{name}" in us-east-1' in head
    assert {key: told[key] for key in ("AlarmName", "AlarmDescription", "OldStateValue", "NewStateReason")} == {
        "AlarmName": name,
        "AlarmDescription": "no run has succeeded",
        "OldStateValue": "INSUFFICIENT_DATA",
        "NewStateReason": "trying it out",
    }
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_a_changed_alarm_keeps_its_state(cloud: Cloud) -> None:
    name = unique("alarm")
    alarm(cloud, name)
    cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="trying it out")
    alarm(cloud, name, Threshold=2.0)
    assert state(cloud, name) == "ALARM"


@pytest.mark.parametrize(("period", "periods"), [(86400, 8), (60, 1441)])
def test_an_alarm_looks_back_no_further_than_on_aws(cloud: Cloud, period: int, periods: int) -> None:
    name = unique("alarm")
    alarm(cloud, name, Period=period, EvaluationPeriods=periods - 1)
    with pytest.raises(ClientError, match="cannot be checked across more than"):
        alarm(cloud, name, Period=period, EvaluationPeriods=periods)
    assert cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["Period"] == period


def test_an_alarm_on_an_expression_looks_back_no_further_either(cloud: Cloud) -> None:
    metric = {"Namespace": "AWS/States", "MetricName": "ExecutionTime", "Dimensions": []}
    queries = [
        {"Id": "minutes", "Expression": "longest / 60000", "ReturnData": True},
        {"Id": "longest", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Maximum"}, "ReturnData": False},
    ]
    wanted = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 90.0, "Metrics": queries}
    put = cloud.client("cloudwatch").put_metric_alarm
    put(AlarmName=unique("alarm"), EvaluationPeriods=168, **wanted)
    with pytest.raises(ClientError, match="across more than a week"):
        put(AlarmName=unique("alarm"), EvaluationPeriods=169, **wanted)
