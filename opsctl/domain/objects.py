"""Objects in S3 as values: where they are, what a copy consists of, and when a copy is a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsctl.errors import UsageError

SCHEME = "s3://"


@dataclass(frozen=True)
class Place:
    """A prefix or a key in a bucket."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Place:
        """From `s3://bucket/key`. Raises UsageError."""
        bucket, slash, key = uri.removeprefix(SCHEME).partition("/")
        if not uri.startswith(SCHEME) or not bucket or not slash:
            raise UsageError(f"{uri!r} is not an S3 address", "write it as s3://bucket/prefix/")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"{SCHEME}{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as a listing shows it; `key` is the part below the prefix that was listed, `size` in bytes, `modified`
    the seconds since the epoch when it was written (None where nobody asked), `storage_class` as S3 names it."""

    key: str
    size: int
    etag: str
    modified: float | None = field(default=None, compare=False)
    storage_class: str = "STANDARD"


def counted(count: int, noun: str = "object") -> str:
    """`1 object`, `2,000 objects`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def differences(expected: Sequence[Stored], source: Sequence[Stored], target: Sequence[Stored]) -> list[str]:
    """Why `target` is not a true copy of what was `expected`, one line each; empty if it is.

    Keys and sizes must be those of the source as listed before, and the source must still be what it was. ETags are
    compared at the source only, before and after: those of two objects differ under KMS and after uploads in parts. So
    is when it was written, for a source could have been another in between.
    """
    before, after, copied = _by_key(expected), _by_key(source), {item.key: item.size for item in target}
    found = []
    for key, item in before.items():
        now = after.get(key)
        if now != item or now.modified != item.modified:
            found.append(f"{key} changed or vanished at its source during the copy")
        if copied.get(key) != item.size:
            found.append(f"{key} is {copied.get(key, 'missing')} at the target, {item.size} bytes at the source")
    return found + [f"{key} is at the target only" for key in copied.keys() - before.keys()]


def _by_key(items: Sequence[Stored]) -> Mapping[str, Stored]:
    return {item.key: item for item in items}
