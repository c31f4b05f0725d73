"""The champion of a machine, how it came to be, and how others compare with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from opsctl.domain.champion_figures import Comparison, of_record, with_run
from opsctl.domain.champions import (
    Champion,
    CorruptRecordError,
    Found,
    found,
    history_prefix,
    pointer_key,
    read_record,
)
from opsctl.domain.evaluation import InvalidEvaluation, artifact_among, read_evaluation
from opsctl.domain.objects import Place
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import resolve

EVALUATE = "evaluate"

Warn = Callable[[str], None]


def recorded(connection: Connection) -> Found:
    """What the machine's record says."""
    place = Place(connection.deployment.bucket, pointer_key(connection.machine.name))
    return found(connection.machine.name, connection.storage.read(place))


def champion(connection: Connection, warn: Warn) -> Champion:
    """The present champion. Raises RefusedError where there is none; `warn` is told of a record that is none."""
    record = recorded(connection)
    if record.warning:
        warn(record.warning)
    if record.champion is None:
        hint = "a training run whose model passes the gate, and is deployed, makes one; opsctl champion history"
        raise RefusedError(f"{connection.machine.name} has no champion", f"{hint} shows those that there were")
    return record.champion


def promotions(connection: Connection, warn: Warn) -> Iterator[Champion]:
    """All that were promoted, newest first; `warn` is told of those that cannot be read."""
    prefix = Place(connection.deployment.bucket, history_prefix(connection.machine.name))
    for item in sorted(connection.storage.list(prefix), key=lambda item: (-(item.modified or 0.0), item.key)):
        try:
            yield read_record(connection.storage.read(Place(prefix.bucket, prefix.key + item.key)) or b"")
        except CorruptRecordError as error:
            warn(f"{prefix.key}{item.key} is no record of a champion: {error}")


def newest(connection: Connection, limit: int, warn: Warn) -> list[Champion]:
    """The latest promotions, newest first."""
    return list(itertools.islice(promotions(connection, warn), limit))


def with_previous(connection: Connection, warn: Warn) -> Comparison:
    """The champion beside the one before it. Raises RefusedError where there is none."""
    now = champion(connection, warn)
    if now.previous is None:
        raise RefusedError(f"{now.run} is the first champion: there is none before it", "name a run to compare it with")
    return Comparison(of_record(now.previous), of_record(now))


def with_a_run(connection: Connection, wanted: str, warn: Warn) -> Comparison:
    """The champion beside a run, by what the run's Evaluate measured. Raises RefusedError where that is nothing."""
    now, name = champion(connection, warn), resolve(connection, wanted).name
    prefix = connection.prefix(name, EVALUATE)
    key = artifact_among(item.key for item in connection.storage.list(prefix))
    if key is None:
        hint = f"opsctl status {name} shows what became of Evaluate"
        raise RefusedError(f"nothing was measured in {name}: there is no model.tar.gz below {prefix.uri}", hint)
    place = Place(prefix.bucket, prefix.key + key)
    try:
        return with_run(now, name, read_evaluation(connection.storage.read(place) or b"", place.uri))
    except InvalidEvaluation as error:
        raise RefusedError(str(error)) from error


def between(connection: Connection, before: str, after: str, warn: Warn) -> Comparison:
    """Two that were promoted, each named by its run or by the deployment that promoted it; of several promotions of a
    run the latest. Raises UsageError for one that never was."""
    by_name: dict[str, Champion] = {}
    for promotion in promotions(connection, warn):
        by_name.setdefault(promotion.deployment, promotion)
        by_name.setdefault(promotion.run, promotion)
    for name in (before, after):
        if name not in by_name:
            known = ", ".join(dict.fromkeys(one.run for one in by_name.values())) or "none yet"
            raise UsageError(f"{name} never was champion", f"those that were: {known}")
    return Comparison(of_record(by_name[before]), of_record(by_name[after]))
