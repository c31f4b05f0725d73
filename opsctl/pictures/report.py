"""A run's report as one HTML page that needs nothing else: no script, no font, no picture from anywhere.

The page's policy (Content-Security-Policy) forbids scripts and every request; its one style sheet is allowed by its
hash. Jinja escapes all that others chose; our own drawings alone are taken as they are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl import __version__
from opsctl.domain.billing import Cost
from opsctl.domain.costs import RunCost
from opsctl.domain.documents import value_at
from opsctl.domain.figures import Curve, Matrix, curves, matrices, shares
from opsctl.domain.lineage import Descendant
from opsctl.domain.names import slug
from opsctl.domain.report import Report
from opsctl.domain.timeline import WAITING, WORKING, Bar, Row, Timeline
from opsctl.domain.times import duration, moment
from opsctl.pictures.palette import kind_of
from opsctl.pictures.plots import bar_strip, line_plot
from opsctl.pictures.svg import style, svg
from opsctl.pictures.text import text
from opsctl.pictures.words import clean

SECTIONS = {
    "summary": "Summary", "graph": "Graph", "timeline": "Timeline", "metrics": "Metrics", "inputs": "Inputs",
    "costs": "Costs", "lineage": "Lineage", "errors": "Errors",
}  # fmt: skip
SIGNS = {"good": "✓", "reused": "↺", "bad": "✗", "busy": "…", "waiting": "⏸", "ended": "■", "passed": "»"}
TONES = {"good": "good", "reused": "good", "bad": "bad", "ended": "bad", "busy": "busy", "waiting": "busy"}
COLUMNS = 44  # of the graph in words: what a phone shows
MOST_BARS = 40  # attempts of a step that have a row each; those of a large Map share one
MOST_NUMBERS = 200  # of a curve
MOST_INPUT = 50_000  # letters
DEPTHS = 5  # shades of a confusion matrix
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")


def html(found: Report) -> str:
    """The page."""
    from importlib.resources import files

    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("opsctl.pictures")
    css = (folder / "report.css").read_text(encoding="utf-8").strip() + style()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined,
        loader=DictLoader({"report": (folder / "report.html").read_text(encoding="utf-8")}),
    )  # fmt: skip
    environment.filters |= {"said": _said, "words": _words, "share": _share, "lines": _lines, "logged": _logged}
    page = environment.get_template("report")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    names = {slug(step.name): step.name for step in found.steps}
    figures = [_curve(number, curve, names) for number, curve in enumerate(curves(found.metrics))]
    return page.render(
        found=found, run=found.run, css=Markup(css), digest=digest, sections=SECTIONS.items(), version=__version__,
        made=moment(found.made), facts=list(_facts(found)), graph=Markup(svg(found.picture, framed=False)),
        drawing=text(found.picture, COLUMNS),
        begin=moment(found.timeline.begin), end=moment(found.timeline.end),
        whole=duration(found.timeline.end - found.timeline.begin),
        rows=[row | {"strip": Markup(row["strip"])} for row in _rows(found.timeline)],
        shares=shares(found.metrics), curves=[curve | {"drawn": Markup(curve["drawn"])} for curve in figures],
        matrices=[_matrix(matrix) for matrix in matrices(found.metrics)],
        names=names, setup=list(_setup(found)), hyperparameters=list(_hyperparameters(found)),
        input=_input(found.input),
        cost=_cost(found.cost) if found.cost else None, reused=_reused(found),
        kin=_kin(found.lineage, found.run.name) if found.lineage else None,
        tone=lambda status: TONES.get(kind_of(status), ""), sign=lambda status: SIGNS.get(kind_of(status), "–"),
    )  # fmt: skip


def _facts(found: Report) -> Iterator[tuple[str, str]]:
    run = found.run
    yield "Started", moment(run.started)
    if run.ended:
        yield "Ended", moment(run.stopped or found.made)
    yield "Took" if run.ended else "Goes on since", duration((run.stopped or found.made) - run.started)
    told = [step.status for step in found.steps]
    yield "Steps", ", ".join(f"{told.count(status)} {status.lower()}" for status in dict.fromkeys(told)) or "none"
    if run.redrives:
        yield "Redrives", str(run.redrives)
    if run.version is not None:
        yield "Version", f"{run.version}" + (f", by the alias {run.alias}" if run.alias else "")
    if found.cost:
        spent = found.cost.spent
        yield "Cost", f"{'at least ' if spent.unpriced else ''}{_usd(spent.usd)} USD"
    if run.arn:
        yield "ARN", run.arn


def _rows(line: Timeline) -> Iterator[dict[str, Any]]:
    """A row for each attempt; of a step with very many, one for all of them and one for each of those that failed."""
    for row in line.rows:
        if not row.bars:
            yield _row(row.step, "", row.status, row.note, "", "", bar_strip(line, ()))
        elif len(row.bars) <= MOST_BARS:
            yield from (_bar_row(row, bar, line) for bar in row.bars)
        else:
            yield _packed(row, line)
            failed = [bar for bar in row.bars if bar.status not in ("SUCCEEDED", "RUNNING")]
            yield from (_bar_row(row, bar, line) for bar in failed[:MOST_BARS])


def _bar_row(row: Row, bar: Bar, line: Timeline) -> dict[str, Any]:
    parts = [f"attempt {bar.number:,} of {bar.total:,}" if bar.total > 1 else "", bar.place]
    parts.append(f"in redrive {bar.generation}" if bar.generation else "")
    note = bar.error or (row.note if bar.total == 1 else None)
    named = ", ".join(part for part in parts if part)
    status = row.status if bar.total == 1 else bar.status
    times = (_seconds(bar.seconds_of(WAITING)), _seconds(bar.seconds_of(WORKING)))
    return _row(row.step, named, status, note, *times, bar_strip(line, (bar,)))


def _packed(row: Row, line: Timeline) -> dict[str, Any]:
    waited, worked = (sum(bar.seconds_of(kind) for bar in row.bars) for kind in (WAITING, WORKING))
    named = f"all {len(row.bars):,} attempts"
    return _row(row.step, named, row.status, row.note, _seconds(waited), _seconds(worked), bar_strip(line, row.bars))


def _row(
    name: str, attempt: str, status: str, note: str | None, waited: str, worked: str, strip: str
) -> dict[str, Any]:  # fmt: skip
    short = note if note is None or len(note) <= 300 else f"{note[:300]}…"
    return {
        "name": name, "attempt": attempt, "status": status, "note": short, "waited": waited, "worked": worked,
        "strip": strip,
    }  # fmt: skip


def _curve(number: int, curve: Curve, names: Mapping[str, str]) -> dict[str, Any]:
    every = -(-len(curve.points) // MOST_NUMBERS)
    title = f"{_words(curve.figure)} of {_said(names.get(curve.step, curve.step))}"
    return {
        "step": curve.step, "figure": curve.figure, "last": f"{curve.points[-1][1]:.4g}",
        "drawn": line_plot(title, curve.points, f"plot-{number}"),
        "numbers": [(f"{epoch:g}", f"{value:.6g}") for epoch, value in curve.points[::every]],
    }  # fmt: skip


def _matrix(matrix: Matrix) -> dict[str, Any]:
    lines = []
    for number, (name, row) in enumerate(zip(matrix.classes, matrix.rows, strict=True)):
        whole = sum(row) or 1
        cells = [
            {"count": count, "right": place == number, "depth": -(-count * DEPTHS // whole)}
            for place, count in enumerate(row)
        ]
        lines.append((name, cells))
    return {"model": matrix.model, "classes": matrix.classes, "lines": lines}


def _setup(found: Report) -> Iterator[tuple[str, str]]:
    setup = found.setup
    if setup and setup.data_source:
        yield "Data", str(setup.data_source)
    if setup and setup.code:
        yield "Code (SHA-256)", str(setup.code)[:16]


def _hyperparameters(found: Report) -> Iterator[tuple[str, str]]:
    for job, values in (found.setup.hyperparameters if found.setup else {}).items():
        told = values.items() if isinstance(values, Mapping) else ()
        yield str(job), ", ".join(f"{name} = {value}" for name, value in sorted(told)) or "none"


def _input(value: Any) -> str:
    told = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return told if len(told) <= MOST_INPUT else f"{told[:MOST_INPUT]}… ({len(told) - MOST_INPUT:,} more letters)"


def _cost(cost: RunCost) -> dict[str, Any]:
    rows = [
        {
            "step": row.step, "attempts": f"{row.attempts:,}", "billed": _seconds(row.seconds),
            "usd": _told(row.cost),
            "what": "; ".join(part for part in (row.what, row.cost.unknown) if part),
        }
        for row in cost.steps
    ]  # fmt: skip
    rows.append({
        "step": "State transitions", "attempts": f"{cost.transitions:,}", "billed": "",
        "usd": _usd(cost.transitions_usd), "what": "",
    })  # fmt: skip
    spent = cost.spent
    source = ", ".join(part for part in (cost.prices.region, cost.prices.date, cost.prices.source) if part)
    lacks = f"at least: not all is known of {', '.join(spent.unpriced)}" if spent.unpriced else ""
    return {
        "rows": rows, "source": source, "billed": _seconds(spent.seconds), "total": _usd(spent.usd), "lacks": lacks,
    }  # fmt: skip


def _reused(found: Report) -> list[tuple[str, str]]:
    """The steps whose result another run made, with that run."""
    entries = value_at(found.input, ("reuse",))
    told = entries.items() if isinstance(entries, Mapping) else ()
    return [(str(step), str(entry.get("run"))) for step, entry in told if isinstance(entry, Mapping)]


def _kin(node: Descendant, here: str) -> dict[str, Any]:
    """A run of the lineage and its reruns."""
    kin = node.kin
    told = [f"from {', '.join(kin.steps)}"] if kin.steps else []
    if kin.run:
        took = f", {duration(kin.run.stopped - kin.run.started)}" if kin.run.stopped else ""
        told.append(moment(kin.run.started) + took)
    told += [f"{change.path}: {_value(change.before)} → {_value(change.after)}" for change in node.changes or ()]
    return {
        "name": kin.name, "status": kin.run.status if kin.run else "UNKNOWN", "here": kin.name == here, "told": told,
        "reruns": [_kin(child, here) for child in node.reruns],
    }  # fmt: skip


def _value(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:  # ABSENT
        return "nothing"


def _said(told: Any) -> str:
    """What others chose, in one line of letters that can be seen."""
    return clean(str(told))


def _words(name: str) -> str:
    return clean(name).replace("_", " ")


def _share(value: float, figure: str) -> str:
    return f"{value:.1%}" if "accuracy" in figure else f"{value:.4g}"


def _lines(told: str) -> str:
    """Many lines, each of letters that can be seen."""
    return "\n".join(map(_logged, told.splitlines()))


def _logged(line: str) -> str:
    """A line of a log: without what steers terminals, its spaces kept."""
    plain = _ESCAPE_SEQUENCE.sub("", line.rstrip("\r").rpartition("\r")[2]).expandtabs(4)[:2000]
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain)


def _seconds(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def _told(cost: Cost) -> str:
    if cost.usd is None:
        return "unknown"
    return _usd(cost.usd) if cost.is_whole else f"at least {_usd(cost.usd)}"


def _usd(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.1 or amount == 0 else f"{amount:.4f}" if amount >= 0.0001 else "<0.0001"
