"""S3 in bulk, against moto's server: odd keys, more than a page, versions, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.aws.bulk import Bulk, Target
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place

BUCKET = "bulk"
ODD = [  # all but a line break, which moto's router does not take
    "tab\there", "uni/ünï/码", "sp ace", " ", "plus+", "per%cent", "per%2Fcent", "back\\slash",
    "amp&lt;<>\"'", "~tilde",
    "x" * 1000, "emoji-\N{ROCKET}", "trailing/", "a//b", "/leading", "../x", "a/../b", "a/./b",
]  # fmt: skip


@pytest.fixture
def bulk(aws: Aws) -> Bulk:
    return Bulk(aws)


def everything(bulk: Bulk) -> list[str]:
    return [item.key for item in bulk.objects(Place(BUCKET, ""))]


def test_keys_of_any_kind_are_listed_and_deleted(s3: Any, bulk: Bulk) -> None:
    for key in ODD:
        s3.put_object(Bucket=BUCKET, Key=f"runs/a/{key}", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="runs/b/x", Body=b"")
    found = list(bulk.objects(Place(BUCKET, "runs/a/")))
    assert sorted(item.key for item in found) == sorted(f"runs/a/{key}" for key in ODD)
    answers = list(bulk.delete(BUCKET, (Target(item.key) for item in found)))
    assert sum(answer.objects for answer in answers) == len(ODD)
    assert [answer.refused for answer in answers if answer.refused] == []
    assert everything(bulk) == ["runs/b/x"]


def test_more_than_one_request_deletes_each_key_once(s3: Any, aws: Aws) -> None:
    bulk = Bulk(aws, batch=10)
    for number in range(25):
        s3.put_object(Bucket=BUCKET, Key=f"runs/a/{number:02}", Body=b"x")
    found = list(bulk.objects(Place(BUCKET, "runs/")))
    assert (len(found), found[0].size, found[0].storage_class) == (25, 1, "STANDARD")
    counts = sorted(answer.objects for answer in bulk.delete(BUCKET, (Target(item.key) for item in found)))
    assert counts == [5, 10, 10]
    assert everything(bulk) == []


def test_deleting_a_marker_brings_the_object_back(s3: Any, bulk: Bulk) -> None:
    assert not bulk.is_versioned(BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert bulk.is_versioned(BUCKET)
    s3.put_object(Bucket=BUCKET, Key="runs/a/x", Body=b"one")
    list(bulk.delete(BUCKET, [Target("runs/a/x")]))
    marker, kept = sorted(bulk.versions(Place(BUCKET, "runs/a/")), key=lambda version: not version.latest)
    assert (marker.etag, marker.latest, kept.size, kept.latest) == (None, True, 3, False)
    list(bulk.delete(BUCKET, [Target("runs/a/x", marker.version)]))
    assert everything(bulk) == ["runs/a/x"]


def test_unfinished_uploads_are_listed_and_aborted(s3: Any, bulk: Bulk) -> None:
    s3.create_multipart_upload(Bucket=BUCKET, Key="runs/a/big")
    (upload,) = bulk.uploads(Place(BUCKET, "runs/"))
    assert upload.key == "runs/a/big"
    bulk.abort(BUCKET, upload)
    assert list(bulk.uploads(Place(BUCKET, "runs/"))) == []
