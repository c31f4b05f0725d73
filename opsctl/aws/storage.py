"""Objects in S3: list, read, claim, write, copy, delete."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from opsctl.aws.bulk import Bulk, Copied
from opsctl.aws.errors import code_of
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import seconds

TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
ABSENT = ("NoSuchKey", "404", "NotFound")


class Storage:
    """One account's S3. Every method raises what `aws.errors` makes of AWS's errors."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

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

    def write(self, place: Place, content: bytes) -> None:
        """Write an object, over the one that is there."""
        with self._aws.explained("s3:PutObject", place.uri):
            self._client.put_object(Bucket=place.bucket, Key=place.key, Body=content)

    def delete(self, place: Place) -> None:
        """Delete one object; one that is not there is no error."""
        with self._aws.explained("s3:DeleteObject", place.uri):
            self._client.delete_object(Bucket=place.bucket, Key=place.key)

    def copy(self, source: Place, target: Place, items: Iterable[Stored]) -> Generator[Copied, None, None]:
        """Copy `items` from below one prefix to below another, as `opsctl.aws.bulk` does."""
        return Bulk(self._aws).copy(source, target, items)
