"""What came to need a run since its manifest was written: asked before each batch, as opsctl asks before each run from
which it deletes (opsctl/operations/cleanup.py).

A deployment, an inference or a training run that begins meanwhile looks for cleanups at work and fails. What this is
about is what asks nobody: a hold, a redrive, a champion's record or an endpoint that somebody made by hand.
"""

import json
import os
import time

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.champions import ROOT as CHAMPIONS
from opsctl.domain.champions import is_pointer, runs_kept
from opsctl.domain.serving import artifacts_of, configurations_of, models_of
from shared.described import described
from shared.objects import read

ROOT = "runs/"
HOLD = ".hold"
MISSING = ("NoSuchKey", "404")
NEVER = float("-inf")
LOOK_AGAIN = 60.0  # seconds
WAITS = (1, 2, 4, 8, 16, 32)  # seconds in all of a batch, for those before it that delete what reads its runs


class SpoiledRecord(Exception):  # noqa: N818 - Step Functions shows the name as the state's error
    """A champion's record does not say which run it comes from: nobody can say which run must stay."""


class Needs:
    """What depends on runs, as it was a minute ago at most; a function that is called again remembers."""

    def __init__(self, settings):
        self._settings = settings
        self._found, self._since = {}, NEVER
        self._key, self._readers, self._gone = None, {}, {}

    def readers(self, s3, bucket, manifest):
        """For each run of a manifest that others read: those others, which have to be gone first. A cleanup writes that
        down beside its manifest (opsctl/operations/cleanup.py)."""
        key = f"{manifest.removesuffix('.jsonl')}.readers.json"
        if key != self._key:
            self._readers, self._key = json.loads(read(s3, bucket, key) or "{}"), key
        return self._readers

    def reason(self, s3, bucket, run, after, waits):
        """Why nothing of a run may go: `read` by one of the runs `after` which it goes, of which something is left;
        `held`, `running`, `champion` or `endpoint`; else None. Readers come first: while they are waited for, somebody
        may come to need the run. `waits` are the seconds that are left to wait, of which it takes."""
        if self._is_any_left(s3, bucket, after, waits):
            return "read"
        if _is_held(s3, bucket, run):
            return "held"
        if time.monotonic() - self._since >= LOOK_AGAIN:
            self._found, self._since = self._looked_up(s3, bucket), time.monotonic()
        return self._found.get(run)

    def _is_any_left(self, s3, bucket, runs, waits):
        """Whether something of these runs is left, also after earlier batches have had time to delete it."""
        while any(self._keeps_something(s3, bucket, run) for run in runs):
            pause = next(waits, None)
            if pause is None:
                return True
            time.sleep(pause)
        return False

    def _keeps_something(self, s3, bucket, run):
        if time.monotonic() - self._gone.get(run, NEVER) < LOOK_AGAIN:
            return False
        if s3.list_objects_v2(Bucket=bucket, Prefix=f"{ROOT}{run}/", MaxKeys=1)["KeyCount"]:
            return True
        self._gone[run] = time.monotonic()
        return False

    def _looked_up(self, s3, bucket):
        served, champions = self._served(bucket), _champions(s3, bucket)
        return dict.fromkeys(served, "endpoint") | dict.fromkeys(champions, "champion") | self._running()

    def _running(self):
        states = boto3.client("stepfunctions", config=self._settings)
        listing = states.get_paginator("list_executions")
        found = {}
        for machine in json.loads(os.environ.get("MACHINES", "[]")):
            for page in listing.paginate(stateMachineArn=machine, statusFilter="RUNNING"):
                found |= {execution["name"]: "running" for execution in page["executions"]}
        return found

    def _served(self, bucket):
        """The runs below whose prefixes lie models that an endpoint serves, or is about to."""
        sagemaker, root = boto3.client("sagemaker", config=self._settings), f"s3://{bucket}/{ROOT}"
        pages = sagemaker.get_paginator("list_endpoints").paginate()
        endpoints = [item["EndpointName"] for page in pages for item in page["Endpoints"]]
        configurations = _named(configurations_of, sagemaker.describe_endpoint, "EndpointName", endpoints)
        models = _named(models_of, sagemaker.describe_endpoint_config, "EndpointConfigName", configurations)
        addresses = _named(artifacts_of, sagemaker.describe_model, "ModelName", models)
        return {uri.removeprefix(root).partition("/")[0] for uri in addresses if uri.startswith(root)}


def _named(read_names, describe, parameter, names):
    """What the descriptions of these name; those that were deleted in between name nothing."""
    found = (described(describe, **{parameter: name}) for name in names)
    return {name for description in found if description is not None for name in read_names(description)}


def _champions(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=CHAMPIONS)
    for key in [item["Key"] for page in pages for item in page.get("Contents", ()) if is_pointer(item["Key"])]:
        content = read(s3, bucket, key)
        runs = () if content is None else runs_kept(content)
        if runs is None:
            raise SpoiledRecord(f"s3://{bucket}/{key} does not say which run the champion comes from")
        yield from runs


def _is_held(s3, bucket, run):
    try:
        s3.head_object(Bucket=bucket, Key=f"{ROOT}{run}/{HOLD}")
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return False
        raise
    return True
