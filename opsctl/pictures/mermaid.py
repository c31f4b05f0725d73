"""A picture as a Mermaid flowchart, for READMEs, issues and wikis that draw them.

States are called by numbers; what others chose stands in quotes, with every letter that means something to Mermaid,
Markdown or HTML written as an entity.
"""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.domain.picture import CATCH, Lane, Node, Picture
from opsctl.pictures.nodes import told_lines
from opsctl.pictures.palette import LIGHT, kind_of
from opsctl.pictures.words import clean

SHAPES = {"Choice": ("{{", "}}"), **dict.fromkeys(("Pass", "Wait", "Succeed", "Fail"), ("([", "])"))}
INDENT = "    "
PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,_?!/=+-()·:")


def mermaid(picture: Picture) -> str:
    """The flowchart, ready to stand in a ```mermaid block."""
    drawing = _Drawing(picture)
    return "\n".join([*drawing.lines(), ""])


class _Drawing:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._ids = {id(node): f"s{number}" for number, node in enumerate(picture.states)}

    def lines(self) -> Iterator[str]:
        """All of it."""
        title = " ".join([self._picture.title, *self._picture.facts])
        yield "---"
        yield f'title: "{_front(title)}"'
        yield "---"
        yield "flowchart TB"
        yield from self._lane(self._picture.lane, INDENT)
        kinds: dict[str, list[str]] = {}
        for node in self._picture.states:
            kinds.setdefault(kind_of(node.told.status if node.told else None), []).append(self._ids[id(node)])
        for kind, nodes in kinds.items():
            tone = LIGHT.tones[kind]
            dash = ",stroke-dasharray:5 4" if kind in ("passed", "unreached") else ""
            yield f"{INDENT}classDef {kind} fill:{tone.fill},stroke:{tone.line},color:{tone.words}{dash}"
            yield f"{INDENT}class {','.join(nodes)} {kind}"

    def _lane(self, lane: Lane, indent: str) -> Iterator[str]:
        names = {node.name: self._ids[id(node)] for node in lane.nodes}
        for node in lane.nodes:
            yield from self._node(node, indent)
        for edge in lane.edges:
            arrow = "-.->" if edge.kind == CATCH else "==>" if edge.taken else "-->"
            label = f'|"{_said(edge.label)}"|' if edge.label else ""
            yield f"{indent}{names[edge.source]} {arrow}{label} {names[edge.target]}"

    def _node(self, node: Node, indent: str) -> Iterator[str]:
        name = self._ids[id(node)]
        words = "<br>".join(_said(part) for part in (node.name, node.work, *told_lines(node.told)) if part)
        if not node.lanes:
            left, right = SHAPES.get(node.kind, ("[", "]"))
            yield f'{indent}{name}{left}"{words}"{right}'
            return
        yield f'{indent}subgraph {name} ["{words}"]'
        for number, lane in enumerate(node.lanes):
            yield f'{indent}{INDENT}subgraph {name}b{number} ["{_said(lane.label)}"]'
            yield f"{indent}{INDENT}{INDENT}direction TB"
            yield from self._lane(lane, indent + INDENT * 2)
            yield f"{indent}{INDENT}end"
        yield f"{indent}end"


def _said(text: str) -> str:
    return "".join(letter if letter in PLAIN else f"#{ord(letter)};" for letter in clean(text))


def _front(text: str) -> str:
    """For the front matter, which is YAML: no letter that ends a quoted string or begins an escape."""
    return "".join(letter if letter in PLAIN or letter.isalnum() else " " for letter in clean(text))
