"""The end of a deployment: its model becomes the champion (`promote`), or what it made is removed (`remove`).

A promotion that is tried again is the same promotion, also by a deployment's rerun, which has another name: the
history's object, written once under a name made of the model and of what it replaces, is what the record then says;
and a model that is the champion already stays as it is on record. The record is replaced only as it was read.
"""

import hashlib
import json
import re
import time

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.champions import (
    Champion,
    Model,
    Source,
    history_key,
    pointer_key,
    promoted_time,
    read_record,
    record_text,
    succession,
)
from opsctl.domain.deployments import is_of
from shared.described import GONE, described
from shared.objects import champion_of

TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
RUN = re.compile(r"/runs/([^/]+)/")


class ChampionChanged(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """Somebody else wrote the record meanwhile."""


def handler(event, _context):
    deployment, settings = event["deployment"], event["settings"]
    if event["operation"] == "remove":
        return {"outcome": _remove(deployment, settings)}
    champion = _promote(event["arn"].rpartition(":")[2], deployment, event["approval"], settings)
    return {
        "promoted_at": champion.promoted_at,
        "removed": _tidy(settings, {deployment["config"], event["before"]}, champion.previous),
    }


# The champion


def _promote(name, deployment, approval, settings):
    """The record as it stands in the end. Raises ChampionChanged."""
    s3, bucket, machine = boto3.client("s3"), settings["bucket"], deployment["machine"]
    record = champion_of(s3, bucket, machine)
    if record.warning:
        print(record.warning)
    present = record.champion
    if present is not None and (present.run, present.model.etag) == (deployment["run"], deployment["model"]["etag"]):
        return present
    wanted = succession(_champion(name, deployment, approval, settings["endpoint"]), present)
    champion = _keep(s3, bucket, history_key(machine, _promotion(wanted, present)), wanted)
    condition = {"IfNoneMatch": "*"} if record.etag is None else {"IfMatch": record.etag}
    if not _written(s3, bucket, pointer_key(machine), champion, condition):
        raise ChampionChanged(
            f"{pointer_key(machine)} was written by somebody else meanwhile: opsctl champion shows who; deploy again"
        )
    return champion


def _champion(name, deployment, approval, endpoint):
    by = approval.get("approved_by") if isinstance(approval, dict) else None
    return Champion(
        machine=deployment["machine"],
        run=deployment["run"],
        model=Model(**deployment["model"]),
        metrics=deployment["metrics"],
        held_out=Source(**deployment["held_out"]),
        code=Source(**deployment["code"]),
        promoted_at=promoted_time(time.time()),
        approved_by=by if isinstance(by, str) and by else None,
        reason=deployment["reason"],
        deployment=name,
        endpoint=endpoint,
    )


def _promotion(wanted, present):
    """A name for this model in the place of that one, whoever puts it there."""
    words = [wanted.model.uri, wanted.model.etag, present.promoted_at if present else ""]
    return f"{wanted.run}-{hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]}"


def _keep(s3, bucket, key, champion):
    """The promotion as the history has it: this one, or what an earlier attempt wrote there."""
    if _written(s3, bucket, key, champion, {"IfNoneMatch": "*"}):
        return champion
    return read_record(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _written(s3, bucket, key, champion, condition):
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=record_text(champion).encode(), ContentType="application/json", **condition
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in TAKEN:
            return False
        raise
    return True


# What serves no more


def _tidy(settings, kept, previous):
    """Remove the pipeline's configurations but those that are kept, the present one and the one before it, and those of
    the previous champion, with their models. What cannot be removed now, the next deployment removes."""
    sagemaker, removed = boto3.client("sagemaker"), []
    prefix, bucket = settings["prefix"], settings["bucket"]
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=f"{prefix}-")
    names = [item["EndpointConfigName"] for page in pages for item in page["EndpointConfigs"]]
    kept = kept | {name for name in names if previous is not None and is_of(prefix, name, previous.run)}
    models = {model for name in kept if name for model in _models(sagemaker, name)}
    for name in (name for name in names if is_of(prefix, name) and name not in kept):
        own = _models(sagemaker, name)
        if not all(_of_bucket(sagemaker, model, bucket) for model in own):
            continue  # of another pipeline, whose name begins with this one's
        try:
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
            for model in set(own) - models:
                sagemaker.delete_model(ModelName=model)
        except ClientError as error:
            print(f"{name} is left: {error}")
            continue
        removed.append(name)
    return removed


def _models(sagemaker, config):
    served = described(sagemaker.describe_endpoint_config, EndpointConfigName=config) or {}
    return [variant["ModelName"] for variant in served.get("ProductionVariants", []) if variant.get("ModelName")]


def _of_bucket(sagemaker, model, bucket):
    return (_address(sagemaker, model) or f"s3://{bucket}/").startswith(f"s3://{bucket}/")


def _address(sagemaker, model):
    found = described(sagemaker.describe_model, ModelName=model) or {}
    return (found.get("PrimaryContainer") or {}).get("ModelDataUrl")


def _remove(deployment, settings):
    """Remove the deployment's model and configuration, unless something serves them or the champion's record needs
    them, and say what became of everything."""
    sagemaker, name = boto3.client("sagemaker"), deployment["config"]
    record = champion_of(boto3.client("s3"), settings["bucket"], deployment["machine"])
    endpoint = described(sagemaker.describe_endpoint, EndpointName=settings["endpoint"])
    serves = endpoint["EndpointConfigName"] if endpoint else None
    known = [champion.run for champion in (record.champion, record.champion and record.champion.previous) if champion]
    words = [_standing(sagemaker, settings["endpoint"], endpoint)]
    if name == serves or deployment["run"] in known:
        words.append(f"{name} was left: {'the endpoint has it' if name == serves else 'it was in production before'}.")
    else:
        _delete(sagemaker.delete_endpoint_config, EndpointConfigName=name)
        _delete(sagemaker.delete_model, ModelName=name)
        words.append(f"The model and the configuration {name} were removed.")
    champion = record.champion.run if record.champion else "none"
    return " ".join([*words, f"The champion on record: {champion}."])


def _standing(sagemaker, name, endpoint):
    if endpoint is None:
        return f"There is no endpoint {name}: nothing is served."
    config, status = endpoint["EndpointConfigName"], endpoint["EndpointStatus"]
    address = next((_address(sagemaker, model) for model in _models(sagemaker, config)), None)
    run = RUN.search(address or "")
    what = f"the model of {run[1]}" if run else config
    if status == "InService":
        return f"The endpoint {name} serves {what}."
    return f"The endpoint {name} is {status} with {what}: look at it."


def _delete(delete, **name):
    try:
        delete(**name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
