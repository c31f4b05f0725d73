"""A failed Batch job's cause is its whole description, with its environment: no command shows the secrets in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsctl.asl.effects import Failed
from tests.functional.pipeline_world import MACHINE, Bench

SECRET = "hunter2-of-the-database"
CAUSE = {
    "JobName": "nightly-7-fetch-d0r0",
    "Status": "FAILED",
    "StatusReason": f"Essential container in task exited: postgres://etl:{SECRET}@db/documents",
    "Container": {"Environment": [{"Name": "DB_PASSWORD", "Value": SECRET}, {"Name": "LANG", "Value": "C.UTF-8"}]},
}
COMMANDS = (
    ("status", "nightly-7"),
    ("status", "nightly-7", "--verbose"),
    ("status", "nightly-7", "-o", "json"),
    ("list", "-o", "json"),
    ("diff", "nightly-7", "nightly-8"),
    ("diff", "nightly-7", "nightly-8", "-o", "json"),
    ("report", "nightly-7", "--out", "-"),
    ("graph", "nightly-7", "-o", "mermaid"),
    ("graph", "nightly-7", "-o", "svg", "--out", "-"),
    ("rerun", "nightly-7", "--from", "Fetch Preprocessed Data", "--dry-run"),
    ("redrive", "nightly-7", "--dry-run"),
)


@pytest.fixture
def failed(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    bench.world.script["Fetch Preprocessed Data"] = [Failed("States.TaskFailed", json.dumps(CAUSE))] * 9
    for run in ("nightly-7", "nightly-8"):
        bench.opsctl("start", "--name", run)
    return bench


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_secret_of_a_jobs_environment_is_shown_by_no_command(failed: Bench, words: tuple[str, ...]) -> None:
    result = failed.opsctl(*words)
    assert "nightly-7" in result.output, result.output
    assert SECRET not in result.output


def test_of_inputs_with_different_secrets_it_can_still_be_seen_that_they_differ(bench: Bench) -> None:
    for run in ("nightly-7", "nightly-8"):
        asked = {"hyperparameters": {"text_model": {"dropout": f"https://me:{SECRET}-{run}@hub.example/rate"}}}
        bench.states.start(MACHINE, run, json.dumps(asked))
    rows = json.loads(bench.opsctl("diff", "nightly-7", "nightly-8", "-o", "json").stdout)["differences"]
    (row,) = (row for row in rows if row["what"] == "text_model.dropout")
    assert (row["before"], row["after"]) == ("https://[redacted]@hub.example/rate",) * 2
