"""How batch transform cuts objects into requests, and puts answers together again. Pure.

Sources: SageMaker's API reference, CreateTransformJob, TransformInput (SplitType), TransformOutput (AssembleWith, the
names of outputs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEGABYTE = 1024 * 1024
MOST_MEGABYTES = 100
DEFAULT_MEGABYTES = 6


class TooLargeError(Exception):
    """A record that no request has room for."""


@dataclass(frozen=True)
class Rules:
    """What a job asks for. `most` is in bytes, 0 for no limit; `concurrent` are requests at a time to each instance."""

    by_line: bool
    single: bool
    most: int
    concurrent: int
    line_ends: bool

    @staticmethod
    def of(request: Mapping[str, Any]) -> Rules:
        """With SageMaker's defaults."""
        megabytes = request.get("MaxPayloadInMB")
        return Rules(
            by_line=request["TransformInput"].get("SplitType", "None") == "Line",
            single=request.get("BatchStrategy") == "SingleRecord",
            most=(DEFAULT_MEGABYTES if megabytes is None else megabytes) * MEGABYTE,
            concurrent=request.get("MaxConcurrentTransforms") or 1,
            line_ends=request["TransformOutput"].get("AssembleWith", "None") == "Line",
        )


def payloads(content: bytes, rules: Rules) -> Iterator[bytes]:
    """The bodies of an object's requests, in order. Raises TooLargeError for a record above the limit."""
    records = [line for line in content.splitlines(keepends=True) if line.strip()] if rules.by_line else [content]
    waiting: list[bytes] = []
    size = 0
    for record in records:
        if rules.most and len(record) > rules.most:
            raise TooLargeError("Too much data for max payload size")
        if waiting and (rules.single or (rules.most and size + len(record) > rules.most)):
            yield b"".join(waiting)
            waiting, size = [], 0
        waiting.append(record)
        size += len(record)
    if waiting:
        yield b"".join(waiting)


def assembled(answers: Sequence[bytes], rules: Rules) -> bytes:
    """An object's output: its answers in order, with AssembleWith Line each on a line of its own."""
    return b"".join(answer + b"\n" if rules.line_ends else answer for answer in answers)


def output_uri(uri: str, prefix: str, name: str) -> str:
    """Where the output of the object `name` goes, which was found below the prefix (a key's beginning)."""
    below = name[len(prefix.rpartition("/")[0]) :].lstrip("/")
    return f"{uri.rstrip('/')}/{below}.out"
