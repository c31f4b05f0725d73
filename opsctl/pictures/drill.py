"""Drills as one HTML page that needs nothing else: the matrix, and each refutation with its trace and its picture.

As for reports, the page's policy forbids scripts and requests, and Jinja escapes all that others chose.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from opsctl import __version__
from opsctl.domain.drill.model import Kind
from opsctl.domain.drill.report import Report
from opsctl.domain.picture import Picture
from opsctl.domain.times import duration
from opsctl.pictures.svg import style, svg
from opsctl.pictures.words import clean

COLUMNS = {
    Kind.REFUSED: "refused", Kind.FAILED: "fails", Kind.HANG: "hangs", Kind.SILENCE: "silent",
    Kind.OVERSIZED: "too large", Kind.MISSING: "missing", Kind.STOPPED: "stopped",
    Kind.CORRUPT: "corrupt", Kind.INTERRUPTED: "spot", Kind.ABORT: "stop",
}  # fmt: skip


def html(reports: Sequence[Report], pictures: Sequence[Sequence[Picture]]) -> str:
    """The page; `pictures` has, for each report, those of its first refutations."""
    from importlib.resources import files

    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("opsctl.pictures")
    css = (folder / "report.css").read_text(encoding="utf-8").strip() + style()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined,
        loader=DictLoader({"drill": (folder / "drill.html").read_text(encoding="utf-8")}),
    )  # fmt: skip
    environment.filters |= {"said": clean, "time": duration}
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    drawn = [[Markup(svg(picture, framed=False)) for picture in some] for some in pictures]
    return environment.get_template("drill").render(
        reports=list(zip(reports, drawn, strict=True)), css=Markup(css), digest=digest, version=__version__,
        columns=COLUMNS, refuted=any(report.refuted for report in reports),
    )  # fmt: skip
