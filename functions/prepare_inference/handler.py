"""The inference machine's first step and its broom: what is scored, by which model (`prepare`), and the model that was
made of SageMaker's for it removed again (`remove`).

`prepare` gives the run its own copy of the documents, one request for each stack, because batch transform sends each
object by itself and a stack of a data set is two. `documents.json`, written when the copy is whole, tells a whole copy
from one that was cut off: a retry or a redrive scores what the run began with.
"""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.inference import (
    MODEL_STEP,
    STEP,
    latest_artifact,
    packed_stack,
    problems,
    scored_objects,
)
from opsctl.domain.names import job_prefix
from shared.cleanups import deleting
from shared.objects import champion_of, read

AT_ONCE = 8
ARTIFACTS = f"{MODEL_STEP}/"


class InvalidRunInput(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """The run input is refused; the message has one line for each problem."""


def handler(event, _context):
    if event["operation"] == "remove":
        return _remove(event["execution"])
    document, settings = event["input"], event["settings"]
    wrong = problems(document)
    if wrong:
        raise InvalidRunInput("\n".join(wrong))
    s3, bucket, name = boto3.client("s3"), settings["bucket"], event["execution"]
    prefix = f"runs/{name}/"
    model = _model(s3, bucket, document, settings)
    going = deleting(s3, bucket, [f"s3://{bucket}/runs/{model['run']}/", model["uri"], document["documents"]])
    if going:
        raise InvalidRunInput(going)
    return {
        "name": name,
        "prefix": f"s3://{bucket}/{prefix}",
        "job_prefix": job_prefix(name),
        "model": model,
        "documents": _documents(s3, bucket, prefix, document, settings),
        "results": f"s3://{bucket}/{prefix}{STEP}/",
    }


def _remove(execution):
    """Every model that the run made, also one whose making was never answered."""
    sagemaker, ours = boto3.client("sagemaker"), f"{job_prefix(execution)}-{STEP}-d"
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=ours)
    names = [item["ModelName"] for page in pages for item in page["Models"] if item["ModelName"].startswith(ours)]
    for name in names:
        try:
            sagemaker.delete_model(ModelName=name)
        except ClientError as error:
            if "Could not find" not in error.response["Error"].get("Message", ""):
                raise
    return {"removed": names}


# The model


def _model(s3, bucket, document, settings):
    run = document.get("run")
    if run is None:
        return _champions_model(s3, bucket, document.get("machine", settings["machine"]))
    key = _artifact(s3, bucket, f"runs/{run}/{ARTIFACTS}") or _reused_artifact(s3, bucket, run)
    if key is None:
        raise InvalidRunInput(
            f"run: {run} left no model below s3://{bucket}/runs/{run}/{ARTIFACTS}; opsctl status {run} says how far it "
            "came, and opsctl list names other runs"
        )
    return {"uri": f"s3://{bucket}/{key}", "run": run}


def _champions_model(s3, bucket, machine):
    record = champion_of(s3, bucket, machine)
    if record.champion is None:
        said = record.warning or f"{machine} has no champion yet"
        raise InvalidRunInput(f'{said}; deploy a model, or say which run\'s is meant: {{"run": "…"}}')
    uri = record.champion.model.uri
    if _artifact(s3, bucket, uri.removeprefix(f"s3://{bucket}/")) is None:
        raise InvalidRunInput(f'the champion\'s model is gone: {uri}; say which run\'s is meant: {{"run": "…"}}')
    return {"uri": uri, "run": record.champion.run}


def _reused_artifact(s3, bucket, run):
    """The artifact that a run read where another one left it (`--data reuse`)."""
    for address in json.loads(read(s3, bucket, f"runs/{run}/code.json") or b"{}").get("reads", []):
        if address.startswith(f"s3://{bucket}/") and address.endswith(f"/{ARTIFACTS}"):
            return _artifact(s3, bucket, address.removeprefix(f"s3://{bucket}/"))
    return None


def _artifact(s3, bucket, prefix):
    return latest_artifact(_sizes(s3, bucket, prefix))


# The documents


def _documents(s3, bucket, prefix, document, settings):
    record = read(s3, bucket, f"{prefix}documents.json")
    if record is not None:
        return json.loads(record)
    uri = document["documents"]
    source, _, folder = uri.removeprefix("s3://").partition("/")
    folder = f"{folder.rstrip('/')}/" if folder.strip("/") else ""
    target, most = f"{prefix}documents/", settings["max_payload_mb"] * 2**20
    try:
        stacks, ready, wrong = scored_objects(key.removeprefix(folder) for key in _sizes(s3, source, folder))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        raise InvalidRunInput(f"documents: there is no bucket of that name: {uri}") from error
    if wrong:
        raise InvalidRunInput("\n".join(f"documents: {uri}: {problem}" for problem in wrong))

    def pack(stack):
        texts = read(s3, source, f"{folder}{stack}/pages.jsonl") or b""
        bitmap = read(s3, source, f"{folder}{stack}/pages.tif") or b""
        _put(s3, bucket, f"{target}{stack}.json", packed_stack(stack, texts, base64.b64encode(bitmap).decode(), most))

    def keep(name):
        _put(s3, bucket, f"{target}{name}", read(s3, source, f"{folder}{name}") or b"")

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(pack, stacks))
            list(pool.map(keep, ready))
    except ValueError as error:
        raise InvalidRunInput(f"documents: {uri}: {error}") from error
    summary = {"uri": f"s3://{bucket}/{target}", "source": uri, "objects": len(stacks) + len(ready)}
    _put(s3, bucket, f"{prefix}documents.json", json.dumps(summary).encode())
    return summary


def _sizes(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def _put(s3, bucket, key, body):
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
