"""Text that somebody else wrote, on its way to a terminal."""

from __future__ import annotations

import re

import click

_COLOUR = r"\x1b\[[0-9;]*m"
# Sequences that move the cursor, clear, or set what a terminal is; with their end missing too.
_SEQUENCE = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?"
_UNSAFE = re.compile(rf"({_COLOUR})|{_SEQUENCE}|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")

_OURS = r"\x1b\[(?:[0-2]|[39][0-7])m"  # as click writes them: none that hides what comes after it
_STEERS = re.compile(rf"({_OURS})|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str, *, colours: bool) -> str:
    """A line without what a terminal would obey, but for tabs and, if wanted, colours; of a line that overwrites
    itself, as progress bars do, the last state."""
    return _UNSAFE.sub(r"\1" if colours else "", text.rstrip("\r").rpartition("\r")[2])


def steadied(text: str) -> str:
    """Lines of ours with what others chose in them: our colours stay, and whatever else a terminal would obey, or turn
    round what is read, is written as an escape."""
    return _STEERS.sub(lambda found: found[1] or found[0].encode("unicode_escape").decode(), text)


def tell(text: str) -> None:
    """Say something on standard error, whoever chose the words in it."""
    click.echo(steadied(text), err=True)
