"""The machine's two looks at the champion: which one Evaluate is to measure, and whether the new model may replace it.

`find` is asked right before Evaluate, for the champion may have changed during hours of training. It names the folder
that holds the champion's artifact. SageMaker takes no channel without objects, so where there is no champion the run's
own code stands in for it, and the name is empty.

`compare` is asked behind Evaluate. It reads what that measured, of this run or of the one that it is reused from, and
looks at the champion once more: a comparison with another one than the present counts for nothing.

A record that cannot be read, and a model that is gone or not what was promoted, count as no champion, with a warning.
"""

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.champion_gate import Rule, Trained, decide
from opsctl.domain.champions import found, pointer_key
from opsctl.domain.evaluation import artifact_among, read_evaluation

ABSENT = {"404", "NoSuchKey", "NotFound"}
RUNS = "runs/"  # below which training jobs may read


def handler(event, _context):
    s3, run = boto3.client("s3"), event["run"]
    champion, warning = _champion(s3, event["bucket"], event["machine"])
    if event["action"] == "find":
        uri = champion.model.folder if champion else run["code"]["uri"]
        return {"run": champion.run if champion else "", "uri": uri, "warning": warning or ""}
    uri = run["steps"]["evaluate"]["uri"]
    where, artifact = _artifact(s3, uri)
    outcome = decide(
        Trained(event["machine"], run["name"], run["job_prefix"], run["prefix"], event["deployment"]),
        Rule(**event["rule"]),
        None if artifact is None else read_evaluation(artifact, where),
        where,
        champion.run if champion else None,
        warning,
    )
    return {
        "deploy": outcome.deploy,
        "kind": outcome.kind,
        "subject": outcome.subject,
        "message": outcome.message,
        "deployment": event["deployment"],
    }


def _champion(s3, bucket, machine):
    """The champion whose model is still what was promoted, or None; and why one that is on record counts as none."""
    content, _ = _read(s3, bucket, pointer_key(machine))
    record = found(machine, content)
    if record.champion is None:
        return None, record.warning
    champion = record.champion
    reason = _unfit(s3, bucket, champion.model)
    if reason:
        return None, f"the champion, of {champion.run}, counts as none: its model {champion.model.uri} {reason}"
    return champion, None


def _unfit(s3, bucket, model):
    """Why a champion's model cannot be measured; None where it can."""
    key = model.uri.removeprefix(f"s3://{bucket}/")
    if not key.startswith(RUNS):
        return f"does not lie below s3://{bucket}/{RUNS}"
    try:
        tag = s3.head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        return "is gone"
    return None if tag.strip('"') == model.etag.strip('"') else "is not what was promoted"


def _artifact(s3, uri):
    """The address and the content of the artifact below a step's prefix; (the prefix, None) where there is none."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]
    key = artifact_among(keys)
    return (uri, None) if key is None else (f"{uri}{key}", _read(s3, bucket, f"{prefix}{key}")[0])


def _read(s3, bucket, key):
    """An object's content and ETag; (None, None) where there is none."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        return None, None
    return answer["Body"].read(), answer["ETag"]
