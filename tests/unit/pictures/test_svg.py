"""SVG and PNG: sound, the same in every viewer, readable, and nothing in them that others' names could do."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from opsctl.domain.picture import Picture, RunTold, Told, lane_of
from opsctl.pictures.palette import DARK, LIGHT, Theme
from opsctl.pictures.png import MOST, png
from opsctl.pictures.svg import description, svg
from tests.unit.pictures.machines import HOSTILE, SMALL, long_machine, task

SPACE = "{http://www.w3.org/2000/svg}"
STATUSES = ("SUCCEEDED", "FAILED", "RUNNING", "WAITING", "ABORTED", "TIMED_OUT", "SKIPPED", "REUSED", "NOT REACHED")
ELEMENTS = {"svg", "title", "desc", "style", "rect", "path", "circle", "text", "g"}
ATTRIBUTES = {
    "class", "viewBox", "width", "height", "role", "aria-labelledby", "font-family", "font-size", "font-weight", "id",
    "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "transform",
    "d", "x", "y", "cx", "cy", "r", "rx", "text-anchor",
}  # fmt: skip


def picture(machine: object = SMALL, run: RunTold | None = None, title: str = "nightly-7") -> Picture:
    return Picture(title, lane_of(machine, run), "FAILED" if run else None)


def words(drawn: str) -> list[str]:
    return ["".join(item.itertext()) for item in ElementTree.fromstring(drawn).iter(f"{SPACE}text")]


def test_states_conditions_times_and_attempts_are_written_in_it() -> None:
    told = Told("FAILED", 75.4, "2+1", "boom")
    drawn = svg(picture(run=RunTold({"Fetch": told, "Left": Told("REUSED", note="from nightly-6")})))
    assert [text for text in words(drawn) if text not in ("skip.fetch is true", "otherwise")] == [
        "nightly-7", "taken", "not taken", "on an error", "Skip Fetch?", "Fetch", "Lambda function",
        "failed · 1 min 15 s · 2+1 attempts", "Both", "branch 1", "Left", "Lambda function", "reused", "from nightly-6",
        "branch 2", "Right", "Lambda function", "Rest", "Tell", "Broken",
    ]  # fmt: skip
    assert "<title>Fetch; Task Lambda function; FAILED; boom</title>" in drawn


def test_it_is_told_in_words_too() -> None:
    drawn = replace(picture(run=RunTold({"Fetch": Told("FAILED"), "Left": Told("REUSED")})), facts=("failed", "5 s"))
    assert description(drawn) == "A state machine of 7 states. failed. 5 s. failed: Fetch. reused: Left"


HOSTILE_TASK = task(
    Resource=f"arn:aws:states:::{HOSTILE}", End=True, Catch=[{"ErrorEquals": [HOSTILE], "Next": HOSTILE}]
)


@pytest.mark.parametrize(
    "machine", [SMALL, long_machine(), {"StartAt": HOSTILE, "States": {HOSTILE: HOSTILE_TASK}}, {}]
)
def test_it_is_sound_and_holds_nothing_but_shapes_and_words(machine: object) -> None:
    told = Told("FAILED", error=HOSTILE, note=HOSTILE)
    drawn = svg(picture(machine, RunTold({HOSTILE: told}), title=HOSTILE))
    root = ElementTree.fromstring(drawn)
    assert {item.tag.removeprefix(SPACE) for item in root.iter()} <= ELEMENTS
    assert {name for item in root.iter() for name in item.attrib} <= ATTRIBUTES
    assert "script" not in {item.tag.removeprefix(SPACE) for item in root.iter()}
    assert not any(letter in drawn for letter in "\x1b\u202e")
    assert "://" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_long_names_are_cut_and_whole_where_they_are_pointed_at() -> None:
    name = "Preprocess " + "and again " * 20
    drawn = svg(picture({"StartAt": name, "States": {name: {"Type": "Pass", "End": True}}}))
    assert words(drawn)[-1].endswith("…")
    assert f"<title>{name.strip()}; Pass</title>" in drawn


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_signs_can_be_read(theme: Theme) -> None:
    for tone in theme.tones.values():
        assert contrast(tone.words, tone.fill) >= 4.5
        assert contrast(tone.line, tone.fill) >= 3
    for below in (theme.page, theme.lane, theme.pill):
        assert contrast(theme.words, below) >= 4.5
        assert contrast(theme.quiet, below) >= 4.5
        assert min(contrast(theme.way, below), contrast(theme.failure, below)) >= 3


def test_every_status_has_a_sign_and_a_colour_of_its_own_in_light_and_dark() -> None:
    drawn = {status: svg(picture(run=RunTold({"Fetch": Told(status)}))) for status in STATUSES}
    assert len(set(drawn.values())) == len(STATUSES)
    for text in drawn.values():
        assert "@media screen and (prefers-color-scheme:dark)" in text


def test_a_png_needs_no_font_of_the_machine() -> None:
    drawn = svg(picture())
    content, without = png(drawn), png(drawn.replace("Skip Fetch?", ""))
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content != without
    wide, high = struct.unpack(">II", content[16:24])
    root = ElementTree.fromstring(drawn)
    assert (wide, high) == (2 * int(root.get("width", "")), 2 * int(root.get("height", "")))


def test_a_png_of_a_large_machine_stays_drawable() -> None:
    wide, high = struct.unpack(">II", png(svg(picture(long_machine(60))))[16:24])
    assert wide * high <= MOST * 1.01
