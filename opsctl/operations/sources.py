"""What a plan is made from: a run's input and history, the definition, and what lies in S3."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from opsctl.asl.history import RunHistory
from opsctl.domain.costs import instance_types
from opsctl.domain.driving import bypassed
from opsctl.domain.guards import all_states, read_pipeline
from opsctl.domain.lineage import Numbered, numbered
from opsctl.domain.names import rerun_name, skip_key
from opsctl.domain.objects import Place
from opsctl.domain.plan import Result, Source
from opsctl.domain.runs import Run, version_number
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.claims import claimed_input, copied_by
from opsctl.operations.connection import Connection
from opsctl.operations.copies import kept
from opsctl.operations.inputs import input_problems
from opsctl.operations.makers import histories_of, history_of, makers_of
from opsctl.operations.prices import prices_for, shipped_prices

CODE = "code/"
ARTIFACT = "/output/model.tar.gz"
THREADS = 8
LISTED = 1000


def source_of(connection: Connection, run: Run, document: Mapping[str, Any]) -> Source:
    """The run and its world. Raises RefusedError where AWS keeps its history no more."""
    machine = connection.machine
    latest = connection.states.leads_to(machine.start_arn)
    current = connection.states.definition(latest)
    walked, own = _walked(connection, run)
    if own is None:
        raise RefusedError(
            f"the history of {run.name} is gone: AWS keeps it for 90 days",
            f"start a new run that takes its results: opsctl start --skip STEP --reuse-from {run.name}",
        )
    pipeline = read_pipeline(current, [own])
    reused = makers_of(connection, run, document)
    # Of what keeps nothing in S3, only the histories before it tell what a run that was bypassed made.
    place = _place_in_lineage(connection, run) if machine.foreign or not machine.steps else None
    around = bypassed(current, pipeline, document)
    earlier = _lineage(connection, place) if place and around else {}
    histories = {run.name: own, **reused, **earlier}
    return Source(
        run=run.name,
        input=document,
        pipeline=pipeline,
        histories=histories,
        results={} if machine.foreign else _results(connection, run.name, document),
        changed=_changed(walked, current),
        versions=(run.version, version_number(latest)),
        gone=frozenset(name for name, _ in all_states(walked)) - {name for name, _ in all_states(current)},
        earlier=tuple(earlier),
        root=place.root if place else None,
        defaults=machine.hyperparameters,
        default_data_source=None if machine.foreign else connection.deployment.default_data_source,
        code=None if machine.foreign else _current_code(connection),
        needs=machine.needs or None,
        linked=not machine.foreign,
        definition=current,
        prices=prices_for(connection, instance_types(histories.values()), None)[0],
        copied={} if machine.foreign else copied_by(connection, run.name),
    )


def forgotten_source(connection: Connection, name: str) -> Source:
    """A run that AWS has forgotten, or none (""): its results are all that is left of it, and its claim, which says
    where those lie that it read below other runs' prefixes."""
    current = connection.start_definition()
    document = claimed_input(connection, name) if name else {}
    document = {} if input_problems(connection, document) else document
    return Source(
        run=name,
        input=document,
        pipeline=read_pipeline(current),
        histories={},
        results=_results(connection, name, document) if name else {},
        defaults=connection.machine.hyperparameters,
        needs=connection.machine.needs or None,
        linked=not connection.machine.foreign,
        definition=current,
        prices=shipped_prices(connection),
    )


def _walked(connection: Connection, run: Run) -> tuple[Mapping[str, Any], RunHistory | None]:
    """The definition that the run walked, and its history; None where AWS has forgotten it."""
    try:
        walked = connection.states.definition_of_run(run.arn)
    except UsageError:
        return {}, None
    return walked, history_of(connection, run, walked)


def _place_in_lineage(connection: Connection, run: Run) -> Numbered | None:
    """By its name alone, for the input of a machine that is not ours does not tell: anything may be called `model-r2`,
    so there must be a run `model` too."""
    base, dash, _ = run.name.rpartition("-r")
    if not dash:
        return None
    if connection.states.find(connection.machine.arn, base):
        return numbered(run.name, {base})
    listed = islice(connection.states.runs(connection.machine.arn), LISTED)
    return numbered(run.name, {other.name for other in listed} - {run.name})


def _lineage(connection: Connection, place: Numbered) -> dict[str, RunHistory]:
    """Of the runs before a numbered rerun, newest first: one of them may have the result of a step it bypassed."""
    names = [rerun_name(place.root, number) for number in range(place.number - 1, 0, -1)]
    return dict(histories_of(connection, connection.machine.arn, [*names, place.root]))


def _results(connection: Connection, run: str, document: Mapping[str, Any]) -> dict[str, Result]:
    """What each step's result is in S3: below the run's own prefix, or where the run read it from."""
    skip, reuse = document.get("skip", {}), document.get("reuse", {})
    places = {
        step: Place.parse(f"{reuse[step]['uri'].rstrip('/')}/")
        if step in reuse and skip.get(skip_key(step))
        else connection.prefix(run, step)
        for step in connection.machine.steps
    }
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(places, pool.map(lambda place: _result(connection, place), places.values()), strict=True))


def _result(connection: Connection, place: Place) -> Result:
    items = kept(connection, place)
    has_artifact = any(f"/{item.key}".endswith(ARTIFACT) for item in items)
    return Result(place.uri, len(items), sum(item.size for item in items), has_artifact, tuple(items))


def _changed(walked: Mapping[str, Any], current: Mapping[str, Any]) -> frozenset[str]:
    before, after = dict(all_states(walked)), dict(all_states(current))
    return frozenset(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _current_code(connection: Connection) -> str | None:
    """The hash that `Prepare Run` would give the code that a new run takes; None where there is none."""
    prefix = Place(connection.deployment.bucket, CODE)
    names = [item.key for item in connection.storage.list(prefix) if item.key and not item.key.endswith("/")]
    with ThreadPoolExecutor(THREADS) as pool:
        bodies = pool.map(lambda name: connection.storage.read(Place(prefix.bucket, CODE + name)) or b"", names)
    lines = [f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in zip(names, bodies, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None
