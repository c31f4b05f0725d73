"""Results that are files: which format, and where they go."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from opsctl.cli.invocation import Invocation
from opsctl.errors import UsageError

STDOUT = Path("-")


def sent_as(invocation: Invocation, out: Path | None, formats: Mapping[str, str], usual: str) -> str:
    """The format: the one that -o names, otherwise the one that the file's name ends in, otherwise the usual one.

    Raises UsageError for a format that a terminal cannot show.
    """
    by_name: dict[str, str] = {}
    for format_name, suffix in formats.items():
        by_name.setdefault(suffix, format_name)
    kind = "json" if invocation.query is not None else invocation.output
    chosen = kind or (by_name.get(out.suffix.lower(), usual) if out else usual)
    if invocation.query is not None and out is not None:
        raise UsageError("--query prints a part of the result, and --out writes the whole", "leave one of them out")
    if chosen == "png" and out in (None, STDOUT) and sys.stdout.isatty():
        raise UsageError("a PNG is nothing that a terminal can show", "give it a file: --out FILE.png")
    return chosen


def send(out: Path | None, content: bytes) -> None:
    """Write a result to a file, or to standard output. Raises UsageError for a file that cannot be written."""
    if out is None or out == STDOUT:
        click.echo(content, nl=False)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        hint = "name a file in a folder that you may write to: --out FILE"
        raise UsageError(f"{out} cannot be written: {error.strerror}", hint) from error
    click.echo(f"wrote {out}", err=True)
