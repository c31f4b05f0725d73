"""Bring back what a cleanup deleted: take away the delete markers that it left in a versioned bucket.

The manifest in the audit log says which: what somebody else deleted stays deleted, and what was written anew stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, takewhile

from opsctl.aws.bulk import Bulk, Target, Version
from opsctl.domain.inventory import ROOT
from opsctl.domain.manifest import Entry, by_run, joined, read_manifest
from opsctl.domain.objects import Place
from opsctl.errors import RefusedError
from opsctl.operations.cleanup import AUDIT, OnProgress, Result, carry_out
from opsctl.operations.connection import Connection

AUDIT_LOG = re.compile(rf"{AUDIT}[0-9-]+/cleanup-[^/]+\.jsonl")


def undo(connection: Connection, runs: frozenset[str], on_progress: OnProgress) -> Result:
    """Bring back what the last cleanup deleted, or the data of the named runs, whichever cleanup deleted it.

    Raises RefusedError for a bucket that is not versioned, or where no cleanup is on record.
    """
    result = Result()
    targets = _targets(connection, runs, result)
    carry_out(Bulk(connection.aws), connection.deployment.bucket, targets, result, on_progress)
    return result


def rehearse(connection: Connection, runs: frozenset[str], on_progress: OnProgress) -> Result:
    """What `undo` would come to, and nothing is changed. Raises what it does."""
    result = Result()
    for _ in _targets(connection, runs, result):
        result.done += 1
        on_progress(result.done, None)
    return result


def _targets(connection: Connection, runs: frozenset[str], result: Result) -> Iterator[Target]:
    """The delete markers to take away; what is not as the audit log says is counted in the result."""
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
    for audit in _audits(bulk, bucket, runs):
        for run, entries in by_run(read_manifest(bulk.lines(Place(bucket, audit)), audit)[1]):
            if not runs or run in runs:
                yield from _markers(bulk, bucket, run, entries, result)


def _audits(bulk: Bulk, bucket: str, runs: frozenset[str]) -> list[str]:
    """The audit logs of cleanups, newest first: all of them where runs are named, else the last one."""
    logs = [item for item in bulk.objects(Place(bucket, AUDIT)) if AUDIT_LOG.fullmatch(item.key)]
    if not logs:
        raise RefusedError(f"no cleanup is on record in s3://{bucket}/{AUDIT}", "there is nothing to undo")
    # By S3's clock: the names are by the clocks of those who cleaned up.
    logs.sort(key=lambda item: (item.modified or 0.0, item.key.rpartition("/")[2]), reverse=True)
    newest = [item.key for item in logs]
    return newest if runs else newest[:1]


def _markers(bulk: Bulk, bucket: str, run: str, entries: Iterable[Entry], result: Result) -> Iterator[Target]:
    """The delete markers that hide the very objects that were deleted."""
    versions = groupby(bulk.versions(Place(bucket, f"{ROOT}{run}/")), key=lambda version: version.key)
    histories = ((key, list(group)) for key, group in versions)
    for entry, found in joined(entries, histories, lambda entry: entry.key, lambda pair: pair[0]):
        markers = _hiding(entry, found[1] if found else [])
        result.done -= max(len(markers) - 1, 0)  # it is one object that comes back, however many hide it
        yield from (Target(entry.key, marker) for marker in markers)
        if not markers and (not found or found[1][0].etag != entry.etag):
            result.changed += 1


def _hiding(entry: Entry, versions: list[Version]) -> list[str]:
    """The delete markers on top of the version that was deleted: more than one where a request was sent twice."""
    markers = list(takewhile(lambda version: version.etag is None, versions))
    hidden = versions[len(markers)] if len(markers) < len(versions) else None
    same = hidden is not None and (hidden.size, hidden.etag) == (entry.size, entry.etag)
    return [marker.version for marker in markers] if same else []
