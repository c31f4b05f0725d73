"""A picture as SVG: one file that needs nothing else, in light and in dark.

Light colours are attributes, which every viewer reads (the rasteriser of PNGs too); a style sheet in the file puts dark
ones over them where the reader prefers dark. Everything that others chose goes through `_said`.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from opsctl.domain.picture import CATCH, Lane, Node, Picture
from opsctl.pictures.layout import END_STUB, FRAME, LANE_LABEL, Path, Pill, Placed, PlacedLane, Point, laid_out
from opsctl.pictures.nodes import DETAIL, ICON, LINE, PAD, Face
from opsctl.pictures.palette import DARK, LIGHT, Theme, kind_of
from opsctl.pictures.words import clean, width, wrapped

FONTS = "Roboto, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"
EDGE = 24.0  # around the picture
TITLE, FACTS = 18.0, 12.0
LEGEND = 26.0
MARKS = {
    "good": "M-4 .2 -1.2 3 4 -3", "reused": "M-4 .2 -1.2 3 4 -3", "bad": "M-3.2 -3.2 3.2 3.2M3.2 -3.2 -3.2 3.2",
    "busy": "M0 -4V0L3 2", "waiting": "M-2 -3.4V3.4M2 -3.4V3.4", "ended": "M-3 -3H3V3H-3Z",
    "passed": "M-3.6 -3 0 0 -3.6 3M.8 -3 4.2 0 .8 3", "unreached": "M-3.4 0H3.4", "plain": "",
}  # fmt: skip


def svg(picture: Picture, *, framed: bool = True) -> str:
    """The picture; `framed` with its title, a background and a style sheet of its own, as a file needs them, otherwise
    to stand in a page that has `style()`."""
    top = EDGE + (_heading_height(picture) if framed else 0)
    lane = laid_out(picture.lane, left=EDGE, top=top + END_STUB)
    wide = max(lane.width + 2 * EDGE, _heading_width(picture) if framed else 0)
    high = top + END_STUB + lane.height + EDGE + (LEGEND if framed else 0)
    size = f'viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" height="{high:.0f}"'
    named = 'role="img" aria-labelledby="picture-title picture-words"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" {size} {named} font-family="{FONTS}">',
        f'<title id="picture-title">{_said(picture.title)}</title>',
        f'<desc id="picture-words">{_said(description(picture))}</desc>',
    ]
    if framed:
        parts.append(f"<style>{style()}</style>")
        parts.append(f'<rect class="page" width="100%" height="100%" fill="{LIGHT.page}"/>')
        parts += _heading(picture)
        parts += _legend(picture, high)
    parts += _start(lane)
    parts += _lane(lane)
    return "\n".join([*parts, "</svg>", ""])


def style() -> str:
    """The dark colours, for who prefers them."""
    return f"@media screen and (prefers-color-scheme:dark){{{''.join(_rules(DARK))}}}"


def description(picture: Picture) -> str:
    """The picture in words, for who cannot see it."""
    states = list(picture.states)
    count = "1 state" if len(states) == 1 else f"{len(states)} states"
    told: dict[str, list[str]] = {}
    for node in states:
        if node.told and node.told.status not in ("SUCCEEDED", "NOT REACHED"):
            told.setdefault(node.told.status.lower(), []).append(node.name)
    some = [f"{status}: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}" for status, names in told.items()]
    return ". ".join([f"A state machine of {count}", *picture.facts, *some])


def _rules(theme: Theme) -> Iterator[str]:
    yield f".picture .page{{fill:{theme.page}}}.picture .lane{{fill:{theme.lane};stroke:{theme.lane_line}}}"
    yield f".picture .words{{fill:{theme.words}}}.picture .quiet{{fill:{theme.quiet}}}"
    yield f".picture .way{{stroke:{theme.way}}}.picture .untaken{{stroke:{theme.untaken}}}"
    yield f".picture .failure{{stroke:{theme.failure}}}"
    yield f".picture .tip{{fill:{theme.way}}}.picture .untaken-tip{{fill:{theme.untaken}}}"
    yield f".picture .failure-tip{{fill:{theme.failure}}}.picture .pill{{fill:{theme.pill}}}"
    for kind, tone in theme.tones.items():
        yield f".picture .{kind}{{fill:{tone.fill};stroke:{tone.line}}}.picture .{kind}-words{{fill:{tone.words}}}"
        yield f".picture .{kind}-sign{{fill:{tone.line}}}.picture .{kind}-mark{{stroke:{tone.fill}}}"


def _heading_height(picture: Picture) -> float:
    return 34.0 + (20.0 if picture.facts else 0.0)


def _heading_width(picture: Picture) -> float:
    lines = [(TITLE, picture.title), (FACTS, "  ·  ".join(picture.facts))]
    return min(max(width(clean(text), size, bold=size == TITLE) for size, text in lines) + 2 * EDGE, 900.0)


def _heading(picture: Picture) -> Iterator[str]:
    title = wrapped(picture.title, 860, TITLE, 1, bold=True)[0]
    yield _text(EDGE, EDGE + 14, title, TITLE, "words", LIGHT.words, bold=True)
    if picture.facts:
        facts = wrapped("  ·  ".join(map(clean, picture.facts)), 860, FACTS, 1)[0]
        yield _text(EDGE, EDGE + 36, facts, FACTS, "quiet", LIGHT.quiet)


def _legend(picture: Picture, high: float) -> Iterator[str]:
    """What the kinds of lines mean, where there are several."""
    edges = [edge for lane in _lanes(picture) for edge in lane.edges]
    told = [("way", LIGHT.way, "", "taken" if picture.status else "next")]
    if picture.status and any(edge.taken is False for edge in edges):
        told.append(("untaken", LIGHT.untaken, "", "not taken"))
    if any(edge.kind == CATCH for edge in edges):
        told.append(("failure", LIGHT.failure, ' stroke-dasharray="5 4"', "on an error"))
    x = EDGE
    for kind, colour, dash, words in told if len(told) > 1 else ():
        yield _line(kind, colour, f"M{x:.0f} {high - 20:.0f}h26", dash)
        yield _text(x + 32, high - 16, words, DETAIL - 0.5, "quiet", LIGHT.quiet)
        x += 32 + width(words, DETAIL) + 18


def _lanes(picture: Picture) -> Iterator[Lane]:
    yield picture.lane
    yield from (lane for node in picture.states for lane in node.lanes)


def _start(lane: PlacedLane) -> Iterator[str]:
    """A dot before the first state."""
    first = next((node for node in lane.nodes if node.node.name == lane.lane.start), None)
    if first is not None:
        x, y = first.middle, first.y
        yield f'<circle class="tip" cx="{x:.1f}" cy="{y - END_STUB:.1f}" r="4.5" fill="{LIGHT.way}"/>'
        yield _line("way", LIGHT.way, f"M{x:.1f} {y - END_STUB:.1f}V{y - 6:.1f}")
        yield _tip((x, y - 8), (x, y), "tip", LIGHT.way)


def _lane(lane: PlacedLane) -> Iterator[str]:
    for path in sorted(lane.paths, key=lambda path: path.edge.taken is True):  # what was taken lies on top
        yield from _path(path)
    for pill in lane.pills:
        yield from _pill(pill)
    for placed in lane.nodes:
        yield from _node(placed)


def _node(placed: Placed) -> Iterator[str]:
    node = placed.node
    kind = kind_of(node.told.status if node.told else None)
    tone = LIGHT.tones[kind]
    dash = ' stroke-dasharray="5 4"' if kind in ("passed", "unreached") else ""
    yield f"<g><title>{_said(_hint(node))}</title>"
    paint = f'fill="{tone.fill}" stroke="{tone.line}" stroke-width="1.5"{dash}'
    yield f'<path class="{kind}" d="{_outline(placed)}" {paint}/>'
    yield from _sign(placed, kind)
    yield from _words(placed, placed.face, kind)
    yield "</g>"
    if node.ends:
        yield from _end(placed)
    for lane in placed.lanes:
        yield from _inner(lane)


def _inner(lane: PlacedLane) -> Iterator[str]:
    """A lane inside of a state: its frame and label, then what is in it."""
    x, y = lane.x - FRAME, lane.y - FRAME - LANE_LABEL
    wide, high = lane.width + 2 * FRAME, lane.height + 2 * FRAME + LANE_LABEL
    yield (
        f'<rect class="lane" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="8" '
        f'fill="{LIGHT.lane}" stroke="{LIGHT.lane_line}"/>'
    )
    yield _text(x + 10, y + 16, lane.lane.label, DETAIL - 0.5, "quiet", LIGHT.quiet)
    yield from _lane(lane)


def _outline(placed: Placed) -> str:
    """The shape that tells what kind of state it is: a Choice has points at its sides, ends are round."""
    x, y, wide, high = placed.x, placed.y, placed.width, placed.height
    if placed.node.kind == "Choice":
        tip = 10.0
        return (
            f"M{x:.1f} {y + high / 2:.1f}L{x + tip:.1f} {y:.1f}H{x + wide - tip:.1f}L{x + wide:.1f} {y + high / 2:.1f}"
            f"L{x + wide - tip:.1f} {y + high:.1f}H{x + tip:.1f}Z"
        )
    radius = min(high / 2, 22.0) if placed.node.kind in ("Succeed", "Fail", "Pass", "Wait") else 8.0
    return (
        f"M{x + radius:.1f} {y:.1f}h{wide - 2 * radius:.1f}a{radius:.1f} {radius:.1f} 0 0 1 {radius:.1f} {radius:.1f}"
        f"v{high - 2 * radius:.1f}a{radius:.1f} {radius:.1f} 0 0 1 -{radius:.1f} {radius:.1f}h-{wide - 2 * radius:.1f}"
        f"a{radius:.1f} {radius:.1f} 0 0 1 -{radius:.1f} -{radius:.1f}v-{high - 2 * radius:.1f}"
        f"a{radius:.1f} {radius:.1f} 0 0 1 {radius:.1f} -{radius:.1f}Z"
    )


def _sign(placed: Placed, kind: str) -> Iterator[str]:
    """The status as a sign; of a machine that was not run a plain dot."""
    tone = LIGHT.tones[kind]
    x, y = placed.x + PAD + 9, placed.y + PAD + 6
    yield f'<circle class="{kind}-sign" cx="{x:.1f}" cy="{y:.1f}" r="{7.5 if MARKS[kind] else 4}" fill="{tone.line}"/>'
    if MARKS[kind]:
        yield (
            f'<path class="{kind}-mark" transform="translate({x:.1f} {y:.1f})" d="{MARKS[kind]}" fill="none" '
            f'stroke="{tone.fill}" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>'
        )


def _words(placed: Placed, face: Face, kind: str) -> Iterator[str]:
    x, y = placed.x + PAD + ICON, placed.y + PAD - 4
    for line in face.lines:
        y += LINE[line.size]
        yield _text(x, y - 3.5, line.text, line.size, f"{kind}-words", LIGHT.tones[kind].words, bold=line.bold)


def _end(placed: Placed) -> Iterator[str]:
    """A ring below a state that its lane may end with."""
    x, y = placed.middle, placed.bottom
    yield _line("way", LIGHT.way, f"M{x:.1f} {y:.1f}v{END_STUB - 10:.1f}")
    yield (
        f'<circle class="way" cx="{x:.1f}" cy="{y + END_STUB - 6:.1f}" r="4" fill="none" stroke="{LIGHT.way}" '
        'stroke-width="1.6"/>'
    )


def _pill(pill: Pill) -> Iterator[str]:
    face, taken = pill.face, pill.edge.taken is not False
    kind, colour = _way_of(pill.edge.kind, taken)
    quiet = ("words", LIGHT.words) if taken else ("quiet", LIGHT.quiet)
    yield f"<g><title>{_said(clean(pill.edge.label))}</title>"
    box = f'x="{pill.x:.1f}" y="{pill.y:.1f}" width="{face.width:.1f}" height="{face.height:.1f}"'
    yield f'<rect class="pill {kind}" {box} rx="9" fill="{LIGHT.pill}" stroke="{colour}"/>'
    y = pill.y + 1
    for line in face.lines:
        y += LINE[line.size]
        middle = pill.x + face.width / 2
        yield (
            f'<text class="{quiet[0]}" x="{middle:.1f}" y="{y - 1.5:.1f}" font-size="{line.size}" fill="{quiet[1]}" '
            f'text-anchor="middle">{_said(line.text)}</text>'
        )
    yield "</g>"


def _path(path: Path) -> Iterator[str]:
    taken = path.edge.taken is not False
    kind, colour = _way_of(path.edge.kind, taken)
    points = path.points
    dash = ' stroke-dasharray="5 4"' if path.edge.kind == CATCH else ""
    heavy = 1.8 if path.edge.taken else 1.4
    opacity = ' opacity=".55"' if path.edge.kind == CATCH and path.edge.taken is False else ""
    if path.curve:
        body = points[:-1] if path.arrow else points
        drawn = f"M{_at(body[0])}C{' '.join(map(_at, body[1:]))}"
    else:
        drawn = _bent(points, 6 if path.arrow else 0)
    yield (f'<path class="{kind}" d="{drawn}" fill="none" stroke="{colour}" stroke-width="{heavy}"{dash}{opacity}/>')
    if path.arrow:
        yield _tip(points[-2], points[-1], f"{kind if kind != 'way' else ''}-tip".lstrip("-"), colour, opacity)


def _way_of(kind: str, taken: bool) -> tuple[str, str]:
    if kind == CATCH:
        return "failure", LIGHT.failure
    return ("way", LIGHT.way) if taken else ("untaken", LIGHT.untaken)


def _bent(points: tuple[Point, ...], back: float) -> str:
    """Straight lines with round corners, the last of them shorter by what its arrow takes."""
    drawn = f"M{_at(points[0])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        drawn += f"L{_at(_toward(corner, before))}Q{_at(corner)} {_at(_toward(corner, after))}"
    x, y = points[-1]
    return drawn + f"L{x:.1f} {y - back:.1f}"


def _toward(corner: Point, other: Point, radius: float = 6.0) -> Point:
    """The point that lies a little from the corner on the way to the other."""
    away = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    part = min(radius, away / 2) / away if away else 0.0
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part


def _tip(before: Point, tip: Point, kind: str, colour: str, more: str = "") -> str:
    """An arrow's head, from the direction that the line comes from."""
    x, y = tip[0] - before[0], tip[1] - before[1]
    length = (x * x + y * y) ** 0.5 or 1.0
    x, y = x / length, y / length
    left = (tip[0] - 8 * x - 4 * y, tip[1] - 8 * y + 4 * x)
    right = (tip[0] - 8 * x + 4 * y, tip[1] - 8 * y - 4 * x)
    return f'<path class="{kind}" d="M{_at(tip)}L{_at(left)}L{_at(right)}Z" fill="{colour}"{more}/>'


def _line(kind: str, colour: str, drawn: str, more: str = "") -> str:
    return f'<path class="{kind}" d="{drawn}" fill="none" stroke="{colour}" stroke-width="1.6"{more}/>'


def _text(x: float, y: float, text: str, size: float, kind: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{weight}>{_said(text)}</text>'
    )


def _hint(node: Node) -> str:
    """All that is known of a state, for who points at it."""
    told = node.told
    parts = [node.name, " ".join(part for part in (node.kind, node.work) if part)]
    if told:
        parts += [told.status, told.note or "", told.error or ""]
    return "; ".join(clean(part) for part in parts if part)


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _said(text: str) -> str:
    """What others chose, so that it is text and nothing else."""
    return escape(clean(text))
