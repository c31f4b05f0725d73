"""Pictures for terminals, whole."""

from __future__ import annotations

import pytest

from opsctl.domain.picture import Picture, RunTold, Told, lane_of
from opsctl.pictures.text import ASCII, Signs, text
from opsctl.pictures.words import columns
from tests.unit.pictures.machines import HOSTILE, SMALL, long_machine, task

RUN = RunTold(
    {
        "Skip Fetch?": Told("SUCCEEDED"),
        "Fetch": Told("SUCCEEDED", 12.0, "2"),
        "Both": Told("FAILED", 75.0, note="caught"),
        "Left": Told("FAILED", 70.0, "1+1", "boom"),
        "Right": Told("REUSED", note="from nightly-6"),
        "Rest": Told("SKIPPED"),
        "Tell": Told("FAILED"),
    },
    frozenset({("Skip Fetch?", "Fetch", False), ("Fetch", "Both", False), ("Both", "Tell", True)}),
)
WIDE = """\
nightly-7  failed  1 min 27 s

◆ Skip Fetch?  succeeded
├ skip.fetch is true → Both
├─ otherwise → Fetch
│
● Fetch  succeeded, 12.0 s, 2 attempts
├ ✗ any error → Tell
│
✗ Both  failed, 1 min 15 s, caught
│ ┌─ branch 1 ────                   ┌─ branch 2 ────
│ │ ✗ Left  failed, 1 min 10 s, 1+1  │ ● Right  reused, from nightly-6
│ │   attempts                       │ │
│                                    │ · Rest  skipped
└─ ✗ any error → Tell

✗ Tell  failed"""
NARROW = """\
nightly-7  failed  1 min 27 s

? Skip Fetch?  succeeded
+ skip.fetch is true -> Both
+- otherwise -> Fetch
|
* Fetch  succeeded, 12.0 s, 2 attempts
+ x any error -> Tell
|
x Both  failed, 1 min 15 s, caught
| +- branch 1 ----
| | x Left  failed, 1 min 10 s, 1+1
| |   attempts
|
| +- branch 2 ----
| | * Right  reused, from nightly-6
| | |
| | . Rest  skipped
`- x any error -> Tell

x Tell  failed"""


def picture(machine: object = SMALL, run: RunTold | None = RUN) -> Picture:
    return Picture("nightly-7", lane_of(machine, run), "FAILED", ("failed", "1 min 27 s"))


def test_branches_stand_side_by_side_where_there_is_room() -> None:
    assert text(picture(), 84) == WIDE


def test_forty_columns_without_utf8() -> None:
    drawn = text(picture(), 40, ASCII)
    assert drawn == NARROW
    assert drawn.isascii()


@pytest.mark.parametrize("room", [40, 60, 80, 200])
@pytest.mark.parametrize("signs", [Signs(), ASCII], ids=["utf8", "ascii"])
def test_no_line_is_wider_than_the_terminal(room: int, signs: Signs) -> None:
    for machine in (SMALL, long_machine()):
        drawn = text(picture(machine, None), room, signs)
        assert max(map(columns, drawn.splitlines())) <= room


def test_a_status_is_coloured_where_it_stands_beside_its_sign() -> None:
    drawn = text(picture(), 84, paint=lambda words, status: f"<{status}:{words}>")
    assert "<FAILED:✗ Both>  failed" in drawn
    assert "│ │ <FAILED:✗ Left>  failed" in drawn
    assert "│ <REUSED:● Right>  reused" in drawn


def test_names_steer_no_terminal() -> None:
    machine = {"StartAt": HOSTILE, "States": {HOSTILE: task(End=True), "日本語": {"Type": "Pass", "End": True}}}
    drawn = text(picture(machine, None), 100)
    assert all(line.isprintable() for line in drawn.splitlines())
    assert "\\x1b[2J\\u202e" in drawn
    assert "\\u65e5\\u672c\\u8a9e" in text(picture(machine, None), 100, ASCII)


def test_branches_inside_of_branches_are_drawn_once_each() -> None:
    machine: dict[str, object] = {"StartAt": "Last", "States": {"Last": {"Type": "Pass", "End": True}}}
    for number in range(60):
        name = f"Level {number}"
        machine = {"StartAt": name, "States": {name: {"Type": "Parallel", "Branches": [machine], "End": True}}}
    lines = text(Picture("deep", lane_of(machine)), 80).splitlines()
    assert len(lines) == 2 + 60 * 2 + 1
    assert lines[-1].strip("│ ") == "○ Last"
