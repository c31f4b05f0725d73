"""`opsctl champion`: the model that is in production, and how it came to be."""

from __future__ import annotations

from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit, facts, table, told
from opsctl.cli.terminal import tell
from opsctl.domain.champion_figures import Comparison, Figures
from opsctl.domain.champion_gate import number
from opsctl.domain.champions import Champion, document

HEADERS = ["PROMOTED", "RUN", "REASON", "APPROVED BY", "DEPLOYMENT", "CHAMPION"]
NOBODY = "nobody was asked"


@click.group(invoke_without_command=True)
@click.pass_context
def champion(context: click.Context) -> None:
    """Show the champion: the model that is in production. The same as `opsctl champion show`.

    A training run's model becomes champion when it passes the gate and its deployment ends well. Where there is no
    champion, or its record cannot be read, these commands end with exit code 3.

    \b
    Examples:
      opsctl champion
      opsctl champion history
      opsctl champion diff nightly-8
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@champion.command(short_help="Show the champion's run, model, figures and who approved it.")
@click.pass_context
def show(context: click.Context) -> None:
    """Show the champion's run, model, figures, endpoint, and who approved it when.

    \b
    Examples:
      opsctl champion show
      opsctl champion show --query run
    """
    from opsctl.operations import champions

    invocation = context.ensure_object(Invocation)
    found = champions.champion(invocation.connect(), _warn)
    emit(invocation, document(found), _text(found))


@champion.command(short_help="List the models that were promoted, newest first.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.pass_context
def history(context: click.Context, limit: int) -> None:
    """List the models that were promoted, newest first.

    \b
    Examples:
      opsctl champion history
      opsctl champion history --query "[].[promoted_at, run, metrics.page_accuracy]"
    """
    from opsctl.operations import champions

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    record = champions.recorded(connection)
    if record.warning:
        _warn(record.warning)
    found = champions.newest(connection, limit, _warn)
    if not found:
        tell("no model was promoted yet")
    now = record.champion.deployment if record.champion else None
    documents = [document(one) | {"champion": one.deployment == now} for one in found]
    emit(invocation, documents, table(HEADERS, [_row(one, now) for one in found]))


@champion.command(short_help="Compare the champion's figures with a run's.")
@click.argument("runs", nargs=-1, metavar="[RUN [RUN]]")
@click.pass_context
def diff(context: click.Context, runs: tuple[str, ...]) -> None:
    """Compare the champion's figures with those of RUN; of two RUNs that were promoted, the first with the second;
    without one, the champion before with this one.

    RUN is a name or its beginning, an ARN, @latest or @failed; of two, the name of a run that was champion, or of its
    deployment. Figures from different held-out sets do not compare like with like, and a warning says so.

    \b
    Examples:
      opsctl champion diff
      opsctl champion diff @latest
      opsctl champion diff nightly-6 nightly-7
    """
    from opsctl.operations import champions

    if len(runs) > 2:
        raise click.UsageError("two RUNs are the most that can be compared")
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    if len(runs) == 2:
        found = champions.between(connection, *runs, _warn)
    elif runs:
        found = champions.with_a_run(connection, runs[0], _warn)
    else:
        found = champions.with_previous(connection, _warn)
    if not found.alike:
        _warn("the two were measured on different held-out sets: their figures do not compare like with like")
    emit(invocation, _compared(found), _comparison(found))


def _warn(warning: str) -> None:
    tell(f"warning: {warning}")


def _text(found: Champion) -> str:
    before = found.previous
    rows = [
        ("RUN", found.run),
        ("MACHINE", found.machine),
        ("MODEL", found.model.uri),
        ("ENDPOINT", found.endpoint),
        ("PROMOTED", told(found.promoted_at)),
        ("BY", found.deployment),
        ("REASON", found.reason),
        ("APPROVED", found.approved_by or NOBODY),
        ("HELD OUT", f"{found.held_out.uri} (sha256 {found.held_out.sha256[:12]})"),
        ("CODE", f"{found.code.uri} (sha256 {found.code.sha256[:12]})"),
        ("PREVIOUS", f"{before.run}, promoted {told(before.promoted_at)}" if before else "none"),
    ]
    figures = table(["METRIC", "FIGURE"], [[name, number(value)] for name, value in sorted(found.metrics.items())])
    return f"{facts(rows)}\n\n{figures}"


def _row(one: Champion, now: str | None) -> list[Any]:
    mark = "now" if one.deployment == now else None
    return [told(one.promoted_at), one.run, one.reason, one.approved_by or NOBODY, one.deployment, mark]


def _comparison(found: Comparison) -> str:
    rows = [
        [change.metric, *(None if value is None else number(value) for value in (change.before, change.after)),
         None if change.difference is None else f"{change.difference:+.6g}"]
        for change in found.changes
    ]  # fmt: skip
    return table(["METRIC", found.before.run, found.after.run, "CHANGE"], rows)


def _compared(found: Comparison) -> dict[str, Any]:
    return {
        "before": _figures(found.before),
        "after": _figures(found.after),
        "same_held_out": found.alike,
        "changes": [
            {"metric": change.metric, "before": change.before, "after": change.after, "change": change.difference}
            for change in found.changes
        ],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {"run": figures.run, "held_out": figures.held_out, "metrics": dict(figures.metrics)}
