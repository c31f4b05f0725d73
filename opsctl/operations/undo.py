"""Bring back what a cleanup deleted: take away the delete markers that it left in a versioned bucket.

The manifest in the audit log says which: what somebody else deleted stays deleted, and what was written anew stays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, takewhile

from opsctl.aws.bulk import Bulk, Target, Version
from opsctl.domain.inventory import ROOT
from opsctl.domain.manifest import Entry, Heading, by_run, joined, read_manifest
from opsctl.domain.objects import Place, Stored
from opsctl.errors import RefusedError
from opsctl.operations.cleanup import AUDIT, OnProgress, Result, carry_out
from opsctl.operations.connection import Connection

AUDIT_LOG = re.compile(rf"{AUDIT}[0-9-]+/cleanup-[^/]+\.jsonl")


@dataclass
class Undone(Result):
    """With the cleanups of which something comes back, the newest first."""

    cleanups: list[Heading] = field(default_factory=list)


def undo(connection: Connection, runs: frozenset[str], on_progress: OnProgress) -> Undone:
    """Bring back what the last cleanup deleted, or the data of the named runs, whichever cleanup deleted it.

    Raises RefusedError for a bucket that is not versioned, or where no cleanup is on record.
    """
    result, bulk, bucket = Undone(), Bulk(connection.aws), connection.deployment.bucket
    for audit in _audits(connection, runs):
        # One after the other: what came back already, and was on record twice, is seen to be there.
        targets = _targets(bulk, bucket, audit, runs, result, {})
        if (first := next(targets, None)) is not None:
            carry_out(bulk, bucket, chain([first], targets), result, on_progress)
    return result


def rehearse(connection: Connection, runs: frozenset[str], on_progress: OnProgress) -> Undone:
    """What `undo` would come to, and nothing is changed. Raises what it does."""
    result, later = Undone(), dict[str, float]()
    for audit in _audits(connection, runs):
        for _ in _targets(Bulk(connection.aws), connection.deployment.bucket, audit, runs, result, later):
            result.done += 1
            on_progress(result.done, None)
    return result


def _targets(
    bulk: Bulk, bucket: str, audit: Stored, runs: frozenset[str], result: Undone, later: dict[str, float]
) -> Iterator[Target]:
    """The delete markers to take away; what is not as the audit log says is counted in the result.

    `later` is when a later cleanup of each run began: markers since then were counted as that one's.
    """
    heading, found = read_manifest(bulk.lines(Place(bucket, audit.key)), audit.key)
    for run, entries in by_run(found):
        if runs and run not in runs:
            continue
        for target in _markers(bulk, bucket, run, entries, result, later.get(run, math.inf)):
            if result.cleanups[-1:] != [heading]:
                result.cleanups.append(heading)
            yield target
        if runs:
            later[run] = audit.modified or math.inf


def _audits(connection: Connection, runs: frozenset[str]) -> list[Stored]:
    """The audit logs of cleanups, newest first: all of them where runs are named, else the last one."""
    bulk, bucket = Bulk(connection.aws), connection.deployment.bucket
    versioning = bulk.versioning(bucket)
    if versioning == "Suspended":
        raise RefusedError(
            f"the versioning of the bucket {bucket} is suspended",
            "switch it on again (terraform apply): what was deleted before it was suspended is still there",
        )
    if versioning != "Enabled":
        raise RefusedError(
            f"the bucket {bucket} is not versioned: what is deleted there is gone",
            "apply the module with versioning on before the next cleanup",
        )
    logs = [item for item in bulk.objects(Place(bucket, AUDIT)) if AUDIT_LOG.fullmatch(item.key)]
    if not logs:
        raise RefusedError(f"no cleanup is on record in s3://{bucket}/{AUDIT}", "there is nothing to undo")
    # By S3's clock: the names are by the clocks of those who cleaned up.
    logs.sort(key=lambda item: (item.modified or 0.0, item.key.rpartition("/")[2]), reverse=True)
    return logs if runs else logs[:1]


def _markers(
    bulk: Bulk, bucket: str, run: str, entries: Iterable[Entry], result: Result, before: float
) -> Iterator[Target]:
    """The delete markers that hide the very objects that were deleted."""
    versions = groupby(bulk.versions(Place(bucket, f"{ROOT}{run}/")), key=lambda version: version.key)
    histories = ((key, list(group)) for key, group in versions)
    for entry, found in joined(entries, histories, lambda entry: entry.key, lambda pair: pair[0]):
        markers = _hiding(entry, found[1] if found else [])
        if markers and markers[0].modified >= before:
            continue
        result.done -= max(len(markers) - 1, 0)  # it is one object that comes back, however many hide it
        yield from (Target(entry.key, marker.version) for marker in markers)
        if not markers and (not found or found[1][0].etag != entry.etag):
            result.changed += 1


def _hiding(entry: Entry, versions: list[Version]) -> list[Version]:
    """The delete markers on top of the version that was deleted: more than one where a request was sent twice."""
    markers = list(takewhile(lambda version: version.etag is None, versions))
    hidden = versions[len(markers)] if len(markers) < len(versions) else None
    same = hidden is not None and (hidden.size, hidden.etag) == (entry.size, entry.etag)
    return markers if same else []
