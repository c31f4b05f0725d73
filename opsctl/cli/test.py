"""`opsctl test`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.output import refusing, write_whole
from opsctl.cli.render import emit
from opsctl.errors import FAILED, OK, UsageError

if TYPE_CHECKING:
    from opsctl.operations.testing import FileReport, Timed


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("-k", "pattern", metavar="PATTERN", default="", help="Only the cases with this in their name.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML as well."
)
@click.pass_context
def test(context: click.Context, files: tuple[Path, ...], pattern: str, junit: Path | None) -> int:
    """Run the unit tests written beside state machine definitions, without AWS and without waiting.

    FILE holds cases, as docs/testing-definitions.md describes them; without one, all definitions/*.test.yaml are run.
    Tasks are answered by mocks, and the clock jumps over every wait, pause and timeout.

    \b
    Examples:
      opsctl test definitions/training.test.yaml
      opsctl test -k "base model"
      opsctl test --junit build/definitions.xml
    """
    from opsctl.operations.junit import junit_xml
    from opsctl.operations.testing import run_files

    reports = run_files(files or _found(), pattern)
    if junit is not None:
        _write(junit, junit_xml(reports))
    emit(context.ensure_object(Invocation), [_document(report) for report in reports], _text(reports))
    return FAILED if any(report.failed for report in reports) else OK


def _found() -> list[Path]:
    from opsctl.operations.testing import SUFFIX

    found = sorted(Path("definitions").glob(f"*{SUFFIX}"))
    if not found:
        raise UsageError(f"no definitions/*{SUFFIX} here", "name the files to run: opsctl test FILE...")
    return found


def _write(path: Path, text: str) -> None:
    with refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path.resolve(), text.encode())


def _text(reports: Sequence[FileReport]) -> str:
    lines: list[str] = []
    for report in reports:
        lines += [report.file, *(line for result in report.results for line in _case_lines(result)), ""]
    total, failed = sum(len(report.results) for report in reports), sum(report.failed for report in reports)
    return "\n".join([*lines, f"{total} {'case' if total == 1 else 'cases'}: {total - failed} passed, {failed} failed"])


def _case_lines(result: Timed) -> list[str]:
    from opsctl.operations.junit import explained

    verdict = result.verdict
    if verdict.difference is None:
        return [f"{click.style('PASS', fg='green')}  {verdict.case.name}"]
    return [
        f"{click.style('FAIL', fg='red')}  {verdict.case.name} (line {result.line})",
        *(f"      {line}" for line in explained(verdict.difference)),
    ]


def _document(report: FileReport) -> dict[str, Any]:
    return {
        "file": report.file,
        "passed": len(report.results) - report.failed,
        "failed": report.failed,
        "cases": [_case_document(result) for result in report.results],
    }


def _case_document(result: Timed) -> dict[str, Any]:
    from opsctl.domain.cases.verdict import view

    verdict = result.verdict
    difference = verdict.difference
    return {
        "name": verdict.case.name,
        "line": result.line,
        "passed": verdict.passed,
        "difference": None if difference is None else {
            "what": difference.what, "expected": difference.expected, "actual": difference.actual,
        },
        "transitions": verdict.record.transitions,
        "run": view(verdict.record),
    }  # fmt: skip
