"""Copies inside S3 keep what an object is: its metadata, tags, encryption, one version of it. Against moto."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from opsctl.aws.bulk import Bulk
from opsctl.aws.listing import _take_contents, parse_fast
from opsctl.aws.multipart import copy_in_parts
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored

BUCKET = "bulk"
HERE, THERE = Place(BUCKET, "a/"), Place(BUCKET, "b/")
PART = 5 * 1024**2  # the least that S3 takes, but for the last one
LARGE = b"0" * PART + b"1" * PART + b"2"
KEPT = {"Metadata": {"made-by": "nightly-7"}, "ContentType": "application/x-tar", "CacheControl": "no-store"}


@pytest.fixture
def key(moto: str) -> str:
    arn: str = boto3.client("kms", endpoint_url=moto).create_key()["KeyMetadata"]["Arn"]
    return arn


def test_a_copy_in_parts_is_all_that_its_source_is(s3: Any, aws: Aws, key: str) -> None:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "BucketKeyEnabled": True}
    etag = s3.put_object(Bucket=BUCKET, Key="a/large", Body=LARGE, Tagging="kind=model&a%20b=c", **KEPT, **encryption)
    copy_in_parts(aws.client("s3"), Place(BUCKET, "a/large"), Place(BUCKET, "b/large"), etag["ETag"], PART)
    found = s3.get_object(Bucket=BUCKET, Key="b/large")
    assert found["Body"].read() == LARGE
    assert {name: found[name] for name in KEPT} == KEPT
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="b/large")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind": "model", "a b": "c"}


def test_all_parts_are_of_one_version(s3: Any, aws: Aws) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    etag = s3.put_object(Bucket=BUCKET, Key="a/large", Body=LARGE)["ETag"]
    client, asked = aws.client("s3"), []

    def change(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["CopySource"])
        s3.put_object(Bucket=BUCKET, Key="a/large", Body=b"another")

    client.meta.events.register("provide-client-params.s3.UploadPartCopy", change)
    copy_in_parts(client, Place(BUCKET, "a/large"), Place(BUCKET, "b/large"), etag, PART)
    assert s3.get_object(Bucket=BUCKET, Key="b/large")["Body"].read() == LARGE
    assert len({source["VersionId"] for source in asked}) == 1


def test_a_copy_in_parts_that_fails_leaves_nothing_behind(s3: Any, aws: Aws) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/large", Body=LARGE)
    with pytest.raises(ClientError, match="412"):
        copy_in_parts(aws.client("s3"), Place(BUCKET, "a/large"), Place(BUCKET, "b/large"), '"other"', PART)
    etag, client = s3.head_object(Bucket=BUCKET, Key="a/large")["ETag"], aws.client("s3")

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["PartNumber"] == 2:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "UploadPartCopy")

    client.meta.events.register("provide-client-params.s3.UploadPartCopy", refuse)
    with pytest.raises(ClientError, match="AccessDenied"):
        copy_in_parts(client, Place(BUCKET, "a/large"), Place(BUCKET, "b/large"), etag, PART)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_small_copies_keep_metadata_and_tags_and_the_key_of_the_first(s3: Any, aws: Aws, key: str) -> None:
    for name in ("x", "y", "y\tz"):
        s3.put_object(
            Bucket=BUCKET, Key=f"a/{name}", Body=b"1", Tagging="kind=model", ServerSideEncryption="aws:kms",
            SSEKMSKeyId=key, **KEPT,
        )  # fmt: skip
    bulk = Bulk(aws)
    items = [Stored(item.key.removeprefix("a/"), item.size, item.etag) for item in bulk.objects(HERE)]
    assert [part.refused for part in bulk.copy(HERE, THERE, items)] == [()] * len(items)
    for name in ("x", "y", "y\tz"):
        found = s3.head_object(Bucket=BUCKET, Key=f"b/{name}")
        assert {field: found[field] for field in KEPT} == KEPT
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", key)
        assert s3.get_object_tagging(Bucket=BUCKET, Key=f"b/{name}")["TagSet"] == [{"Key": "kind", "Value": "model"}]


def test_what_is_too_large_goes_in_parts_and_to_another_bucket_without_obstore(s3: Any, aws: Aws) -> None:
    s3.create_bucket(Bucket="other")
    for name in ("small", "large"):
        s3.put_object(Bucket=BUCKET, Key=f"a/{name}", Body=name.encode(), Metadata={"of": name})
    bulk = Bulk(aws, largest_single_copy=4)
    items = [Stored(item.key.removeprefix("a/"), item.size, item.etag) for item in bulk.objects(HERE)]
    for target in (THERE, Place("other", "c/")):
        assert sum(part.objects for part in bulk.copy(HERE, target, items)) == 2
        for name in ("small", "large"):
            found = s3.get_object(Bucket=target.bucket, Key=target.key + name)
            assert (found["Body"].read(), found["Metadata"]) == (name.encode(), {"of": name})


def test_a_listing_is_what_botocore_makes_of_it(s3: Any, moto: str) -> None:
    for name in ("a b", "a+b", "a%20b", "a&amp;b", "ü", "<x>", "d/1", "d/2", "tab\t"):
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"12")
    fast = boto3.client("s3", endpoint_url=moto)
    parse_fast(fast)
    for how in ({}, {"Delimiter": "/"}, {"Prefix": "nothing"}, {"MaxKeys": 2}, {"EncodingType": "url"}):
        expected, found = (client.list_objects_v2(Bucket=BUCKET, **how) for client in (s3, fast))
        assert contents(found) == contents(expected)
        for page in (expected, found):
            for name in ("Contents", "ResponseMetadata", "NextContinuationToken"):
                page.pop(name, None)
        assert found == expected


def contents(page: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(e["Key"], int(e["Size"]), e["ETag"], e["StorageClass"]) for e in page.get("Contents", ())]


ENTRY = "<Contents><Key>{}</Key><LastModified>t</LastModified><ETag>&quot;e&quot;</ETag>{}<Size>7</Size>{}</Contents>"
CHECKSUM = "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
FROZEN = "<Owner><ID>me</ID></Owner><StorageClass>GLACIER</StorageClass><RestoreStatus><X>y</X></RestoreStatus>"


@pytest.mark.parametrize(
    ("key", "before", "after", "storage"),
    [
        ("a%26b", "", "<StorageClass>STANDARD</StorageClass>", {"StorageClass": "STANDARD"}),
        ("a&amp;&#38;b", "", "<StorageClass>STANDARD</StorageClass>", {"StorageClass": "STANDARD"}),
        ("k", CHECKSUM, "<StorageClass>STANDARD_IA</StorageClass>", {"StorageClass": "STANDARD_IA"}),
        ("k", "", FROZEN, {"StorageClass": "GLACIER"}),
        ("k", "", "", {}),
    ],
)
def test_an_entry_is_read_whatever_else_stands_in_it(
    key: str, before: str, after: str, storage: dict[str, str]
) -> None:
    answer: dict[str, Any] = {}
    entries = ENTRY.format("first", "", "<StorageClass>X</StorageClass>") + ENTRY.format(key, before, after)
    body = f"<ListBucketResult>{entries}<Name>x</Name></ListBucketResult>".encode()
    _take_contents({"body": body, "status_code": 200}, answer)
    name = key.replace("&amp;", "&").replace("&#38;", "&")
    assert answer["Contents"][1] == {"Key": name, "LastModified": "t", "ETag": '"e"', "Size": "7", **storage}
    assert [entry["Key"] for entry in answer["Contents"]] == ["first", name]
