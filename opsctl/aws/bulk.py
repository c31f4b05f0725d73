"""S3 in bulk: list, delete and restore any number of objects in bounded memory.

Listings stream page by page. Deletes go 1,000 keys to a request, a few requests at a time; their answers are read, for
a 200 may name keys that were refused. A key with a control character cannot stand in the XML of such a request and is
deleted by a request of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import seconds

BATCH = 1000  # keys in one DeleteObjects request, AWS's limit
IN_FLIGHT = 8
FIRST_PRINTABLE = " "


@dataclass(frozen=True)
class Target:
    """What to delete: a key, or with `version` that one version of it."""

    key: str
    version: str | None = None


@dataclass(frozen=True)
class Refused:
    """A key that S3 did not delete, with its error."""

    key: str
    code: str
    message: str


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker (`etag` None)."""

    key: str
    version: str
    size: int
    etag: str | None
    latest: bool


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted; `started` in seconds since the epoch."""

    key: str
    upload_id: str
    started: float


class Bulk:
    """One account's S3. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws, batch: int = BATCH) -> None:
        self._aws = aws
        self._batch = batch

    @property
    def _client(self) -> Any:
        return self._aws.client("s3")

    def objects(self, prefix: Place) -> Iterator[Stored]:
        """The objects below a prefix with their full keys, in S3's order (UTF-8 bytes)."""
        for page in self._pages("list_objects_v2", "s3:ListBucket", prefix):
            for item in page.get("Contents", ()):
                yield Stored(
                    item["Key"], int(item["Size"]), item["ETag"], seconds(item["LastModified"]),
                    item.get("StorageClass", "STANDARD"),
                )  # fmt: skip

    def folders(self, prefix: Place) -> Iterator[str]:
        """The names up to the next slash of what lies below a prefix."""
        for page in self._pages("list_objects_v2", "s3:ListBucket", prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(prefix.key).removesuffix("/")

    def versions(self, prefix: Place) -> Iterator[Version]:
        """All versions and delete markers below a prefix, by key, the latest of each key first."""
        for page in self._pages("list_object_versions", "s3:ListBucketVersions", prefix):
            kept = (
                Version(item["Key"], item["VersionId"], int(item["Size"]), item["ETag"], item["IsLatest"])
                for item in page.get("Versions", ())
            )
            markers = (
                Version(item["Key"], item["VersionId"], 0, None, item["IsLatest"])
                for item in page.get("DeleteMarkers", ())
            )
            yield from sorted([*kept, *markers], key=lambda version: (version.key, not version.latest))

    def uploads(self, prefix: Place) -> Iterator[Upload]:
        """The unfinished multipart uploads below a prefix."""
        for page in self._pages("list_multipart_uploads", "s3:ListBucketMultipartUploads", prefix):
            for item in page.get("Uploads", ()):
                yield Upload(item["Key"], item["UploadId"], seconds(item["Initiated"]))

    def abort(self, bucket: str, upload: Upload) -> None:
        """Give up a multipart upload; its parts are deleted."""
        with self._aws.explained("s3:AbortMultipartUpload", Place(bucket, upload.key).uri):
            self._client.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.upload_id)

    def upload(self, place: Place, path: Path) -> None:
        """Write a file of any size."""
        with self._aws.explained("s3:PutObject", place.uri):
            self._client.upload_file(str(path), place.bucket, place.key)

    def lines(self, place: Place) -> Iterator[bytes]:
        """The lines of an object, as they arrive."""
        with self._aws.explained("s3:GetObject", place.uri):
            yield from self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"].iter_lines()

    def is_versioned(self, bucket: str) -> bool:
        """Whether what is deleted can be brought back."""
        with self._aws.explained("s3:GetBucketVersioning", bucket):
            return bool(self._client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")

    def delete(self, bucket: str, targets: Iterable[Target]) -> Iterator[tuple[int, list[Refused]]]:
        """Delete; after each request how many keys it held and which of them were refused.

        The targets are read only as fast as they are deleted.
        """
        batches = _batches(targets, self._batch)
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            running = {self._submit(pool, bucket, batch) for batch in itertools.islice(batches, IN_FLIGHT)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {self._submit(pool, bucket, batch) for batch in itertools.islice(batches, len(done))}
                for future in done:
                    yield future.result()

    def _submit(
        self, pool: ThreadPoolExecutor, bucket: str, batch: tuple[Target, ...]
    ) -> Future[tuple[int, list[Refused]]]:
        return pool.submit(self._delete_one if len(batch) == 1 else self._delete_many, bucket, batch)

    def _delete_many(self, bucket: str, batch: tuple[Target, ...]) -> tuple[int, list[Refused]]:
        with self._aws.explained("s3:DeleteObject", f"s3://{bucket}/"):
            objects = [_identified(target) for target in batch]
            answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        refused = [Refused(item["Key"], item["Code"], item.get("Message", "")) for item in answer.get("Errors", ())]
        return len(batch), refused

    def _delete_one(self, bucket: str, batch: tuple[Target, ...]) -> tuple[int, list[Refused]]:
        from botocore.exceptions import ClientError

        (target,) = batch
        with self._aws.explained("s3:DeleteObject", Place(bucket, target.key).uri):
            try:
                self._client.delete_object(Bucket=bucket, **_identified(target))
            except ClientError as error:
                found = error.response["Error"]
                return 1, [Refused(target.key, found["Code"], found.get("Message", ""))]
        return 1, []

    def _pages(self, call: str, action: str, prefix: Place, **more: str) -> Iterator[Any]:
        with self._aws.explained(action, prefix.uri):
            yield from self._client.get_paginator(call).paginate(Bucket=prefix.bucket, Prefix=prefix.key, **more)


def _identified(target: Target) -> dict[str, str]:
    return {"Key": target.key} | ({"VersionId": target.version} if target.version else {})


def _batches(targets: Iterable[Target], size: int) -> Iterator[tuple[Target, ...]]:
    batch: list[Target] = []
    for target in targets:
        if any(letter < FIRST_PRINTABLE for letter in target.key):
            yield (target,)
            continue
        batch.append(target)
        if len(batch) == size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)
