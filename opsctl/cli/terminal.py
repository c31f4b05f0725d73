"""Text that somebody else wrote, on its way to a terminal."""

from __future__ import annotations

import re

_COLOUR = r"\x1b\[[0-9;]*m"
# Sequences that move the cursor, clear, or set what a terminal is; with their end missing too.
_SEQUENCE = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?"
_UNSAFE = re.compile(rf"({_COLOUR})|{_SEQUENCE}|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def harmless(text: str, *, colours: bool) -> str:
    """A line without what a terminal would obey, but for tabs and, if wanted, colours; of a line that overwrites
    itself, as progress bars do, the last state."""
    return _UNSAFE.sub(r"\1" if colours else "", text.rstrip("\r").rpartition("\r")[2])
