"""A few lines on a terminal that are drawn again and again in the same place."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence

import click

STYLE = re.compile(r"\x1b\[[0-9;]*m")
RESET = "\x1b[0m"


def can_redraw() -> bool:
    """Whether standard output is a terminal that moves its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class Screen:
    """What was drawn last, so that it can be drawn over, in a window of any size that may change between two times."""

    def __init__(self) -> None:
        self._drawn: list[int] = []  # lengths of the lines on the screen

    def draw(self, lines: Sequence[str]) -> None:
        """Draw these lines over those drawn before: as many as the window has room for, each cut to its width."""
        width, height = shutil.get_terminal_size()
        plain = bool(os.environ.get("NO_COLOR"))
        shown = [clipped(click.unstyle(line) if plain else line, width - 1) for line in lines[: max(height - 1, 1)]]
        up = sum(-(-max(length, 1) // width) for length in self._drawn)  # a window made narrower folds them
        start = f"\x1b[{up}F\x1b[J" if up else ""
        sys.stdout.write(start + "".join(f"{line}\n" for line in shown))
        sys.stdout.flush()
        self._drawn = [len(click.unstyle(line)) for line in shown]


def clipped(line: str, width: int) -> str:
    """The line cut to so many characters, its colours kept."""
    if len(click.unstyle(line)) <= width:
        return line
    parts, room = [], max(width - 1, 0)
    for part in re.split(f"({STYLE.pattern})", line):
        text = part if STYLE.fullmatch(part) else part[:room]
        room -= 0 if STYLE.fullmatch(part) else len(text)
        parts.append(text)
    return "".join(parts) + "…" + (RESET if STYLE.search(line) else "")
