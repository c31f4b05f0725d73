"""`opsctl rerun --dry-run --history FILE --definition FILE`: a plan without network, outputs or anything of AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.functional.pipeline_world import DECIDED, DEFINITION, MACHINE, Bench

ROOT = Path(__file__).parents[2]
SEQUENCE = "Train Sequence Model"
TRAPPED = """\
import socket, sys

def trapped(*words, **more):
    raise SystemExit("the network was asked")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = trapped
from opsctl.cli.root import root
code = root.main(sys.argv[1:], standalone_mode=False)
taken = sorted(name for name in sys.modules if name.split(".")[0] in ("boto3", "botocore", "python_terraform"))
sys.exit(f"imported: {taken[:3]}" if taken else code)
"""
PLAN = f"""\
Rerun of nightly-7 from Train Sequence Model, as nightly-7-r1

ACTION  STEP                     TOOK       USD      WHY
ALWAYS  Prepare Run              1.0 s      unknown  has no guard in the definition
REUSE   Fetch Preprocessed Data  12.0 s     unknown  made by nightly-7
REUSE   Train Image Model        1 min 0 s  0.0235   made by nightly-7 (branch 1 of Base Model Training)
REUSE   Train Text Model         30.0 s     0.0019   made by nightly-7 (branch 2 of Base Model Training)
RUN     Train Sequence Model                         named by --from
ALWAYS  Find Champion                                has no guard in the definition
RUN     Evaluate                                     comes after Train Sequence Model
ALWAYS  Compare With Champion                        has no guard in the definition
ALWAYS  Start Deployment                             {DECIDED}
ALWAYS  Notify Success                               has no guard in the definition

warning: whether the results are still in S3 is not known offline, nor what else has changed since

saves at least 1 min 42 s and 0.0254 USD (price unknown: Fetch Preprocessed Data)
spends at least 1.0 s and 0.0005 USD (time unknown: Train Sequence Model, Find Champion, Evaluate, \
Compare With Champion, Start Deployment, Notify Success; price unknown: Prepare Run); 19 state transitions
prices: SageMaker training on demand, us-east-1, as of 2026-11-22
copies nothing
plan """


@pytest.fixture
def saved(failed: Bench, tmp_path: Path) -> Path:
    """A folder with the history of a failed run, as the `aws` command writes one, and its definition."""
    events = list(failed.states.history(MACHINE.replace("stateMachine", "execution") + ":nightly-7"))
    written = [
        {**event, "timestamp": datetime.fromtimestamp(event["timestamp"], UTC).isoformat()} for event in events
    ]  # fmt: skip
    (tmp_path / "history.json").write_text(json.dumps({"events": written}))
    (tmp_path / "definition.json").write_text(json.dumps(DEFINITION))
    return tmp_path


def offline(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process that can reach nothing, in a folder without Terraform."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", TRAPPED, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


FILES = ("--history", "history.json", "--definition", "definition.json")


def test_the_plan_of_a_saved_history(saved: Path) -> None:
    words = ("rerun", "nightly-7", "--from", SEQUENCE, "--dry-run", *FILES)
    result = offline(saved, *words)
    assert (result.returncode, result.stdout[:-13], result.stderr) == (0, PLAN, "")
    plan = json.loads(offline(saved, *words, "-o", "json").stdout)
    assert (plan["of"], plan["run"], plan["hash"][:12]) == ("nightly-7", "nightly-7-r1", result.stdout[-13:].strip())
    assert plan["input"]["rerun"] == {"from": [SEQUENCE], "of": "nightly-7", "root": "nightly-7"}
    assert plan["saved"] == {
        "seconds": 102.0, "usd": 0.025383, "time_unknown": [], "price_unknown": ["Fetch Preprocessed Data"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", SEQUENCE, *FILES), 2, "a saved history can only be planned with"),
        (("--from", SEQUENCE, "--dry-run", *FILES[:2]), 2, "--history needs --definition beside it"),
        (("--from", SEQUENCE, "--dry-run", *FILES[2:]), 2, "--definition needs --history beside it"),
        (("--from", "Evaluate", "--dry-run", *FILES), 3,
         "Evaluate needs steps that have no result: Train Sequence Model (it failed)"),
        (("--from", SEQUENCE, "--dry-run", "--history", "h.json", *FILES[2:]), 2, "no file h.json"),
        (("--from", SEQUENCE, "--dry-run", "--history", "definition.json", *FILES[2:]), 2,
         "definition.json is no execution history"),
        (("--from", SEQUENCE, "--dry-run", *FILES[:2], "--definition", "history.json"), 2,
         "history.json is no state machine definition"),
        (("--from", SEQUENCE, "--dry-run", *FILES[:2], "--definition", "broken.json"), 2,
         "broken.json is no valid definition: KeyError('Type')"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_offline(saved: Path, words: tuple[str, ...], code: int, message: str) -> None:
    (saved / "broken.json").write_text('{"StartAt": "A", "States": {"A": {"Next": "B"}}}')
    result = offline(saved, "rerun", *words)
    assert (result.returncode, result.stdout, result.stderr.splitlines()[0]) == (code, "", f"error: {message}")


def test_another_machine_and_a_run_that_went_on(saved: Path) -> None:
    guard = {"Variable": "$.train", "BooleanEquals": False, "Next": "Done"}
    states: dict[str, Any] = {
        "Train?": {"Type": "Choice", "Choices": [guard], "Default": "Train"},
        "Train": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "Next": "Done"},
        "Done": {"Type": "Succeed"},
    }
    (saved / "definition.json").write_text(json.dumps({"StartAt": "Train?", "States": states}))
    started = {"id": 1, "type": "ExecutionStarted", "timestamp": 1.0, "previousEventId": 0,
               "executionStartedEventDetails": {"input": '{"train": false}'}}  # fmt: skip
    (saved / "history.json").write_text(json.dumps([started]))
    result = offline(saved, "rerun", "--only", "train", "--dry-run", *FILES)
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        3, "error: history was still running when its history was saved",
    )  # fmt: skip
    ended = {"id": 2, "type": "ExecutionSucceeded", "timestamp": 2.0, "previousEventId": 1}
    (saved / "history.json").write_text(json.dumps([started, ended]))
    result = offline(saved, "rerun", "--only", "train", "--dry-run", *FILES, "--query", "[run, input]")
    assert json.loads(result.stdout) == ["history-r1", {"train": True}]
