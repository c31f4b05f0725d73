"""What cleanups are about to delete, said before they look who needs it.

A cleanup must not pass a rerun that is about to read a run's results where they lie (`--data reuse`) unseen. So each of
them first writes down what it is up to, and only then looks for the other: the rerun writes its claim and looks for
intents, the cleanup writes its intent (`audit/at-work/<cleanup>.json`) and looks for claims. S3 shows what is written
to whoever reads afterwards, so one of the two sees the other at least: the cleanup keeps what a claim names, the rerun
starts on nothing that an intent names.

A cleanup takes its intent away when it ends. One that was handed to the machine `bulk` may go on without whoever did
that: the execution has its name. The intent of one that was killed counts for a day, for no cleanup from one machine
takes as long, or until somebody deletes it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from opsctl.domain.at_work import FOLDER, LASTS, cleanup_of, runs_going
from opsctl.domain.objects import Place
from opsctl.errors import RefusedError
from opsctl.operations import handing_over
from opsctl.operations.connection import Connection


@contextmanager
def declared(connection: Connection, cleanup: str, runs: Collection[str]) -> Iterator[None]:
    """Inside, everybody can know that the cleanup deletes what these runs keep."""
    for _, place, is_open in _found(connection):
        if not is_open:
            connection.storage.delete(place)
    place = Place(connection.deployment.bucket, f"{FOLDER}{cleanup}.json")
    connection.storage.write(place, json.dumps({"cleanup": cleanup, "runs": sorted(runs)}).encode())
    try:
        yield
    finally:
        if not _goes_on(connection, cleanup):
            connection.storage.delete(place)


def demand_none(connection: Connection, runs: Collection[str]) -> None:
    """Raise RefusedError if a cleanup is about to delete what one of these runs keeps."""
    for cleanup, place, is_open in _found(connection):
        for run in sorted(_going(connection, place) & set(runs)) if is_open else ():
            raise RefusedError(
                f"{cleanup} is deleting what {run} keeps",
                f"run the same command again when it has ended; if it was killed, delete {place.uri}",
            )


def _going(connection: Connection, place: Place) -> set[str]:
    """The runs that an intent names; none once it is gone. Raises RefusedError for one that cannot be read."""
    content = connection.storage.read(place)
    try:
        return set(runs_going(content)) if content is not None else set()
    except ValueError as error:
        raise RefusedError(
            f"{place.uri} does not say which runs a cleanup deletes", "delete it if no cleanup is at work"
        ) from error


def _found(connection: Connection) -> Iterator[tuple[str, Place, bool]]:
    """The intents there are: each cleanup, its intent's place, and whether it still counts."""
    folder, now = Place(connection.deployment.bucket, FOLDER), connection.aws.now()
    for item in connection.storage.list(folder):
        name = cleanup_of(item.key)
        if name is None:
            continue
        goes_on = _goes_on(connection, name)
        recent = now - (item.modified or now) < LASTS
        yield name, Place(folder.bucket, folder.key + item.key), recent if goes_on is None else goes_on


def _goes_on(connection: Connection, cleanup: str) -> bool | None:
    """Whether the machine for manifests is at work on a cleanup; None where it was never handed to it."""
    machine = handing_over.machine(connection)
    run = connection.states.find(machine.arn, cleanup) if machine else None
    return None if run is None else not run.ended
