"""A drill that is interrupted: what it came to so far is told, and no process of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from opsctl.operations.drill import drill, target_in

ROOT = Path(__file__).parents[2]
SOON = 300.0  # seconds, on a machine that is busy

several = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one processor: pairs have no process of their own"
)


def test_what_was_walked_before_a_ctrl_c_is_reported() -> None:
    def interrupt(words: str) -> None:
        if "pairs" in words and int(words.split()[-1].rstrip("%")) > 50:
            raise KeyboardInterrupt

    report = drill(target_in(ROOT / "tests/golden/bulk.asl.json", (), ()), pairs=True, rule=True, progress=interrupt,
                   processes=2)  # fmt: skip
    assert report.interrupted.startswith("interrupted after ")
    assert report.pairs
    assert not report.refuted
    assert all(row.result == "ok" or row.why_never for row in report.singles)
    assert active_children() == []


def test_a_ctrl_c_before_the_single_faults_says_what_was_not_walked() -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    report = drill(target_in(ROOT / "tests/golden/bulk.asl.json", (), ()), pairs=True, rule=True, progress=interrupt)
    assert report.interrupted == "interrupted after 1 runs: what follows is what they showed"
    assert {row.why_never for row in report.singles} == {"the drill was interrupted before it"}
    assert report.pairs == 0


@several
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process_and_writes_the_report(number: signal.Signals, tmp_path: Path) -> None:
    words = ["--model", "--pairs", "--definition", str(ROOT / "tests/golden/inference.asl.json")]
    report = tmp_path / "drill.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "opsctl", "drill", *words, "--out", str(report)],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    children = _children(process)
    process.send_signal(number)
    _, told = process.communicate(timeout=SOON)
    assert process.returncode == 130
    assert told.splitlines()[0] == f"wrote {report}"
    assert told.splitlines()[1].startswith("interrupted after ")
    found = json.loads(report.read_text())
    assert (found["complete"], found["machines"][0]["result"]) == (False, "OK")
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _children(process: subprocess.Popen[str]) -> list[str]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 2 * SOON
    while time.monotonic() < until and process.poll() is None:
        if len(children := listed.read_text().split()) >= 2:
            return children
        time.sleep(0.05)
    pytest.fail("no process was started for the pairs")
