"""How far a copy or a cleanup is: a line that is redrawn on a terminal, and now and then a line elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable

import click

from opsctl.cli.render import duration, size
from opsctl.domain.objects import counted

REDRAWN = 0.1  # seconds from one drawing to the next
LINES = 10.0  # seconds from one line to the next where nothing can be redrawn


class Progress:
    """Called with the objects and bytes that are done, of which the latter may be unknown. Ends its line at the end of
    the block, and says then how far of a known way it came if it is cut off."""

    def __init__(self, verb: str, objects: int = 0, total: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self._verb, self._objects, self._bytes, self._now = verb, objects, total, now
        self._begun = self._drawn = now()
        self._line = ""
        self._draws = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, objects: int, done: int | None) -> None:
        """Tell of it, if it is time to."""
        self._line = self._told(objects, done)
        if self._now() - self._drawn >= (REDRAWN if self._draws else LINES):
            self._drawn = self._now()
            self._draw()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._line and (self._draws or (kind is not None and self._objects)):
            self._draw()
        if self._line and self._draws:
            click.echo(err=True)

    def _draw(self) -> None:
        if self._draws:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\033[K{self._line[:width]}", err=True, nl=False)
        else:
            click.echo(self._line, err=True)

    def _told(self, objects: int, done: int | None) -> str:
        taken = self._now() - self._begun
        parts = [f"{self._verb} {f'{objects:,} of ' if self._objects else ''}{counted(self._objects or objects)}"]
        if done:
            parts.append(size(done) + (f" of {size(self._bytes)}" if self._bytes else ""))
        if taken >= 1 and objects:
            parts.append(f"{objects / taken:,.0f}/s")
            if self._objects > objects:
                parts.append(f"{duration(round(taken / objects * (self._objects - objects)))} left")
        return ", ".join(parts)
