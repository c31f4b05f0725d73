"""A picture as PNG: its SVG drawn by resvg, with a font that comes along, so that it needs none of the machine's.

Letters that Roboto lacks (Chinese, say) are taken from the machine's fonts, where it has them.
"""

from __future__ import annotations

import math
import re

SHARP = 2.0  # pixels to a unit, for screens of today
MOST = 5e6  # pixels: larger pictures are drawn less sharp, since drawing takes time by the pixel


def png(svg: str) -> bytes:
    """The picture that an SVG of ours shows."""
    import fontpkg
    import resvg_py

    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    pixels = int(size[1]) * int(size[2]) if size else 1
    zoom = min(SHARP, math.sqrt(MOST / pixels))
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, font_files=[str(fontpkg.path("Roboto"))], zoom=zoom))
