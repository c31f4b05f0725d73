"""Which faults of the shipped machines can be made for real, by what their requests are known, and what runs walk."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.history import read_history
from opsctl.asl.validate import validate
from opsctl.cli.sandbox_faults import JOB_FAULTS
from opsctl.domain.drill import live
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.drill.observed import Observed, judged, reads
from opsctl.domain.drill.subject import Subject
from opsctl.operations.sandbox_mailbox import Mailbox
from opsctl.sandbox import jobfaults

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
        ("Evaluate leaves a model that is cut off once", {"job": "corrupt-model"}, 1),
        ("the run is stopped while Evaluate is at work", {"job": "hangs"}, 1),
    ]  # fmt: skip


def test_only_a_job_on_spot_loses_its_host() -> None:
    definition = machine("training")
    definition["States"]["Evaluate"]["Parameters"]["EnableManagedSpotTraining"] = True
    made, _ = live.made_of(Subject(definition))
    lost = [(one.fault.words, one.effect) for one in made if one.fault.kind is Kind.INTERRUPTED]
    assert lost == [("Evaluate loses its Spot host once", {"job": "spot-interruption"})]


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        (Kind.CORRUPT, "SUCCEEDED", ["the model that Evaluate leaves is cut off, and the run ends SUCCEEDED"]),
        (Kind.CORRUPT, "FAILED", []),
        (Kind.INTERRUPTED, "SUCCEEDED", []),
        (Kind.INTERRUPTED, "FAILED", [
            "Evaluate loses its Spot host, which is to cost time only, and the run ends FAILED"
        ]),
    ],
)  # fmt: skip
def test_a_bad_model_is_to_fail_the_run_and_a_lost_spot_host_is_not(kind: Kind, status: str, words: list[str]) -> None:
    ended = {"SUCCEEDED": "ExecutionSucceeded", "FAILED": "ExecutionFailed"}[status]
    events: list[dict[str, Any]] = [
        {"id": number, "previousEventId": number - 1, "timestamp": float(number), "type": kind}
        for number, kind in enumerate(("ExecutionStarted", ended), 1)
    ]
    definition = machine("training")
    seen = Observed("r", Fault("Evaluate", kind, ""), events, read_history(events, definition), int(status == "FAILED"))
    assert [found.words for found in judged(Subject(definition), seen, frozenset())] == words


def test_a_model_is_read_by_the_jobs_that_are_given_what_lies_below_its_place() -> None:
    asked = json.dumps({"InputDataConfig": [{"S3Uri": "s3://b/runs/r/train-text-model/"}], "Out": "s3://b/runs/r/x"})
    places = ("s3://b/runs/r/train-text-model", "s3://b/runs/r/train-text", "s3://b/runs/r/x")
    assert [reads(asked, place) for place in places] == [True, False, False]


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


def test_the_sandbox_makes_what_the_command_line_and_a_drill_ask_of_it() -> None:
    assert JOB_FAULTS == jobfaults.KINDS
    assert {*live.ENDS, "corrupt-model", "spot-interruption"} <= set(jobfaults.KINDS)


def test_the_mailbox_tells_who_was_warned_of_a_run_and_reads_each_message_once(tmp_path: Path) -> None:
    def sent(name: str, *lines: str) -> Path:
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(["Topic: arn:aws:sns:us-east-1:123456789012:t", *lines, "", "the run nightly-7", ""]))
        return path

    mailbox = Mailbox(tmp_path)
    failed = sent("0001", "run: nightly-7", "status: FAILED")
    sent("0002", "run: nightly-7", "status: SUCCEEDED")
    sent("0003", "run: nightly-7", "kind: approval")
    sent("0004", "run: nightly-7-r1", "status: FAILED")
    assert mailbox.alerts_of("nightly-7") == 1
    failed.write_text("it is read once")
    sent("0005")  # which names its run in the text only
    assert (mailbox.alerts_of("nightly-7"), mailbox.alerts_of("nightly")) == (2, 0)
