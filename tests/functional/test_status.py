"""`opsctl status`: of runs in AWS, and of histories saved in files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsctl.asl.effects import Failed
from opsctl.cli.root import root
from opsctl.domain.runs import Run
from opsctl.errors import ConfigurationError
from tests.functional.pipeline_world import DEFINITION, EPOCH, MACHINE, Bench, training_failure

FIRST_GUARD = "Skip Fetch Preprocessed Data?"
SEQUENCE = "Train Sequence Model"


@pytest.fixture
def saved(bench: Bench, tmp_path: Path) -> Path:
    """A folder with the history of a failed run, as the aws command prints it, and the definition that it walked."""
    bench.world.script[SEQUENCE] = [training_failure("killed")]
    bench.opsctl("start", "--name", "nightly-7")
    events = list(bench.states.history(f"{MACHINE.replace(':stateMachine:', ':execution:')}:nightly-7"))
    (tmp_path / "history.json").write_text(json.dumps({"events": events}))
    (tmp_path / "definition.json").write_text(json.dumps(DEFINITION))
    return tmp_path


def offline(folder: Path, *words: str) -> Any:
    """Run one command in a folder, with no invocation to connect."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(root, ["status", *words])
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("failing", "evaluate", "notify"),
    [("Notify Success", "SKIPPED", "FAILED"), (SEQUENCE, "NOT REACHED", "NOT REACHED")],
)
def test_what_was_skipped_is_told_from_what_was_not_reached(
    bench: Bench, failing: str, evaluate: str, notify: str
) -> None:
    bench.world.script[failing] = [training_failure("killed")] * 5
    bench.opsctl("start", "--name", "nightly-7", "--set", "skip.evaluate=true")
    result = bench.opsctl("status", "-o", "json")
    statuses = {step["step"]: step["status"] for step in json.loads(result.stdout)["steps"]}
    assert (statuses["Evaluate"], statuses["Notify Success"]) == (evaluate, notify)
    command = f'opsctl rerun nightly-7 --from "{failing}"'
    assert (result.exit_code, result.stderr) == (0, f"next: {command}\n")
    assert json.loads(result.stdout)["next"] == command


def test_while_it_runs_a_skipped_step_is_skipped_and_there_is_nothing_to_do(bench: Bench) -> None:
    bench.world.open_steps = {"Train Image Model"}
    bench.opsctl("start", "--name", "nightly-7", "--set", "skip.evaluate=true")
    result = bench.opsctl("status", "--query", "steps[].[step, status]")
    assert dict(json.loads(result.stdout)) == {
        "Prepare Run": "SUCCEEDED", "Fetch Preprocessed Data": "SUCCEEDED", "Train Image Model": "RUNNING",
        "Train Text Model": "SUCCEEDED", SEQUENCE: "NOT REACHED",
        "Find Champion": "NOT REACHED", "Evaluate": "SKIPPED", "Compare With Champion": "NOT REACHED",
        "Start Deployment": "NOT REACHED",         "Notify Success": "NOT REACHED",
    }  # fmt: skip
    assert result.stderr == ""


def test_a_saved_history_says_the_same_as_aws(bench: Bench, saved: Path) -> None:
    live = bench.opsctl("status").stdout.splitlines()
    result = offline(saved, "--history", "history.json", "--definition", "definition.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["HISTORY   history.json", *live[3:]]
    document = json.loads(offline(saved, "--history", "history.json", "-o", "json").stdout)
    assert (document["run"], document["history"], document["status"]) == (None, "history.json", "FAILED")
    assert [step["step"] for step in document["steps"]] == [
        "Prepare Run", "Fetch Preprocessed Data", "Train Image Model", "Train Text Model", SEQUENCE, "Describe Failure",
        "Notify Failure",
    ]  # fmt: skip


def test_offline_nothing_of_aws_is_imported_and_no_terraform_is_asked(saved: Path) -> None:
    code = "import sys; from opsctl.cli.root import root; code = root.main(sys.argv[1:], standalone_mode=False)\n"
    code += "print(code, {'boto3', 'botocore', 'python_terraform'} & set(sys.modules))"
    words = ["status", "--history", "history.json", "--definition", "definition.json"]
    run = subprocess.run([sys.executable, "-c", code, *words], cwd=saved, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 set()"


@pytest.mark.parametrize(
    ("words", "code", "lines"),
    [
        (["--history", "nix.json"], 2, ["error: no file nix.json"]),
        (["--history", "cut.json"], 2, [
            "error: cut.json is not JSON: Unterminated string starting at: line 1 column 49 (char 48)",
            "hint: was it cut off while it was saved?"]),
        (["--history", "definition.json"], 2, [
            "error: definition.json is no execution history",
            "hint: save one with: aws stepfunctions get-execution-history --execution-arn ARN > history.json"]),
        (["--history", "history.json", "--definition", "odd.json"], 2, [
            "error: odd.json is no sound definition", "hint: opsctl lint odd.json says why"]),
        (["--definition", "definition.json"], 2, [
            "error: --definition goes with --history", "hint: without --history, AWS tells what the run walked"]),
        (["nightly-7", "--history", "history.json"], 2, [
            "error: --history is a run's history already", "hint: leave nightly-7 out"]),
        (["--history", "half.json", "--definition", "definition.json"], 0, [
            "warning: half.json: the history has no end: the run went on when it was saved, or it is not whole"]),
        (["--history", "gap.json"], 0, [
            "warning: gap.json: event 7 is missing",
            "warning: gap.json: event 8 follows event 7, which is missing",
            f"warning: gap.json: event 8 leaves the state {FIRST_GUARD}, which was not entered before"]),
        (["--history", "history.json", "--definition", "other.json"], 0, [
            "warning: history.json: event 2 enters the state Prepare Run, which the definition lacks",
            "warning: history.json: event 7 enters the state Skip Fetch Preprocessed Data?, which the definition lacks",
            "warning: history.json: event 9 enters the state Fetch Preprocessed Data, which the definition lacks",
            "warning: history.json: and 15 other faults"]),
    ],
)  # fmt: skip
def test_files_that_are_not_as_they_should_be(saved: Path, words: list[str], code: int, lines: list[str]) -> None:
    text = (saved / "history.json").read_text()
    events = json.loads(text)["events"]
    (saved / "cut.json").write_text(text[:65])
    (saved / "half.json").write_text(json.dumps(events[:20]))
    (saved / "gap.json").write_text(json.dumps({"events": [one for one in events if one["id"] != 7]}))
    (saved / "odd.json").write_text('{"StartAt": "A", "States": {"A": 3}}')
    (saved / "other.json").write_text('{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}')
    result = offline(saved, *words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert (result.exit_code, result.stderr.splitlines()) == (code, lines)


def test_verbose_shows_inputs_and_outputs_and_says_what_it_cut(bench: Bench) -> None:
    bench.world.script[SEQUENCE] = [Failed("SageMaker.ThrottlingException", "slow down"), training_failure("killed")]
    bench.opsctl("start", "--name", "nightly-7", "--set", "data.source=s3://documents/datasets/july/")
    text = bench.opsctl("status", "--verbose").stdout
    blocks = {block.splitlines()[0]: block.splitlines()[1:] for block in text.split("\n\n")[2:]}
    assert list(blocks)[:2] == ["Prepare Run", "Fetch Preprocessed Data"]
    assert blocks["Prepare Run"][:5] == [
        "  input:", "    {", '      "data": {', '        "source": "s3://documents/datasets/july/"', "      }",
    ]  # fmt: skip
    attempts = [line for line in blocks[SEQUENCE] if line.startswith("  attempt")]
    failed = "FAILED, asked for at …, took 40.0 s, nightly-7-train-sequence-model"
    assert [re.sub(r"2127-[^,]*", "…", line) for line in attempts] == [
        f"  attempt 1: {failed}-d0r0, SageMaker.ThrottlingException: slow down",
        f"  attempt 2: {failed}-d0r1, States.TaskFailed: killed",
    ]
    cut = [line for line in blocks[SEQUENCE] if "more lines; all of it: -o json" in line]
    assert cut
    assert all(len(line) < 260 for line in text.splitlines()[20:])


def test_the_next_command_names_the_machine_where_one_was_named(bench: Bench) -> None:
    bench.world.script["Train Text Model"] = [training_failure("killed")]
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("status", "--machine", "training")
    assert result.stderr == 'next: opsctl rerun nightly-7 --from "Train Text Model" --machine training\n'


def test_the_next_command_fits_how_the_run_ended(bench: Bench) -> None:
    """It is the one that the alert says: of all that was caught, of what nothing could catch, and of a bad input."""
    bench.world.script |= {name: [training_failure("killed")] for name in ("Train Text Model", "Train Image Model")}
    bench.opsctl("start", "--name", "two-failed")
    bench.world.script["Prepare Run"] = [Failed("InvalidRunInput", "{}")]
    bench.opsctl("start", "--name", "bad-input")
    bench.world.open_steps = {"Evaluate"}
    bench.opsctl("start", "--name", "stopped")
    bench.states.stop(bench.states.find(bench.connection.machine.arn, "stopped").arn, "", "")
    for run, command in (
        ("two-failed", 'opsctl rerun two-failed --from "Train Image Model" --from "Train Text Model"'),
        ("bad-input", "opsctl start, once the cause is put right: nothing has run yet"),
        ("stopped", "opsctl redrive stopped"),
    ):
        shown, watched = bench.opsctl("status", run), bench.opsctl("watch", run)
        assert (shown.stderr, watched.stderr) == (f"next: {command}\n", f"next: {command}\n")


def test_a_run_that_succeeded_leaves_nothing_to_do(bench: Bench) -> None:
    bench.opsctl("start", "--name", "nightly-7")
    result = bench.opsctl("status")
    assert (result.exit_code, result.stderr) == (0, "")


class Nested:
    """A run whose step started an execution that may not be read."""

    child = "arn:aws:states:us-east-1:123456789012:execution:secret:child"

    def runs(self, machine_arn: str, status: str | None = None, page_size: int = 1000) -> Iterator[Run]:
        """The one."""
        del status, page_size
        yield self.describe(machine_arn)

    def describe(self, arn: str) -> Run:
        """As the real one; of the child it is not allowed."""
        if arn == self.child:
            raise ConfigurationError(f"not allowed: states:DescribeExecution on {arn}", "ask for a policy")
        return Run("nightly-7", arn, MACHINE, "RUNNING", EPOCH, input="{}")

    def definition_of_run(self, arn: str) -> dict[str, Any]:
        """One task."""
        del arn
        task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True}
        return {"StartAt": "Deploy", "States": {"Deploy": task}}

    def history(self, arn: str) -> Iterator[dict[str, Any]]:
        """As far as the child's start."""
        del arn
        resource = {"resourceType": "states", "resource": "startExecution.sync:2"}
        output = json.dumps({"ExecutionArn": self.child})
        yield {"id": 1, "type": "TaskStateEntered", "timestamp": EPOCH, "previousEventId": 0,
               "stateEnteredEventDetails": {"name": "Deploy", "input": "{}"}}  # fmt: skip
        yield {"id": 2, "type": "TaskScheduled", "timestamp": EPOCH, "previousEventId": 1,
               "taskScheduledEventDetails": {**resource, "parameters": '{"Name": "child"}'}}  # fmt: skip
        yield {"id": 3, "type": "TaskSubmitted", "timestamp": EPOCH, "previousEventId": 2,
               "taskSubmittedEventDetails": {**resource, "output": output}}  # fmt: skip


def test_a_nested_execution_that_may_not_be_read_says_so(bench: Bench) -> None:
    connection = replace(bench.connection, states=Nested())  # type: ignore[arg-type]
    result = replace(bench, connection=connection).opsctl("status")
    step, child = result.stdout.split("\n\n")[1].splitlines()[1:]
    assert (result.exit_code, step) == (0, "Deploy       RUNNING  1         08:00:00  0.0 s     child")
    assert re.split(r"(?<=\S)\s{2,}", child) == [
        "  run child", f"not allowed: states:DescribeExecution on {Nested.child}",
    ]  # fmt: skip
