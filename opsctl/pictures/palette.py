"""The colours of pictures and pages: by status, in light and in dark.

A colour never stands alone: every status is also a word and a sign. Words have a contrast of at least 4.5 to what is
below them, frames and signs of 3 (WCAG 2.2, 1.4.3 and 1.4.11); a test computes both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tone:
    """The colours of one status: of the area, of its frame and sign, and of words on it."""

    fill: str
    line: str
    words: str


@dataclass(frozen=True)
class Theme:
    """All colours of a picture. `tones` has one for each kind of status."""

    page: str
    lane: str
    lane_line: str
    words: str
    quiet: str
    way: str
    untaken: str
    failure: str
    pill: str
    tones: dict[str, Tone]


KINDS = {
    "SUCCEEDED": "good", "REUSED": "reused", "FAILED": "bad", "RUNNING": "busy", "WAITING": "waiting",
    "ABORTED": "ended", "TIMED_OUT": "ended", "SKIPPED": "passed", "NOT REACHED": "unreached",
}  # fmt: skip
PLAIN = "plain"

LIGHT = Theme(
    page="#ffffff", lane="#f7f8fa", lane_line="#d5dae1", words="#1d2733", quiet="#55606e",
    way="#5f6b7a", untaken="#b6bec9", failure="#c0392b", pill="#ffffff",
    tones={
        "good": Tone("#e8f5ec", "#2e8b57", "#14432a"),
        "reused": Tone("#e3f3f6", "#197f91", "#0c4450"),
        "bad": Tone("#fdecea", "#c0392b", "#6b1a12"),
        "busy": Tone("#fff4d9", "#a86d05", "#573a05"),
        "waiting": Tone("#ecebfd", "#5b54c9", "#2d2880"),
        "ended": Tone("#fceee3", "#b85a14", "#5e2d0a"),
        "passed": Tone("#eff1f4", "#7d8896", "#4d5866"),
        "unreached": Tone("#ffffff", "#858f9d", "#5b6673"),
        "plain": Tone("#ffffff", "#6c7a8b", "#1d2733"),
    },
)  # fmt: skip
DARK = Theme(
    page="#12171e", lane="#1a212a", lane_line="#343f4c", words="#e6ebf1", quiet="#a3aebb",
    way="#8b98a8", untaken="#4a5563", failure="#f07a6c", pill="#12171e",
    tones={
        "good": Tone("#14301f", "#4cb57c", "#c9f0d8"),
        "reused": Tone("#0f2d34", "#3fb0c3", "#c2ebf2"),
        "bad": Tone("#3b1815", "#f07a6c", "#fbd9d5"),
        "busy": Tone("#36290b", "#d9a02b", "#f9e5b5"),
        "waiting": Tone("#242147", "#938df0", "#dcdafc"),
        "ended": Tone("#3a2210", "#e28a4a", "#f8dcc6"),
        "passed": Tone("#222a34", "#7f8b9a", "#b4bfcc"),
        "unreached": Tone("#161c24", "#6f7b8a", "#a3aebb"),
        "plain": Tone("#1c242e", "#8794a5", "#e6ebf1"),
    },
)  # fmt: skip


def kind_of(status: str | None) -> str:
    """Which tone a status has."""
    return PLAIN if status is None else KINDS.get(status, PLAIN)
