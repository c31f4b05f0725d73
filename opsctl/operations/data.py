"""What runs keep in S3: who refers to it, and holds that no cleanup touches."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from opsctl.domain.inventory import HOLD, RunData
from opsctl.domain.objects import Place
from opsctl.errors import UsageError
from opsctl.operations import inventory
from opsctl.operations.connection import Connection


@dataclass(frozen=True)
class Holding:
    """One run's data, and the runs that read it."""

    data: RunData
    read_by: tuple[str, ...]
    champion: bool


def holdings(connection: Connection) -> list[Holding]:
    """Every run's data, the largest first."""
    runs = inventory.take_stock(connection)
    champions = inventory.champions(connection)
    found = [
        Holding(data, tuple(other.name for other in runs if data.name in other.reads), data.name in champions)
        for data in runs
    ]
    return sorted(found, key=lambda holding: (-holding.data.bytes, holding.data.name))


def one(found: Sequence[Holding], run: str) -> Holding:
    """The holding of a run. Raises UsageError with the nearest name."""
    by_name = {holding.data.name: holding for holding in found}
    if run in by_name:
        return by_name[run]
    near = difflib.get_close_matches(run, by_name, n=1, cutoff=0.0)
    raise UsageError(f"no data of a run {run!r}", f"did you mean {near[0]!r}?" if near else None)


def hold(connection: Connection, run: str) -> bool:
    """Keep a run's data from every cleanup; False if it was held before. Raises UsageError where it has none."""
    place = _hold(connection, run)
    if next(connection.storage.list(connection.prefix(run)), None) is None:
        raise UsageError(f"no data of a run {run!r}", "opsctl data list shows the runs that keep data")
    return connection.storage.claim(place, connection.aws.identity().encode())


def release(connection: Connection, run: str) -> bool:
    """Take the hold away; False if there was none."""
    place = _hold(connection, run)
    held = connection.storage.read(place) is not None
    connection.storage.delete(place)
    return held


def _hold(connection: Connection, run: str) -> Place:
    if not run or "/" in run:
        raise UsageError(f"{run!r} is no run's name", "opsctl data list shows the runs that keep data")
    return Place(connection.deployment.bucket, connection.prefix(run).key + HOLD)
