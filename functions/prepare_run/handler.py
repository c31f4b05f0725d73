"""The machine's first step: from the run's input to everything that later states read, under `$.run`.

It checks the input (anything may start an execution, not only opsctl) and that what it reads is there, copies the
training code below the run's own prefix, and says for each step where its result is read from. It may be called again
for the same run, by a retry or a redrive, with newer code in the bucket by then: a run keeps the code that it began
with. `code.json`, written when the copy is whole, tells a whole copy from one that was cut off, which is made anew.
"""

import difflib
import hashlib
import json

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.names import job_prefix
from opsctl.domain.run_input import as_text, problems
from shared.cleanups import deleting
from shared.objects import read

DATA_SETS = "datasets/"
SKIP_FETCH = "fetch_preprocessed_data"


class InvalidRunInput(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """The run input is refused; the message has one line for each problem."""


def handler(event, _context):
    run_input, pipeline = event["input"], event["pipeline"]
    needs = pipeline.get("needs")  # a redriven run may walk a definition from before there were any
    found = problems(run_input, steps=pipeline["steps"], hyperparameters=pipeline["hyperparameters"], needs=needs)
    if found:
        raise InvalidRunInput("\n".join(found))
    s3, source = boto3.client("s3"), _folder(run_input.get("data", {}).get("source", pipeline["default_data_source"]))
    if not run_input.get("skip", {}).get(SKIP_FETCH):
        _refuse_missing_data(s3, source, pipeline["bucket"])
    name = event["execution"]
    prefix = f"runs/{name}/"
    uri = f"s3://{pipeline['bucket']}/{prefix}"
    _refuse_missing_results(s3, run_input, uri)
    reads = _read_elsewhere(run_input, uri)
    digest = _keep_code(s3, pipeline, prefix, reads)
    going = deleting(s3, pipeline["bucket"], [*reads, source])  # which cleanups see now that begin after this
    if going:
        raise InvalidRunInput(going)
    return {
        "name": name,
        "prefix": uri,
        "job_prefix": job_prefix(name),
        "code": {"uri": f"{uri}code/", "sha256": digest},
        "data": {"source": source},
        "hyperparameters": _hyperparameters(run_input, pipeline),
        "steps": {step: {"uri": _result(step, uri, run_input)} for step in pipeline["steps"]},
    }


def _hyperparameters(run_input, pipeline):
    given = run_input.get("hyperparameters", {})
    return {
        group: defaults | {key: as_text(value) for key, value in given.get(group, {}).items()}
        for group, defaults in pipeline["hyperparameters"].items()
    }


def _result(step, uri, run_input):
    reused = run_input.get("reuse", {}).get(step)
    return _folder(reused["uri"]) if reused else f"{uri}{step}/"


def _folder(uri):
    """With its slash: as a prefix, `train-text-model` would match `train-text-model-2` as well."""
    return uri if uri.endswith("/") else f"{uri}/"


def _refuse_missing_data(s3, source, bucket):
    """Raise InvalidRunInput, with the nearest data set in `bucket`, where nothing lies below the source."""
    found = _missing(s3, source)
    if found is None:
        return
    known = [f"s3://{bucket}/{prefix}" for prefix in _folders(s3, bucket, DATA_SETS)]
    nearest = difflib.get_close_matches(source, set(known) - {source}, n=1, cutoff=0.0)
    hint = f"the nearest data set is {nearest[0]}" if nearest else f"upload one below s3://{bucket}/{DATA_SETS}"
    raise InvalidRunInput(f"data.source: {found}; {hint}")


def _refuse_missing_results(s3, run_input, uri):
    """Raise InvalidRunInput where nothing is left of a result that the run reads outside of its own prefix: the job
    that reads it would find out only after those before it are paid for."""
    for step, entry in run_input.get("reuse", {}).items():
        address = _folder(entry["uri"])
        found = None if address.startswith(uri) else _missing(s3, address)
        if found is not None:
            raise InvalidRunInput(f"reuse.{step}: {found}; run the step again, or reuse what another run has")


def _missing(s3, uri):
    """Why there is nothing at an address; None where there is, or where nobody here may know."""
    try:
        return None if _holds_something(s3, uri) else f"nothing lies below {uri}"
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            return None  # what this function may not list, the job may, or it says why not
        return f"there is no bucket of that name: {uri}"


def _holds_something(s3, uri):
    """Whether objects lie below it, besides the empty one by which the console marks a folder."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2)
    return any(item["Key"] != prefix for item in page.get("Contents", []))


def _folders(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]


def _read_elsewhere(run_input, uri):
    """What the run reads outside of its own prefix: on record, so that no cleanup takes it away."""
    addresses = [_folder(entry["uri"]) for entry in run_input.get("reuse", {}).values()]
    return sorted(address for address in addresses if not address.startswith(uri))


def _keep_code(s3, pipeline, prefix, reads):
    """The SHA-256 of the run's code, copied below the run's prefix unless it is there already."""
    bucket, record = pipeline["bucket"], f"{prefix}code.json"
    kept = read(s3, bucket, record)
    if kept is not None:
        return json.loads(kept)["sha256"]
    digest, files = hashlib.sha256(), {}
    for key in _keys(s3, bucket, pipeline["code_prefix"]):
        body, name = read(s3, bucket, key), key.removeprefix(pipeline["code_prefix"])
        files[name] = hashlib.sha256(body).hexdigest()
        digest.update(f"{files[name]}  {name}\n".encode())
        s3.put_object(Bucket=bucket, Key=f"{prefix}code/{name}", Body=body)
    if not files:
        raise FileNotFoundError(f"no code below s3://{bucket}/{pipeline['code_prefix']}: run terraform apply")
    summary = {"files": files, "reads": reads, "sha256": digest.hexdigest()}
    s3.put_object(Bucket=bucket, Key=record, Body=json.dumps(summary).encode(), ContentType="application/json")
    return summary["sha256"]


def _keys(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
