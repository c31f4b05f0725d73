"""Copy any number of objects inside S3.

obstore copies what is within CopyObject's 5 GiB, has keys that it leaves as they are and stays in its bucket. It cannot
demand the source's ETag or name a version, and botocore, which can, is several times slower. So whoever needs the proof
lists the source again afterwards, which shows any change in between, and has what changed copied once more, `pinned` to
the version that was listed. botocore copies that, the rest, and whatever obstore failed on, and demands the ETag.

A copy is encrypted as the bucket says. Where the first object of a prefix is encrypted with a key of its own, so are
all the copies: one job wrote them, and a request for each would double the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping
from itertools import chain
from typing import Any

from opsctl.aws.bulk_types import LARGEST_SINGLE_COPY, Copied, Refused
from opsctl.aws.deleting import ATTEMPTS
from opsctl.aws.errors import code_of
from opsctl.aws.multipart import SMALLEST_PART, copy_in_parts, encryption_of
from opsctl.aws.pace import Pace
from opsctl.aws.parallel import in_parallel
from opsctl.aws.plain import PlainStore, is_plain, is_slow_down
from opsctl.aws.session import Aws
from opsctl.domain.objects import Place, Stored

FIRST_IN_FLIGHT = 16
IN_FLIGHT = 340  # of 30 ms each they make 11,000 a second; each takes 60 KiB
READ_AHEAD = 2000  # objects: the next page is listed before all of the last is in flight
FATAL = ("NoSuchBucket", "InvalidAccessKeyId", "ExpiredToken", "SignatureDoesNotMatch")  # all the others would fail too


class Copying:
    """Copies from below one prefix to below another; shared by what is in flight."""

    def __init__(
        self,
        aws: Aws,
        source: Place,
        target: Place,
        largest: int = LARGEST_SINGLE_COPY,
        part: int = SMALLEST_PART,
        *,
        pinned: bool = False,
    ) -> None:
        self._aws, self._client = aws, aws.client("s3")
        self._source, self._target, self._largest, self._part = source, target, largest, part
        self._pinned = pinned
        self._pace = Pace(FIRST_IN_FLIGHT, IN_FLIGHT)
        self._encryption: dict[str, Any] = {}
        self._plain: PlainStore | None = None

    def run(self, items: Iterable[Stored]) -> Generator[Copied, None, None]:
        """As they are copied; `items` have keys relative to the source and are read only as fast as they are copied."""
        reader = iter(items)
        first = next(reader, None)
        if first is None:
            return
        self._encryption = self._encryption_of(first)
        if self._source.bucket == self._target.bucket and not self._pinned:
            self._plain = PlainStore(self._aws, self._target.bucket, self._encryption)
        yield from in_parallel(self._copy, chain([first], reader), self._pace, READ_AHEAD)

    async def _copy(self, item: Stored) -> Copied:
        if self._plain and await self._copy_plain(self._plain, item):
            return Copied(1, item.size)
        await self._pace.turn()
        refused = await asyncio.to_thread(self._copy_or_say_why, item)
        return Copied(0, 0, (refused,)) if refused else Copied(1, item.size)

    async def _copy_plain(self, plain: PlainStore, item: Stored) -> bool:
        source, target = self._source.key + item.key, self._target.key + item.key
        if item.size > self._largest or not is_plain(source) or not is_plain(target):
            return False
        for _ in range(ATTEMPTS):
            sent = await self._pace.turn()
            failure = await plain.copy(source, target)
            if failure is None:
                self._pace.accepted(sent)
                return True
            if not is_slow_down(failure):
                return False
            self._pace.refused()
        return False

    def _copy_or_say_why(self, item: Stored) -> Refused | None:
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:GetObject and s3:PutObject", f"{self._source.uri}{item.key}"):
            try:
                version = self._version_of(item) if self._pinned else {}
                if version is None:
                    return Refused(item.key, "NoSuchVersion", "no version of it is the one that was listed")
                self._copy_as_listed(item, version)
            except ClientError as error:
                if code_of(error) in FATAL:
                    raise
                return Refused(item.key, code_of(error), error.response["Error"].get("Message", ""))
        return None

    def _version_of(self, item: Stored) -> dict[str, str] | None:
        """Which version of an object was listed; None where it is gone."""
        key = self._source.key + item.key
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._source.bucket, Prefix=key):
            for found in page.get("Versions", ()):
                if (found["Key"], found["Size"], found["ETag"]) == (key, item.size, item.etag):
                    return {"VersionId": found["VersionId"]}
        return None

    def _copy_as_listed(self, item: Stored, version: Mapping[str, str]) -> None:
        source = Place(self._source.bucket, self._source.key + item.key)
        target = Place(self._target.bucket, self._target.key + item.key)
        if item.size > self._largest:
            copy_in_parts(self._client, source, target, item.etag, self._part, version)
            return
        self._client.copy_object(
            CopySource={"Bucket": source.bucket, "Key": source.key, **version}, CopySourceIfMatch=item.etag,
            Bucket=target.bucket, Key=target.key, **self._encryption,
        )  # fmt: skip

    def _encryption_of(self, item: Stored) -> dict[str, Any]:
        """Nothing where the object is gone or may not be read: its copy will say so."""
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:GetObject", f"{self._source.uri}{item.key}"):
            try:
                version = (self._version_of(item) if self._pinned else None) or {}
                place = {"Bucket": self._source.bucket, "Key": self._source.key + item.key}
                head = self._client.head_object(**place, **version)
            except ClientError as error:
                if code_of(error) in ("403", "404"):
                    return {}
                raise
        return encryption_of(head)
