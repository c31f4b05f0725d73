"""Small drawings of figures, as SVG that takes its colours from the page (report.css)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from opsctl.domain.timeline import Bar, Timeline

WIDE, HIGH = 340.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 28.0
UNITS = 1000.0  # of a bar's width
LEAST = 3.0  # of them, so that the shortest attempt can be seen


def line_plot(title: str, points: Sequence[tuple[float, float]], name: str) -> str:
    """A figure by epoch; `name` tells this drawing's title apart from those of others in the page."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    ticks = _ticks(min(ys), max(ys))
    low, high = ticks[0], ticks[-1]
    left, right = min(xs), max(xs)
    at = [(_scaled(x, left, right, LEFT, WIDE - RIGHT), _scaled(y, low, high, HIGH - BOTTOM, TOP)) for x, y in points]
    told = f"{title}: from {_short(ys[0])} in epoch {_short(xs[0])} to {_short(ys[-1])} in epoch {_short(xs[-1])}"
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDE:.0f} {HIGH:.0f}" role="img" aria-labelledby="{name}">',
        f'<title id="{name}">{escape(told)}</title>',
    ]
    for tick in ticks:
        y = _scaled(tick, low, high, HIGH - BOTTOM, TOP)
        parts.append(f'<path class="grid" d="M{LEFT:.0f} {y:.1f}H{WIDE - RIGHT:.0f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    for tick in sorted({xs[0], xs[len(xs) // 2], xs[-1]}):
        x = _scaled(tick, left, right, LEFT, WIDE - RIGHT)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HIGH - 9:.0f}" text-anchor="middle">{_short(tick)}</text>')
    if len(at) > 1:
        parts.append(f'<path class="curve" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in at)}"/>')
    shown = at if len(at) <= 40 else at[-1:]
    parts += [f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in shown]
    return "".join([*parts, "</svg>"])


def bar_strip(line: Timeline, bars: Sequence[Bar]) -> str:
    """The times of some attempts on a strip as long as the run: waiting, and working by how it ended. Told in words
    beside it, so that it is hidden from who cannot see it."""
    drawn: dict[str, list[tuple[float, float]]] = {}
    whole = max(line.end - line.begin, 1e-9)
    for bar in bars:
        for span in bar.spans:
            kind = "wait" if span.kind == "waiting" else {"SUCCEEDED": "good", "RUNNING": "busy"}.get(bar.status, "bad")
            start = (span.begin - line.begin) / whole * UNITS
            drawn.setdefault(kind, []).append((start, max((span.end - line.begin) / whole * UNITS, start + LEAST)))
    rects = [
        f'<rect class="{kind}" x="{start:.1f}" y="{1 if kind != "wait" else 4}" width="{end - start:.1f}" '
        f'height="{12 if kind != "wait" else 6}"/>'
        for kind in ("wait", "good", "busy", "bad")
        for start, end in _merged(drawn.get(kind, []))
    ]
    box = f'viewBox="0 0 {UNITS:.0f} 14" preserveAspectRatio="none" aria-hidden="true"'
    rail = '<rect class="rail" y="6" width="100%" height="2"/>'
    return f'<svg class="strip" {box}>{rail}{"".join(rects)}</svg>'


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that touch at the strip's resolution as one: thousands of attempts are no more than a strip."""
    found: list[tuple[float, float]] = []
    for start, end in sorted((max(0.0, start), min(end, UNITS)) for start, end in spans):
        if found and start <= found[-1][1] + 0.5:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((min(start, UNITS - LEAST), end))
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers around the values."""
    if high - low < 1e-12 * max(abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, last + 1)]


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    return (start + end) / 2 if high == low else start + (value - low) / (high - low) * (end - start)


def _short(value: float) -> str:
    text = f"{value:.4g}"
    return text if text != "-0" else "0"
