"""`opsctl cost`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.params import document as read_document
from opsctl.cli.params import duration as seconds
from opsctl.cli.render import cost_text, duration, emit, facts, iso, moment, size, table, usd
from opsctl.cli.terminal import tell
from opsctl.domain.billing import Estimate
from opsctl.domain.costs import RunCost, Spared, StepCost
from opsctl.domain.prices import FREE_TRANSITIONS, PriceList
from opsctl.domain.runs import LATEST
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.operations.costs import Account, Accounts, Kept

STEP_HEADERS = ["STEP", "ATTEMPTS", "BILLED", "USD", "OF WHAT"]
RUN_HEADERS = ["RUN", "MACHINE", "STATUS", "STARTED", "BILLED", "USD", "SAVED", "PRICE UNKNOWN"]
FILE = click.Path(path_type=Path, dir_okay=False)


def own_prices(source: str) -> dict[str, Any]:
    """`--prices FILE|-`. Raises UsageError for anything but a JSON object."""
    return read_document(source, '{"training": {"ml.g5.xlarge": 1.5}}')


@click.command()
@click.argument("run", required=False)
@click.option("--since", type=seconds, metavar="DURATION", help="All runs of the last 12h, 30d, …, and their sum.")
@click.option("--prices", "own", type=own_prices, metavar="FILE|-", help="Prices of your own, as JSON.")
@click.option("--history", type=FILE, metavar="FILE", help="Read a saved GetExecutionHistory instead of asking AWS.")
@click.pass_context
def cost(
    context: click.Context, run: str | None, since: float | None, own: dict[str, Any] | None, history: Path | None
) -> None:
    """Show what a run cost, by step, and what reuse spared it. RUN is @latest by default.

    Every attempt counts, also one that failed. Jobs cost their billable seconds times the price of their instances on
    demand. Prices are those of the AWS Price List API (pricing:GetProducts) where it answers, else the list that comes
    with opsctl; --prices FILE goes before both. What has no price is said to have none, and is in no sum; where
    some attempts have none, the step cost at least what the others did. Not known are discounts, and of Step Functions'
    transitions which of the 4,000 a month that are free others have used. What the run keeps in S3, and the requests
    that wrote it (one for each object at least: no history tells of requests), stand below the sum and are not in it.

    With --since: every run of all machines of the deployment, or of one: --machine NAME. What they keep in S3 costs
    what opsctl data list says.

    \b
    Examples:
      opsctl cost
      opsctl cost nightly-7 -o json --query "steps[].[step, usd]"
      opsctl cost --since 30d --machine training
      opsctl cost --prices prices.json
      opsctl cost --history history.json

    \b
    A list of prices, each part of which may be left out (USD an hour, GB-second, request, message, transition):
      {"region": "eu-west-1", "date": "2026-11-01", "source": "our contract",
       "training": {"ml.g5.xlarge": 1.1}, "transform": {"ml.m5.xlarge": 0.2}, "fargate": {"vcpu": 0.04, "gb": 0.004},
       "lambda": {"gb_second": 0.0000167, "request": 0.0000002}, "sns": {"publish": 0.0000005},
       "transitions": {"transition": 0.000025}}
    """
    from opsctl.operations.costs import saved_account

    invocation = context.ensure_object(Invocation)
    if history is not None and since is not None:
        raise UsageError("--history is one run's, and --since sums up many", "leave one of them out")
    if run is not None and (since is not None or history is not None):
        raise UsageError(f"--{'since' if since is not None else 'history'} does not go with a RUN", f"leave {run} out")
    if history is not None:
        found, doubts = saved_account(history, own)
        for doubt in doubts:
            tell(f"warning: {doubt}")
        emit(invocation, _cost_document(found) | {"history": str(history)}, _text([("HISTORY", str(history))], found))
    elif since is not None:
        _show_many(invocation, since, own)
    else:
        _show_one(invocation, run, own)


def _show_one(invocation: Invocation, wanted: str | None, own: Mapping[str, Any] | None) -> None:
    from opsctl.operations import runs
    from opsctl.operations.costs import Account, account

    connection = invocation.connect()
    run = runs.resolve(connection, wanted or LATEST)
    found, kept, doubt = account(connection, run, own)
    _tell((doubt,) if doubt else ())
    named = [("RUN", run.name), ("MACHINE", connection.machine.name), ("STATUS", run.status)]
    document = _document(Account(run, found), connection.machine.name) | {"storage": _kept_document(kept)}
    emit(invocation, document, _text(named, found, kept))


def _show_many(invocation: Invocation, since: float, own: Mapping[str, Any] | None) -> None:
    from opsctl.operations.costs import accounts

    connection = invocation.connect()
    machines = [connection.machine] if invocation.machine else connection.deployment.machines.values()
    names = {machine.arn: machine.name for machine in machines}
    found = accounts(connection, names, connection.aws.now() - since, own)
    _tell(found.doubts)
    if not found.found:
        tell(f"no run of {', '.join(names.values())} since then")
    emit(invocation, _many_document(found, names), _many_text(found, names))


def _tell(doubts: tuple[str, ...]) -> None:
    for doubt in doubts:
        tell(f"note: {doubt}")


def _text(named: list[tuple[str, Any]], found: RunCost, kept: Kept | None = None) -> str:
    spent = found.spent
    rows: list[list[Any]] = [_row(step) for step in found.steps]
    rows.append(["state transitions", found.transitions, None, usd(found.transitions_usd), None])
    rows.append(["total", None, duration(spent.seconds), usd(spent.usd), _gap(spent)])
    parts = [facts([*named, ("PRICES", _prices(found.prices))]), table(STEP_HEADERS, rows, fold=True)]
    notes = [_spared_text(row) for row in found.spared]
    notes += [_saved_text(found.saved)] if found.spared else []
    notes += [_kept_text(kept)] if kept and kept.objects else []
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def _row(step: StepCost) -> list[Any]:
    what = "; ".join(part for part in (step.what, step.cost.unknown) if part)
    return [step.step, step.attempts, duration(step.seconds), cost_text(step.cost) or "unknown", what or None]


def _gap(estimate: Estimate) -> str | None:
    return f"at least; price unknown: {', '.join(estimate.unpriced)}" if estimate.unpriced else None


def _prices(prices: PriceList) -> str:
    return f"{prices.region or 'unknown region'}, on demand, as of {prices.date} ({prices.source})"


def _spared_text(row: Spared) -> str:
    if row.cost.usd is None:
        return f"reused {row.step} of {row.run}: {row.cost.unknown or 'nothing is known of what it cost'}"
    gap = f" ({row.cost.unknown})" if row.cost.unknown else ""
    return f"reused {row.step} of {row.run}: {duration(row.seconds)}, {cost_text(row.cost)} USD{gap}"


def _saved_text(saved: Estimate) -> str:
    return f"reuse saved {'at least ' if saved.unpriced else ''}{duration(saved.seconds)} and {usd(saved.usd)} USD"


def _kept_text(kept: Kept) -> str:
    price = "at a price that is not known" if kept.usd_a_month is None else f"for {usd(kept.usd_a_month)} USD a month"
    written = "" if kept.request_usd is None else f", for {usd(kept.request_usd)} USD"
    requests = f"writing them took at least {kept.objects:,} requests{written}"
    return f"keeps {kept.objects:,} objects ({size(kept.bytes)}) {price}; {requests}"


def _many_text(found: Accounts, names: Mapping[str, str]) -> str:
    rows = [_many_row(each, names) for each in found.found]
    spent = sum(each.cost.spent.usd for each in found.found if each.cost)
    saved = sum(each.cost.saved.usd for each in found.found if each.cost)
    billed = sum(each.cost.spent.seconds for each in found.found if each.cost)
    total = ["total", None, None, None, duration(billed), usd(spent), usd(saved), None]
    free = (found.transitions - found.charged) * found.prices.transition
    note = (
        f"{found.transitions:,} state transitions are in it at list price; the first {FREE_TRANSITIONS:,} a month of "
        f"an account are free, which takes off {usd(free)} USD if no other machine uses them"
    )
    head = facts([("PRICES", _prices(found.prices))])
    return "\n\n".join([head, table(RUN_HEADERS, [*rows, total] if rows else rows), *([note] if rows else [])])


def _many_row(each: Account, names: Mapping[str, str]) -> list[Any]:
    run, machine = each.run, names[each.run.machine_arn]
    if each.cost is None:
        return [run.name, machine, run.status, moment(run.started), None, "unknown", None, "its history is gone"]
    spent, saved = each.cost.spent, each.cost.saved
    told = usd(saved.usd) if each.cost.spared else None
    unpriced = ", ".join(spent.unpriced) or None
    return [run.name, machine, run.status, moment(run.started), duration(spent.seconds), usd(spent.usd), told, unpriced]


def _document(found: Account, machine: str) -> dict[str, Any]:
    run = found.run
    head = {"run": run.name, "arn": run.arn, "machine": machine, "status": run.status, "started": iso(run.started)}
    if found.cost is None:
        return {**head, "usd": None}
    return {**head, **_cost_document(found.cost)}


def _kept_document(kept: Kept | None) -> dict[str, Any] | None:
    """None for a machine that is not ours, which keeps its results elsewhere."""
    if kept is None:
        return None
    return {
        "objects": kept.objects, "bytes": kept.bytes, "usd_a_month": _rounded(kept.usd_a_month),
        "requests_at_least": kept.objects, "request_usd_at_least": _rounded(kept.request_usd),
    }  # fmt: skip


def _cost_document(found: RunCost) -> dict[str, Any]:
    prices = found.prices
    return {
        "usd": _rounded(found.spent.usd),
        "seconds": found.spent.seconds,
        "price_unknown": list(found.spent.unpriced),
        "steps": [
            {
                "step": row.step, "attempts": row.attempts, "seconds": row.seconds, "what": row.what,
                "usd": _rounded(row.cost.usd), "unknown": row.cost.unknown,
            }
            for row in found.steps
        ],
        "transitions": {"count": found.transitions, "usd": _rounded(found.transitions_usd)},
        "saved": {
            "usd": _rounded(found.saved.usd),
            "seconds": found.saved.seconds,
            "steps": [
                {
                    "step": row.step, "run": row.run, "seconds": row.seconds, "usd": _rounded(row.cost.usd),
                    "unknown": row.cost.unknown,
                }
                for row in found.spared
            ],
        },
        "prices": {"region": prices.region, "date": prices.date, "source": prices.source},
    }  # fmt: skip


def _many_document(found: Accounts, names: Mapping[str, str]) -> dict[str, Any]:
    rows = [_document(each, names[each.run.machine_arn]) for each in found.found]
    return {
        "usd": _rounded(sum(row["usd"] or 0.0 for row in rows)),
        "transitions": {"count": found.transitions, "beyond_free": found.charged},
        "prices": {"region": found.prices.region, "date": found.prices.date, "source": found.prices.source},
        "runs": rows,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 8)
