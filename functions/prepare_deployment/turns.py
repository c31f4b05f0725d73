"""Whose turn it is: of several deployments that were approved, one changes the endpoint at a time (docs/adr/0016)."""

import json

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.deployments import turn_key
from prepare_deployment.folders import UNKNOWN

TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")  # S3's words for somebody who was quicker


def has_turn(arn, settings):
    """Whether the endpoint is this execution's to change. It is from then on until the execution has ended, however it
    ends: nothing has to be given back."""
    s3, place = boto3.client("s3"), {"Bucket": settings["bucket"], "Key": turn_key(settings["endpoint"])}
    holder, condition = _turn(s3, place)
    if holder == arn:
        return True
    if holder is not None and _goes_on(holder):
        print(f"{holder} is at work on the endpoint {settings['endpoint']}")
        return False
    body = json.dumps({"execution": arn}).encode()
    try:
        s3.put_object(**place, Body=body, ContentType="application/json", **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] in TAKEN:
            return False
        raise
    return True


def _turn(s3, place):
    """Whose turn it was last, None where it was nobody's or the object does not say; and the condition on which the
    object may be replaced."""
    try:
        answer = s3.get_object(**place)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None, {"IfNoneMatch": "*"}
        raise
    try:
        holder = json.loads(answer["Body"].read())["execution"]
    except (ValueError, LookupError, TypeError):
        holder = None
    return holder if isinstance(holder, str) else None, {"IfMatch": answer["ETag"]}


def _goes_on(arn):
    try:
        return boto3.client("stepfunctions").describe_execution(executionArn=arn)["status"] == "RUNNING"
    except ClientError as error:
        if error.response["Error"]["Code"] in (*UNKNOWN, "InvalidArn"):
            return False
        raise
