"""What a cleanup deletes, object by object, as lines of JSON: the plan on disk, and the same in the audit log.

The first line is the heading; each other line is one object with its size in bytes and its ETag when it was planned.
Objects stand run by run, and in each run in S3's order, so that a manifest of any length can be held against a listing
as both go by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, TypeVar

from opsctl.errors import RefusedError

VERSION = 1
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Heading:
    """Which cleanup it was: `at` in seconds since the epoch, `by` the ARN of who asked for it, `asked` how."""

    id: str
    at: float
    by: str
    bucket: str
    asked: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One object that goes; `key` is the full key."""

    run: str
    key: str
    size: int
    etag: str


def heading_line(heading: Heading) -> str:
    """The first line, with its line break."""
    return json.dumps({"version": VERSION, **asdict(heading)}) + "\n"


def entry_line(entry: Entry) -> str:
    """One line, with its line break. ASCII only: a key may hold what looks like a line break to others."""
    return json.dumps(asdict(entry)) + "\n"


def read_manifest(lines: Iterable[bytes | str], name: str) -> tuple[Heading, Iterator[Entry]]:
    """The heading, and the entries as they are read. Raises RefusedError for what is no manifest of this version, and,
    as it is read, for a line that is no entry."""
    reader = iter(lines)
    try:
        fields = json.loads(next(reader, b"{}"))
        version = fields.pop("version")
        heading = Heading(**fields)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise RefusedError(f"{name} is no manifest of a cleanup") from error
    if version != VERSION:
        raise RefusedError(f"{name} has version {version}, this opsctl reads {VERSION}", "use a newer opsctl")
    return heading, (_entry(line, name) for line in reader)


def _entry(line: bytes | str, name: str) -> Entry:
    try:
        fields = json.loads(line)
        return Entry(str(fields["run"]), str(fields["key"]), int(fields["size"]), str(fields["etag"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        said = f"{name} holds a line that is no entry: {line[:60]!r}"
        raise RefusedError(said, "mend it, and run the command again") from error


def by_run(entries: Iterable[Entry]) -> Iterator[tuple[str, Iterator[Entry]]]:
    """The entries of each run. Each group must be read before the next is asked for."""
    return groupby(entries, key=lambda entry: entry.run)


def joined(
    left: Iterable[A], right: Iterable[B], left_key: Callable[[A], str], right_key: Callable[[B], str]
) -> Iterator[tuple[A, B | None]]:
    """Each of the left with the one of the right that has its key, or None; both come in the order of their keys."""
    others = iter(right)
    other = next(others, None)
    for item in left:
        while other is not None and right_key(other) < left_key(item):
            other = next(others, None)
        yield item, other if other is not None and right_key(other) == left_key(item) else None
