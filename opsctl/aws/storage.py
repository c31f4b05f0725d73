"""Objects in S3: list, read, claim, copy inside S3, delete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import seconds
from opsctl.errors import RefusedError

COPY_THREADS = 16
LARGEST_SINGLE_COPY = 5 * 1024**3  # CopyObject's limit; larger ones are copied in parts
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
ABSENT = ("NoSuchKey", "404", "NotFound")


class Storage:
    """One account's S3. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws, largest_single_copy: int = LARGEST_SINGLE_COPY) -> None:
        self._aws = aws
        self._largest_single_copy = largest_single_copy

    @property
    def _client(self) -> Any:
        return self._aws.client("s3")

    def list(self, prefix: Place) -> Iterator[Stored]:
        """The objects below a prefix, keys relative to it, in S3's order."""
        with self._aws.explained("s3:ListBucket", prefix.uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(prefix.key)
                    kind = item.get("StorageClass", "STANDARD")
                    yield Stored(key, int(item["Size"]), item["ETag"], seconds(item["LastModified"]), kind)

    def read(self, place: Place) -> bytes | None:
        """An object's content, or None where there is no such object."""
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:GetObject", place.uri):
            try:
                content: bytes = self._client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read()
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise
            return content

    def claim(self, place: Place, content: bytes) -> bool:
        """Write an object unless there is one; False if there is. Of several writers at once, one gets True."""
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:PutObject", place.uri):
            try:
                self._client.put_object(Bucket=place.bucket, Key=place.key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) in TAKEN:
                    return False
                raise
            return True

    def delete(self, place: Place) -> None:
        """Delete one object; one that is not there is no error."""
        with self._aws.explained("s3:DeleteObject", place.uri):
            self._client.delete_object(Bucket=place.bucket, Key=place.key)

    def copy(self, source: Place, target: Place, items: Sequence[Stored]) -> None:
        """Copy `items` from below one prefix to below another, inside S3.

        Each copy demands that the source still has the ETag it was listed with. Raises RefusedError if one has not.
        """
        with ThreadPoolExecutor(COPY_THREADS) as pool:
            for _ in pool.map(lambda item: self._copy_one(source, target, item), items):
                pass

    def _copy_one(self, source: Place, target: Place, item: Stored) -> None:
        from botocore.exceptions import ClientError

        origin = {"Bucket": source.bucket, "Key": source.key + item.key}
        destination = {"Bucket": target.bucket, "Key": target.key + item.key}
        with self._aws.explained("s3:GetObject and s3:PutObject", f"{source.uri}{item.key}"):
            try:
                if item.size <= self._largest_single_copy:
                    self._client.copy_object(CopySource=origin, CopySourceIfMatch=item.etag, **destination)
                else:
                    self._client.copy(origin, ExtraArgs={"CopySourceIfMatch": item.etag}, **destination)
            except ClientError as error:
                if code_of(error) not in (*TAKEN, *ABSENT):
                    raise
                raise RefusedError(
                    f"{source.uri}{item.key} changed or vanished while it was copied", "run the same command again"
                ) from error
