"""The lineage of a run: all reruns of its first run, found in what AWS lists and what lies in the bucket.

No database: a rerun's input names its source and root, its claim (`runs/<name>/plan.json`) too, and its name is
`<root>-r<N>`. What it costs is bounded: the machine's runs since the root started (pages of 1,000, at most ten), the
folders that are named after the root, one DescribeExecution for each member of the lineage. Reruns that were given a
name of their own are recognised by their claims; so as not to read that of every run, those of the `CANDIDATES` runs
that came first after the root are read, and a rerun further away is found from itself only.

On a machine that is not ours there are no claims, and the name is all that tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

from opsctl.aws.bulk import Bulk
from opsctl.domain.lineage import Descendant, Kin, family, numbered
from opsctl.domain.names import rerun_name
from opsctl.domain.objects import Place
from opsctl.domain.runs import Run
from opsctl.operations.connection import Connection
from opsctl.operations.runs import ForgottenError, resolve

LISTED = 10_000
CANDIDATES = 200
MEMBERS = 200
ANCESTORS = 50
THREADS = 8


@dataclass(frozen=True)
class Lineage:
    """The tree, the run that was asked for, and what was not looked into, one line each."""

    root: Descendant
    wanted: str
    notes: tuple[str, ...]


def lineage(connection: Connection, wanted: str) -> Lineage:
    """The lineage that a RUN argument belongs to; a run that AWS has forgotten is known by its claim.

    Raises as `resolve` does, but not for a forgotten run.
    """
    named = _named(connection, wanted)
    if connection.machine.foreign:
        return _by_names(connection, named)
    notes: list[str] = []
    root = _first(connection, named)
    runs = _since(connection, root.run, notes)
    names = {run.name for run in runs if _belongs(run.name, root.name)} | _folders(connection, root.name)
    names |= _claimed(connection, root.name, runs, names, notes)
    kins = {kin.name: kin for kin in (root, named, *_ancestors(connection, named, root.name))}
    kins |= {kin.name: kin for kin in _looked_at(connection, _few(names - kins.keys(), notes))}
    return Lineage(family(root.name, kins.values(), linked=True), named.name, tuple(notes))


def _named(connection: Connection, wanted: str) -> Kin:
    try:
        run = resolve(connection, wanted)
    except ForgottenError as error:
        return Kin(error.name, claim=_claim(connection, error.name))
    return Kin(run.name, run)


def _by_names(connection: Connection, named: Kin) -> Lineage:
    """On a machine that is not ours: whatever is called `<root>-r<N>`, if there is such a root."""
    notes: list[str] = []
    names = {run.name for run in _since(connection, None, notes)} | {named.name}
    own = numbered(named.name, names - {named.name})
    root = own.root if own else named.name
    members = {name for name in names if _belongs(name, root)} | {root}
    kins = _looked_at(connection, _few(members, notes))
    return Lineage(family(root, kins, linked=False), named.name, tuple(notes))


def _first(connection: Connection, named: Kin) -> Kin:
    """The lineage's root."""
    return named if named.root in (None, named.name) else _look(connection, str(named.root))


def _since(connection: Connection, root: Run | None, notes: list[str]) -> list[Run]:
    """The machine's runs that were started after the root, newest first."""
    listed = islice(connection.states.runs(connection.machine.arn), LISTED)
    runs = list(takewhile(lambda run: root is None or run.started >= root.started, listed))
    if len(runs) == LISTED:
        notes.append(f"only the newest {LISTED:,} runs were looked through")
    return runs


def _belongs(name: str, root: str) -> bool:
    found = numbered(name, {root})
    return found is not None and found.root == root


def _folders(connection: Connection, root: str) -> set[str]:
    """The reruns that have a prefix in the bucket, whether AWS still knows them or not."""
    begin = {rerun_name(root, number).removesuffix(str(number)) for number in (1, 10, 100)}  # long roots are cut
    bulk, bucket = Bulk(connection.aws), connection.deployment.bucket
    found = {start + name for start in begin for name in bulk.folders(Place(bucket, f"runs/{start}"))}
    return {name for name in found if _belongs(name, root)}


def _claimed(connection: Connection, root: str, runs: list[Run], names: set[str], notes: list[str]) -> set[str]:
    """The runs with a name of their own whose claim names the root."""
    known = {run.name for run in runs} | {root}
    others = (run.name for run in reversed(runs) if run.name not in names and run.name != root)
    first = list(islice((name for name in others if not numbered(name, known)), CANDIDATES + 1))
    if len(first) > CANDIDATES:
        notes.append(f"reruns with a --name of their own were looked for among the {CANDIDATES} runs after {root} only")
        first.pop()
    with ThreadPoolExecutor(THREADS) as pool:
        claims = list(pool.map(lambda name: _claim(connection, name), first))
    return {name for name, claim in zip(first, claims, strict=True) if claim and claim.get("root") == root}


def _ancestors(connection: Connection, named: Kin, root: str) -> Iterator[Kin]:
    """The runs between the root and the one asked for, whatever their names."""
    seen, kin = {named.name, root}, named
    while kin.of and kin.of not in seen and len(seen) < ANCESTORS:
        seen.add(kin.of)
        kin = _look(connection, kin.of)
        yield kin


def _few(names: Iterable[str], notes: list[str]) -> list[str]:
    found = sorted(names)
    if len(found) > MEMBERS:
        notes.append(f"{len(found) - MEMBERS:,} of {len(found):,} reruns are left out")
    return found[:MEMBERS]


def _looked_at(connection: Connection, names: list[str]) -> list[Kin]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda name: _look(connection, name), names))


def _look(connection: Connection, name: str) -> Kin:
    run = connection.states.find(connection.machine.arn, name)
    return Kin(name, run, None if run or connection.machine.foreign else _claim(connection, name))


def _claim(connection: Connection, name: str) -> dict[str, Any] | None:
    place = connection.prefix(name)
    content = connection.storage.read(Place(place.bucket, f"{place.key}plan.json"))
    try:
        value = json.loads(content or b"null")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
