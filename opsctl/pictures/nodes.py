"""What is written in a node of a picture, and how large that makes it."""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.domain.picture import Node, Told
from opsctl.domain.times import duration
from opsctl.pictures.words import width, wrapped

NAME, DETAIL, LABEL = 13.5, 11.5, 10.5  # font sizes
LINE = {NAME: 17.0, DETAIL: 15.0, LABEL: 13.0}
ROOM = 215.0  # for words
PILL_ROOM = 170.0
PAD, ICON = 12.0, 22.0
NARROWEST = 120.0
DEFINED = "DEFINED"


@dataclass(frozen=True)
class Line:
    """One line of words: its text, font size and whether it is bold."""

    text: str
    size: float
    bold: bool = False


@dataclass(frozen=True)
class Face:
    """The lines of a node and its size; `head` is the part of the height above its lanes."""

    lines: tuple[Line, ...]
    width: float
    height: float
    head: float = 0.0


def faced(node: Node) -> Face:
    """Its name, what it does, and what became of it."""
    lines = [Line(text, NAME, bold=True) for text in wrapped(node.name, ROOM, NAME, 3, bold=True)]
    if node.work:
        lines += [Line(text, DETAIL) for text in wrapped(node.work, ROOM, DETAIL, 1)]
    lines += [Line(text, DETAIL) for text in told_lines(node.told)]
    wide = max(width(line.text, line.size, bold=line.bold) for line in lines)
    high = sum(LINE[line.size] for line in lines)
    return Face(tuple(lines), max(wide + ICON + 2 * PAD, NARROWEST), high + 2 * (PAD - 3))


def told_lines(told: Told | None) -> list[str]:
    """What became of a state: its status, time and attempts, then what else is to be said."""
    if told is None:
        return []
    first = " · ".join([told.status.lower(), *facts(told)])
    return [*wrapped(first, ROOM, DETAIL, 2), *(wrapped(told.note, ROOM, DETAIL, 1) if told.note else ())]


def facts(told: Told) -> list[str]:
    """Time and attempts, where there is something to say of them."""
    found = [] if told.seconds is None or told.status == "SKIPPED" else [duration(told.seconds)]
    if told.attempts not in (None, "0", "1"):
        found.append(f"{told.attempts} attempts")
    if told.entries > 1 and not told.note:
        found.append(f"{told.entries:,} times")
    return found


def pill_of(label: str) -> Face:
    """The words on a way."""
    lines = tuple(Line(text, LABEL) for text in wrapped(label, PILL_ROOM, LABEL, 2))
    wide = max(width(line.text, LABEL) for line in lines)
    return Face(lines, wide + 14, len(lines) * LINE[LABEL] + 6)
