"""SageMaker's training container contract, carried out in a directory that stands for /opt/ml.

Scripts learn of the directory by `SAGEMAKER_BASE_DIR` (the name that sagemaker-training-toolkit uses); arguments that
begin with `/opt/ml/` are rewritten to it. The host's own /opt is never touched.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from opsctl.sandbox.jobfaults import CORRUPT_MODEL, damage
from opsctl.sandbox.storage import ALL, NoSuchBucketError, Share, Storage, pack
from opsctl.sandbox.trainingjob import REASON_CHARACTERS, TrainingJob

ROOT = PurePosixPath("/opt/ml")
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class InputError(Exception):
    """The job cannot begin: what it asked for is not there. The text is its FailureReason."""


def rewrite(argument: str, base: Path) -> str:
    """An entry point's argument with a leading /opt/ml turned into the job's own directory."""
    return str(base / PurePosixPath(argument).relative_to(ROOT)) if argument.startswith(f"{ROOT}/") else argument


def command(job: TrainingJob, base: Path) -> list[str]:
    """Entry point and arguments. Raises InputError where only an image's own entry point would tell."""
    algorithm = job.request["AlgorithmSpecification"]
    if not algorithm.get("ContainerEntrypoint"):
        raise InputError("ClientError: the sandbox runs no images: give AlgorithmSpecification.ContainerEntrypoint")
    words = [*algorithm["ContainerEntrypoint"], *(algorithm.get("ContainerArguments") or [])]
    return [rewrite(word, base) for word in words]


def variables(job: TrainingJob, base: Path) -> dict[str, str]:
    """The job's Environment, and what the platform itself sets."""
    return {
        **(job.request.get("Environment") or {}),
        "TRAINING_JOB_NAME": job.training_job_name,
        "TRAINING_JOB_ARN": job.arn,
        "SAGEMAKER_BASE_DIR": str(base),
    }


def prepare(job: TrainingJob, host: str, base: Path, storage: Storage) -> None:
    """Lay out a host's directories, configuration, channels and checkpoints. Raises InputError for data that is not
    there."""
    for name in ("input/config", "input/data", "model", "output/data", "code"):
        (base / name).mkdir(parents=True, exist_ok=True)
    _write_configuration(job, host, base / "input" / "config")
    for channel in job.request.get("InputDataConfig") or []:
        sharded = _source(channel).get("S3DataDistributionType") == "ShardedByS3Key"
        share = Share(job.hosts.index(host), len(job.hosts)) if sharded else ALL
        target = base / "input" / "data" / channel["ChannelName"]
        _download_channel(channel, target, storage, job.request["RoleArn"], share)
    place = checkpoints(job, base)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        # An S3 prefix is a directory here: without the slash `checkpoints2/` would come along.
        storage.download_prefix(job.request["CheckpointConfig"]["S3Uri"].rstrip("/") + "/", place)


def checkpoints(job: TrainingJob, base: Path) -> Path | None:
    """The local directory that is kept equal to the checkpoint prefix, if the job has one."""
    config = job.request.get("CheckpointConfig")
    if not config:
        return None
    local = config.get("LocalPath") or f"{ROOT}/checkpoints"
    if not PurePosixPath(local).is_relative_to(ROOT):
        raise InputError(f"ClientError: the sandbox has no directory but {ROOT}: CheckpointConfig.LocalPath is {local}")
    return base / PurePosixPath(local).relative_to(ROOT)


def upload(job: TrainingJob, bases: Sequence[Path], storage: Storage) -> None:
    """Store model.tar.gz and, if there is any output data, output.tar.gz: what all hosts wrote, in one archive.

    Where names clash, which AWS tells programs to avoid, the first host's file counts.
    """
    for folder, name in (("model", "model.tar.gz"), ("output/data", "output.tar.gz")):
        first, *others = [base / folder for base in bases]
        for other in others:
            _add_missing(other, first)
        if any(first.iterdir()):
            archive = bases[0].parent / "tmp" / name
            pack(first, archive)
            if name == "model.tar.gz" and job.befallen_by(CORRUPT_MODEL):
                damage(archive)
            storage.upload_file(archive, f"{job.uri}/{name}")


def _add_missing(source: Path, target: Path) -> None:
    for path in filter(Path.is_file, sorted(source.rglob("*"))):
        place = target / path.relative_to(source)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def failure_reason(base: Path, code: int) -> str:
    """AWS's words for a program that ended with a code other than 0: what it wrote to output/failure, and the code."""
    try:
        text = (base / "output" / "failure").read_text(errors="replace").strip()[:REASON_CHARACTERS]
    except OSError:
        text = ""
    suffix = f", exit code: {code}"
    return f"AlgorithmError: {text}"[: REASON_CHARACTERS - len(suffix)] + suffix


def _write_configuration(job: TrainingJob, host: str, directory: Path) -> None:
    request = job.request
    resources = request.get("ResourceConfig") or {}
    documents: dict[str, Any] = {
        "hyperparameters.json": {name: str(value) for name, value in (request.get("HyperParameters") or {}).items()},
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
                "TrainingInputMode": "File",
                "S3DistributionType": _source(channel).get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            for channel in request.get("InputDataConfig") or []
        },
        "resourceconfig.json": {
            "current_host": host,
            "current_instance_type": resources.get("InstanceType", "ml.m5.large"),
            "hosts": job.hosts,
            "network_interface_name": LOOPBACK,
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document))


def _download_channel(
    channel: Mapping[str, Any], target: Path, storage: Storage, role: str, share: Share = ALL
) -> None:
    source = _source(channel)
    uri = source.get("S3Uri", "")
    target.mkdir(parents=True)
    try:
        found, detail = storage.download_prefix(uri, target, share), ""
    except NoSuchBucketError:
        found, detail = 0, " Error message from S3: The specified bucket does not exist"
    if not found:
        bucket = uri.removeprefix("s3://").partition("/")[0]
        raise InputError(
            f'ClientError: No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the '
            f"bucket exists in the selected region, that objects exist under that S3 prefix, and that the role "
            f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".{detail}'
        )


def _source(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    source: Mapping[str, Any] = (channel.get("DataSource") or {}).get("S3DataSource") or {}
    return source
