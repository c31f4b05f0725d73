"""Delete what runs keep in S3: plan, write down what goes, and then delete no more than that.

The plan is a manifest on disk, one line for each object. It is written to the audit log of the bucket before the first
object is deleted. Deleting reads the manifest and a fresh listing side by side: an object that is not as it was planned
stays. A run that has come into use since it was planned (redriven, held, read by a new run) stays as a whole.

Where the bucket is versioned, deleting leaves the objects as noncurrent versions until a lifecycle rule ends them:
`operations.undo` brings them back.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, groupby
from typing import Any, BinaryIO

from opsctl.aws.bulk import Bulk, Refused, Target, Upload
from opsctl.domain.cleanup import FRESH, Criteria, Decision, generations, plan_cleanup, readers_first
from opsctl.domain.engines import MAP, Engine, Wish, choose
from opsctl.domain.inventory import ROOT, folder_of, folders_of, run_of
from opsctl.domain.manifest import Entry, Heading, by_run, entry_line, heading_line, joined, read_manifest
from opsctl.domain.objects import Place, Stored
from opsctl.operations import handing_over, intents, inventory
from opsctl.operations.come_into_use import Staying, asking_again, come_into_use
from opsctl.operations.connection import Connection

AUDIT = "audit/"
READERS = ".readers.json"
"""For the machine `bulk`, beside the audit log: the runs that have to be gone before others, because they read them."""

OnProgress = Callable[[int, int | None], None]  # objects and bytes that are done; None where nobody counts those


@dataclass(frozen=True)
class CleanupPlan:
    """The decisions, with the very objects that go in the file `manifest`. `versioned`: whether they can be brought
    back; `uploads` are unfinished multipart uploads that are given up; `engine` says which way it all goes."""

    heading: Heading
    decisions: tuple[Decision, ...]
    manifest: BinaryIO
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
    """What came of it: objects deleted (or brought back) and their bytes where they are known, objects that stayed
    because they changed, runs that stayed because they came into use (with the reason), the keys that S3 refused;
    `uploads` are the unfinished ones that were given up."""

    done: int = 0
    bytes: int = 0
    changed: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    uploads: int = 0


def plan(
    connection: Connection,
    criteria: Criteria,
    asked: dict[str, Any],
    manifest: BinaryIO,
    on_run: inventory.OnRun,
    wish: Wish = Wish(),  # noqa: B008 - it is frozen
) -> CleanupPlan:
    """What goes and what stays. Writes the manifest, which `execute` reads; changes nothing in S3.

    Raises UsageError for a named run that nobody knows. One that keeps nothing is no error: a cleanup that was cut off
    may have been done with it.
    """
    bulk, bucket, now = Bulk(connection.aws), connection.deployment.bucket, connection.aws.now()
    runs = inventory.take_stock(connection, on_run)
    names = {run.name for run in runs}
    for name in sorted(criteria.names - names):
        if not inventory.is_known(connection, name):
            raise inventory.no_data(name, names)
    in_use = dict.fromkeys(inventory.read_by_newcomers(connection, names), "read") | inventory.in_use(connection)
    decisions = plan_cleanup(runs, criteria, in_use, now)
    heading = Heading(_new_id(now), now, connection.aws.identity(), bucket, asked)
    manifest.write(heading_line(heading).encode())
    going = chain.from_iterable(generations(decisions))
    written = {decision.run.name: _written(bulk, bucket, decision, manifest) for decision in going}
    decisions = tuple(written.get(decision.run.name, decision) for decision in decisions)
    uploads = bulk.uploads(Place(bucket, ROOT)) if criteria.orphans else ()
    busy = _busy(connection, decisions) if criteria.orphans else frozenset()
    given_up = tuple(one for one in uploads if now - one.started >= FRESH and _is_left(one, criteria, busy))
    has_map = handing_over.machine(connection) is not None
    engine = choose(sum(decision.objects for decision in decisions), wish, has_map=has_map)
    return CleanupPlan(heading, decisions, manifest, bulk.is_versioned(bucket), given_up, engine)


def _busy(connection: Connection, decisions: Iterable[Decision]) -> frozenset[str]:
    """The runs below which somebody may be writing, or that are not to be touched."""
    kept = {decision.run.name for decision in decisions if decision.kept in ("running", "held", "fresh")}
    return inventory.running(connection) | kept


def _is_left(upload: Upload, criteria: Criteria, busy: frozenset[str]) -> bool:
    """Whether nobody goes on with an upload, and it was asked for."""
    run = run_of(upload.key)
    return run not in busy and (not criteria.names or run in criteria.names)


def execute(connection: Connection, made: CleanupPlan, on_progress: OnProgress) -> Result:
    """Write the audit log, then delete what the manifest names and still is as it was planned."""
    result = Result()
    if any(decision.folders for decision in made.decisions):
        _delete(connection, made, result, on_progress)
    if made.uploads:
        _give_up(connection, made, result)
    return result


def _give_up(connection: Connection, made: CleanupPlan, result: Result) -> None:
    """Abort the unfinished uploads, but for those of runs that go on by now; on record like what is deleted."""
    bulk, bucket, running = Bulk(connection.aws), made.heading.bucket, inventory.running(connection)
    lines = [{"key": upload.key, "upload": upload.upload_id, "started": upload.started} for upload in made.uploads]
    record = heading_line(made.heading) + "".join(f"{json.dumps(line)}\n" for line in lines)
    place = Place(bucket, _audit_key(made.heading).replace("/cleanup-", "/uploads-"))
    connection.storage.write(place, record.encode())
    for upload in made.uploads:
        run = run_of(upload.key)
        if run in running or (run and inventory.is_held(connection, run)):
            result.kept[run] = "running" if run in running else "held"
        elif refused := bulk.abort(bucket, upload):
            result.refused.append(refused)
        else:
            result.uploads += 1


def _delete(connection: Connection, made: CleanupPlan, result: Result, on_progress: OnProgress) -> None:
    """First say what goes, and only then look who came to need it: see `intents`."""
    going = frozenset(decision.run.name for decision in made.decisions if decision.folders)
    by_map = made.engine.name == MAP
    if by_map:
        handing_over.check(connection, made.manifest.seek(0, os.SEEK_END))
    made.manifest.seek(0)
    Bulk(connection.aws).upload(Place(made.heading.bucket, _audit_key(made.heading)), made.manifest)
    with intents.declared(connection, made.heading.id, going):
        staying = Staying.of(decision.run for decision in made.decisions)
        result.kept |= come_into_use(connection, going, _known(made), staying)
        if by_map:
            _hand_over(connection, made, result, on_progress)
        else:
            _delete_from_here(connection, made, staying, result, on_progress)


def _known(made: CleanupPlan) -> set[str]:
    """The runs of which it was known, when this was planned, what they read."""
    return {
        decision.run.name
        for decision in made.decisions
        if decision.folders or decision.run.started or decision.run.known is not None
    }


def _delete_from_here(
    connection: Connection, made: CleanupPlan, staying: Staying, result: Result, on_progress: OnProgress
) -> None:
    """Generation by generation: nothing goes before all that read it are gone, wherever this is cut off."""
    generation = {d.run.name: number for number, runs in enumerate(generations(made.decisions)) for d in runs}
    made.manifest.seek(0)
    runs = by_run(read_manifest(made.manifest, made.heading.id)[1])
    for _, group in groupby(runs, key=lambda pair: generation[pair[0]]):
        staying.add(run for item in result.refused if (run := run_of(item.key)))
        targets = _unchanged(connection, made.heading.bucket, group, result, staying)
        carry_out(Bulk(connection.aws), made.heading.bucket, targets, result, on_progress)


def _hand_over(connection: Connection, made: CleanupPlan, result: Result, on_progress: OnProgress) -> None:
    """Have the machine for manifests delete: the audit log is its manifest, and what came of it lies beside it."""
    audit = _audit_key(made.heading)
    before = json.dumps(readers_first(made.decisions)).encode()
    connection.storage.write(Place(made.heading.bucket, audit.replace(".jsonl", READERS)), before)
    errand = handing_over.Errand(
        made.heading.id, "delete", Place(made.heading.bucket, audit), audit.removesuffix(".jsonl"), made.objects,
        tuple(sorted(result.kept)),
    )  # fmt: skip
    for answer in handing_over.work_through(connection, errand, on_progress):
        result.done += answer.done
        result.changed += answer.changed
        result.kept.update(answer.kept)
        result.refused += answer.refused


def _new_id(now: float) -> str:
    """Later ones sort after earlier ones."""
    return f"cleanup-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _audit_key(heading: Heading) -> str:
    return f"{AUDIT}{datetime.fromtimestamp(heading.at, UTC):%Y-%m-%d}/{heading.id}.jsonl"


def _written(bulk: Bulk, bucket: str, decision: Decision, manifest: BinaryIO) -> Decision:
    """Write the objects that go; the decision with the folders as they are now."""
    name, going = decision.run.name, {folder.name for folder in decision.folders}
    prefix = f"{ROOT}{name}/"

    def written() -> Iterator[Stored]:
        for item in bulk.objects(Place(bucket, prefix)):
            short = item.key.removeprefix(prefix)
            if folder_of(short) in going:
                manifest.write(entry_line(Entry(name, item.key, item.size, item.etag)).encode())
                yield replace(item, key=short)

    return replace(decision, folders=folders_of(written()))


def _unchanged(
    connection: Connection,
    bucket: str,
    runs: Iterable[tuple[str, Iterator[Entry]]],
    result: Result,
    staying: Staying,
) -> Iterator[Target]:
    """What still is as it was planned. Whether a run has come into use is asked again when its turn comes: the runs
    before it may have taken hours."""
    bulk, reason_to_keep = Bulk(connection.aws), asking_again(connection, staying)
    for run, planned in runs:
        reason = result.kept.get(run) or reason_to_keep(run)
        if reason:
            result.kept[run] = reason
            staying.add([run])
            continue
        listed = bulk.objects(Place(bucket, f"{ROOT}{run}/"))
        for entry, item in joined(planned, listed, lambda entry: entry.key, lambda item: item.key):
            if item is not None and (item.size, item.etag) == (entry.size, entry.etag):
                yield Target(entry.key, size=entry.size)
            else:
                result.changed += 1
                if item is not None:
                    staying.add([run])


def carry_out(bulk: Bulk, bucket: str, targets: Iterable[Target], result: Result, on_progress: OnProgress) -> None:
    with closing(bulk.delete(bucket, targets)) as parts:
        for part in parts:
            result.done += part.objects
            result.bytes += part.bytes
            result.refused += part.refused
            on_progress(result.done, result.bytes)
    result.refused.sort(key=lambda item: item.key)
