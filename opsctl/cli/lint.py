"""`opsctl lint`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import emit
from opsctl.errors import FAILED, UsageError

if TYPE_CHECKING:
    from opsctl.operations.lint import Diagnostic
    from opsctl.operations.rendering import Variables

COLORS = {"ERROR": "red", "WARNING": "yellow"}
STDIN = "-"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--var", "pairs", multiple=True, metavar="NAME=VALUE", help="Variable of a template; JSON or text.")
@click.option(
    "--var-file", "var_files", multiple=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Variables of a template: .tfvars, .json or .yaml.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit 1 on warnings too.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "sarif"]), help="[default: table]")
@click.pass_context
def lint(
    context: click.Context,
    files: tuple[str, ...],
    pairs: tuple[str, ...],
    var_files: tuple[Path, ...],
    strict: bool,
    output: str | None,
) -> None:
    """Check state machine definitions: JSON, YAML, or .tftpl templates; - is standard input.

    \b
    Examples:
      opsctl lint definitions/training.asl.json.tftpl
      opsctl lint --strict -o sarif definitions/*.tftpl > lint.sarif
      opsctl lint pipeline.asl.yaml.tftpl --var topic=arn:aws:sns:us-east-1:123456789012:runs

    Errors are what AWS refuses, warnings the field's hard lessons; docs/lint.md explains each code. A warning is
    silenced where it stands: `lint: allow CODE reason` in the state's Comment.
    """
    from opsctl.operations.lint_templates import read_variables

    invocation = context.ensure_object(Invocation)
    invocation.output = output or invocation.output
    variables = read_variables(pairs, var_files)
    findings: list[Diagnostic] = []
    unread: list[UsageError] = []
    for file in files:
        try:
            findings += _lint(file, variables)
        except UsageError as error:
            unread.append(error)
    if findings or len(unread) < len(files):
        _print(invocation, findings)
        counted = Counter(found.severity for found in findings)
        click.echo(f"{_summary(counted)} in {_plural(len(files) - len(unread), 'file')}", err=True)
    if unread:
        raise UsageError("; ".join(error.message for error in unread), unread[0].hint)
    if counted["ERROR"] or (strict and counted["WARNING"]):
        context.exit(FAILED)


def _lint(file: str, variables: Variables) -> list[Diagnostic]:
    from opsctl.operations.lint import lint_file, lint_stream

    if file == STDIN:
        return lint_stream("stdin", sys.stdin.buffer, None, variables)
    return lint_file(Path(file), variables)


def _print(invocation: Invocation, findings: Sequence[Diagnostic]) -> None:
    if invocation.output == "sarif":
        from opsctl.cli.sarif import sarif

        click.echo(json.dumps(sarif(findings), indent=2, ensure_ascii=False))
    elif findings or invocation.wants_json:
        emit(invocation, _document(findings), "\n".join(map(_text, findings)))


def _document(findings: Sequence[Diagnostic]) -> dict[str, Any]:
    failed = any(found.severity == "ERROR" for found in findings)
    return {"result": "FAIL" if failed else "OK", "diagnostics": [asdict(found) for found in findings]}


def _text(found: Diagnostic) -> str:
    place = f"{found.file}:{found.line}:{found.column}{' (rendered)' if found.rendered else ''}"
    severity = click.style(found.severity.lower(), fg=COLORS[found.severity])
    return f"{place}: {severity} {found.code} at {found.location}\n  {found.message}\n  Fix: {found.remedy}"


def _summary(counted: Counter[Any]) -> str:
    if not counted:
        return "no findings"
    return f"{_plural(counted['ERROR'], 'error')}, {_plural(counted['WARNING'], 'warning')}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
