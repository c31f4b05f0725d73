"""Objects in S3, on moto."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from opsctl.aws.session import Aws
from opsctl.aws.storage import Storage
from opsctl.config import SANDBOX, Context
from opsctl.domain.objects import Place, Stored
from opsctl.errors import ConfigurationError, RefusedError

HERE, THERE = Place("documents", "runs/a/text/"), Place("documents", "runs/b/text/")


@pytest.fixture
def aws(moto: str) -> Aws:
    made = Aws(Context(SANDBOX, moto, "us-east-1", None, Path()), "us-east-1")
    made.client("s3").create_bucket(Bucket="documents")
    return made


def put(aws: Aws, place: Place, key: str, text: str) -> None:
    aws.client("s3").put_object(Bucket=place.bucket, Key=place.key + key, Body=text.encode())


def test_a_claim_is_taken_once(aws: Aws) -> None:
    store, place = Storage(aws), Place("documents", "runs/a/plan.json")
    assert store.claim(place, b"first") is True
    assert store.claim(place, b"second") is False
    assert store.read(place) == b"first"
    store.delete(place)
    store.delete(place)
    assert store.read(place) is None
    assert store.claim(place, b"third") is True


def test_copies_keep_their_keys(aws: Aws) -> None:
    store = Storage(aws)
    for number in range(30):
        put(aws, HERE, f"job-{number:02d}/output/model.tar.gz", "x" * number)
    put(aws, Place("documents", "runs/a/text-2/"), "other", "x")
    items = list(store.list(HERE))
    assert [(item.key, item.size) for item in items[:2]] == [
        ("job-00/output/model.tar.gz", 0),
        ("job-01/output/model.tar.gz", 1),
    ]
    assert len(items) == 30
    store.copy(HERE, THERE, items)
    store.copy(HERE, THERE, items)
    assert list(store.list(THERE)) == items


def test_a_source_that_changed_is_not_copied(aws: Aws) -> None:
    store = Storage(aws)
    with pytest.raises(RefusedError, match="s3://documents/runs/a/text/model changed or vanished"):
        store.copy(HERE, THERE, [Stored("model", 3, '"etag"')])
    client = aws.client("s3")
    with Stubber(client) as stubber:
        stubber.add_client_error("copy_object", "PreconditionFailed", "At least one of the pre-conditions …")
        with pytest.raises(RefusedError, match="changed or vanished"):
            store.copy(HERE, THERE, [Stored("model", 3, '"etag"')])


def test_what_is_too_large_for_one_request_is_copied_in_parts(aws: Aws) -> None:
    put(aws, HERE, "model", "12345")
    store = Storage(aws, largest_single_copy=4)
    store.copy(HERE, THERE, list(store.list(HERE)))
    assert store.read(Place("documents", "runs/b/text/model")) == b"12345"


@pytest.mark.parametrize(
    "call",
    [
        lambda store, place: list(store.list(place)),
        lambda store, place: store.read(place),
        lambda store, place: store.claim(place, b""),
        lambda store, place: store.delete(place),
        lambda store, place: store.copy(place, place, [Stored("", 1, '"e"')]),
    ],
)
def test_a_bucket_that_does_not_exist(aws: Aws, call: Any) -> None:
    with pytest.raises(ConfigurationError, match="the bucket of s3://nowhere/x does not exist"):
        call(Storage(aws), Place("nowhere", "x"))
