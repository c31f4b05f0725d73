"""Mermaid flowcharts."""

from __future__ import annotations

import re

from opsctl.domain.picture import Picture, RunTold, Told, lane_of
from opsctl.pictures.mermaid import mermaid
from tests.unit.pictures.machines import HOSTILE, SMALL, task

CHART = """\
---
title: "nightly-7 failed"
---
flowchart TB
    s0{{"Skip Fetch?"}}
    s1["Fetch<br>Lambda function<br>failed · 12.0 s · 2 attempts"]
    subgraph s2 ["Both"]
        subgraph s2b0 ["branch 1"]
            direction TB
            s4["Left<br>Lambda function"]
        end
        subgraph s2b1 ["branch 2"]
            direction TB
            s5["Right<br>Lambda function"]
            s6(["Rest"])
            s5 --> s6
        end
    end
    s3(["Tell<br>Broken"])
    s0 -->|"skip.fetch is true"| s2
    s0 ==>|"otherwise"| s1
    s1 --> s2
    s1 -.->|"any error"| s3
    s2 -.->|"any error"| s3
    classDef plain fill:#ffffff,stroke:#6c7a8b,color:#1d2733
    class s0,s2,s3,s4,s5,s6 plain
    classDef bad fill:#fdecea,stroke:#c0392b,color:#6b1a12
    class s1 bad
"""


def test_a_run_as_a_flowchart() -> None:
    told = RunTold({"Fetch": Told("FAILED", 12.0, "2")}, frozenset({("Skip Fetch?", "Fetch", False)}))
    assert mermaid(Picture("nightly-7", lane_of(SMALL, told), "FAILED", ("failed",))) == CHART


def test_names_are_words_and_nothing_else() -> None:
    machine = {"StartAt": HOSTILE, "States": {HOSTILE: task(Resource=HOSTILE, End=True)}}
    lines = mermaid(Picture(HOSTILE, lane_of(machine))).splitlines()
    assert re.fullmatch(r'title: "[\w .,_?!/=+\-()·:]*"', lines[1])
    assert re.fullmatch(r'    s0\["(?:[\w .,_?!/=+\-()·:]|#\d+;|<br>)+"\]', lines[4])
    assert len(lines) == 7
