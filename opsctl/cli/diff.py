"""`opsctl diff`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, iso, moment, table, usd
from opsctl.cli.terminal import tell
from opsctl.domain.conditions import ABSENT

if TYPE_CHECKING:
    from opsctl.domain.comparison import Difference, Told

WIDEST = 40
SHOWN_OF_HASH = 12


@click.command()
@click.argument("one", metavar="RUN")
@click.argument("other", metavar="RUN")
@click.pass_context
def diff(context: click.Context, one: str, other: str) -> None:
    """Show in what two runs of a machine differ, and nothing else.

    Inputs, hyperparameters (those that the run was set up with, defaults included), data, code and definition; then
    what became of each step, how long it took and what it cost; then the figures in each step's metrics.json. A step
    whose result another run made shows that result's figures.

    \b
    Examples:
      opsctl diff nightly-7 nightly-8
      opsctl diff nightly-7 @latest -o json --query "differences[?group=='metrics']"
    """
    from opsctl.operations.comparison import compare

    invocation = context.ensure_object(Invocation)
    before, after, found, doubts = compare(invocation.connect(), one, other)
    for doubt in doubts:
        tell(f"note: {doubt}")
    if not found:
        tell("they do not differ")
    emit(invocation, _document(before, after, found), _text(before, after, found))


def _text(before: Told, after: Told, found: tuple[Difference, ...]) -> str:
    rows: list[list[Any]] = [["run", "started", moment(before.run.started), moment(after.run.started), None]]
    rows += [[row.group, row.what, _shown(row, row.before), _shown(row, row.after), _change(row)] for row in found]
    return table(["", "WHAT", before.run.name, after.run.name, "CHANGE"], rows)


def _shown(row: Difference, value: Any) -> str:
    if value is ABSENT:
        return "-"
    if row.unit == "s":
        return duration(value) or "-"
    if row.unit == "USD":
        return usd(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text[:SHOWN_OF_HASH] if row.group == "code" else text
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _change(row: Difference) -> str | None:
    """By how much a number is more or less: as it is for figures, in per cent for what took time or money."""
    numbers = row.unit or row.group == "metrics"
    if not numbers or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in (row.before, row.after)
    ):
        return None
    more = row.after - row.before
    if not row.unit:
        return f"{more:+.6g}"
    return f"{more / row.before:+.0%}" if row.before else None


def _document(before: Told, after: Told, found: tuple[Difference, ...]) -> dict[str, Any]:
    return {
        "runs": [
            {"run": told.run.name, "arn": told.run.arn, "status": told.run.status, "started": iso(told.run.started)}
            for told in (before, after)
        ],
        "differences": [
            {"group": row.group, "what": row.what, "unit": row.unit or None}
            | {name: value for name, value in (("before", row.before), ("after", row.after)) if value is not ABSENT}
            for row in found
        ],
    }
