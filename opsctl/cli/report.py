"""`opsctl report`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.output import send
from opsctl.cli.status import next_command
from opsctl.cli.terminal import tell
from opsctl.domain.runs import LATEST
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.domain.report import Report

PAGES = (".html", ".htm", "")
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", required=False)
@click.option("--out", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-", help="[default: RUN.html]")
@click.option("--history", type=FILE, metavar="FILE", help="Report on a saved GetExecutionHistory.")
@click.option("--definition", type=FILE, metavar="FILE", help="With --history: the definition that the run walked.")
@click.pass_context
def report(
    context: click.Context, run: str | None, out: Path | None, history: Path | None, definition: Path | None
) -> None:
    """Write a page about a run: one HTML file that needs nothing else. RUN is @latest by default.

    It holds the graph, a timeline of every attempt, the jobs' metrics by epoch and the ensemble's confusion matrix,
    inputs, costs, lineage, and each error with the end of its log. What cannot be read (a log that is gone, metrics
    that are missing) is said in its place. The page has no scripts and loads nothing.

    \b
    Examples:
      opsctl report
      opsctl report @failed --out failed.html
      opsctl report --history history.json --definition training.asl.json --out - > run.html
    """
    from opsctl.operations import runs
    from opsctl.operations.report import report as make_report

    invocation = context.ensure_object(Invocation)
    if invocation.wants_json:
        raise UsageError("a report is a page, and no table or JSON", "as JSON: opsctl status -o json")
    if out is not None and out.suffix.lower() not in PAGES:
        raise UsageError(f"a report is an HTML page, and {out} is called otherwise", "name it FILE.html")
    if history is not None:
        found = _saved(run, history, definition)
    elif definition is not None:
        raise UsageError("--definition goes with --history", "without --history, AWS tells what the run walked")
    else:
        connection = invocation.connect()
        wanted = runs.resolve(connection, LATEST if run is None else run)
        found = make_report(connection, wanted, lambda status: next_command(invocation, status))
    for section, why in found.gaps.items() if history is None else ():
        tell(f"note: {section}: {why}")
    from opsctl.pictures.report import html

    name = found.run.name if history is None else history.stem
    send(out or Path(f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)}.html"), html(found).encode())


def _saved(run: str | None, history: Path, definition: Path | None) -> Report:
    from opsctl.operations.report import report_saved

    if run is not None:
        raise UsageError("--history is a run's history already", f"leave {run} out")
    found, doubts = report_saved(history, definition)
    for doubt in doubts:
        tell(f"warning: {doubt}")
    return found
