"""S3 from inside the server: what jobs read and write, without a request to ourselves for each object."""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moto.s3.models import FakeKey, S3Backend, s3_backends

from opsctl.sandbox.access import Need

# moto's S3 has no locks, and closes an overwritten object's buffer under whoever reads it: one at a time, then, for
# requests and for jobs alike.
S3_LOCK = threading.RLock()


class NoSuchBucketError(LookupError):
    """The bucket of a URI does not exist."""


@dataclass(frozen=True)
class Share:
    """Of objects in the order of their keys, every `count`-th from `index` on: one host's under ShardedByS3Key."""

    index: int
    count: int


ALL = Share(0, 1)


class Storage:
    """Objects of one account, by `s3://bucket/key` URIs. `demand` raises DeniedError for what may not be done."""

    def __init__(self, account: str, demand: Callable[[Need], None] = lambda _: None) -> None:
        self._demand = demand
        self._backend: S3Backend = s3_backends[account]["aws"]

    def download_prefix(self, uri: str, target: Path, share: Share = ALL) -> int:
        """Copy the share of the objects whose key starts with the URI's key below `target`; returns how many objects
        there are, shared or not.

        A key's path below the prefix is kept; for a prefix that ends within a name, as S3Prefix allows, the part
        after the last slash is kept too. Directory markers (keys that end in "/") are skipped.
        """
        bucket, prefix = split(uri)
        base = prefix.rpartition("/")[0]
        names = [name for name in self.names(bucket, prefix) if not name.endswith("/")]
        for name in names[share.index :: share.count]:
            path = target / name[len(base) :].lstrip("/")
            content = self.read(bucket, name)
            if content is None or not path.resolve().is_relative_to(target.resolve()):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return len(names)

    def holds(self, uri: str) -> bool:
        """Whether there is an object of exactly this URI."""
        bucket, name = split(uri)
        with S3_LOCK:
            found = self._backend.buckets.get(bucket)
            return found is not None and name in found.keys

    def upload_file(self, path: Path, uri: str) -> None:
        """Store one file. Raises NoSuchBucketError."""
        self.upload(path.read_bytes(), uri)

    def upload(self, content: bytes, uri: str) -> None:
        """Store one object. Raises NoSuchBucketError."""
        bucket, name = split(uri)
        self._demand(_of(bucket, name, "s3:PutObject"))
        with S3_LOCK:
            self._require(bucket)
            self._backend.put_object(bucket, name, content)

    def delete(self, uri: str) -> None:
        """Delete one object; one that is not there is fine."""
        bucket, name = split(uri)
        self._demand(_of(bucket, name, "s3:DeleteObject"))
        with S3_LOCK:
            self._backend.delete_object(bucket, name)

    def names(self, bucket: str, prefix: str) -> list[str]:
        """The keys that start with the prefix, in order. Raises NoSuchBucketError."""
        self._demand(Need("s3:ListBucket", (f"arn:aws:s3:::{bucket}",), (("s3:prefix", (prefix,)),)))
        with S3_LOCK:
            self._require(bucket)
            return [name for name in sorted(self._backend.buckets[bucket].keys) if name.startswith(prefix)]

    def read(self, bucket: str, name: str) -> bytes | None:
        """An object's content; None if it is not there any more."""
        self._demand(_of(bucket, name, "s3:GetObject"))
        with S3_LOCK:
            key = self._backend.get_object(bucket, name)
            return key.value if isinstance(key, FakeKey) else None

    def _require(self, bucket: str) -> None:
        if bucket not in self._backend.buckets:
            raise NoSuchBucketError(bucket)


def _of(bucket: str, name: str, action: str) -> Need:
    return Need(action, (f"arn:aws:s3:::{bucket}/{name}",))


class Mirror:
    """Keeps an S3 prefix equal to a local directory: changed files are uploaded, removed ones deleted there."""

    def __init__(self, storage: Storage, directory: Path, uri: str) -> None:
        self._storage = storage
        self._directory = directory
        self._uri = uri.rstrip("/")
        self._seen = self._scan()

    def synchronise(self) -> None:
        """Carry the changes since the last call over to S3."""
        now = self._scan()
        for name, stamp in now.items():
            if self._seen.get(name) != stamp and self._upload(name):
                self._seen[name] = stamp
        for name in self._seen.keys() - now.keys():
            self._storage.delete(f"{self._uri}/{name}")
            del self._seen[name]

    def _upload(self, name: str) -> bool:
        try:
            self._storage.upload_file(self._directory / name, f"{self._uri}/{name}")
        except FileNotFoundError:  # renamed between the scan and now: the next scan sees it
            return False
        return True

    def _scan(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self._directory.rglob("*"):
            try:
                if path.is_file() and not path.is_symlink():
                    stat = path.stat()
                    found[path.relative_to(self._directory).as_posix()] = (stat.st_mtime_ns, stat.st_size)
            except FileNotFoundError:
                continue
        return found


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an `s3://bucket/key` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def pack(source: Path, archive: Path) -> None:
    """Write `source`'s content as a gzipped tar file whose member names, as SageMaker's, begin at `source`."""
    with tarfile.open(archive, "w:gz") as packed:
        for path in sorted(source.iterdir()):
            packed.add(path, arcname=path.name)


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
