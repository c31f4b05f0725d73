"""Objects in S3, on moto."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsctl.aws.bulk import Bulk, Refused, Target
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


def copy(aws: Aws, items: list[Stored]) -> list[Refused]:
    return [failure for part in Bulk(aws).copy(HERE, THERE, items) for failure in part.refused]


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
    assert copy(aws, items) == []
    assert copy(aws, items) == []
    assert list(store.list(THERE)) == items


def test_a_source_that_vanished_is_not_copied(aws: Aws) -> None:
    (refused,) = copy(aws, [Stored("model", 3, '"etag"')])
    error = Bulk(aws).why_not_copied(HERE, refused)
    assert isinstance(error, RefusedError)
    assert error.message == "s3://documents/runs/a/text/model changed or vanished while it was copied"


@pytest.mark.parametrize(
    "call",
    [
        lambda store, place: list(store.list(place)),
        lambda store, place: store.read(place),
        lambda store, place: store.claim(place, b""),
        lambda store, place: store.delete(place),
    ],
)
def test_a_bucket_that_does_not_exist(aws: Aws, call: Any) -> None:
    with pytest.raises(ConfigurationError, match="the bucket of s3://nowhere/x does not exist"):
        call(Storage(aws), Place("nowhere", "x"))


def test_copies_to_a_bucket_that_does_not_exist(aws: Aws) -> None:
    put(aws, HERE, "model", "x")
    nowhere = Place("nowhere", "x/")
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(Bulk(aws).copy(HERE, nowhere, list(Storage(aws).list(HERE))))
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(Bulk(aws).delete("nowhere", [Target("x")]))
