"""The model that is to be deployed, and what its training left beside it: figures, pages to try it with, code."""

import json
import re
import tarfile
import zlib

from opsctl.domain.deployments import held_out_digest
from prepare_deployment.refusal import InvalidDeployment
from shared.objects import read

ARTIFACT = re.compile(r"(?:-d(\d+)r(\d+))?/output/model\.tar\.gz$")
HANDLERS = "code/inference.py"
LARGEST_READ = 1024**3  # bytes of an artifact that are looked through; of a larger one only the beginning
LARGEST_FIGURES = 16 * 1024**2  # bytes of a metrics.json, however well it was packed


def model_below(s3, folder, run):
    """Address and ETag of the artifact. Raises InvalidDeployment where there is none, or nothing that can be served."""
    item = _artifact(s3, folder)
    if item is None:
        raise InvalidDeployment(
            f"run: {run} left no model below {folder}; opsctl status {run} says how far it came, and opsctl rerun "
            f"{run} goes on from there"
        )
    bucket = folder.removeprefix("s3://").partition("/")[0]
    model = {"uri": f"s3://{bucket}/{item['Key']}", "etag": item["ETag"]}
    names = _names_in(s3, bucket, item)
    if names is not None and HANDLERS not in names:
        raise InvalidDeployment(
            f"run: {model['uri']} cannot be served: it holds no {HANDLERS}; train with the module's own scripts, or "
            "pack the handlers as they do (training/README.md)"
        )
    return model


def _artifact(s3, folder):
    """Of several attempts' the latest; None where there is none."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    items = [item for page in pages for item in page.get("Contents", []) if ARTIFACT.search(item["Key"])]
    return max(items, key=lambda item: (_attempt(item["Key"]), item["LastModified"]), default=None)


def _attempt(key):
    return tuple(int(digits or -1) for digits in ARTIFACT.search(key).groups())


def _names_in(s3, bucket, item):
    """The names of the files in an artifact, None for one too large to look through. Raises InvalidDeployment for one
    that is broken."""
    body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
    if item["Size"] > LARGEST_READ:
        return None
    try:
        with tarfile.open(fileobj=body, mode="r|gz") as archive:
            return {member.name.removeprefix("./") for member in archive}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InvalidDeployment(
            f"run: s3://{bucket}/{item['Key']} is no whole model.tar.gz ({error}); train that model again"
        ) from error


def json_in_artifact(s3, folder, name):
    """A JSON file at the top of the latest artifact below a folder; {} where there is none that can be read."""
    item = _artifact(s3, folder)
    if item is None or item["Size"] > LARGEST_READ:
        return {}
    bucket = folder.removeprefix("s3://").partition("/")[0]
    try:
        with tarfile.open(fileobj=s3.get_object(Bucket=bucket, Key=item["Key"])["Body"], mode="r|gz") as archive:
            for member in archive:
                if member.isfile() and member.name.removeprefix("./") == name:
                    document = json.loads(archive.extractfile(member).read(LARGEST_FIGURES))
                    return document if isinstance(document, dict) else {}
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError, zlib.error):
        pass  # whoever is asked is told that there are no figures
    return {}


def held_out(s3, folder, run, settings, metrics):
    """Where the pages lie that the model never trained on, and their digest: as the evaluation has it, if it has."""
    bucket, _, prefix = folder.removeprefix("s3://").partition("/")
    try:
        digest = held_out_digest(json.loads(read(s3, bucket, f"{prefix}manifest.json") or b""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if settings["smoke_test"]["stacks"] == 0:
            return {"uri": folder, "sha256": "unknown"}
        raise InvalidDeployment(
            f"run: {run} has no pages to try the model with: {folder}manifest.json cannot be read; fetch the data with "
            "the module's own script, or set deployment.smoke_test.stacks to 0 for no smoke test"
        ) from error
    measured = metrics.get("held_out") if isinstance(metrics.get("held_out"), dict) else {}
    return {"uri": folder, "sha256": measured.get("sha256") or digest}


def code_of(s3, bucket, run):
    record = json.loads(read(s3, bucket, f"runs/{run}/code.json") or b"{}")
    return {"uri": f"s3://{bucket}/runs/{run}/code/", "sha256": record.get("sha256") or "unknown"}
