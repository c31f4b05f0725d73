"""Answers that the Terraform AWS provider depends on, and that plain moto gives otherwise."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, unique


def test_a_policy_that_denies_plain_http_does_not_deny_everything(cloud: Cloud) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{cloud.bucket}", f"arn:aws:s3:::{cloud.bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("s3").put_bucket_policy(Bucket=cloud.bucket, Policy=policy)
    cloud.put("policy.txt", "allowed")
    assert cloud.get("policy.txt") == b"allowed"
    cloud.client("s3").delete_bucket_policy(Bucket=cloud.bucket)


def test_a_buckets_eventbridge_switch_is_told_as_it_was_set(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    after = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "EventBridgeConfiguration" not in before
    assert after["EventBridgeConfiguration"] == {}


def test_structures_that_were_not_given_are_absent(cloud: Cloud) -> None:
    sagemaker, name = cloud.client("sagemaker"), unique("model")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=cloud.role, PrimaryContainer={"Image": "image"})
    variant = {"VariantName": "one", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    assert "VpcConfig" not in sagemaker.describe_model(ModelName=name)
    assert "DataCaptureConfig" not in sagemaker.describe_endpoint_config(EndpointConfigName=name)


def test_a_functions_logging_is_told_and_used(cloud: Cloud) -> None:
    group = f"/own/{unique('group')}"
    plain, named = cloud.function("return 1"), cloud.function("return 1", LoggingConfig={"LogGroup": group})
    describe = cloud.client("lambda").get_function_configuration
    cloud.client("lambda").invoke(FunctionName=named, Payload=b"{}")
    assert describe(FunctionName=plain)["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{plain}"}
    assert describe(FunctionName=named)["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": group}
    assert len(cloud.logs(group)) == 3


def test_batch_makes_its_own_role_where_none_is_given(cloud: Cloud) -> None:
    queue = cloud.client("batch").describe_job_queues(jobQueues=[cloud.queue()])["jobQueues"][0]
    environment = queue["computeEnvironmentOrder"][0]["computeEnvironment"]
    found = cloud.client("batch").describe_compute_environments(computeEnvironments=[environment])
    assert "/aws-service-role/batch.amazonaws.com/" in found["computeEnvironments"][0]["serviceRole"]


def test_a_bucket_with_versions_can_be_emptied(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="a")
    listed = s3.list_object_versions(Bucket=bucket)
    found = [
        {"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed["Versions"] + listed["DeleteMarkers"]
    ]
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": found[:1]})
    left = s3.list_object_versions(Bucket=bucket)
    assert "Versions" not in left
    assert [item["VersionId"] for item in left["DeleteMarkers"]] == [found[1]["VersionId"]]
    assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": found[1:]})
    s3.delete_bucket(Bucket=bucket)


def test_a_list_of_versions_leaves_objects_as_they_are(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    tags = [s3.put_object(Bucket=bucket, Key="a", Body=body)["ETag"] for body in (b"1", b"23" * 1_000_000)]
    for _ in range(2):
        listed = s3.list_object_versions(Bucket=bucket)["Versions"]
        assert [(item["ETag"], item["Size"], item["IsLatest"]) for item in listed] == [
            (tags[1], 2_000_000, True),
            (tags[0], 1, False),
        ]
    for item, body in zip(listed, (b"23" * 1_000_000, b"1"), strict=True):
        assert s3.get_object(Bucket=bucket, Key="a", VersionId=item["VersionId"])["Body"].read() == body


def test_a_log_group_can_be_given_a_key_and_lose_it(cloud: Cloud) -> None:
    """As an upgrade to a module that encrypts, or another key in its variables, asks for."""
    logs, name = cloud.client("logs"), unique("/aws/lambda/group")
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    logs.create_log_group(logGroupName=name)
    logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
    (encrypted,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert encrypted["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName=name)
    (plain,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert "kmsKeyId" not in plain
    with pytest.raises(ClientError) as refused:
        logs.associate_kms_key(logGroupName=unique("none"), kmsKeyId=key)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
