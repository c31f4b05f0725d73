"""Results that are files: which format, and where they go."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from opsctl.cli.invocation import Invocation
from opsctl.errors import FULL, UsageError

STDOUT = Path("-")


def sent_as(invocation: Invocation, out: Path | None, formats: Mapping[str, str], usual: str) -> str:
    """The format: the one that -o names, otherwise the one that the file's name ends in, otherwise the usual one.

    Raises UsageError for a format that a terminal cannot show, and for a file whose name ends in that of no format.
    """
    by_name: dict[str, str] = {}
    for format_name, suffix in formats.items():
        by_name.setdefault(suffix, format_name)
    kind = "json" if invocation.query is not None else invocation.output
    suffix = out.suffix.lower() if out else ""
    if suffix and kind is None and suffix not in by_name:
        raise UsageError(
            f"nothing is known of files in {suffix}: {out}", f"name one in {', '.join(by_name)}, or its format with -o"
        )
    chosen = kind or by_name.get(suffix, usual)
    if invocation.query is not None and out is not None:
        raise UsageError("--query prints a part of the result, and --out writes the whole", "leave one of them out")
    if chosen == "png" and out in (None, STDOUT) and sys.stdout.isatty():
        raise UsageError("a PNG is nothing that a terminal can show", "give it a file: --out FILE.png")
    return chosen


def send(out: Path | None, content: bytes) -> None:
    """Write a result to a file, whole or not at all, or to standard output.

    Raises UsageError for a file that cannot be written, OSError where there is no room for it.
    """
    if out is None or out == STDOUT:
        click.echo(content, nl=False)
        return
    with refusing(out, "name a file in a folder that you may write to: --out FILE"):
        write_whole(out.resolve(), content)
    click.echo(f"wrote {out}", err=True)


@contextmanager
def refusing(path: Path, hint: str | None = None) -> Iterator[None]:
    """Turn what keeps a file from being written into a UsageError, but for want of room, of which OSError tells."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint) from error


def write_whole(target: Path, content: bytes) -> None:
    """By a draft beside it: what was there before stays until the new content is whole."""
    draft = target.with_name(f".opsctl-{os.getpid()}")
    replaceable = target.is_file() and os.access(target, os.W_OK) and os.access(target.parent, os.W_OK)
    if target.exists() and not replaceable:  # a pipe, a device, or what is protected, which the attempt tells
        target.write_bytes(content)
        return
    try:
        draft.write_bytes(content)
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
