"""Copy what is reused into the new run's prefix, and verify it; or verify it where it lies."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace

from opsctl.aws.bulk import Bulk, Copied, Refused
from opsctl.aws.bulk_types import CHANGED
from opsctl.domain.objects import Place, Stored, counted, differences
from opsctl.domain.plan import PlannedStep, Result
from opsctl.errors import AwsError, OpsError, RefusedError
from opsctl.operations import handing_over
from opsctl.operations.connection import Connection

NOT_COPIED = "checkpoints/"  # of use only to the job that wrote them, and a consumer would download them
AGAIN = "run the same command again"

SHOWN = 20  # keys that are named where some could not be copied

OnProgress = Callable[[str], None]
Told = Callable[[int, int | None], None]  # how many objects and bytes are done
Watch = Callable[[str, int, int], AbstractContextManager[Told]]  # for what is copied, its objects and bytes


def kept(connection: Connection, place: Place) -> list[Stored]:
    """The objects of a result."""
    return [item for item in connection.storage.list(place) if not item.key.startswith(NOT_COPIED)]


def unwatched(what: str, objects: int, size: int) -> AbstractContextManager[Told]:
    """For whoever does not want to know."""
    del what, objects, size
    return nullcontext(lambda *_: None)


def copy_result(
    connection: Connection,
    step: PlannedStep,
    target: Place,
    on_progress: OnProgress,
    watch: Watch = unwatched,
    *,
    by_map: bool = False,
) -> None:
    """Copy a step's result, but for what is there already: of an attempt that was cut off, or of another process that
    carries out the same plan. Raises RefusedError if the source is not what was planned, or the copy not whole; of
    objects that S3 refuses to copy the others are copied first, and then it raises the error for them."""
    if step.result is None:
        return
    source = Place.parse(step.result.uri)
    items = _as_planned(connection, step.result)
    there = {item.key: item.size for item in kept(connection, target)}
    missing = [item for item in items if there.get(item.key) != item.size]
    with watch(f"copied {step.name}:", len(missing), sum(item.size for item in missing)) as progress:
        if by_map and missing:
            _copy_by_map(connection, source, target, missing, progress)
        else:
            _carry_out(connection, source, connection.storage.copy(source, target, missing), progress)
    now = _with_pinned(connection, source, target, items)
    wrong = differences(items, now, kept(connection, target))
    if wrong:
        raise RefusedError(f"the copy of {source.uri} is not whole: {wrong[0]}", AGAIN)
    already = "" if len(missing) == len(items) else f", {len(items) - len(missing)} of them before"
    on_progress(f"copied {step.name}: {counted(len(items))}, {counted(step.result.bytes, 'byte')}{already}")


def _with_pinned(connection: Connection, source: Place, target: Place, planned: list[Stored]) -> list[Stored]:
    """The source as it is now; what changed since it was planned is copied once more as it was, where the bucket still
    has that version, and counts as unchanged then."""
    now = {item.key: item for item in kept(connection, source)}
    changed = [item for item in planned if not _is_same(item, now.get(item.key))]
    again = Bulk(connection.aws).copy(source, target, changed, pinned=True)
    gone = _carry_out(connection, source, again, lambda *_: None)
    return list((now | {item.key: item for item in changed if item.key not in gone}).values())


def _is_same(planned: Stored, now: Stored | None) -> bool:
    return now == planned and now is not None and now.modified == planned.modified


def _carry_out(
    connection: Connection, source: Place, copying: Generator[Copied, None, None], progress: Told
) -> frozenset[str]:
    """The keys that could not be copied because they changed. Raises the error for what S3 refuses otherwise."""
    refused: list[Refused] = []
    objects = size = 0
    with closing(copying) as parts:
        for part in parts:
            objects, size = objects + part.objects, size + part.bytes
            refused += part.refused
            progress(objects, size)
    denied = sorted((item for item in refused if item.code not in CHANGED), key=lambda item: item.key)
    if denied:
        raise _not_copied(Bulk(connection.aws), source, denied)
    return frozenset(item.key for item in refused)


def _copy_by_map(connection: Connection, source: Place, target: Place, items: list[Stored], progress: Told) -> None:
    refused: list[Refused] = []
    for answer in handing_over.copy(connection, source, target, items, lambda done, _: progress(done, None)):
        refused += [replace(item, key=item.key.removeprefix(source.key)) for item in answer.refused]
    progress(len(items) - len(refused), None)
    if refused:
        raise _not_copied(Bulk(connection.aws), source, refused)


def _not_copied(bulk: Bulk, source: Place, refused: list[Refused]) -> OpsError:
    """The error for the first of them; of several, all are named."""
    first = bulk.why_not_copied(source, refused[0])
    if len(refused) == 1 or isinstance(first, RefusedError):
        return first
    named = ", ".join(repr(item.key) for item in refused[:SHOWN]) + (", …" if len(refused) > SHOWN else "")
    return AwsError(f"{first.message}; {counted(len(refused))} could not be copied: {named}", first.hint or AGAIN)


def verify_in_place(connection: Connection, step: PlannedStep, on_progress: OnProgress) -> None:
    """See that a step's result, which is not copied, is there and as it was planned. Raises RefusedError if not."""
    if step.result is not None:
        items = _as_planned(connection, step.result)
        found = f"{counted(len(items))}, {counted(step.result.bytes, 'byte')}"
        on_progress(f"verified {step.name}: {found}, in {step.result.uri}")


def _as_planned(connection: Connection, planned: Result) -> list[Stored]:
    """The objects of a result, as they are now. Raises RefusedError if they are not what was planned."""
    items = kept(connection, Place.parse(planned.uri))
    same = list(planned.items) == items if planned.items else not items
    if not same or (len(items), sum(item.size for item in items)) != (planned.objects, planned.bytes):
        raise RefusedError(f"{planned.uri} has changed since the plan was made", AGAIN)
    return items
