"""A failed Batch job's cause is its whole description, with its environment: no command shows the secrets in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsctl.asl.effects import Failed
from opsctl.cli.root import root
from tests.functional.pipeline_world import BUCKET, MACHINE, Bench

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


def test_a_secret_in_the_cause_of_the_run_itself_is_in_no_report(tmp_path: Path) -> None:
    """Where a Fail state hands on what a job ended with."""
    failed = {"error": f"Broken DB_PASSWORD={SECRET}", "cause": f"exited: postgres://etl:{SECRET}@db/documents"}
    events = [
        {"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": "2026-11-21T10:00:00+00:00",
         "executionStartedEventDetails": {"input": "{}"}},
        {"id": 2, "previousEventId": 0, "type": "FailStateEntered", "timestamp": "2026-11-21T10:00:01+00:00",
         "stateEnteredEventDetails": {"name": "Failed", "input": "{}"}},
        {"id": 3, "previousEventId": 2, "type": "ExecutionFailed", "timestamp": "2026-11-21T10:00:02+00:00",
         "executionFailedEventDetails": failed},
    ]  # fmt: skip
    (tmp_path / "history.json").write_text(json.dumps(events))
    for words in (["report", "--out", "-"], ["status"], ["graph", "-o", "svg", "--out", "-"]):
        result = CliRunner().invoke(root, [words[0], "--history", str(tmp_path / "history.json"), *words[1:]])
        assert result.exit_code == 0, result.output
        assert "Broken" in result.output
        assert SECRET not in result.output


def test_of_inputs_with_different_secrets_it_can_still_be_seen_that_they_differ(bench: Bench) -> None:
    for run in ("nightly-7", "nightly-8"):
        asked = {"hyperparameters": {"text_model": {"dropout": f"https://me:{SECRET}-{run}@hub.example/rate"}}}
        bench.states.start(MACHINE, run, json.dumps(asked))
    rows = json.loads(bench.opsctl("diff", "nightly-7", "nightly-8", "-o", "json").stdout)["differences"]
    (row,) = (row for row in rows if row["what"] == "text_model.dropout")
    assert (row["before"], row["after"]) == ("https://[redacted]@hub.example/rate",) * 2


def trained_with(bench: Bench, run: str, token: str, **more: Any) -> None:
    asked = {"hyperparameters": {"text_model": {"dropout": f"https://me:{token}@hub.example/rate", "hub_token": token}}}
    bench.states.start(MACHINE, run, json.dumps(asked | more))


@pytest.mark.parametrize(
    "words",
    [
        ("lineage", "nightly-7"), ("lineage", "nightly-7", "-o", "json"), ("report", "nightly-7", "--out", "-"),
        ("rerun", "nightly-7", "--from", "failed", "--dry-run"), ("status", "nightly-7", "--verbose"),
        ("redrive", "nightly-7", "--dry-run"), ("watch", "nightly-7"), ("list", "-o", "json"),
        ("start", "--name", "nightly-9", "--set", f"hyperparameters.text_model.dropout=https://me:{SECRET}@hub.example"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_secret_of_a_runs_input_is_shown_by_no_command(bench: Bench, words: tuple[str, ...]) -> None:
    trained_with(bench, "nightly-7", SECRET)
    trained_with(
        bench, "nightly-7-r1", f"{SECRET}-new", rerun={"of": "nightly-7", "root": "nightly-7", "from": ["Train"]}
    )
    answer = bench.opsctl(*words)
    assert "nightly-7" in answer.output or "must be a number" in answer.output
    assert SECRET not in answer.output


def test_a_plan_shows_that_a_secret_changes_and_not_what_it_is(bench: Bench) -> None:
    machine = bench.connection.machine
    text_model = machine.hyperparameters["text_model"] | {"hub_token": "none"}
    known = replace(machine, hyperparameters=machine.hyperparameters | {"text_model": text_model})
    bench.connection = replace(bench.connection, machine=known)
    bench.opsctl("start", "--name", "nightly-7")
    change = ("--set", f"hyperparameters.text_model.hub_token={SECRET}")
    wanted = ("rerun", "nightly-7", "--from", "evaluate", *change, "--dry-run")
    shown, document = bench.opsctl(*wanted), json.loads(bench.opsctl(*wanted, "-o", "json").stdout)
    assert "change: hyperparameters.text_model.hub_token: nothing -> [redacted]\n" in shown.stdout
    assert document["input"]["hyperparameters"] == {"text_model": {"hub_token": "[redacted]"}}
    assert SECRET not in shown.output + json.dumps(document)


def test_what_others_wrote_steers_no_terminal(bench: Bench) -> None:
    escape = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
    bench.world.script["Train Text Model"] = [Failed(f"Lost{escape}", json.dumps({"errorMessage": f"no{escape}"}))] * 9
    bench.opsctl("start", "--name", "nightly-7")
    for key in (f"runs/nightly-8{escape}/x", f"champions/{escape}.json"):
        bench.world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{")
    commands = (
        ("watch", "nightly-7"), ("status", "nightly-7", "--verbose"), ("logs", "nightly-7"), ("data", "list"),
        ("data", "hold", "nightly-8"), ("cleanup", "--orphans", "--dry-run"), (f"start{escape}",),
        ("start", "--set", f"hyperparameters.text_model.{escape}=1"), ("status", "--history", escape),
    )  # fmt: skip
    for words in commands:
        answer = bench.opsctl(*words)
        assert "]0;title" in answer.output, words
        assert not set(escape) - set("]0;title[2J31m") & set(answer.output), words


def test_an_input_copied_from_an_output_is_refused_by_whatever_takes_one(failed: Bench) -> None:
    """Plans, and what else shows a run's input, have its secrets struck out."""
    again = json.dumps({"hyperparameters": {"text_model": {"dropout": "https://[redacted]@hub.example/rate"}}})
    started = len(failed.states.executions)
    for words in (
        ("start", "--input", "-"),
        ("start", "--input", "-", "--skip", "evaluate"),
        ("rerun", "nightly-7", "--from", "fetch-preprocessed-data", "--input", "-", "--yes"),
        ("redrive", "nightly-7", "--input", "-", "--yes"),
    ):
        answer = failed.opsctl(*words, stdin=again)
        said = answer.stderr.splitlines()[0]
        assert (answer.exit_code, said[: said.index(":", 7)]) == (
            2, "error: the run input has [redacted] at hyperparameters.text_model.dropout"
        ), answer.output  # fmt: skip
    assert len(failed.states.executions) == started
