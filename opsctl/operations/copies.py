"""Copy what is reused into the new run's prefix, and verify it; or verify it where it lies."""

from __future__ import annotations

from collections.abc import Callable

from opsctl.domain.objects import Place, Stored, differences
from opsctl.domain.plan import PlannedStep, Result
from opsctl.errors import RefusedError
from opsctl.operations.connection import Connection

NOT_COPIED = "checkpoints/"  # of use only to the job that wrote them, and a consumer would download them
AGAIN = "run the same command again"

OnProgress = Callable[[str], None]


def kept(connection: Connection, place: Place) -> list[Stored]:
    """The objects of a result."""
    return [item for item in connection.storage.list(place) if not item.key.startswith(NOT_COPIED)]


def copy_result(connection: Connection, step: PlannedStep, target: Place, on_progress: OnProgress) -> None:
    """Copy a step's result, but for what is there already: of an attempt that was cut off, or of another process that
    carries out the same plan. Raises RefusedError if the source is not what was planned, or the copy not whole."""
    if step.result is None:
        return
    source = Place.parse(step.result.uri)
    items = _as_planned(connection, step.result)
    there = {item.key: item.size for item in kept(connection, target)}
    missing = [item for item in items if there.get(item.key) != item.size]
    connection.storage.copy(source, target, missing)
    wrong = differences(items, kept(connection, source), kept(connection, target))
    if wrong:
        raise RefusedError(f"the copy of {source.uri} is not whole: {wrong[0]}", AGAIN)
    already = "" if len(missing) == len(items) else f", {len(items) - len(missing)} of them before"
    on_progress(f"copied {step.name}: {len(items)} objects, {step.result.bytes:,} bytes{already}")


def verify_in_place(connection: Connection, step: PlannedStep, on_progress: OnProgress) -> None:
    """See that a step's result, which is not copied, is there and as it was planned. Raises RefusedError if not."""
    if step.result is not None:
        items = _as_planned(connection, step.result)
        on_progress(f"verified {step.name}: {len(items)} objects, {step.result.bytes:,} bytes, in {step.result.uri}")


def _as_planned(connection: Connection, planned: Result) -> list[Stored]:
    """The objects of a result, as they are now. Raises RefusedError if they are not what was planned."""
    items = kept(connection, Place.parse(planned.uri))
    same = list(planned.items) == items if planned.items else not items
    if not same or (len(items), sum(item.size for item in items)) != (planned.objects, planned.bytes):
        raise RefusedError(f"{planned.uri} has changed since the plan was made", AGAIN)
    return items
