"""Runs come back: from every end of every step, and from several failures in a row.

Nothing that had completed runs again, no object is lost, and each failed attempt sends one alert. The programs are tiny
ones; the rows with the real training, by rerun and by redrive, are in tests/e2e/test_main_job.py.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.e2e.recovery.matrix import play_all, table
from tests.e2e.recovery.pipeline import Pipeline, wait_for

pytestmark = pytest.mark.e2e


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


def test_a_rerun_reads_in_place_what_it_does_not_copy(pipeline: Pipeline) -> None:
    """Its jobs' channels lead below the other runs' prefixes, at any depth, and a cleanup stays away from those."""
    words = ("--data", "reuse", "--yes", "--wait")
    first, data = pipeline.first, "fetch-preprocessed-data"
    second = pipeline.clone.json("rerun", first, "--from", "train-sequence-model", *words)["run"]
    third = pipeline.clone.json("rerun", second, "--from", "evaluate", *words)["run"]
    assert {key.split("/")[0] for key in pipeline.objects(third)} == {"code", "code.json", "evaluate", "plan.json"}
    job = pipeline.sagemaker.describe_training_job(TrainingJobName=f"{third}-evaluate-d0r0")
    channels = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"].partition("/runs/")[2]
        for channel in job["InputDataConfig"]
    }
    assert channels == {
        "code": f"{third}/code/",
        "data": f"{first}/{data}/",
        "image": f"{first}/train-image-model/",
        "text": f"{first}/train-text-model/",
        "sequence": f"{second}/train-sequence-model/",
    }
    names = [word for run in (first, second) for word in ("--run", run)]
    kept = pipeline.clone.json("cleanup", *names, "--grace", "0", "--dry-run")["runs"]
    assert {run["run"]: run["reason"] for run in kept if run["run"] in (first, second)} == {
        first: "read",
        second: "read",
    }
