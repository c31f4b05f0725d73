"""`opsctl drill`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.output import send, sent_as
from opsctl.cli.params import document_option, setting_option
from opsctl.cli.render import emit, printable
from opsctl.errors import FAILED, INTERRUPTED, OK, UsageError

if TYPE_CHECKING:
    from opsctl.domain.conditions import Setting
    from opsctl.domain.drill.report import Report
    from opsctl.operations.drill import Target

FORMATS = {"table": ".txt", "json": ".json", "junit": ".xml", "html": ".html"}
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--model", is_flag=True, help="Walk the definition in the interpreter, on a virtual clock.")
@click.option("--live", is_flag=True, help="Break runs of the machine deployed in the sandbox, for real.")
@click.option("--pairs", is_flag=True, help="Every pair of faults too.")
@click.option(
    "--definition", "definitions", type=FILE, multiple=True, metavar="FILE",
    help="The machine in a file, instead of the deployed one.",
)  # fmt: skip
@click.option("--var", "pairs_of", multiple=True, metavar="NAME=VALUE", help="Variable of a template; JSON or text.")
@click.option(
    "--var-file", "--variables", "var_files", multiple=True, metavar="FILE", type=FILE, help="Variables of a template."
)
@click.option("--cases", type=FILE, metavar="FILE", help="What the Tasks answer. [default: <stem>.test.yaml beside it]")
@click.option(
    "--status-rule/--no-status-rule", "rule", default=True,
    help="Whether EventBridge's rule tells of ends that the machine did not tell of. [default: it does]",
)  # fmt: skip
@click.option(
    "--pictures", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Draw each refutation."
)
@document_option("With --live: the run input, a JSON object.")
@setting_option
@click.option("--at-once", type=click.IntRange(1, 64), default=8, help="With --live: runs at a time. [default: 8]")
@click.option(
    "--state", "states", multiple=True, metavar="STATE", help="With --live: only this state. May be repeated."
)
@click.option("--dry-run", is_flag=True, help="With --live: show what would be broken, and do nothing.")
@click.option("--yes", is_flag=True, help="With --live: do not ask.")
@click.option("--out", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-", help="Write it to a file.")
@click.option("-o", "--output", type=click.Choice(list(FORMATS)), help="[default: by --out's name, otherwise table]")
@click.pass_context
def drill(
    context: click.Context, model: bool, live: bool, pairs: bool, definitions: tuple[Path, ...],
    pairs_of: tuple[str, ...], var_files: tuple[Path, ...], cases: Path | None, rule: bool, pictures: Path | None,
    document: dict[str, Any] | None, settings: tuple[Setting, ...], at_once: int, states: tuple[str, ...],
    dry_run: bool, yes: bool, out: Path | None, output: str | None,
) -> int:  # fmt: skip
    """Break everything on purpose, and prove that nothing is lost and nobody is left unwarned.

    --model walks the machine under every single fault: each state with each error that its resource can raise, with
    timeouts, missed heartbeats, answers that are too large or lack what is read, and a stop between any two moves. Of
    every end it proves or refutes: no failure ends SUCCEEDED; exactly one alert; no running job of a sibling is thrown
    away; redrive and rerun lead to SUCCEEDED and repeat nothing that was completed; no job's name comes twice. Each
    refutation is told with a trace. docs/drill.md says what is proven, and what is not.

    --live breaks runs of the machine that is deployed in the sandbox, for real, with its jobs: requests are refused
    once and every time; jobs fail, are killed, run out of memory or disk, hang, are stopped, lose their Spot host, or
    leave a model that is cut off; and the run is stopped while each state is at work. Each run is judged by its
    history, the alerts and the objects, and brought back as opsctl redrive does it. The plan is shown first. The jobs
    are those that you have deployed: with small data (--set) it takes minutes.

    Exit code 1 if anything is refuted; 130 if it was interrupted, with the report so far.

    \b
    Examples:
      opsctl drill --model
      opsctl drill --model --pairs --definition definitions/training.asl.json.tftpl
      opsctl drill --model --definition pipeline.asl.json --cases pipeline.test.yaml --out drill.html
      opsctl drill --live --dry-run
      opsctl drill --live --set data.source=s3://bucket/datasets/small/ --yes --out drill.html
      opsctl drill --live --state evaluate --state notify-failure --yes
    """
    invocation = context.ensure_object(Invocation)
    invocation.output = output or invocation.output
    kind = sent_as(invocation, out, FORMATS, "table")
    _refuse_nowhere(out)
    if model == live:
        raise UsageError(
            "say how deep the drill is to go: --model or --live",
            "opsctl drill --model walks the definition in the interpreter; --live breaks runs in the sandbox",
        )
    of_model = {
        "--pairs": pairs, "--definition": definitions, "--cases": cases, "--no-status-rule": not rule,
        "--var": pairs_of, "--var-file": var_files,
    }  # fmt: skip
    of_live = {"--input": document, "--set": settings, "--state": states, "--dry-run": dry_run, "--yes": yes}
    _refuse(of_model if live else of_live, "--model" if live else "--live")
    if live:
        from opsctl.cli.drill_live import Live
        from opsctl.cli.drill_live import live as drill_live

        report = drill_live(invocation, Live(document or {}, settings, at_once, states, dry_run, yes), _Progress())
        return OK if report is None else _told_all(invocation, kind, out, pictures, [report])
    from opsctl.operations.drill import drill as drill_target

    reports: list[Report] = []
    for target in _targets(invocation, definitions, pairs_of, var_files, cases):
        reports.append(drill_target(target, pairs=pairs, rule=rule, progress=_Progress()))
        if reports[-1].interrupted:
            break
    return _told_all(invocation, kind, out, pictures, reports)


def _refuse_nowhere(out: Path | None) -> None:
    """Refuse, before minutes of work, a file for which there is no folder."""
    if out is not None and str(out) != "-" and (out.is_dir() or not out.parent.is_dir()):
        why = "Is a directory" if out.is_dir() else f"there is no folder {out.parent}"
        raise UsageError(f"{out} cannot be written: {why}", "name a file in a folder that you may write to: --out FILE")


def _refuse(given: Mapping[str, object], depth: str) -> None:
    """Refuse what is for the other depth."""
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} is for {depth}", "leave it out")


def _told_all(
    invocation: Invocation, kind: str, out: Path | None, pictures: Path | None, reports: Sequence[Report]
) -> int:
    _send(invocation, kind, out, reports)
    if pictures is not None:
        _draw(pictures, reports)
    if any(report.interrupted for report in reports):
        click.echo(reports[-1].interrupted, err=True)
        return INTERRUPTED
    return FAILED if any(report.refuted for report in reports) else OK


def _targets(
    invocation: Invocation, definitions: Sequence[Path], pairs: Sequence[str], files: Sequence[Path], cases: Path | None
) -> list[Target]:
    from opsctl.operations.drill import target_in, target_of

    if not definitions:
        return [target_of(invocation.connect(), cases)]
    if cases is not None and len(definitions) > 1:
        raise UsageError("--cases is for one definition", "name one --definition, or keep cases beside each of them")
    return [target_in(path, pairs, files, cases) for path in definitions]


class _Progress:
    """How far it is, on a terminal only."""

    def __init__(self) -> None:
        import sys

        self._draws = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        if self._draws:
            click.echo(f"\r\033[K{printable(words)[:100]}\r", err=True, nl=False)


def _send(invocation: Invocation, kind: str, out: Path | None, reports: Sequence[Report]) -> None:
    from opsctl.cli.drill_words import documents, text

    if out is None and kind in ("table", "json"):
        emit(invocation, documents(reports), "\n\n".join(map(text, reports)) if kind == "table" else "")
    else:
        send(out, _written(kind, reports).encode())


def _written(kind: str, reports: Sequence[Report]) -> str:
    from opsctl.cli.drill_words import MOST_TOLD, documents, text

    if kind == "json":
        import json

        return json.dumps(documents(reports), indent=2, ensure_ascii=True) + "\n"
    if kind == "junit":
        from opsctl.operations.drill_junit import junit_xml

        return junit_xml(reports)
    if kind == "html":
        from opsctl.operations.drill_pictures import picture
        from opsctl.pictures.drill import html

        return html(reports, [[picture(report, trace) for trace in report.traces[:MOST_TOLD]] for report in reports])
    return "\n\n".join(map(text, reports)) + "\n"


def _draw(folder: Path, reports: Sequence[Report]) -> None:
    from opsctl.operations.drill_pictures import picture
    from opsctl.pictures.svg import svg

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    number = 0
    for report in reports:
        for trace in report.traces:
            number += 1
            send(folder / f"{number:03}-{trace.refutation.check}.svg", svg(picture(report, trace)).encode())
