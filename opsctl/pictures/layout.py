"""Places for the states of a picture: each lane by Graphviz's `dot`, from the inside out.

A Parallel or Map is a node as large as its lanes, side by side. So no way ever crosses a frame, and a machine of 150
states costs what its lanes cost. What says when a way is taken is a node too, a small one on the way: dot keeps room
for it. Where several failures lead to one state they would be a bundle of long ways across the whole picture, which no
one can follow; they run along a rail beside the states instead, and dot is told only how low their end must lie.

Names never reach dot: nodes are called by numbers and have sizes, no labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsctl.domain.picture import ANY_ERROR, CATCH, Edge, Lane, Node
from opsctl.pictures.nodes import Face, faced, pill_of

Point = tuple[float, float]

GAP = 26.0  # between nodes side by side
RANK_GAP = 34.0  # between nodes below each other
CLOSE_RANK_GAP = 24.0  # the same in large lanes
FRAME = 14.0  # between a lane's frame and what is in it
LANE_GAP = 14.0
LANE_LABEL = 20.0
RAIL_GAP = 16.0
RAIL_FROM = 2  # failures of one lane that lead to one state: more than this run along a rail
END_STUB = 18.0
INCH = 72.0
ARROW = "0.7"  # of dot's 10 pixels: what the way's line leaves to its arrow


@dataclass(frozen=True)
class Placed:
    """A node and the place of its upper left corner, in pixels; `face` is what is written in it, `lanes` are inside."""

    node: Node
    face: Face
    x: float
    y: float
    lanes: tuple[PlacedLane, ...] = ()

    @property
    def width(self) -> float:
        return self.face.width

    @property
    def height(self) -> float:
        return self.face.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Pill:
    """The words on a way, and their place."""

    edge: Edge
    face: Face
    x: float
    y: float


@dataclass(frozen=True)
class Path:
    """A way's line: `curve` by Bezier control points (1 + 3n), else straight lines; an arrow at its end if `arrow`."""

    edge: Edge
    points: tuple[Point, ...]
    curve: bool = True
    arrow: bool = True


@dataclass(frozen=True)
class PlacedLane:
    """A lane with the places of all that is in it, relative to the picture."""

    lane: Lane
    x: float
    y: float
    width: float
    height: float
    nodes: tuple[Placed, ...]
    pills: tuple[Pill, ...]
    paths: tuple[Path, ...]


def laid_out(lane: Lane, *, left: float = 0.0, top: float = 0.0) -> PlacedLane:
    """The places of a lane and of everything inside of it."""
    return _moved(_lane(lane), left, top)


def _lane(lane: Lane) -> PlacedLane:
    """A lane that begins at 0, 0."""
    inner = {node.name: tuple(map(_lane, node.lanes)) for node in lane.nodes if node.lanes}
    faces = {node.name: _sized(faced(node), inner.get(node.name, ())) for node in lane.nodes}
    if not faces:
        return PlacedLane(lane, 0, 0, 60, 20, (), (), ())
    railed = _railed(lane)
    drawn = [edge for edge in lane.edges if (edge.target, edge.kind) not in railed]
    dot = _Dot(lane, faces, drawn, railed)
    nodes = {node.name: _placed(node, faces[node.name], dot.corner(node.name), inner) for node in lane.nodes}
    rails = list(_rails(lane, nodes, railed, dot))
    right = max([dot.width, *(x for path in rails for x, _ in path.points)])
    height = max([dot.height, *(node.bottom + END_STUB for node in nodes.values() if node.node.ends)])
    return PlacedLane(
        lane, 0, 0, right, height, tuple(nodes.values()), tuple(dot.pills()), (*dot.paths(), *rails)
    )  # fmt: skip


def _railed(lane: Lane) -> frozenset[tuple[str, str]]:
    """The (target, kind) of the failures that run along a rail."""
    counts: dict[str, int] = {}
    for edge in lane.edges:
        if edge.kind == CATCH:
            counts[edge.target] = counts.get(edge.target, 0) + 1
    return frozenset((target, CATCH) for target, count in counts.items() if count > RAIL_FROM)


def _sized(face: Face, lanes: tuple[PlacedLane, ...]) -> Face:
    """The size of a node with lanes in it: its own words above them."""
    if not lanes:
        return face
    wide = sum(lane.width + 2 * FRAME for lane in lanes) + LANE_GAP * (len(lanes) + 1)
    high = face.height + max(lane.height for lane in lanes) + 2 * FRAME + LANE_LABEL + LANE_GAP
    return replace(face, width=max(face.width, wide), height=high, head=face.height)


def _placed(node: Node, face: Face, corner: Point, inner: Mapping[str, tuple[PlacedLane, ...]]) -> Placed:
    """A node with its lanes side by side, in the middle of it."""
    x, y = corner
    lanes = inner.get(node.name, ())
    used = sum(lane.width + 2 * FRAME for lane in lanes) + LANE_GAP * (len(lanes) - 1)
    left = x + (face.width - used) / 2
    placed = []
    for lane in lanes:
        placed.append(_moved(lane, left + FRAME, y + face.head + LANE_LABEL + FRAME))
        left += lane.width + 2 * FRAME + LANE_GAP
    return Placed(node, face, x, y, tuple(placed))


class _Dot:
    """One lane laid out by dot."""

    def __init__(
        self, lane: Lane, faces: Mapping[str, Face], drawn: list[Edge], railed: frozenset[tuple[str, str]]
    ) -> None:
        from pygraphviz import AGraph

        self._ids = {name: f"n{number}" for number, name in enumerate(faces)}
        self._graph = AGraph(strict=False, directed=True, **_settings(len(faces), len(drawn)))
        self._sizes = {self._ids[name]: (face.width, face.height) for name, face in faces.items()}
        self._edges: list[tuple[Edge, list[tuple[str, str]]]] = []
        self._pills: list[tuple[Edge, Face, str]] = []
        for name, face in faces.items():
            self._add_node(self._ids[name], face.width, face.height)
        for number, edge in enumerate(drawn):
            self._add_edge(number, edge)
        for target, _ in railed:
            lowest, end = self._ids[_last_source(lane, target)], self._ids[target]
            self._graph.add_edge(lowest, end, key=f"r{end}", style="invis")
        self._graph.layout(prog="dot")
        box = [float(part) for part in self._graph.graph_attr["bb"].split(",")]
        self.width, self.height = box[2] - box[0], box[3] - box[1]

    def _add_node(self, name: str, width: float, height: float) -> None:
        self._graph.add_node(
            name, shape="box", label="", fixedsize="true", width=f"{width / INCH:.4f}", height=f"{height / INCH:.4f}"
        )  # fmt: skip

    def _add_edge(self, number: int, edge: Edge) -> None:
        source, target = self._ids[edge.source], self._ids[edge.target]
        key = f"e{number}"
        if not edge.label or edge.label == ANY_ERROR:
            weight = "0" if edge.kind == CATCH else "2"
            self._graph.add_edge(source, target, key=key, weight=weight, arrowsize=ARROW)
            self._edges.append((edge, [(source, target)]))
            return
        pill, face = f"p{number}", pill_of(edge.label)
        self._sizes[pill] = (face.width, face.height)
        self._add_node(pill, face.width, face.height)
        weight = "2" if edge.label == "otherwise" else "1"
        self._graph.add_edge(source, pill, key=key, arrowhead="none", weight=weight)
        self._graph.add_edge(pill, target, key=key, weight=weight, arrowsize=ARROW)
        self._pills.append((edge, face, pill))
        self._edges.append((edge, [(source, pill), (pill, target)]))

    def corner(self, name: str) -> Point:
        """The upper left corner of a state."""
        return self._corner(self._ids[name])

    def _corner(self, node: str) -> Point:
        x, y = (float(part) for part in self._graph.get_node(node).attr["pos"].split(","))
        wide, high = self._sizes[node]
        return x - wide / 2, self.height - y - high / 2

    def pills(self) -> Iterator[Pill]:
        """The words on ways."""
        for edge, face, node in self._pills:
            yield Pill(edge, face, *self._corner(node))

    def paths(self) -> Iterator[Path]:
        """The lines of all ways but those of rails."""
        for number, (edge, parts) in enumerate(self._edges):
            for index, (source, target) in enumerate(parts):
                found = self._graph.get_edge(source, target, key=f"e{number}")
                last = index == len(parts) - 1
                yield Path(edge, tuple(self._points(found.attr["pos"])), arrow=last)

    def _points(self, position: str) -> Iterator[Point]:
        """dot's `e,X,Y` is the arrow's tip, which the curve is drawn to."""
        words = position.split(";")[0].split()
        tips = [word[2:] for word in words if word.startswith("e,")]
        for word in [word for word in words if word[:2] not in ("e,", "s,")]:
            x, y = word.split(",")
            yield float(x), self.height - float(y)
        for tip in tips:
            x, y = tip.split(",")
            yield float(x), self.height - float(y)


def _settings(nodes: int, edges: int) -> dict[str, Any]:
    """Large lanes are given fewer rounds: they must be ready in a second or two, not be perfect. In a tangle, where
    every state leads to several others anywhere, no line can be followed around the others: they go straight."""
    large, tangled = nodes + edges > 150, edges > max(250, 2 * nodes)
    gap = CLOSE_RANK_GAP if large else RANK_GAP
    rounds = "0.5" if tangled else "3" if large else "20"
    return {
        "rankdir": "TB", "nodesep": f"{GAP / INCH:.3f}", "ranksep": f"{gap / INCH:.3f}",
        "splines": "line" if tangled else "true", "mclimit": "0.05" if tangled else "0.3" if large else "2",
        "nslimit": rounds, "nslimit1": rounds, "margin": "0", "pad": "0",
    }  # fmt: skip


def _last_source(lane: Lane, target: str) -> str:
    """Of the states whose failures lead to the target, the one that lies lowest: on the longest way from the start."""
    depth = {node.name: 0 for node in lane.nodes}
    rank = {node.name: number for number, node in enumerate(lane.nodes)}
    for edge in sorted(lane.edges, key=lambda edge: rank[edge.source]):
        if edge.kind != CATCH and rank[edge.source] < rank[edge.target]:
            depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    sources = [edge.source for edge in lane.edges if edge.kind == CATCH and edge.target == target]
    return max(sources, key=lambda name: (depth[name], rank[name]))


def _rails(lane: Lane, nodes: Mapping[str, Placed], railed: Iterable[tuple[str, str]], dot: _Dot) -> Iterator[Path]:
    """From below each state whose failure is caught to the rail at the right, and from the rail to the catching state.

    Every line runs in the gap between two ranks, where no state is in its way.
    """
    for number, (target, kind) in enumerate(sorted(railed, key=lambda pair: nodes[pair[0]].y)):
        x = dot.width + RAIL_GAP * (number + 1)
        end = nodes[target]
        arrival = _top_of_rank(end, nodes) - 11 - 4 * number
        tip = (end.x + end.width - 22, end.y)
        reached: dict[bool, float] = {}  # how far the rail is drawn already, below and above its end
        edges = [edge for edge in lane.edges if (edge.target, edge.kind) == (target, kind)]
        for edge in sorted(edges, key=lambda edge: (edge.taken is not True, -abs(nodes[edge.source].y - end.y))):
            source = nodes[edge.source]
            below = _bottom_of_rank(source, nodes) + 9 + 4 * number
            start = (source.x + source.width - 16, source.bottom)
            stop = reached.get(below > arrival, arrival)
            points: tuple[Point, ...] = (start, (start[0], below), (x, below))
            if abs(below - arrival) > abs(stop - arrival) or stop == arrival:
                points += ((x, stop),)
                reached[below > arrival] = below
            whole = stop == arrival
            yield Path(edge, (*points, (tip[0], arrival), tip) if whole else points, curve=False, arrow=whole)


def _rank(node: Placed, nodes: Mapping[str, Placed]) -> list[Placed]:
    middle = node.y + node.height / 2
    return [other for other in nodes.values() if abs(other.y + other.height / 2 - middle) < 1]


def _bottom_of_rank(node: Placed, nodes: Mapping[str, Placed]) -> float:
    return max(other.bottom for other in _rank(node, nodes))


def _top_of_rank(node: Placed, nodes: Mapping[str, Placed]) -> float:
    return min(other.y for other in _rank(node, nodes))


def _moved(lane: PlacedLane, x: float, y: float) -> PlacedLane:
    """The same lane, so far to the right and down."""
    return replace(
        lane,
        x=lane.x + x,
        y=lane.y + y,
        nodes=tuple(
            replace(node, x=node.x + x, y=node.y + y, lanes=tuple(_moved(inner, x, y) for inner in node.lanes))
            for node in lane.nodes
        ),
        pills=tuple(replace(pill, x=pill.x + x, y=pill.y + y) for pill in lane.pills),
        paths=tuple(replace(path, points=tuple((a + x, b + y) for a, b in path.points)) for path in lane.paths),
    )
