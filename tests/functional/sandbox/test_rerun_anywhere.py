"""`opsctl rerun` and `start` on machines that are not the deployment's: their guards, their names, nothing copied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.root import root
from tests.functional.sandbox.cloud import Cloud, task, unique

ROOT = Path(__file__).parents[3]
Opsctl = Callable[..., Result]


@pytest.fixture
def opsctl(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Opsctl:
    """The command line on this sandbox, which has no Terraform outputs."""
    monkeypatch.setenv("OPSCTL_SANDBOX_DIR", str(cloud.directory))
    return lambda *words: CliRunner().invoke(root, list(words))


@pytest.fixture(scope="session")
def talks_machine(cloud: Cloud) -> str:
    """The talk's shape: a setting bypasses each training, and the second one fails as long as it is told to."""
    body = "if event.get('fail'):\n    raise ValueError('diverged')\nreturn {'seen': event}"
    function = cloud.function(body)

    def train(payload: dict[str, Any], **more: Any) -> dict[str, Any]:
        return task("lambda:invoke", {"FunctionName": function, "Payload": payload}, ResultPath=None, **more)

    def guard(variable: str, into: str, around: str) -> dict[str, Any]:
        rule = {"Variable": variable, "BooleanEquals": False, "Next": around}
        return {"Type": "Choice", "Choices": [rule], "Default": into}

    return cloud.machine({
        "Train Text?": guard("$.train_text", "Train Text", "Train Image?"),
        "Train Text": train({"text": True}, Next="Train Image?"),
        "Train Image?": guard("$.train_image", "Train Image", "Join"),
        "Train Image": train({"fail.$": "$.fail"}, Next="Join"),
        "Join": train({"join": True}, End=True) | {},
    })  # fmt: skip


GIVEN = {"train_text": True, "train_image": True, "fail": True}


def test_a_rerun_reuses_by_the_machines_own_guards(cloud: Cloud, opsctl: Opsctl, talks_machine: str) -> None:
    name = unique("nightly")
    cloud.finish(cloud.start(talks_machine, GIVEN, name=name))
    on = ("--machine", talks_machine)
    result = opsctl("rerun", name, "--from", "failed", "--set", "fail=false", "--dry-run", "-o", "json", *on)
    plan = json.loads(result.stdout)
    assert [(step["step"], step["action"]) for step in plan["steps"]] == [
        ("Train Text", "REUSE"), ("Train Image", "RUN"), ("Join", "ALWAYS"),
    ]  # fmt: skip
    assert plan["input"] == {"train_text": False, "train_image": True, "fail": False}
    assert (plan["run"], plan["copies"]) == (f"{name}-r1", {"objects": 0, "bytes": 0})
    words = ("rerun", name, "--from", "failed", "--set", "fail=false", "--yes", *on)
    done = opsctl(*words, "--wait")
    assert (done.exit_code, done.stdout.splitlines()[-1].split(" after ")[0]) == (0, f"{name}-r1 SUCCEEDED")
    states = [
        event["stateEnteredEventDetails"]["name"]
        for event in cloud.events(talks_machine.replace(":stateMachine:", ":execution:") + f":{name}-r1")
        if event["type"] == "TaskStateEntered"
    ]
    assert states == ["Train Image", "Join"]


def test_to_any_depth_by_names_alone(cloud: Cloud, opsctl: Opsctl, talks_machine: str) -> None:
    name, on = unique("nightly"), ("--machine", talks_machine)
    cloud.finish(cloud.start(talks_machine, GIVEN, name=name))
    assert opsctl("rerun", name, "--from", "failed", "--yes", "--wait", *on).exit_code == 1  # it fails again
    result = opsctl("rerun", f"{name}-r1", "--from", "train-image", "--set", "fail=false", "--yes", "--wait", *on)
    assert result.stdout.splitlines()[-1].startswith(f"{name}-r2 SUCCEEDED")
    assert [line.split()[0] + line.partition("made by")[2] for line in result.stdout.splitlines()[3:6]] == [
        f"REUSE {name}", "RUN", "ALWAYS",
    ]  # fmt: skip


def test_a_name_that_is_taken_shows_the_difference(cloud: Cloud, opsctl: Opsctl, talks_machine: str) -> None:
    name, other, on = unique("nightly"), unique("mine"), ("--machine", talks_machine)
    cloud.finish(cloud.start(talks_machine, GIVEN, name=name))
    cloud.finish(cloud.start(talks_machine, {**GIVEN, "train_text": False}, name=other))
    result = opsctl("rerun", name, "--from", "failed", "--set", "fail=false", "--name", other, "--yes", *on)
    assert (result.exit_code, result.stderr.splitlines()[1:]) == (3, [
        f"error: the name {other} is taken by another run: fail is true there and false here",
        "hint: choose another --name, or leave it out",
    ])  # fmt: skip


def test_two_at_once_get_one_run_and_a_third_the_next_number(cloud: Cloud, opsctl: Opsctl) -> None:
    function = cloud.function("if event.get('fail'):\n    raise ValueError('diverged')")
    work = task("lambda:invoke", {"FunctionName": function, "Payload.$": "$"}, ResultPath=None, Next="Rest")
    machine = cloud.machine({"Work": work, "Rest": {"Type": "Wait", "Seconds": 600, "End": True}})
    name, on = unique("nightly"), ("--machine", machine)
    cloud.finish(cloud.start(machine, {"fail": True}, name=name))
    words = ("rerun", name, "--from", "work", "--set", "fail=false", "--yes", *on)
    first, again = opsctl(*words), opsctl(*words)
    assert [result.stdout.splitlines()[-1] for result in (first, again)] == [f"{name}-r1"] * 2
    assert "is already running, with this very input" in again.stderr
    third = opsctl("rerun", name, "--from", "work", "--set", "fail=0", "--yes", *on)
    assert third.stdout.splitlines()[-1] == f"{name}-r2"
    for number in (1, 2):
        arn = machine.replace(":stateMachine:", ":execution:") + f":{name}-r{number}"
        cloud.client("stepfunctions").stop_execution(executionArn=arn)


def test_two_at_once_with_other_settings_get_two_names(cloud: Cloud, talks_machine: str) -> None:
    name = unique("nightly")
    cloud.finish(cloud.start(talks_machine, GIVEN, name=name))
    environment = {**os.environ, "OPSCTL_SANDBOX_DIR": str(cloud.directory), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "opsctl", "rerun", name, "--from", "failed", "--yes", "--machine", talks_machine]
    processes = [
        subprocess.Popen([*words, "--set", f"fail={value}"], env=environment, stdout=subprocess.PIPE, text=True)
        for value in ("false", "0", "0.5")
    ]  # fmt: skip
    made = sorted(process.communicate(timeout=240)[0].splitlines()[-1] for process in processes)
    assert made == [f"{name}-r1", f"{name}-r2", f"{name}-r3"]


def test_an_express_machine_and_none_at_all_are_refused_in_a_line(cloud: Cloud, opsctl: Opsctl) -> None:
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    name = unique("express")
    cloud.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=cloud.role, type="EXPRESS"
    )
    arn = f"arn:aws:states:{cloud.server['region']}:123456789012:stateMachine:{name}"
    result = opsctl("rerun", "--from", "failed", "--machine", arn)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        3, f"error: {name} is an Express machine: Step Functions keeps no history of its runs",
    )  # fmt: skip
    result = opsctl("rerun", "--from", "failed", "--machine", f"{arn}-2")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"error: there is no state machine {arn}-2")
    result = opsctl("rerun", "--from", "failed", "--machine", "arn:aws:sns:x")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        2, "error: arn:aws:sns:x is not the ARN of a state machine",
    )  # fmt: skip


def test_start_takes_any_machine_too(cloud: Cloud, opsctl: Opsctl, talks_machine: str) -> None:
    on, name = ("--machine", talks_machine), unique("started")
    words = ("start", "--set", "train_text=true", "--set", "fail=false", "--set", "train_image=true", "--name", name)
    result = opsctl(*words, "--skip", "train-text", "--wait", *on)
    assert (result.exit_code, result.stdout.split(" after ")[0]) == (0, f"{name} SUCCEEDED")
    result = opsctl("start", "--skip", "train-text", "--reuse-from", name, *on)
    machine = talks_machine.rpartition(":")[2]
    assert (result.exit_code, result.stderr.splitlines()[1]) == (
        2, f"error: where the runs of {machine} keep results is not known: none can be reused",
    )  # fmt: skip
