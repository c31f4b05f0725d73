"""Take stock of what the runs keep in S3, and of what Step Functions knows of them.

One listing of `runs/` gives objects and bytes, one ListExecutions per machine the executions. What a run reads from
another run's prefix stands in three places: its claim (`plan.json`), the record that its first step writes
(`code.json`), and, as long as it is running, its input. No execution is asked for one by one unless it is running.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from opsctl.aws.bulk import Bulk
from opsctl.aws.endpoints import Endpoints
from opsctl.domain import champions as records
from opsctl.domain.inventory import (
    CLAIM,
    HOLD,
    ROOT,
    STARTED_MARK,
    STARTED_MARKS,
    Known,
    RunData,
    folders_of,
    names_copied,
    names_read,
    owner_of,
    run_meant,
    run_of,
)  # fmt: skip
from opsctl.domain.objects import Place, Stored
from opsctl.domain.runs import RUNNING, UNSUCCESSFUL, Run
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection

THREADS = 16
EXECUTION_NAME = re.compile(r"[^\s/:<>{}\[\]?*\"#%\\^|~`$&,;\x00-\x1f\x7f-\x9f]{1,80}")  # as AWS takes them
RECORDS = (CLAIM, STARTED_MARK)

OnRun = Callable[[int, int], None]  # the objects and bytes found so far


def take_stock(connection: Connection, on_run: OnRun | None = None) -> list[RunData]:
    """Every run below `runs/`, in the order of their names. `on_run` is called after each run."""
    known = _executions(connection)
    listing = Bulk(connection.aws).objects(Place(connection.deployment.bucket, ROOT))
    found: list[tuple[RunData, frozenset[str]]] = []
    objects_found = bytes_found = 0
    for name, objects in itertools.groupby(listing, key=lambda item: run_of(item.key)):
        if name is None:
            continue
        data, records = _counted(name, objects)
        found.append((replace(data, known=_known(connection, known.get(name, ()))), records))
        objects_found, bytes_found = objects_found + data.objects, bytes_found + data.bytes
        if on_run:
            on_run(objects_found, bytes_found)
    with ThreadPoolExecutor(THREADS) as pool:
        return list(
            pool.map(lambda pair: _with_reads(connection, pair[0], pair[1], known.get(pair[0].name, ())), found)
        )


def one_run(connection: Connection, name: str) -> tuple[RunData, tuple[str, ...]]:
    """One run, and the runs that read it; what the others keep is not listed."""
    bulk, root, known = Bulk(connection.aws), Place(connection.deployment.bucket, ROOT), _executions(connection)
    data, records = _counted(name, bulk.objects(Place(root.bucket, f"{ROOT}{name}/")))
    data = replace(data, known=_known(connection, known.get(name, ())))
    others = [other for other in bulk.folders(root) if other != name]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda other: _reads(connection, other, known.get(other, ())), others)
        reads = dict(zip(others, found, strict=True)) | newcomers(connection, {*others, name})
    readers = tuple(reader for reader, names in reads.items() if name in names)
    return _with_reads(connection, data, records, known.get(name, ())), readers


@dataclass(frozen=True)
class Champions:
    """The runs whose models a champion, or a rollback to the previous one, needs; `unreadable` are the records that do
    not say which those are."""

    runs: frozenset[str]
    unreadable: tuple[Place, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """One for each record that cannot be read."""
        return tuple(f"{place.uri} does not say which run the champion comes from" for place in self.unreadable)


def champions(connection: Connection) -> Champions:
    """What the records of all machines say."""
    root = Place(connection.deployment.bucket, records.ROOT)
    keys = [root.key + item.key for item in connection.storage.list(root)]
    places = [Place(root.bucket, key) for key in keys if records.is_pointer(key)]
    found = {place: records.runs_kept(connection.storage.read(place) or b"") for place in places}
    runs = frozenset(run for kept in found.values() for run in kept or ())
    return Champions(runs, tuple(place for place, kept in found.items() if kept is None))


def in_use(connection: Connection) -> dict[str, str]:
    """The runs that something outside of the runs depends on, each with the word for it.

    Raises RefusedError for a champion's record that names no run: nobody can say then which run must stay.
    """
    found = champions(connection)
    for warning in found.warnings:
        raise RefusedError(warning, "bring back the version before, or mend it: without it nothing keeps the champion")
    return dict.fromkeys(served(connection), "endpoint") | dict.fromkeys(found.runs, "champion")


def served(connection: Connection) -> frozenset[str]:
    """The runs below whose prefixes lie models that an endpoint of SageMaker's serves."""
    root = Place(connection.deployment.bucket, ROOT).uri
    addresses = Endpoints(connection.aws).models()
    return frozenset(run for uri in addresses if uri.startswith(root) and (run := owner_of(uri)))


def read_by_newcomers(connection: Connection, known: Collection[str]) -> frozenset[str]:
    """The runs that are read, or copied from, by runs that are not among the known ones."""
    return frozenset().union(*newcomers(connection, known).values())


def newcomers(connection: Connection, known: Collection[str]) -> dict[str, frozenset[str]]:
    """The runs that are not among the known ones, such as deployments, which keep nothing in S3, and those that go on,
    of known names too (a deployment may be called like a run); each with the runs that it reads, or copies from."""
    executions = _executions(connection, RUNNING)
    folders = Bulk(connection.aws).folders(Place(connection.deployment.bucket, ROOT))
    names = sorted({*folders} - {*known, ""} | executions.keys())
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda name: _reads(connection, name, executions.get(name, ())), names)
        return dict(zip(names, found, strict=True))


def running(connection: Connection) -> frozenset[str]:
    """The names of all runs that are going, on any machine."""
    return frozenset(_executions(connection, RUNNING))


def is_held(connection: Connection, name: str) -> bool:
    """Whether somebody keeps the run's data from every cleanup."""
    return connection.storage.read(Place(connection.deployment.bucket, f"{ROOT}{name}/{HOLD}")) is not None


def is_running(connection: Connection, name: str) -> bool:
    """Whether a run of that name is going, on any machine."""
    return any(run is not None and not run.ended for run in _of_that_name(connection, name))


def is_known(connection: Connection, name: str) -> bool:
    """Whether there is a run of that name, on any machine, or was data of one that a cleanup is done with."""
    if any(_of_that_name(connection, name)):
        return True
    deleted = Bulk(connection.aws).versions(Place(connection.deployment.bucket, f"{ROOT}{name}/"))
    return run_of(f"{ROOT}{name}/-") == name and any(True for _ in deleted)


def no_data(wanted: str, names: Collection[str]) -> UsageError:
    """The error for a run that keeps nothing, with the nearest of those that do."""
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "opsctl data list shows the runs that keep data"
    return UsageError(f"no data of a run {wanted!r}", hint)


def _of_that_name(connection: Connection, name: str) -> Iterator[Run | None]:
    """AWS refuses to be asked for a name that no execution can have, such as a folder's that somebody made by hand."""
    machines = connection.deployment.machines.values() if EXECUTION_NAME.fullmatch(name) else ()
    return (connection.states.find(machine.arn, name) for machine in machines)


def _counted(name: str, objects: Iterable[Stored]) -> tuple[RunData, frozenset[str]]:
    """The run's folders, and which single objects lie in its prefix."""
    loose: set[str] = set()

    def relative() -> Iterator[Stored]:
        for item in objects:
            short = replace(item, key=item.key.removeprefix(f"{ROOT}{name}/"))
            if "/" not in short.key:
                loose.add(short.key)
            yield short

    folders = folders_of(relative())
    return RunData(name, folders, None, not STARTED_MARKS.isdisjoint(loose), HOLD in loose), frozenset(loose)


def _executions(connection: Connection, status: str | None = None) -> dict[str, list[Run]]:
    """The runs that Step Functions knows, by name: each machine may have one of that name."""
    found: dict[str, list[Run]] = {}
    for machine in connection.deployment.machines.values():
        for run in connection.states.runs(machine.arn, status):
            found.setdefault(run.name, []).append(run)
    return found


def _known(connection: Connection, runs: Sequence[Run]) -> Known | None:
    """Of several of one name, what keeps their data longest: one that still runs, else one that may be redriven, else
    the one that ended last."""
    if not runs:
        return None
    run = max(runs, key=lambda run: (not run.ended, run.status in UNSUCCESSFUL, run.stopped or 0.0))
    machines = {machine.arn: key for key, machine in connection.deployment.machines.items()}
    stopped = run.stopped if run.ended else None
    return Known(machines[run.machine_arn], run.status, run.started, stopped, run.status in UNSUCCESSFUL)


def _with_reads(connection: Connection, data: RunData, records: frozenset[str], runs: Sequence[Run]) -> RunData:
    return replace(data, reads=_reads(connection, data.name, runs, [name for name in RECORDS if name in records]))


def _reads(connection: Connection, name: str, runs: Sequence[Run], records: Iterable[str] = RECORDS) -> frozenset[str]:
    """The runs that the runs of a name read, or that one is about to copy from."""
    bucket = connection.deployment.bucket
    texts = {record: _text(connection, Place(bucket, f"{ROOT}{name}/{record}")) for record in records}
    about_to_copy = not runs and not texts.get(STARTED_MARK)
    copied = names_copied(texts.get(CLAIM, "")) if about_to_copy else frozenset()
    asked = [connection.states.describe(run.arn).input or "" for run in runs if not run.ended]
    named = (names_read(text, bucket) for text in (*asked, *texts.values()))
    return copied.union(*map(run_meant, asked), *named) - {name}


def _text(connection: Connection, place: Place) -> str:
    return (connection.storage.read(place) or b"").decode(errors="replace")
