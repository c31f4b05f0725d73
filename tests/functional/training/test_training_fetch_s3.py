"""Fetching from S3 (moto): objects are copied by S3, into the run's prefix, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import fetch
import pytest
from moto import mock_aws

BUCKET = "documents-123456789012-us-east-1"


@pytest.fixture
def s3(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        for path in sorted(data.rglob("pages.*")):
            client.upload_file(str(path), BUCKET, f"datasets/sample/{path.relative_to(data).as_posix()}")
        client.put_object(Bucket=BUCKET, Key="datasets/sample/", Body=b"")
        yield client


def keys(s3: object, prefix: str) -> dict[str, int]:
    return fetch.s3_folder(s3, f"s3://{BUCKET}/{prefix}").sizes()


def fetched(source: str = "datasets/sample/", target: str = "runs/nightly/fetch-preprocessed-data/") -> int:
    return fetch.main({"DATA_INPUT_PATH": f"s3://{BUCKET}/{source}", "OUTPUT_PATH": f"s3://{BUCKET}/{target}"})


def test_a_run_gets_its_own_copy(s3: object, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetched() == 0, capsys.readouterr().err
    copy = keys(s3, "runs/nightly/fetch-preprocessed-data/")
    manifest = copy.pop("manifest.json")
    assert copy == keys(s3, "datasets/sample/")
    assert manifest == (data / "manifest.json").stat().st_size, "the same manifest as from a directory"
    assert fetched() == 0, "a retry copies the same again"
    assert keys(s3, "runs/nightly/fetch-preprocessed-data") == {**copy, "manifest.json": manifest}
    assert "copied 18 objects to s3://" in capsys.readouterr().out


def test_what_cannot_be_fetched_is_one_line(s3: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetched(source="datasets/none/") == 1
    assert capsys.readouterr().err.startswith("error: no stacks found: expected <stack>/pages.tif")
    assert fetch.main({"DATA_INPUT_PATH": "s3://no-such-bucket/x", "OUTPUT_PATH": f"s3://{BUCKET}/y"}) == 1
    error = capsys.readouterr().err
    assert "NoSuchBucket" in error
    assert error.count("\n") == 1
