"""Delete what runs keep in S3: plan, write down what goes, and then delete no more than that.

The plan is a manifest on disk, one line for each object. It is written to the audit log of the bucket before the first
object is deleted. Deleting reads the manifest and a fresh listing side by side: an object that is not as it was planned
stays. A run that has come into use since it was planned (redriven, held, read by a new run) stays as a whole.

Where the bucket is versioned, deleting leaves the objects as noncurrent versions until a lifecycle rule ends them, and
`undo` takes the delete markers away again. The manifest in the audit log says which ones: what somebody else deleted
stays deleted.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import Any

from opsctl.aws.bulk import Bulk, Refused, Target, Upload, Version
from opsctl.domain.cleanup import FRESH, Criteria, Decision, plan_cleanup
from opsctl.domain.engines import MAP, Engine, Wish, choose
from opsctl.domain.inventory import HOLD, ROOT, folder_of, folders_of
from opsctl.domain.manifest import Entry, Heading, by_run, entry_line, heading_line, joined, read_manifest
from opsctl.domain.objects import Place, Stored
from opsctl.errors import RefusedError, UsageError
from opsctl.operations import handing_over, inventory
from opsctl.operations.connection import Connection

AUDIT = "audit/"
AUDIT_LOG = re.compile(rf"{AUDIT}[0-9-]+/cleanup-[^/]+\.jsonl")

OnProgress = Callable[[int, int | None], None]  # objects and bytes that are done; None where nobody counts those


@dataclass(frozen=True)
class CleanupPlan:
    """The decisions, with the very objects that go in the file `manifest`. `versioned`: whether they can be brought
    back; `uploads` are unfinished multipart uploads that are given up; `engine` says which way it all goes."""

    heading: Heading
    decisions: tuple[Decision, ...]
    manifest: Path
    versioned: bool
    uploads: tuple[Upload, ...]
    engine: Engine

    @property
    def objects(self) -> int:
        """To be deleted."""
        return sum(decision.objects for decision in self.decisions)

    @property
    def bytes(self) -> int:
        """To be deleted."""
        return sum(decision.bytes for decision in self.decisions)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.objects and not self.uploads


@dataclass
class Result:
    """What came of it: objects deleted (or brought back), objects that stayed because they changed, runs that stayed
    because they came into use (with the reason), and the keys that S3 refused."""

    done: int = 0
    changed: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)


def plan(
    connection: Connection,
    criteria: Criteria,
    asked: dict[str, Any],
    folder: Path,
    on_run: inventory.OnRun,
    wish: Wish = Wish(),  # noqa: B008 - it is frozen
) -> CleanupPlan:
    """What goes and what stays. Writes the manifest below `folder`; changes nothing in S3.

    Raises UsageError for a named run that nobody knows. One that keeps nothing is no error: a cleanup that was cut off
    may have been done with it.
    """
    bulk, bucket, now = Bulk(connection.aws), connection.deployment.bucket, connection.aws.now()
    runs = inventory.take_stock(connection, on_run)
    absent = sorted(criteria.names - {run.name for run in runs})
    unknown = [name for name in absent if not inventory.is_known(connection, name)]
    if unknown:
        raise UsageError(f"no data of a run {unknown[0]!r}", "opsctl data list shows the runs that keep data")
    decisions = plan_cleanup(runs, criteria, inventory.champions(connection), now)
    heading = Heading(_new_id(now), now, connection.aws.identity(), bucket, asked)
    manifest = folder / f"{heading.id}.jsonl"
    with manifest.open("w") as file:
        file.write(heading_line(heading))
        decisions = tuple(_written(bulk, bucket, decision, file.write) for decision in decisions)
    uploads = bulk.uploads(Place(bucket, ROOT)) if criteria.orphans else ()
    given_up = tuple(upload for upload in uploads if now - upload.started >= FRESH)
    has_map = handing_over.machine(connection) is not None
    engine = choose(sum(decision.objects for decision in decisions), wish, has_map=has_map)
    return CleanupPlan(heading, decisions, manifest, bulk.is_versioned(bucket), given_up, engine)


def execute(connection: Connection, made: CleanupPlan, on_progress: OnProgress) -> Result:
    """Write the audit log, then delete what the manifest names and still is as it was planned."""
    bulk, bucket, result = Bulk(connection.aws), made.heading.bucket, Result()
    going = {decision.run.name for decision in made.decisions if decision.folders}
    by_map = made.engine.name == MAP
    if going:
        if by_map:
            handing_over.check(connection, made.manifest.stat().st_size)
        bulk.upload(Place(bucket, _audit_key(made.heading)), made.manifest)
        result.kept = _come_into_use(connection, made, going)
    if going and by_map:
        _hand_over(connection, made, result, on_progress)
    elif going:
        with made.manifest.open("rb") as lines:
            targets = _unchanged(connection, made, read_manifest(lines, made.manifest.name)[1], result)
            _carry_out(bulk, bucket, targets, result, on_progress)
    for upload in made.uploads:
        bulk.abort(bucket, upload)
    return result


def _hand_over(connection: Connection, made: CleanupPlan, result: Result, on_progress: OnProgress) -> None:
    """Have the machine for manifests delete: the audit log is its manifest, and what came of it lies beside it."""
    audit = _audit_key(made.heading)
    errand = handing_over.Errand(
        made.heading.id, "delete", Place(made.heading.bucket, audit), audit.removesuffix(".jsonl"), made.objects,
        tuple(sorted(result.kept)),
    )  # fmt: skip
    for answer in handing_over.work_through(connection, errand, on_progress):
        result.done += answer.done
        result.changed += answer.changed
        result.kept.update(answer.kept)
        result.refused += answer.refused


def undo(connection: Connection, runs: frozenset[str], on_progress: OnProgress) -> Result:
    """Bring back what the last cleanup deleted, or the data of the named runs, whichever cleanup deleted it.

    Raises RefusedError for a bucket that is not versioned, or where no cleanup is on record.
    """
    bulk, bucket, result = Bulk(connection.aws), connection.deployment.bucket, Result()
    if not bulk.is_versioned(bucket):
        raise RefusedError(
            f"the bucket {bucket} is not versioned: what is deleted there is gone",
            "apply the module with versioning on before the next cleanup",
        )
    targets = chain.from_iterable(
        _markers(bulk, bucket, run, entries, result)
        for audit in _audits(bulk, bucket, runs)
        for run, entries in by_run(read_manifest(bulk.lines(Place(bucket, audit)), audit)[1])
        if not runs or run in runs
    )
    _carry_out(bulk, bucket, targets, result, on_progress)
    return result


def _new_id(now: float) -> str:
    """Later ones sort after earlier ones."""
    return f"cleanup-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _audit_key(heading: Heading) -> str:
    return f"{AUDIT}{datetime.fromtimestamp(heading.at, UTC):%Y-%m-%d}/{heading.id}.jsonl"


def _audits(bulk: Bulk, bucket: str, runs: frozenset[str]) -> list[str]:
    """The audit logs of cleanups, newest first: all of them where runs are named, else the last one."""
    keys = [item.key for item in bulk.objects(Place(bucket, AUDIT)) if AUDIT_LOG.fullmatch(item.key)]
    if not keys:
        raise RefusedError(f"no cleanup is on record in s3://{bucket}/{AUDIT}", "there is nothing to undo")
    newest = sorted(keys, key=lambda key: key.rpartition("/")[2], reverse=True)
    return newest if runs else newest[:1]


def _written(bulk: Bulk, bucket: str, decision: Decision, write: Callable[[str], Any]) -> Decision:
    """Write the objects that go; the decision with the folders as they are now."""
    if not decision.folders:
        return decision
    prefix, going = f"{ROOT}{decision.run.name}/", {folder.name for folder in decision.folders}

    def written() -> Iterator[Stored]:
        for item in bulk.objects(Place(bucket, prefix)):
            short = item.key.removeprefix(prefix)
            if folder_of(short) in going:
                write(entry_line(Entry(decision.run.name, item.key, item.size, item.etag)))
                yield replace(item, key=short)

    return replace(decision, folders=folders_of(written()))


def _come_into_use(connection: Connection, made: CleanupPlan, going: set[str]) -> dict[str, str]:
    """The runs that may not go any more, with the reason: the world went on while somebody read the plan."""
    known = {decision.run.name for decision in made.decisions}
    read = inventory.read_by_newcomers(connection, known)
    kept = dict.fromkeys(going & read, "read")
    for name in sorted(going - kept.keys()):
        if connection.storage.read(Place(made.heading.bucket, f"{ROOT}{name}/{HOLD}")) is not None:
            kept[name] = "held"
        elif inventory.is_running(connection, name):
            kept[name] = "running"
    return kept | dict.fromkeys(_read_by(made, kept) & going - kept.keys(), "read")


def _read_by(made: CleanupPlan, names: Iterable[str]) -> set[str]:
    """The runs that these read, at any remove."""
    reads = {decision.run.name: decision.run.reads for decision in made.decisions}
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        new = reads.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def _unchanged(connection: Connection, made: CleanupPlan, entries: Iterable[Entry], result: Result) -> Iterator[Target]:
    """What still is as it was planned. Whether a run has come into use is asked again when its turn comes: the runs
    before it may have taken hours."""
    bulk, bucket = Bulk(connection.aws), made.heading.bucket
    for run, planned in by_run(entries):
        if run not in result.kept:
            result.kept |= _come_into_use(connection, made, {run})
        if run in result.kept:
            continue
        listed = bulk.objects(Place(bucket, f"{ROOT}{run}/"))
        for entry, item in joined(planned, listed, lambda entry: entry.key, lambda item: item.key):
            if item is not None and (item.size, item.etag) == (entry.size, entry.etag):
                yield Target(entry.key, size=entry.size)
            else:
                result.changed += 1


def _markers(bulk: Bulk, bucket: str, run: str, entries: Iterable[Entry], result: Result) -> Iterator[Target]:
    """The delete markers that hide the very objects that were deleted."""
    versions = groupby(bulk.versions(Place(bucket, f"{ROOT}{run}/")), key=lambda version: version.key)
    histories = ((key, list(group)) for key, group in versions)
    for entry, found in joined(entries, histories, lambda entry: entry.key, lambda pair: pair[0]):
        markers = _hiding(entry, found[1] if found else [])
        yield from (Target(entry.key, marker) for marker in markers)
        if not markers and (not found or found[1][0].etag != entry.etag):
            result.changed += 1


def _hiding(entry: Entry, versions: list[Version]) -> list[str]:
    """The delete markers on top of the version that was deleted: more than one where a request was sent twice."""
    markers = list(takewhile(lambda version: version.etag is None, versions))
    hidden = versions[len(markers)] if len(markers) < len(versions) else None
    same = hidden is not None and (hidden.size, hidden.etag) == (entry.size, entry.etag)
    return [marker.version for marker in markers] if same else []


def _carry_out(bulk: Bulk, bucket: str, targets: Iterable[Target], result: Result, on_progress: OnProgress) -> None:
    size = 0
    with closing(bulk.delete(bucket, targets)) as parts:
        for part in parts:
            result.done += part.objects
            result.refused += part.refused
            size += part.bytes
            on_progress(result.done, size)
