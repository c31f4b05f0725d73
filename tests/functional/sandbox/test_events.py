"""EventBridge: what happens reaches the targets of the rules that match."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.sandbox.cloud import ACCOUNT, Cloud, task, unique, wait_for

LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"


def rule(cloud: Cloud, pattern: dict[str, Any], target: str, **options: Any) -> str:
    name = unique("rule")
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target, **options}])
    return name


def received(cloud: Cloud, queue: str) -> list[Any]:
    messages = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def test_a_failed_execution_becomes_mail_by_a_rule_and_a_function(cloud: Cloud) -> None:
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    body = f"import boto3, json\nd = event['detail']\nboto3.client('sns').publish(TopicArn='{topic}', "
    body += "Subject=d['status'], Message=json.dumps([event['source'], d['name'], d['error'], d['input']]))"
    machine = cloud.machine({"No": {"Type": "Fail", "Error": "NoData"}})
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
    }
    rule(cloud, pattern, LAMBDA + cloud.function(body))
    cloud.finish(cloud.start(machine, {"a": 1}, name="nightly"))
    (mail,) = wait_for(lambda: [text for text in cloud.mail() if topic in text], "the mail")
    assert "Subject: FAILED\n" in mail
    assert json.loads(mail.partition("\n\n")[2]) == ["aws.states", "nightly", "NoData", '{"a": 1}']


def test_each_status_of_an_execution_is_told_once(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    rule(cloud, {"detail": {"stateMachineArn": [machine]}}, arn)
    execution = cloud.start(machine)
    found: list[Any] = []
    wait_for(lambda: found.extend(received(cloud, url)) or len(found) == 2, "two events")
    assert sorted(event["detail"]["status"] for event in found) == ["RUNNING", "SUCCEEDED"]
    assert {event["detail"]["executionArn"] for event in found} == {execution}
    assert {tuple(event["resources"]) for event in found} == {(execution,)}
    assert all(event["time"].endswith("Z") for event in found)


def test_a_status_change_is_told_in_awss_shape(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    machine = cloud.machine({"No": {"Type": "Fail", "Error": "NoData", "Cause": "none"}})
    rule(cloud, {"detail": {"stateMachineArn": [machine], "status": ["RUNNING", "FAILED"]}}, arn)
    execution = cloud.start(machine, {"a": 1}, name="nightly")
    cloud.finish(execution)
    cloud.client("stepfunctions").redrive_execution(executionArn=execution)
    found: list[Any] = []
    wait_for(lambda: found.extend(received(cloud, url)) or len(found) == 4, "four events")
    running, failed = (
        next(event["detail"] for event in found if (event["detail"]["status"], event["detail"]["redriveCount"]) == key)
        for key in (("RUNNING", 0), ("FAILED", 1))
    )
    described = cloud.finish(execution)
    for date, told in (("stopDate", failed.pop("stopDate")), ("startDate", failed.pop("startDate"))):
        assert abs(told - described[date].timestamp() * 1000) <= 1
    assert running.pop("startDate") > 0
    assert failed.pop("redriveDate").endswith("Z")
    same = {
        "executionArn": execution, "stateMachineArn": machine, "name": "nightly",
        "input": '{"a": 1}', "inputDetails": {"included": True}, "output": None, "outputDetails": None,
        "stateMachineVersionArn": None, "stateMachineAliasArn": None,
    }  # fmt: skip
    assert failed == same | {
        "status": "FAILED", "redriveCount": 1, "redriveStatus": "REDRIVABLE",
        "redriveStatusReason": "Execution is FAILED and is redrivable", "error": "NoData", "cause": "none",
    }  # fmt: skip
    assert running == same | {
        "status": "RUNNING", "stopDate": None, "redriveCount": 0, "redriveDate": None, "error": None, "cause": None,
        "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
    }  # fmt: skip


def test_a_status_change_leaves_out_an_input_that_is_too_large(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    machine = cloud.machine({"Done": {"Type": "Pass", "Result": "short", "End": True}})
    rule(cloud, {"detail": {"stateMachineArn": [machine], "status": ["SUCCEEDED"]}}, arn)
    execution = cloud.start(machine, "x" * 254_000)
    (event,) = wait_for(lambda: received(cloud, url), "the event")
    detail = event["detail"]
    assert (detail["input"], detail["inputDetails"]) == (None, {"included": False})
    assert (detail["output"], detail["outputDetails"]) == ('"short"', {"included": True})
    assert len(cloud.finish(execution)["input"]) == 254_002


def test_an_object_starts_a_machine(cloud: Cloud) -> None:
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket=cloud.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    prefix = unique("datasets")
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [cloud.bucket]}, "object": {"key": [{"prefix": f"{prefix}/"}]}},
    }
    transformer = {
        "InputPathsMap": {
            "bucket": "$.detail.bucket.name",
            "key": "$.detail.object.key",
            "size": "$.detail.object.size",
        },
        "InputTemplate": '{"data": {"source": "s3://<bucket>/<key>", "size": <size>, "key": <key>}}',
    }
    rule(cloud, pattern, machine, RoleArn=cloud.role, InputTransformer=transformer)
    cloud.put(f"{prefix}/new file.csv", "1,2")
    list_executions = cloud.client("stepfunctions").list_executions
    (entry,) = wait_for(lambda: list_executions(stateMachineArn=machine)["executions"], "an execution")
    end = cloud.finish(entry["executionArn"])
    key = f"{prefix}/new file.csv"
    assert json.loads(end["input"]) == {"data": {"source": f"s3://{cloud.bucket}/{key}", "size": 3, "key": key}}
    assert len(entry["name"]) == 73


def test_a_disabled_rule_is_silent(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    cloud.client("events").disable_rule(Name=rule(cloud, {"detail": {"stateMachineArn": [machine]}}, arn))
    cloud.finish(cloud.start(machine))
    other = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    rule(cloud, {"detail": {"stateMachineArn": [other], "status": ["SUCCEEDED"]}}, arn)
    cloud.finish(cloud.start(other))
    events = wait_for(lambda: received(cloud, url), "the other rule's event")
    assert [event["detail"]["stateMachineArn"] for event in events] == [other]


def test_put_events_from_a_state(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    source = unique("own")
    rule(cloud, {"source": [source]}, arn, InputPath="$.detail")
    entry = {"Source": source, "DetailType": "Approved", "Detail": {"run": "nightly"}}
    cloud.task("aws-sdk:eventbridge:putEvents", {"Entries": [entry]})
    assert wait_for(lambda: received(cloud, url), "the event") == [{"run": "nightly"}]


def test_jobs_tell_how_they_end(cloud: Cloud) -> None:
    url, arn = cloud.message_queue()
    wanted = cloud.training("pass")
    pattern = {"source": ["aws.sagemaker"], "detail": {"TrainingJobName": [wanted["TrainingJobName"]]}}
    rule(cloud, pattern, arn, InputPath="$.detail.SecondaryStatus")
    cloud.run({"Train": task("sagemaker:createTrainingJob.sync", wanted)})
    found: list[Any] = []
    told = {"Starting", "Downloading", "Training", "Uploading", "Completed"}
    wait_for(lambda: found.extend(received(cloud, url)) or told <= set(found), "all of it, in any order")
    assert set(found) == told


def test_s3_tells_of_objects_in_awss_shape(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    url, arn = cloud.message_queue()
    rule(cloud, {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, arn)
    put = s3.put_object(Bucket=bucket, Key="datasets/a/new file.csv", Body=b"1,2")
    again = s3.put_object(Bucket=bucket, Key="datasets/a/new file.csv", Body=b"1,2,3")
    s3.copy_object(
        Bucket=bucket, Key="datasets/a/copy", CopySource={"Bucket": bucket, "Key": "datasets/a/new file.csv"}
    )
    upload = s3.create_multipart_upload(Bucket=bucket, Key="datasets/a/parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="datasets/a/parts", UploadId=upload, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="datasets/a/parts", UploadId=upload, MultipartUpload=parts)
    found: list[Any] = []
    wait_for(lambda: found.extend(received(cloud, url)) or len(found) >= 4, "four events")
    found.sort(key=lambda event: event["detail"]["object"]["sequencer"])
    assert [event["detail"]["reason"] for event in found] == [
        "PutObject", "PutObject", "CopyObject", "CompleteMultipartUpload",
    ]  # fmt: skip
    first = found[0]
    assert {key: first[key] for key in ("source", "detail-type", "resources", "region", "version")} == {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "region": "us-east-1",
        "version": "0",
    }
    thing = first["detail"]["object"]
    assert thing == {
        "key": "datasets/a/new file.csv",
        "size": 3,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
        "sequencer": thing["sequencer"],
    }
    assert found[1]["detail"]["object"]["version-id"] == again["VersionId"]
    assert len({event["id"] for event in found}) == 4
    s3.delete_object(Bucket=bucket, Key="datasets/a/copy", VersionId=found[2]["detail"]["object"]["version-id"])
    (gone,) = wait_for(lambda: received(cloud, url), "the end of an object")
    assert gone["detail-type"] == "Object Deleted"
    assert gone["detail"]["reason"] == "DeleteObject"
    assert gone["detail"]["deletion-type"] == "Permanently Deleted"
