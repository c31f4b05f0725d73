"""What copies and deletes in bulk are asked for, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

BATCH = 1000  # keys in one DeleteObjects request, AWS's limit
LARGEST_SINGLE_COPY = 5 * 1024**3  # CopyObject's limit
# Codes that say that a source is not what was listed.
CHANGED = ("PreconditionFailed", "NoSuchKey", "NoSuchVersion", "404", "412")


class Target(NamedTuple):  # made for each key of millions, in half the time that a frozen dataclass takes
    """What to delete: a key, or with `version` that one version of it; `size` in bytes, for the account of it."""

    key: str
    version: str | None = None
    size: int = 0


@dataclass(frozen=True)
class Refused:
    """A key that S3 did not delete or copy, with its error."""

    key: str
    code: str
    message: str


@dataclass(frozen=True)
class Deleted:
    """Of one request: how many objects were deleted, their bytes, and those that were not."""

    objects: int
    bytes: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """Of an object, or a few: how many were copied, their bytes, and those that were not."""

    objects: int
    bytes: int
    refused: tuple[Refused, ...] = ()
