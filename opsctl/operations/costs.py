"""What runs cost: from their histories, what lies below their prefixes, and prices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from opsctl.asl.history import InvalidHistory, RunHistory, read_history
from opsctl.domain.costs import RunCost, Spared, beyond_free, instance_types, run_cost, spared_by
from opsctl.domain.names import slug
from opsctl.domain.prices import FREE_TRANSITIONS, PriceList, own_prices
from opsctl.domain.runs import Run
from opsctl.domain.storage_prices import usd_a_month, usd_for_requests
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.makers import history_of, makers_of, reused_by
from opsctl.operations.offline import prices_in
from opsctl.operations.prices import prices_for
from opsctl.operations.runs import input_document
from opsctl.operations.saved import load_history
from opsctl.operations.status import doubts_of

THREADS = 8
MOST = 1000  # runs that are looked into at a time


@dataclass(frozen=True)
class Kept:
    """What a run keeps in S3 now; `usd_a_month` and `request_usd` are None where no price is known.

    Each object was written by one request at least: more are not known, such as the parts of a large one, what was
    written anew or deleted since, and what the jobs read.
    """

    objects: int
    bytes: int
    usd_a_month: float | None
    request_usd: float | None


@dataclass(frozen=True)
class Account:
    """One run and what it cost; None where AWS keeps the run's history no more."""

    run: Run
    cost: RunCost | None


@dataclass(frozen=True)
class Accounts:
    """Runs, newest first; `transitions` all together, and how many of them are beyond the free ones of each month.
    `doubts` says in a line each what is not in the sums."""

    found: tuple[Account, ...]
    prices: PriceList
    transitions: int
    charged: int
    doubts: tuple[str, ...]


def account(connection: Connection, run: Run, own: Mapping[str, Any] | None) -> tuple[RunCost, Kept | None, str | None]:
    """What one run cost, what it keeps, and a doubt about the prices. Raises UsageError for a forgotten history."""
    history = read_history(connection.states.history(run.arn))
    makers = _makers(connection, run)
    prices, why = prices_for(connection, instance_types([history, *makers.values()]), own)
    cost = run_cost(history, prices, connection.aws.now(), _spared(run, makers, prices))
    return cost, _kept(connection, run), why


def accounts(connection: Connection, machines: Iterable[str], since: float, own: Mapping[str, Any] | None) -> Accounts:
    """The runs of these machines (ARNs) that were started at `since` (seconds since the epoch) or later."""
    runs = [run for arn in machines for run in _since(connection, arn, since)]
    runs.sort(key=lambda run: -run.started)
    doubts = [f"only the newest {MOST:,} of {len(runs):,} runs are in it"] if len(runs) > MOST else []
    runs = runs[:MOST]
    with ThreadPoolExecutor(THREADS) as pool:
        runs = list(pool.map(lambda run: connection.states.describe(run.arn), runs))
        histories = list(pool.map(lambda run: history_of(connection, run), runs))
        makers = list(pool.map(lambda run: _makers(connection, run), runs))
    everything = [history for history in histories if history] + [one for found in makers for one in found.values()]
    prices, why = prices_for(connection, instance_types(everything), own)
    now = connection.aws.now()
    found = tuple(
        Account(run, None if history is None else run_cost(history, prices, now, _spared(run, made_by, prices)))
        for run, history, made_by in zip(runs, histories, makers, strict=True)
    )
    doubts += [why] if why else []
    return Accounts(found, prices, *_transitions(found), tuple(doubts))


def saved_account(history: Path, own: Mapping[str, Any] | None) -> tuple[RunCost, list[str]]:
    """Of a saved history, and what is doubtful about it. What another run's result spared it, and what it keeps in S3,
    are not known."""
    events = load_history(history)
    try:
        read = read_history(events)
    except InvalidHistory as error:
        raise UsageError(f"{history}: {error.message}", error.hint) from error
    prices = prices_in(events)
    prices = own_prices(own, prices) if own is not None else prices
    return run_cost(read, prices, read.stopped or read.started or 0.0), doubts_of(history, read)


def _since(connection: Connection, arn: str, since: float) -> list[Run]:
    return list(islice(takewhile(lambda run: run.started >= since, connection.states.runs(arn)), MOST + 1))


def _transitions(found: Iterable[Account]) -> tuple[int, int]:
    months: Counter[str] = Counter()
    for each in found:
        if each.cost:
            months[f"{datetime.fromtimestamp(each.run.started, UTC):%Y-%m}"] += each.cost.transitions
    return months.total(), beyond_free(months, FREE_TRANSITIONS)


def _makers(connection: Connection, run: Run) -> dict[str, RunHistory]:
    return makers_of(connection, run, input_document(run.input))


def _spared(run: Run, makers: Mapping[str, RunHistory], prices: PriceList) -> list[Spared]:
    rows = []
    for step, maker in reused_by(input_document(run.input)).items():
        history = makers.get(maker)
        names = {slug(state.name): state.name for state in history.states} if history else {}
        rows.append(spared_by(step, maker, names.get(step), history, prices))
    return rows


def _kept(connection: Connection, run: Run) -> Kept | None:
    if connection.machine.foreign:
        return None
    by_class: Counter[str] = Counter()
    objects = 0
    for item in connection.storage.list(connection.prefix(run.name)):
        by_class[item.storage_class] += item.size
        objects += 1
    region = connection.aws.region
    return Kept(objects, by_class.total(), usd_a_month(by_class, region), usd_for_requests(objects, region))
