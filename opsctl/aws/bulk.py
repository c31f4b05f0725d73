"""S3 in bulk: list, copy, delete and restore any number of objects in bounded memory.

Listings stream page by page; copies and deletes read their objects only as fast as they are carried out. All of it may
be cut off at any point: the same call on what a new listing shows ends in the same state.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

from opsctl.aws.ahead import read_ahead
from opsctl.aws.bulk_types import BATCH, CHANGED, LARGEST_SINGLE_COPY, Copied, Deleted, Refused, Target
from opsctl.aws.errors import code_of, from_code
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored
from opsctl.errors import OpsError, RefusedError

__all__ = ["Bulk", "Copied", "Deleted", "Refused", "Target", "Upload", "Version"]

ENDED = ("NoSuchUpload", "404")  # of an upload that is there no more


@lru_cache  # objects that were written together share their second
def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker (`etag` None); `modified` in seconds since the epoch."""

    key: str
    version: str
    size: int
    etag: str | None
    latest: bool
    modified: float


@dataclass(frozen=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted; `started` in seconds since the epoch."""

    key: str
    upload_id: str
    started: float


class Bulk:
    """One account's S3. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws, batch: int = BATCH, largest_single_copy: int = LARGEST_SINGLE_COPY) -> None:
        self._aws = aws
        self._batch = batch
        self._largest_single_copy = largest_single_copy

    @property
    def _client(self) -> Any:
        return self._aws.client("s3")

    def objects(self, prefix: Place) -> Iterator[Stored]:
        """The objects below a prefix with their full keys, in S3's order (UTF-8 bytes)."""
        # Asked for by us, the encoding is undone by us: botocore would look at each of the keys for what few have.
        for page in self._pages("list_objects_v2", "s3:ListBucket", prefix, EncodingType="url"):
            encoded = page.get("EncodingType") == "url"
            for item in page.get("Contents", ()):
                key = item["Key"]
                if encoded and ("%" in key or "+" in key):
                    key = unquote_plus(key)
                yield Stored(
                    key, int(item["Size"]), item["ETag"], _seconds(item["LastModified"]),
                    item.get("StorageClass", "STANDARD"),
                )  # fmt: skip

    def folders(self, prefix: Place) -> Iterator[str]:
        """The names up to the next slash of what lies below a prefix."""
        for page in self._pages("list_objects_v2", "s3:ListBucket", prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(prefix.key).removesuffix("/")

    def versions(self, prefix: Place) -> Iterator[Version]:
        """All versions and delete markers below a prefix, by key, the newest of each key first.

        Of a marker and a version of the same second the marker comes first, for a page does not tell.
        """
        for page in self._pages("list_object_versions", "s3:ListBucketVersions", prefix):
            kept = (
                Version(
                    item["Key"], item["VersionId"], int(item["Size"]), item["ETag"], item["IsLatest"], _modified(item)
                )
                for item in page.get("Versions", ())
            )
            markers = (
                Version(item["Key"], item["VersionId"], 0, None, item["IsLatest"], _modified(item))
                for item in page.get("DeleteMarkers", ())
            )
            found = [*markers, *kept]
            yield from sorted(found, key=lambda version: (version.key, not version.latest, -version.modified))

    def uploads(self, prefix: Place) -> Iterator[Upload]:
        """The unfinished multipart uploads below a prefix."""
        for page in self._pages("list_multipart_uploads", "s3:ListBucketMultipartUploads", prefix):
            for item in page.get("Uploads", ()):
                yield Upload(item["Key"], item["UploadId"], _seconds(item["Initiated"]))

    def abort(self, bucket: str, upload: Upload) -> Refused | None:
        """Give up a multipart upload, whose parts are deleted; what S3 has against it, if anything. One that is
        completed, or given up already, is nothing to complain of."""
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:AbortMultipartUpload", Place(bucket, upload.key).uri):
            try:
                self._client.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.upload_id)
            except ClientError as error:
                if code_of(error) in ENDED:
                    return None
                return Refused(upload.key, code_of(error), error.response["Error"].get("Message", ""))
        return None

    def upload(self, place: Place, file: BinaryIO) -> None:
        """Write a file of any size, from where it stands to its end."""
        from boto3.s3.inject import upload_fileobj  # a method of boto3's own clients, which are slower to make

        file.flush()
        with self._aws.explained("s3:PutObject", place.uri), os.fdopen(os.dup(file.fileno()), "rb") as reader:
            upload_fileobj(self._client, reader, place.bucket, place.key)  # which closes what it has read

    def lines(self, place: Place) -> Iterator[bytes]:
        """The lines of an object, as they arrive."""
        with self._aws.explained("s3:GetObject", place.uri):
            yield from self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"].iter_lines()

    def is_versioned(self, bucket: str) -> bool:
        """Whether what is deleted can be brought back."""
        return self.versioning(bucket) == "Enabled"

    def versioning(self, bucket: str) -> str | None:
        """Enabled, Suspended (only what was deleted before that can be brought back), or None: it never was."""
        with self._aws.explained("s3:GetBucketVersioning", bucket):
            status: str | None = self._client.get_bucket_versioning(Bucket=bucket).get("Status")
            return status

    def delete(self, bucket: str, targets: Iterable[Target]) -> Generator[Deleted, None, None]:
        """Delete; what came of each request. Those that S3 refuses are named, and the others go on.

        The targets are read only as fast as they are deleted.
        """
        from opsctl.aws.deleting import Deletion  # with asyncio, which only this needs

        return Deletion(self._aws, bucket, self._batch).run(targets)

    def copy(
        self, source: Place, target: Place, items: Iterable[Stored], *, pinned: bool = False
    ) -> Generator[Copied, None, None]:
        """Copy `items` from below one prefix to below another, as they are read; those that could not be copied are
        named and the others go on. The copy is proved by listing the source again: see `domain.objects.differences`.

        With `pinned`, slowly and one by one, the very versions that `items` were listed as, also where they are not
        the latest any more.
        """
        from opsctl.aws.copying import Copying

        return Copying(self._aws, source, target, self._largest_single_copy, pinned=pinned).run(items)

    def why_not_copied(self, source: Place, refused: Refused) -> OpsError:
        """The error for an object that could not be copied from below `source`."""
        uri = f"{source.uri}{refused.key}"
        if refused.code in CHANGED:
            return RefusedError(f"{uri} changed or vanished while it was copied", "run the same command again")
        apply = self._aws.context.apply_command
        return from_code(refused.code, refused.message, "s3:GetObject and s3:PutObject", uri, apply)

    def _pages(self, call: str, action: str, prefix: Place, **more: str) -> Iterator[Any]:
        with self._aws.explained(action, prefix.uri):
            pages = self._client.get_paginator(call).paginate(Bucket=prefix.bucket, Prefix=prefix.key, **more)
            yield from read_ahead(pages)


def _modified(item: dict[str, Any]) -> float:
    return _seconds(item["LastModified"])
