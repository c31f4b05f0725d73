"""Find runs."""

from __future__ import annotations

import contextlib
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import Any

from opsctl.aws.stepfunctions import execution_arn
from opsctl.config import Machine
from opsctl.domain.lineage import Numbered, numbered
from opsctl.domain.objects import Place
from opsctl.domain.runs import FAILED, LATEST, UNSUCCESSFUL, Run, choose_run
from opsctl.errors import OpsError, RefusedError, UsageError
from opsctl.operations.connection import Connection

LISTED = 100  # runs in a page, as AWS has it by default
PAGE = 1000  # the most that AWS gives


@dataclass(frozen=True)
class Listed:
    """A run in a list, and which rerun it is by its name."""

    run: Run
    rerun: Numbered | None


def input_document(text: str | None) -> Any:
    """A run's input as a value. Whoever started the run by hand may have given it anything."""
    return json.loads(text or "{}")


def recent(
    connection: Connection,
    machines: Iterable[str],
    limit: int,
    status: str | None = None,
    since: float | None = None,
) -> list[Listed]:
    """The newest runs of the machines (ARNs) together, newest first, started at `since` or later. As long as `limit`
    fits into a page of AWS's, this takes one request for each machine, however many runs there are."""
    page_size = min(max(limit, LISTED), PAGE)
    listings = [_ahead(connection.states.runs(arn, status, page_size), page_size) for arn in machines]
    known = {run.machine_arn: {other.name for other in page} for page, _ in listings for run in page[:1]}
    merged = heapq.merge(*(chain(page, more) for page, more in listings), key=lambda run: -run.started)
    wanted = takewhile(lambda run: since is None or run.started >= since, merged)
    return [Listed(run, numbered(run.name, known[run.machine_arn])) for run in islice(wanted, limit)]


def _ahead(runs: Iterator[Run], count: int) -> tuple[list[Run], Iterator[Run]]:
    """The first runs, and those after them."""
    return list(islice(runs, count)), runs


def resolve(connection: Connection, wanted: str = LATEST) -> Run:
    """The run that a RUN argument means, with its input.

    Raises UsageError with the nearest names, RefusedError for a run whose history AWS keeps no more, or never kept.
    """
    if not wanted:
        raise UsageError("RUN is empty", "name a run, or leave it out; opsctl list shows the runs there are")
    if wanted.startswith("arn:"):
        return _by_arn(connection, wanted)
    machine, states = connection.machine, connection.states
    if wanted in (LATEST, FAILED):
        return states.describe(choose_run(wanted, _newest(connection, wanted)).arn)
    found = states.find(machine.arn, wanted) if _plausible(wanted) else None
    if found:
        return found
    try:
        return states.describe(choose_run(wanted, states.runs(machine.arn)).arn)
    except UsageError:
        _refuse_elsewhere(connection, wanted)
        _refuse_forgotten(connection, wanted)
        raise


class ForgottenError(RefusedError):
    """AWS has forgotten the run `name`, and something is left of it in the bucket."""

    def __init__(self, name: str, place: Place, on_machine: str) -> None:
        super().__init__(
            f"AWS no longer knows the run {name}: it forgets a run 90 days after its end",
            f"what it left is still in {place.uri}; to see what became of it: opsctl lineage {name}{on_machine}; "
            f"to take its results: opsctl start --skip STEP --reuse-from {name}{on_machine}",
        )
        self.name = name


def _by_arn(connection: Connection, arn: str) -> Run:
    if ":express:" in arn:
        raise RefusedError(
            f"{arn} is a run of an Express machine, which Step Functions keeps no history of",
            "look into the machine's log group",
        )
    machine = connection.machine
    try:
        run = connection.states.describe(arn)
    except UsageError:
        if arn == execution_arn(machine.arn, name := arn.rpartition(":")[2]):
            _refuse_forgotten(connection, name)
        raise
    owner = run.machine_arn.partition("/")[0]  # a distributed Map's items are runs of <machine>/<label>
    if owner != machine.arn:
        raise UsageError(
            f"{run.name} is a run of {owner.rpartition(':')[2]}, not of {machine.name}",
            f"name its machine with --machine {owner}",
        )
    return run


def _newest(connection: Connection, wanted: str) -> Iterator[Run]:
    """Runs among which the first that fits is the newest of all: one page, and where that does not say, one request
    for each way to end badly."""
    states, arn = connection.states, connection.machine.arn
    size = 1 if wanted == LATEST else PAGE
    page = list(islice(states.runs(arn, None, size), size))
    yield from page
    if len(page) == PAGE:
        ended = [next(states.runs(arn, status, 1), None) for status in UNSUCCESSFUL]
        yield from sorted((run for run in ended if run), key=lambda run: -run.started)


class ElsewhereError(UsageError):
    """There is no such run of this machine, and there is one of another."""


def _refuse_elsewhere(connection: Connection, name: str) -> None:
    """Raise ElsewhereError for a run of other machines of the deployment, with the option that names them."""
    machine = connection.machine
    others = [other for other in connection.deployment.machines.values() if other.arn != machine.arn]
    found: list[Machine] = []
    with contextlib.suppress(OpsError):  # whoever may not ask about the others is told of this one
        found = [other for other in others if _plausible(name) and connection.states.find(other.arn, name)]
    if found:
        raise ElsewhereError(
            f"no run {name!r}",
            f"it is one of {' and '.join(other.name for other in found)}: "
            f"{' or '.join(f'--machine {other.key}' for other in found)}",
        )


def _refuse_forgotten(connection: Connection, name: str) -> None:
    """Raise ForgottenError for a run that is gone and left something."""
    if connection.machine.foreign or not _plausible(name):
        return
    place = connection.prefix(name)
    if next(connection.storage.list(place), None) is not None:
        raise ForgottenError(name, place, connection.on_machine)


def _plausible(name: str) -> bool:
    return len(name) <= 80 and all(letter.isalnum() or letter in "-_." for letter in name)


def refuse_running(run: Run) -> None:
    """Raise RefusedError unless the run has ended."""
    if not run.ended:
        raise RefusedError(f"{run.name} is still running", "wait for its end: opsctl status shows how far it is")
