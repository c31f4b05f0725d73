"""Which faults of the shipped machines can be made for real, by what their requests are known, and what runs walk."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.validate import validate
from opsctl.domain.drill import live
from opsctl.domain.drill.subject import Subject

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ["bulk", "deployment", "inference", "training"]


def machine(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.asl.json").read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_fault_of_the_model_is_forgotten(name: str) -> None:
    """Of each state and kind, something is made or it is said why not, and nothing is made twice."""
    subject = Subject(machine(name))
    made, left = live.made_of(subject)
    kinds = {(fault.state, fault.kind) for fault in subject.faults}
    assert kinds <= {(one.fault.state, one.fault.kind) for one in made} | {
        (fault.state, fault.kind) for fault, _ in left
    }
    assert not {(one.fault.state, one.fault.kind) for one in made} & {(fault.state, fault.kind) for fault, _ in left}
    assert max(Counter(one.fault for one in made).values()) == 1
    assert all(why for _, why in left)


def test_a_training_is_broken_in_these_ways() -> None:
    made, _ = live.made_of(Subject(machine("training")))
    assert [(one.fault.words, one.effect, one.times) for one in made if one.fault.state == "Evaluate"] == [
        ("Evaluate is refused with SageMaker.AmazonSageMakerException once", {"error": "InternalFailure"}, 1),
        ("Evaluate is refused with SageMaker.AmazonSageMakerException every time", {"error": "InternalFailure"}, 5),
        ("Evaluate is refused with SageMaker.ResourceLimitExceededException once",
         {"error": "ResourceLimitExceeded"}, 1),
        ("Evaluate is refused with SageMaker.ResourceLimitExceededException every time",
         {"error": "ResourceLimitExceeded"}, 6),
        ("Evaluate fails with States.TaskFailed once", {"exit_code": 1}, 1),
        ("Evaluate never answers once", {"job": "hangs"}, 1),
        ("Evaluate ends its job before it is done once", {"job": "hangs"}, 1),
        ("Evaluate fails with States.TaskFailed (killed) once", {"job": "killed"}, 1),
        ("Evaluate fails with States.TaskFailed (out of memory) once", {"job": "out-of-memory"}, 1),
        ("Evaluate fails with States.TaskFailed (its disk is full) once", {"job": "disk-full"}, 1),
        ("the run is stopped while Evaluate is at work", {"job": "hangs"}, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_a_drills_runs_walk_is_a_sound_machine(name: str) -> None:
    definition = machine(name)
    before = json.dumps(definition)
    states = Subject(definition).nodes.nodes
    for hangs in (None, next(name for name, node in states.items() if node.type == "Task")):
        changed = live.quickened(definition, hangs)
        assert [found for found in validate(changed) if found.severity == "ERROR"] == []
        nodes = Subject(changed).nodes.nodes
        assert {entry["IntervalSeconds"] for node in nodes.values() for entry in node.state.get("Retry") or ()} <= {1}
        if hangs:
            assert nodes[hangs].state["TimeoutSeconds"] == 5
    assert json.dumps(definition) == before


def test_a_request_is_known_by_what_no_other_of_its_service_holds() -> None:
    asked = {
        "Train": {"TrainingJobName": "run-1-train-d0r0", "Output": "s3://bucket/runs/run-1/train/"},
        "Evaluate": {"TrainingJobName": "run-1-evaluate-d0r0", "Channel": "s3://bucket/runs/run-1/train/"},
        "Find": {"FunctionName": "gate", "Payload": {"action": "find", "name": "run-1"}},
        "Compare": {"FunctionName": "gate", "Payload": {"action": "compare", "name": "run-1"}},
        "Tell": {"TopicArn": "topic", "Message": "Run: run-1\nStatus: SUCCEEDED\nModels: 3"},
        "Deploy": {"Name": "run-1-deployment", "Input": {"run": "run-1"}},
        "Mute": {"FunctionName": "gate", "Payload": {"action": "mute"}},
    }
    actions = {
        "Train": "sagemaker:CreateTrainingJob", "Evaluate": "sagemaker:CreateTrainingJob", "Find": "lambda:Invoke",
        "Compare": "lambda:Invoke", "Tell": "sns:Publish", "Deploy": "states:StartExecution", "Mute": "lambda:Invoke",
    }  # fmt: skip
    found = live.marks({name: json.dumps(request) for name, request in asked.items()}, actions, "run-1")
    assert {state: live.mark_of(mark, "run-2") for state, mark in found.items()} == {
        "Train": "run-2-train-d", "Evaluate": "run-2-evaluate-d",
        "Find": 'nd","name":"run-2"', "Compare": 're","name":"run-2"',
        "Tell": "Run: run-2\nStatus: SUCCEEDED", "Deploy": "run-2-deployment",
    }  # fmt: skip
