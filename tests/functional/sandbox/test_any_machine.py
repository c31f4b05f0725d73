"""Recovery of machines that are not ours: small definitions as the talk shows them, in the sandbox, with no deployment.

A step's work is one message, so the mailbox counts what was done; a fault makes it fail.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from tests.functional.sandbox.cloud import Cloud, unique

FETCH, IMAGE, TEXT, SEQUENCE = "Fetch Data", "Train Image Model", "Train Text Model", "Train Sequence Model"
EVERYTHING = {"train_image_model": True, "train_text_model": True, "train_sequence_model": True}


def work(topic: str, step: str, following: str | None) -> dict[str, Any]:
    """A Task state that says its name and the run's."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"TopicArn": topic, "Message.$": f"States.Format('{step} of {{}}', $$.Execution.Name)"},
        "ResultPath": None,
        **({"Next": following} if following else {"End": True}),
    }


def guard(key: str, step: str, skipped: str) -> dict[str, Any]:
    """The talk's guard: the run's input says false, and the step is bypassed."""
    condition = {"Variable": f"$.{key}", "BooleanEquals": False, "Next": skipped}
    return {"Type": "Choice", "Choices": [condition], "Default": step}


def branch(topic: str, step: str, key: str) -> dict[str, Any]:
    states = {
        f"{step} ?": guard(key, step, f"Skip {step}"),
        step: work(topic, step, None),
        f"Skip {step}": {"Type": "Pass", "End": True},
    }
    return {"StartAt": f"{step} ?", "States": states}


def talk(topic: str) -> dict[str, Any]:
    """Fetch, two models in a Parallel with a Catch, a model on top; every failure is caught and ends in Fail."""
    caught = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}]
    return {
        FETCH: {**work(topic, FETCH, "Train Models"), "Catch": caught},
        "Train Models": {
            "Type": "Parallel",
            "Branches": [branch(topic, IMAGE, "train_image_model"), branch(topic, TEXT, "train_text_model")],
            "ResultPath": None,
            "Catch": caught,
            "Next": f"{SEQUENCE} ?",
        },
        f"{SEQUENCE} ?": guard("train_sequence_model", SEQUENCE, "Done"),
        SEQUENCE: {**work(topic, SEQUENCE, "Done"), "Catch": caught},
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail", "Error": "PipelineFailed"},
    }


def jsonata(topic: str) -> dict[str, Any]:
    """The same idea in JSONata, with nothing that catches: a fetch and a model, each behind a condition."""

    def step(name: str, following: str) -> dict[str, Any]:
        message = f"{{% '{name} of ' & $states.context.Execution.Name %}}"
        arguments = {"TopicArn": topic, "Message": message}
        resource = "arn:aws:states:::sns:publish"
        return {
            "Type": "Task", "Resource": resource, "Arguments": arguments, "Output": "{% $states.input %}",
            "Next": following,
        }  # fmt: skip

    def unless(key: str, following: str, skipped: str) -> dict[str, Any]:
        condition = {"Condition": f"{{% $exists($states.input.skip.{key}) and $states.input.skip.{key} = true %}}"}
        return {"Type": "Choice", "Choices": [{**condition, "Next": skipped}], "Default": following}

    return {
        "Fetch ?": unless("fetch", FETCH, "Train ?"),
        FETCH: step(FETCH, "Train ?"),
        "Train ?": unless("train", TEXT, "Done"),
        TEXT: step(TEXT, "Done"),
        "Done": {"Type": "Succeed"},
    }


@pytest.fixture
def topic(cloud: Cloud) -> str:
    return str(cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"])


def failed_run(cloud: Cloud, machine: str, document: Mapping[str, Any], step: str) -> str:
    """A run in which a step fails once, late enough for its siblings to be done; returns its name."""
    name = unique("run")
    fault = {
        "action": "sns:Publish",
        "match": f"{step} of {name}",
        "delay": 1.0,
        "error": "AuthorizationError",
        "times": 1,
    }
    sandbox.add_fault(cloud.directory, fault)
    ended = cloud.finish(cloud.start(machine, document, name=name))
    sandbox.clear_faults(cloud.directory)
    assert ended["status"] == "FAILED"
    return name


def opsctl(cloud: Cloud, tmp_path: Path, machine: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    """A command on that machine in an empty directory: no Terraform, no configuration."""
    environment = {"OPSCTL_SANDBOX_DIR": str(cloud.directory), "OPSCTL_CONTEXT": "sandbox", "HOME": str(tmp_path)}
    command = [*arguments, "--machine", machine, "-o", "json"]
    result = CliRunner().invoke(root, command, env=environment, catch_exceptions=False)
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def done(cloud: Cloud, *runs: str) -> Counter[str]:
    """How often each step's work was done in these runs."""
    lines = [line for mail in cloud.mail() for line in mail.splitlines()]
    return Counter(line.rpartition(" of ")[0] for line in lines if line.rpartition(" of ")[2] in runs)


ALL_OF_THE_TALK = {FETCH: 2, IMAGE: 1, TEXT: 1, SEQUENCE: 1}  # Fetch Data has no guard, so each run does it


@pytest.mark.parametrize("command", [["rerun", "--from", IMAGE], ["redrive"]])
def test_the_talks_machine_recovers_without_its_sibling(
    cloud: Cloud, topic: str, tmp_path: Path, command: list[str]
) -> None:
    machine = cloud.machine(talk(topic))
    run = failed_run(cloud, machine, EVERYTHING, IMAGE)
    ended = opsctl(cloud, tmp_path, machine, command[0], run, *command[1:], "--yes", "--wait")
    assert (ended["run"], ended["status"]) == (f"{run}-r1", "SUCCEEDED")
    assert done(cloud, run, ended["run"]) == ALL_OF_THE_TALK


def test_the_talks_machine_recovers_at_its_last_step(cloud: Cloud, topic: str, tmp_path: Path) -> None:
    machine = cloud.machine(talk(topic))
    run = failed_run(cloud, machine, EVERYTHING, SEQUENCE)
    ended = opsctl(cloud, tmp_path, machine, "redrive", run, "--yes", "--wait")
    assert ended["status"] == "SUCCEEDED"
    assert done(cloud, run, ended["run"]) == ALL_OF_THE_TALK


@pytest.mark.parametrize(("command", "suffix"), [(["rerun", "--from", TEXT], "-r1"), (["redrive"], "")])
def test_a_jsonata_machine_recovers_and_fetches_once(
    cloud: Cloud, topic: str, tmp_path: Path, command: list[str], suffix: str
) -> None:
    """Nothing catches here: the redrive is AWS's own, and the run goes on under its name."""
    machine = cloud.machine(jsonata(topic), QueryLanguage="JSONata")
    run = failed_run(cloud, machine, {}, TEXT)
    ended = opsctl(cloud, tmp_path, machine, command[0], run, *command[1:], "--yes", "--wait")
    assert (ended["run"], ended["status"]) == (f"{run}{suffix}", "SUCCEEDED")
    assert done(cloud, run, ended["run"]) == {FETCH: 1, TEXT: 1}


def test_throttling_and_lost_answers_are_absorbed(cloud: Cloud, topic: str, tmp_path: Path) -> None:
    """The start's answer is lost too: asked again under the same name, it is the same run."""
    machine = cloud.machine(talk(topic))
    run = failed_run(cloud, machine, EVERYTHING, IMAGE)
    for fault in (
        {"action": "states:GetExecutionHistory", "error": "ThrottlingException", "times": 3},
        {"action": "states:StartExecution", "drop": "answer", "times": 1},
    ):
        sandbox.add_fault(cloud.directory, fault)
    ended = opsctl(cloud, tmp_path, machine, "rerun", run, "--from", IMAGE, "--yes", "--wait")
    assert all(fault["applied"] == fault["times"] for fault in sandbox.clear_faults(cloud.directory))
    assert (ended["run"], ended["status"]) == (f"{run}-r1", "SUCCEEDED")
    assert done(cloud, run, ended["run"]) == ALL_OF_THE_TALK
