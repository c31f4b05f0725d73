"""Delete any number of objects: 1,000 keys to a request, several requests at a time.

obstore deletes the keys that it leaves as they are. If it says that a request failed, botocore sends the same keys
again, for it tells which key was refused and why. Single versions and odd keys are botocore's from the beginning; a key
that cannot stand in the XML of such a request is deleted by a request of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator

from opsctl.aws.bulk_types import BATCH, Deleted, Refused, Target
from opsctl.aws.errors import code_of
from opsctl.aws.pace import Pace
from opsctl.aws.parallel import in_parallel
from opsctl.aws.plain import PlainStore, is_plain, is_slow_down
from opsctl.aws.session import Aws
from opsctl.domain.keys import NOT_IN_XML
from opsctl.domain.objects import Place

IN_FLIGHT = 20
FIRST_IN_FLIGHT = 1  # of 1,000 writes each: two at once are more than AWS promises for half a second
ATTEMPTS = 8
AGAIN = ("SlowDown", "InternalError", "ServiceUnavailable", "503")  # per key, in an answer 200


Batch = tuple[Target, ...]


class Deletion:
    """Deletes from one bucket; shared by what is in flight."""

    def __init__(self, aws: Aws, bucket: str, batch: int = BATCH, pace: Pace | None = None) -> None:
        self._aws, self._client, self._bucket, self._size = aws, aws.client("s3"), bucket, batch
        self._pace = pace or Pace(FIRST_IN_FLIGHT, IN_FLIGHT)
        self._plain = PlainStore(aws, bucket)

    def run(self, targets: Iterable[Target]) -> Generator[Deleted, None, None]:
        """What came of each request. Reads targets only as they are deleted."""
        return in_parallel(self._delete, _batches(targets, self._size), self._pace, IN_FLIGHT)

    async def _delete(self, batch: Batch) -> Deleted:
        refused = await self._refused(batch)
        keys = {found.key for found in refused}
        gone = [target.size for target in batch if target.key not in keys]
        return Deleted(len(gone), sum(gone), tuple(refused))

    async def _refused(self, batch: Batch) -> list[Refused]:
        if NOT_IN_XML.search(batch[0].key):
            return await self._delete_one(batch[0])
        if _is_plain(batch[0]) and await self._delete_plain(batch):
            return []
        return await self._delete_many(batch)

    async def _delete_plain(self, batch: Batch) -> bool:
        for _ in range(ATTEMPTS):
            sent = await self._pace.turn(len(batch))
            failure = await self._plain.delete([target.key for target in batch])
            if failure is None:
                self._pace.accepted(sent, len(batch))
                return True
            if not is_slow_down(failure):
                return False
            self._pace.refused()
        return False

    async def _delete_many(self, batch: Batch) -> list[Refused]:
        """What S3 has no time for is asked again."""
        final: list[Refused] = []
        for attempt in range(ATTEMPTS):
            sent = await self._pace.turn(len(batch))
            refused = await asyncio.to_thread(self._answer, batch)
            last = attempt == ATTEMPTS - 1
            final += [found for _, found in refused if last or found.code not in AGAIN]
            busy = tuple(target for target, found in refused if found.code in AGAIN)
            if not busy:
                self._pace.accepted(sent, len(batch))
            if last or not busy:
                break
            self._pace.refused()
            batch = busy
        return final

    def _answer(self, batch: Batch) -> list[tuple[Target, Refused]]:
        objects = [_identified(target) for target in batch]
        with self._aws.explained("s3:DeleteObject", f"s3://{self._bucket}/"):
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        return [
            (Target(item["Key"], item.get("VersionId")), Refused(item["Key"], item["Code"], item.get("Message", "")))
            for item in answer.get("Errors", ())
        ]

    async def _delete_one(self, target: Target) -> list[Refused]:
        await self._pace.turn()
        return await asyncio.to_thread(self._delete_single, target)

    def _delete_single(self, target: Target) -> list[Refused]:
        from botocore.exceptions import ClientError

        with self._aws.explained("s3:DeleteObject", Place(self._bucket, target.key).uri):
            try:
                self._client.delete_object(Bucket=self._bucket, **_identified(target))
            except ClientError as error:
                return [Refused(target.key, code_of(error), error.response["Error"].get("Message", ""))]
        return []


def _identified(target: Target) -> dict[str, str]:
    return {"Key": target.key} | ({"VersionId": target.version} if target.version else {})


def _is_plain(target: Target) -> bool:
    """Whether obstore may delete it."""
    return target.version is None and is_plain(target.key)


def _batches(targets: Iterable[Target], size: int) -> Iterator[Batch]:
    waiting: dict[bool, list[Target]] = {True: [], False: []}
    for target in targets:
        plain = _is_plain(target)
        if not plain and NOT_IN_XML.search(target.key):
            yield (target,)
            continue
        batch = waiting[plain]
        batch.append(target)
        if len(batch) == size:
            yield tuple(batch)
            batch.clear()
    yield from (tuple(batch) for batch in waiting.values() if batch)
