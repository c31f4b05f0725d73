"""Results on stdout, as tables or JSON: the only place that knows tabulate.

On a terminal the last column of a table is cut to the terminal's width, or folded where all of it counts; anywhere else
nothing is ever cut or folded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.terminal import steadied
from opsctl.domain import times
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from opsctl.domain.billing import Cost

COLORS = {
    "SUCCEEDED": "green", "REUSED": "green", "REUSE": "green", "FAILED": "red", "TIMED_OUT": "red", "ABORTED": "red",
    "OK": "green", "PROBLEM": "red", "WARNING": "yellow", "RUNNING": "yellow", "RUN": "yellow", "WAITING": "yellow",
}  # fmt: skip
GAP = 2
CENTS = 0.1  # USD from which on cents are enough
LEAST = 0.00005  # USD that show with four places
NARROWEST = 20
MOST_LINES = 1.5  # of a terminal that the columns but the last may fill
# What json leaves as it is: DEL and the C1 controls, which terminals obey, what turns a text round, and
# halves of characters, which no encoding has.
_STEERS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def emit(invocation: Invocation, document: Any, text: str) -> None:
    """Print a result: `document` where JSON was asked for, else `text`. Raises UsageError for a bad --query."""
    if not invocation.wants_json:
        click.echo(steadied(text), color=_color())
        return
    if invocation.query is not None:
        document = _queried(document, invocation.query)
    click.echo(_steadied(json.dumps(document, indent=2, ensure_ascii=False)))


def emit_line(invocation: Invocation, document: Any) -> None:
    """Print one of many results, as JSON in one line. Raises UsageError for a bad --query."""
    if invocation.query is not None:
        document = _queried(document, invocation.query)
    click.echo(_steadied(json.dumps(document, ensure_ascii=False)))


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, fold: bool = False) -> str:
    """Columns under their headers; statuses coloured on a terminal; None is an empty cell.

    With `fold`, a last column that is too wide for the terminal goes on in the next line, instead of being cut. On a
    terminal where every row would take several lines, each cell has a line of its own instead.
    """
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    if sys.stdout.isatty() and _used(cells) > MOST_LINES * shutil.get_terminal_size().columns:
        return "\n\n".join(_record(headers, row) for row in cells[1:])
    return columns(headers, rows, fold=fold)


def columns(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, fold: bool = False) -> str:
    """A table of one line for each row, or as `fold` says, however narrow the terminal."""
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    if sys.stdout.isatty():
        cells = _fitted(cells, fold)
    return _grid([cells[0], *([_coloured(cell) for cell in row] for row in cells[1:])])


def facts(pairs: Sequence[tuple[str, Any]]) -> str:
    """One line for each name and value that is not None."""
    cells = [[name, _cell(value)] for name, value in pairs if value is not None]
    if sys.stdout.isatty():
        cells = _fitted(cells, fold=False)
    return _grid([[name, _coloured(value)] for name, value in cells])


def printable(text: str) -> str:
    """A text that others chose, such as a key, with what would break a line or steer a terminal written as escapes."""
    plain = (letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return text if text.isprintable() else "".join(plain)


def writable(letters: str) -> bool:
    """Whether standard output has these letters."""
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def status_word(status: str) -> str:
    """A status, coloured on a terminal."""
    return _coloured(status)


def moment(seconds: float | None) -> str | None:
    """A time in the time zone of whoever reads it, which it names: `2026-11-21 22:30:45 CET`."""
    if seconds is None:
        return None
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def told(text: str) -> str:
    """A time that a record tells as ISO 8601, as `moment` says it; a record of somebody else's may tell anything."""
    try:
        return moment(datetime.fromisoformat(text).timestamp()) or text
    except (ValueError, OverflowError):
        return text


def iso(seconds: float | None) -> str | None:
    """A time as ISO 8601, to the millisecond."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def duration(seconds: float | None) -> str | None:
    """`4.2 s`, `1 min 3 s`, `2 h 05 min`."""
    return None if seconds is None else times.duration(seconds)


def age(seconds: float) -> str:
    """`5 min`, `3 h`, `12 d`: to the whole unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def size(count: float) -> str:
    """`512 B`, `3.2 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def usd(amount: float) -> str:
    """USD in cents, small amounts with four places: `2.93`, `0.0004`, and `<0.0001` for what is hardly anything."""
    if 0 < amount < LEAST:
        return "<0.0001"
    return f"{amount:.2f}" if amount >= CENTS or amount == 0 else f"{amount:.4f}"


def cost_text(cost: Cost) -> str | None:
    """What something cost, as far as it is known: `0.0235`, `at least 0.0235`, `unknown`; None where nothing did."""
    if cost.usd is None:
        return "unknown" if cost.unknown else None
    return usd(cost.usd) if cost.is_whole else f"at least {usd(cost.usd)}"


def _steadied(text: str) -> str:
    """JSON that means the same, with nothing in it that would steer a terminal."""
    return _STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _color() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def _cell(value: Any) -> str:
    return "" if value is None else printable(str(value))


def _coloured(cell: str) -> str:
    return click.style(cell, fg=COLORS[cell]) if cell in COLORS else cell


def _grid(cells: list[list[str]]) -> str:
    from tabulate import tabulate

    # Given headers as such, tabulate would pad them.
    return tabulate(cells, tablefmt="plain", disable_numparse=True, preserve_whitespace=True)


def _record(headers: Sequence[str], row: list[str]) -> str:
    """Nothing is cut: a name that goes on in the next line by the terminal's own doing can still be copied."""
    return _grid([[name, _coloured(cell)] for name, cell in zip(headers, row, strict=True) if cell])


def _used(cells: list[list[str]]) -> int:
    """The width of all columns but the last."""
    return sum(max(map(len, column)) + GAP for column in list(zip(*cells, strict=True))[:-1])


def _fitted(cells: list[list[str]], fold: bool) -> list[list[str]]:
    room = max(shutil.get_terminal_size().columns - _used(cells), NARROWEST)
    fit = _folded if fold else _cut
    return [line for row in cells for line in (fit(row, room) if len(row[-1]) > room else [row])]


def _cut(row: list[str], room: int) -> list[list[str]]:
    more = "…" if writable("…") else "..."
    return [[*row[:-1], row[-1][: room - len(more)] + more]]


def _folded(row: list[str], room: int) -> list[list[str]]:
    first, *more = textwrap.wrap(row[-1], room, break_on_hyphens=False) or [""]
    return [[*row[:-1], first], *([*[""] * (len(row) - 1), line] for line in more)]


def _queried(document: Any, query: str) -> Any:
    import jmespath

    try:
        return jmespath.search(query, document)
    except RecursionError:
        raise UsageError("--query is nested too deeply") from None
    except jmespath.exceptions.JMESPathError as error:
        raise UsageError(f"--query is not a JMESPath expression: {' '.join(str(error).split())}") from error
