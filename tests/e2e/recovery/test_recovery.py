"""Runs come back: from every end of every step, from several failures in a row, and from a command that was killed.

Nothing that had completed runs again, no object is lost, and each failed attempt sends one alert.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter

import pytest

from opsctl import sandbox
from tests.e2e.recovery.matrix import SETUP, play_all, table
from tests.e2e.recovery.pipeline import Pipeline, wait_for

pytestmark = pytest.mark.e2e

LAST = "Notify Success"
KILLS = 10
# Requests at which the command is killed for sure: its claim, a copy, the start of the new run.
REQUESTS = {
    "claim": ("s3:PutObject", "plan.json"),
    "copy": ("s3:CopyObject", ""),
    "start": ("states:StartExecution", ""),
}


def test_every_step_recovers_from_every_end(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    steps = pipeline.steps(pipeline.first)
    rows = play_all(pipeline, steps)
    with capsys.disabled():
        print(f"\n{table(steps, rows)}\n{len(rows)} rows in {time.monotonic() - began:.0f} s")
    assert [problem for row in rows for problem in row.problems] == []
    assert all([recovery.command for recovery in row.recoveries] == ["rerun", "redrive"] for row in rows)


def test_one_failure_after_another_in_one_lineage(pipeline: Pipeline) -> None:
    """Both base models fail, then the rerun's evaluation, then the next is stopped: no model is trained twice."""
    (pipeline.marks / "unlucky.train-image-model").write_text("fail")
    (pipeline.marks / "unlucky.train-text-model").write_text("fail")
    (pipeline.marks / "unlucky-r1.evaluate").write_text("fail")
    (pipeline.marks / "unlucky-r2.evaluate").write_text("hang")
    pipeline.start("unlucky", pipeline.put_data("unlucky"))
    wait_for(lambda: pipeline.status("unlucky") == "FAILED", "both base models to fail")
    pipeline.clone.run("rerun", "unlucky", "--from", "failed", "--yes", "--wait", code=1)
    pipeline.clone.run("redrive", "unlucky-r1", "--yes")
    wait_for((pipeline.marks / "unlucky-r2.evaluate.hangs").exists, "the evaluation to hang")
    pipeline.clone.run("stop", "unlucky-r2", "--yes")
    assert pipeline.clone.json("redrive", "unlucky-r2", "--yes", "--wait")["status"] == "SUCCEEDED"

    jobs = Counter((run, step) for run, step, _ in pipeline.jobs() if run.startswith("unlucky"))
    assert jobs == {
        ("unlucky", "fetch-preprocessed-data"): 1,
        ("unlucky", "train-image-model"): 1,
        ("unlucky", "train-text-model"): 1,
        ("unlucky-r1", "train-image-model"): 1,
        ("unlucky-r1", "train-text-model"): 1,
        ("unlucky-r1", "train-sequence-model"): 1,
        ("unlucky-r1", "evaluate"): 1,
        ("unlucky-r2", "evaluate"): 2,
    }
    told = {run: dict(pipeline.messages(run)) for run in ("unlucky", "unlucky-r1", "unlucky-r2")}
    assert told == {"unlucky": {"FAILED": 1}, "unlucky-r1": {"FAILED": 1}, "unlucky-r2": {"ABORTED": 1, "SUCCEEDED": 1}}


def test_a_rerun_killed_at_any_point_is_one_rerun_when_repeated(pipeline: Pipeline) -> None:
    """The new run cannot end before the command is repeated: its last message is late."""
    place, command = pipeline.clone.sandbox, ("rerun", pipeline.first, "--from", LAST, "--yes")
    before = [key for key in pipeline.objects(pipeline.first) if key.split("/")[0] in pipeline.keeping]
    kept = {key for key in before if "/checkpoints/" not in key}
    dice, points, killed = random.Random(4), [*REQUESTS, *range(KILLS - len(REQUESTS))], []
    for count, point in enumerate(points, 1):
        sandbox.add_fault(place, {"action": "sns:Publish", "delay": 600, "match": "Status: SUCCEEDED"})
        process = pipeline.clone.start(*command)
        if isinstance(point, str):
            action, text = REQUESTS[point]
            fault = sandbox.add_fault(place, {"action": action, "match": text, "delay": 600, "times": 1})["id"]
            wait_for(lambda: _applied(pipeline, fault), f"the command's {point}")  # noqa: B023
        else:
            time.sleep(dice.uniform(0.3, 1.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.append(process.returncode)
        if isinstance(point, str):
            sandbox.clear_faults(place, [fault])
        done = json.loads(pipeline.clone.run(*command, "-o", "json").stdout)
        assert pipeline.reruns(pipeline.first)[-1] == done["run"]
        assert len(pipeline.reruns(pipeline.first)) == count, point
        sandbox.clear_faults(place)
        wait_for(lambda: pipeline.status(done["run"]) != "RUNNING", "the new run to end")  # noqa: B023
        assert pipeline.status(done["run"]) == "SUCCEEDED"
        assert {key for key in pipeline.objects(done["run"]) if key.split("/")[0] in pipeline.keeping} == kept
    assert killed.count(-signal.SIGKILL) >= len(REQUESTS)
    assert {run: pipeline.entered(run) for run in pipeline.reruns(pipeline.first)} == {
        f"{pipeline.first}-r{number}": [SETUP, LAST] for number in range(1, KILLS + 1)
    }


def _applied(pipeline: Pipeline, fault: int) -> bool:
    return any(one["applied"] for one in sandbox.list_faults(pipeline.clone.sandbox) if one["id"] == fault)
