"""What the deployment's first step refuses before anybody is asked, and reads of an artifact that was made to hurt."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from prepare_deployment import handler
from prepare_deployment.artifacts import json_in_artifact
from prepare_deployment.refusal import InvalidDeployment

FOLDER = "s3://bucket/runs/nightly-7/evaluate/"
KEY = "runs/nightly-7/evaluate/job-d0r0/output/model.tar.gz"


VARIABLES = Path(__file__).parents[2] / "definitions/deployment.variables.yaml"
DEPLOYMENT = "arn:aws:states:us-east-1:123456789012:execution:documents-deployment:d-1"


class Bucket:
    """One artifact, as S3 lists and sends it."""

    def __init__(self, metrics: bytes) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            member = tarfile.TarInfo("metrics.json")
            member.size = len(metrics)
            archive.addfile(member, io.BytesIO(metrics))
        self._content = packed.getvalue()

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": KEY, "Size": len(self._content), "LastModified": 0}]}]

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._content)}


@pytest.mark.parametrize(
    ("metrics", "read"),
    [
        (json.dumps({"page_accuracy": 0.9}).encode(), {"page_accuracy": 0.9}),
        (b"[" * 100_000, {}),
        (b'{"a": "' + b"x" * 17 * 1024**2 + b'"}', {}),  # a thousandth of it when it is packed
        (b"[]", {}),
    ],
    ids=["figures", "nested deeply", "unpacks to more than it may", "no object"],
)
def test_figures_that_cannot_be_read_are_none(metrics: bytes, read: dict[str, Any]) -> None:
    assert json_in_artifact(Bucket(metrics), FOLDER, "metrics.json") == read


@pytest.mark.parametrize("reads", [False, True], ids=["the run", "what the run reads"])
def test_what_a_cleanup_is_deleting_is_not_deployed(monkeypatch: pytest.MonkeyPatch, reads: bool) -> None:
    settings = yaml.safe_load(VARIABLES.read_text())["deployment"]
    bucket, going = settings["bucket"], "nightly-6" if reads else "nightly-7"
    reuse = {"train-sequence-model": {"run": going, "uri": f"s3://{bucket}/runs/{going}/train-sequence-model/"}}
    asked = {"skip": {"train_sequence_model": True}, "reuse": reuse} if reads else {}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        states, s3 = boto3.client("stepfunctions"), boto3.client("s3")
        role = "arn:aws:iam::123456789012:role/x"
        machine = states.create_state_machine(name=settings["machine"], definition="{}", roleArn=role)
        states.start_execution(stateMachineArn=machine["stateMachineArn"], name="nightly-7", input=json.dumps(asked))
        s3.create_bucket(Bucket=bucket)
        s3.put_object(
            Bucket=bucket, Key="audit/at-work/cleanup-1.json", Body=json.dumps({"runs": ["other", going]}).encode()
        )
        event = {"operation": "prepare", "arn": DEPLOYMENT, "input": {"run": "nightly-7"}, "settings": settings}
        with pytest.raises(InvalidDeployment) as raised:
            handler.handler(event, None)
    again = "start the run again when that has ended"
    assert str(raised.value) == f"run: cleanup-1 is deleting what {going} keeps: {again}"
