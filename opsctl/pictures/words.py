"""How wide words are, and where lines of them break.

A picture is laid out before it is known which font it is seen in. It asks for Roboto first (which PNGs bring along), so
widths are Roboto's, a little enlarged: where a browser takes its own font, words still fit.
"""

from __future__ import annotations

import unicodedata

# Advance widths in thousandths of the font size, of classes of letters.
_WIDTHS = {
    **dict.fromkeys("iljI|!.,:;'`", 270),
    **dict.fromkeys('frt()[]{}-"*/\\ ', 370),
    **dict.fromkeys("ckszvxyJ^?_L", 540),
    **dict.fromkeys("mwMW@%—", 880),
    **dict.fromkeys("ABCDEFGHKNOPQRSTUVXYZ&<>+=~#", 670),
}
_OTHER, _WIDE, _SLACK, _BOLD = 570, 1000, 1.1, 1.1
ELLIPSIS = "…"


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line in a font of that size, in pixels."""
    thousandths = sum(map(_advance, text))
    return thousandths / 1000 * size * _SLACK * (_BOLD if bold else 1.0)


def columns(text: str) -> int:
    """The cells that a text takes on a terminal."""
    return sum(map(_cells, text))


def clean(text: str) -> str:
    """A text that others chose in one line, with what is not printable written as escapes."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in line)


def wrapped(text: str, room: float, size: float, most: int, *, bold: bool = False) -> list[str]:
    """At most `most` lines that fit into the room; the last one is cut, and says so, where the text is longer."""
    lines: list[str] = []
    rest = clean(text)
    while rest and len(lines) < most:
        last = len(lines) == most - 1
        cut = len(rest) if width(rest, size, bold=bold) <= room else _cut(rest, room, size, bold, last)
        line, rest = rest[:cut], rest[cut:].lstrip()
        lines.append(line.rstrip() + (ELLIPSIS if rest and last else ""))
    return lines or [""]


def _cut(text: str, room: float, size: float, bold: bool, last: bool) -> int:
    """How many letters fit; to the end of a word where that leaves enough of the line."""
    room -= width(ELLIPSIS, size, bold=bold) if last else 0
    fit = 1
    while fit < len(text) and width(text[: fit + 1], size, bold=bold) <= room:
        fit += 1
    ends = (text.rfind(" ", 0, fit + 1), *(text.rfind(letter, 0, fit) + 1 for letter in "-_."))
    return max(ends) if max(ends) > fit * 0.45 else fit


def _advance(letter: str) -> int:
    if letter < "\u0300":
        return _WIDTHS.get(letter, _OTHER)
    return _OTHER * _cells(letter) if _cells(letter) < 2 else _WIDE


def _cells(letter: str) -> int:
    if letter < "\u0300":
        return 1
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
