"""A picture as lines of text, for a terminal of any width: each lane goes down, branches stand side by side where there
is room for them and below each other where there is not.

    ● Prepare Run  succeeded, 1.2 s
    │ any error → Describe Failure
    ◆ Skip Fetch Preprocessed Data?
    ├ skip.fetch_preprocessed_data is true → Base Model Training
    ● Fetch Preprocessed Data

The way on leads to the state below; every other one is told by where it leads. A `└` ends its lane, or goes only where
it says. Where a terminal has no UTF-8, `Signs` of plain ASCII stand in, and letters outside of it are written as
escapes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from opsctl.domain.picture import CATCH, NEXT, Edge, Lane, Node, Picture, Told
from opsctl.pictures.nodes import facts
from opsctl.pictures.words import clean, columns

NARROWEST = 26  # columns that a branch needs to stand beside another
GUTTER = 2
HARD = "\N{NO-BREAK SPACE}"  # which folding leaves alone

Paint = Callable[[str, str], str]


@dataclass(frozen=True)
class Signs:
    """The letters that lines are drawn with."""

    task: str = "●"
    choice: str = "◆"
    other: str = "○"
    scope: str = "▣"
    unreached: str = "·"
    failed: str = "✗"
    down: str = "│"
    fork: str = "├"
    end: str = "└"
    leads: str = "→"
    top: str = "┌"
    rule: str = "─"
    plain: bool = False

    def said(self, text: str) -> str:
        """A text that others chose, in letters that can be shown."""
        line = clean(text)
        return line.encode("ascii", "backslashreplace").decode() if self.plain else line


ASCII = Signs("*", "?", "o", "#", ".", "x", "|", "+", "`", "->", "+", "-", plain=True)


def plain_paint(text: str, status: str) -> str:
    """No colours."""
    del status
    return text


@dataclass(frozen=True)
class _Line:
    """A line before it is coloured; each span of `spans` (from, to, status) has a status' colour."""

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()

    def after(self, before: str) -> _Line:
        """The line with something in front of it."""
        return _Line((before + self.text).rstrip(), _shifted(self.spans, len(before)))


def text(picture: Picture, room: int, signs: Signs | None = None, paint: Paint = plain_paint) -> str:
    """The picture in lines of at most `room` columns, as far as words can be broken; `paint` colours a status."""
    signs = signs or Signs()
    drawing = _Drawing(signs)
    heading = [
        _Line(line)
        for line in drawing.folded(f"{HARD} ".join(map(signs.said, (picture.title, *picture.facts))), room, "", "  ")
    ]
    lines = [*heading, _Line(""), *drawing.lane(picture.lane, room)]
    return "\n".join(_painted(line, paint) for line in lines)


def _painted(line: _Line, paint: Paint) -> str:
    parts, done = [], 0
    for start, stop, status in line.spans:
        parts += [line.text[done:start], paint(line.text[start:stop], status)]
        done = stop
    return "".join([*parts, line.text[done:]])


def _shifted(spans: tuple[tuple[int, int, str], ...], by: int) -> tuple[tuple[int, int, str], ...]:
    return tuple((start + by, stop + by, status) for start, stop, status in spans)


class _Drawing:
    def __init__(self, signs: Signs) -> None:
        self._signs = signs

    def lane(self, lane: Lane, room: int) -> list[_Line]:
        """The states of a lane, one below the other."""
        lines: list[_Line] = []
        for node, below in zip_longest(lane.nodes, lane.nodes[1:]):
            ways = [edge for edge in lane.edges if edge.source == node.name]
            onward = below is not None and any(edge.target == below.name and edge.kind != CATCH for edge in ways)
            lines += self._head(node, room)
            told = [edge for edge in ways if below is None or edge.target != below.name or edge.kind != NEXT]
            lines += self._inner(node, room, self._signs.down if onward or told else " ")
            lines += self._ways(told, room, onward)
            if below is not None:
                lines.append(_Line(self._signs.down if onward else ""))
        while lines and not lines[-1].text:
            lines.pop()
        return lines

    def folded(self, words: str, room: int, first: str, rest: str) -> list[str]:
        """Words in lines that fit."""
        wide = max(room - max(columns(first), columns(rest)), 8)
        extra = columns(words) - len(words)  # letters that take two columns
        lines = textwrap.wrap(words, max(wide - extra, 8), break_long_words=True, break_on_hyphens=False) or [""]
        clear = [line.replace(HARD, " ").rstrip() for line in lines]
        return [(first if number == 0 else rest) + line for number, line in enumerate(clear)]

    def _head(self, node: Node, room: int) -> list[_Line]:
        sign, status = self._sign(node), node.told.status if node.told else ""
        told = _told(node.told)
        name = self._signs.said(node.name)
        words = f"{name}{HARD} {self._signs.said(told)}" if told else name
        lines = self.folded(words, room, f"{sign} ", "  ")
        first = _Line(lines[0], ((0, min(len(lines[0]), len(sign) + 1 + len(name)), status),) if status else ())
        return [first, *(_Line(line) for line in lines[1:])]

    def _sign(self, node: Node) -> str:
        signs = self._signs
        if node.told and node.told.status in ("FAILED", "TIMED_OUT", "ABORTED"):
            return signs.failed
        if node.told and node.told.status in ("SKIPPED", "NOT REACHED"):
            return signs.unreached
        if node.lanes:
            return signs.scope
        return {"Task": signs.task, "Choice": signs.choice}.get(node.kind, signs.other)

    def _ways(self, edges: list[Edge], room: int, onward: bool) -> Iterator[_Line]:
        signs = self._signs
        for number, edge in enumerate(edges):
            last = number == len(edges) - 1 and not onward
            lead = signs.failed if edge.kind == CATCH else ""
            said = (lead, signs.said(edge.label), signs.leads, signs.said(edge.target))
            words = " ".join(part for part in said if part)
            stem = (signs.end if last else signs.fork) + signs.rule * bool(edge.taken) + " "
            rest = ("  " if last else f"{signs.down} ") + "  "
            for line in self.folded(words, room, stem, rest):
                yield _Line(line)

    def _inner(self, node: Node, room: int, stem: str) -> list[_Line]:
        """The lanes of a Parallel or Map, beside each other if they fit."""
        if not node.lanes:
            return []
        inside = room - 2
        share = (inside - GUTTER * (len(node.lanes) - 1)) // len(node.lanes)
        lines = self._side_by_side(node, share, inside) if len(node.lanes) > 1 and share >= NARROWEST else []
        if not lines:
            for lane in node.lanes:
                lines += [_Line("")] * bool(lines) + self._branch(lane, inside)
        return [line.after(f"{stem} ") for line in lines]

    def _side_by_side(self, node: Node, share: int, inside: int) -> list[_Line]:
        """The lanes beside each other; nothing where they turn out to be too wide for that."""
        drawn = [self._branch(lane, share) for lane in node.lanes]
        wide = sum(map(_width, drawn)) + GUTTER * (len(drawn) - 1)
        return _beside(drawn) if wide <= inside else []

    def _branch(self, lane: Lane, room: int) -> list[_Line]:
        signs = self._signs
        head = f"{signs.top}{signs.rule} {signs.said(lane.label)} "
        head += signs.rule * min(4, max(room - columns(head), 0))
        lines = self.lane(lane, room - 2)
        return [_Line(head), *(line.after(f"{signs.down} ") for line in lines)]


def _told(told: Told | None) -> str:
    if told is None:
        return ""
    parts = [told.status.lower(), *facts(told), *([told.note] if told.note else [])]
    return ", ".join(parts)


def _width(lines: list[_Line]) -> int:
    return max(columns(line.text) for line in lines)


def _beside(drawn: list[list[_Line]]) -> list[_Line]:
    """Blocks of lines side by side."""
    widths = [_width(lines) for lines in drawn]
    rows = []
    for number in range(max(map(len, drawn))):
        words, spans = "", list[tuple[int, int, str]]()
        for lines, wide in zip(drawn, widths, strict=True):
            line = lines[number] if number < len(lines) else _Line("")
            spans += _shifted(line.spans, len(words))
            words += line.text + " " * (wide - columns(line.text) + GUTTER)
        rows.append(_Line(words.rstrip(), tuple(spans)))
    return rows
