"""What runs keep in S3: who refers to it, and holds that no cleanup touches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from opsctl.aws.bulk import Bulk
from opsctl.domain.inventory import CODE, HOLD, LOOSE, ROOT, RunData, folders_read
from opsctl.domain.objects import Place
from opsctl.errors import UsageError
from opsctl.operations import inventory
from opsctl.operations.connection import Connection
from opsctl.operations.runs import resolve

NEAREST = 3

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Holding:
    """One run's data, the runs that read it, and what else does."""

    data: RunData
    read_by: tuple[str, ...]
    champion: bool
    endpoint: bool


def holdings(connection: Connection, warn: Warn) -> list[Holding]:
    """Every run's data, the largest first. `warn` is told of champions' records that cannot be read."""
    runs = inventory.take_stock(connection)
    champions, served = _champions(connection, warn), inventory.served(connection)
    reads = {run.name: run.reads for run in runs}
    readers: dict[str, list[str]] = {}
    for reader, names in (reads | inventory.newcomers(connection, reads)).items():
        for name in names:
            readers.setdefault(name, []).append(reader)
    found = [
        Holding(data, tuple(readers.get(data.name, ())), data.name in champions, data.name in served) for data in runs
    ]
    return sorted(found, key=lambda holding: (-holding.data.bytes, holding.data.name))


def holding(connection: Connection, run: str, warn: Warn) -> Holding:
    """The data of a run that keeps some; `warn` as above."""
    found, readers = inventory.one_run(connection, run)
    return Holding(found, readers, run in _champions(connection, warn), run in inventory.served(connection))


def _champions(connection: Connection, warn: Warn) -> frozenset[str]:
    found = inventory.champions(connection)
    for warning in found.warnings:
        warn(warning)
    return found.runs


def named(connection: Connection, wanted: str, names: Collection[str]) -> str:
    """The run that a RUN argument means, of those that keep data: by its name, a unique beginning of it, its ARN,
    @latest or @failed. Raises UsageError with the nearest name."""
    if wanted.startswith(("@", "arn:")):
        wanted = resolve(connection, wanted).name
    if wanted in names:
        return wanted
    found = sorted(name for name in names if wanted and name.startswith(wanted))
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(found[:NEAREST]) + (", …" if len(found) > NEAREST else "")
        raise UsageError(f"{len(found)} runs begin with {wanted!r}", f"say which one: {shown}")
    raise inventory.no_data(wanted, names)


def names(connection: Connection) -> frozenset[str]:
    """The runs that keep data."""
    return frozenset(Bulk(connection.aws).folders(Place(connection.deployment.bucket, ROOT))) - {""}


def readers_by_folder(connection: Connection, found: Holding) -> Mapping[str, tuple[str, ...]]:
    """By folder, the runs that read it. One whose records name no folder of it, as a rerun that is still copying, may
    read the results of every step."""
    results = frozenset(folder.name for folder in found.data.folders) - {LOOSE, CODE}
    reads = {name: _folders_read(connection, name, found.data.name) or results for name in found.read_by}
    return {
        folder.name: tuple(name for name in found.read_by if folder.name in reads[name])
        for folder in found.data.folders
    }


def hold(connection: Connection, run: str) -> bool:
    """Keep a run's data from every cleanup; False if it was held before."""
    return connection.storage.claim(_hold(connection, run), connection.aws.identity().encode())


def release(connection: Connection, run: str) -> bool:
    """Take the hold away; False if there was none."""
    place = _hold(connection, run)
    held = connection.storage.read(place) is not None
    connection.storage.delete(place)
    return held


def _hold(connection: Connection, run: str) -> Place:
    return Place(connection.deployment.bucket, connection.prefix(run).key + HOLD)


def _folders_read(connection: Connection, reader: str, run: str) -> frozenset[str]:
    bucket = connection.deployment.bucket
    texts = [connection.storage.read(Place(bucket, f"{ROOT}{reader}/{name}")) or b"" for name in inventory.RECORDS]
    return frozenset().union(*(folders_read(text.decode(errors="replace"), bucket, run) for text in texts))
