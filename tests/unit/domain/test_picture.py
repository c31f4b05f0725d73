"""The picture of a machine and of a run as values; and the machine that a history walked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.history import read_history
from opsctl.domain.choice_words import rule_words
from opsctl.domain.picture import CATCH, Lane, lane_of, service_words
from opsctl.domain.picture_run import run_told
from opsctl.domain.walked import walked

TRAINING = json.loads((Path(__file__).resolve().parents[2] / "golden/training.asl.json").read_text())
DEEP: dict[str, Any] = {"Variable": "$.a", "IsNull": True}
for _ in range(40):
    DEEP = {"Not": DEEP}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"Variable": "$.status", "StringEquals": "Completed"}, 'status is "Completed"'),
        ({"Variable": "$.n", "NumericGreaterThanEquals": 3}, "n >= 3"),
        ({"Variable": "$.n", "NumericLessThanPath": "$.most"}, "n < most"),
        ({"Variable": "$.name", "StringMatches": "a*"}, 'name is like "a*"'),
        ({"Variable": "$.a", "IsPresent": False}, "a is not there"),
        ({"Not": {"Variable": "$.a", "BooleanEquals": True}}, "not (a is true)"),
        ({"And": [{"Variable": "$$.Execution.Input.skip.x", "IsPresent": True},
                  {"Variable": "$$.Execution.Input.skip.x", "BooleanEquals": True}]}, "skip.x is true"),
        ({"And": [{"Variable": "$.a", "IsNull": False},
                  {"Or": [{"Variable": "$.b", "IsString": True}, {"Variable": "$.c", "IsNumeric": True}]}]},
         "a is not null and (b is a string or c is a number)"),
        ({"Condition": "{% $x >\n 3 %}"}, "$x > 3"),
        ({"Condition": True}, "True"),
        ({"And": [3, None]}, ""),
        ({"Variable": "$.a"}, ""),
        (DEEP, "not (" * 9 + "…" + ")" * 9),
    ],
)  # fmt: skip
def test_conditions_in_words(rule: dict[str, Any], words: str) -> None:
    assert rule_words(rule) == words


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", "SageMaker training job"),
        ("sagemaker:createTrainingJob.sync", "SageMaker training job"),
        ("arn:aws:states:::states:startExecution.sync:2", "nested run"),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", "SQS message, answered by a token"),
        ("arn:aws:states:::aws-sdk:s3:listObjectsV2", "s3 listObjectsV2"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", "Lambda function"),
        ("arn:aws:states:eu-west-1:123456789012:activity:hands", "activity"),
        ("", ""),
    ],
)
def test_resources_in_words(resource: str, words: str) -> None:
    assert service_words(resource) == words


def test_ways_are_told_once_with_all_that_leads_there() -> None:
    rules = [{"Variable": "$.n", "NumericEquals": number, "Next": "B"} for number in (1, 2)]
    catch = [{"ErrorEquals": ["A", "B"], "Next": "B"}, {"ErrorEquals": ["States.ALL"], "Next": "B"}]
    states = {
        "A": {"Type": "Choice", "Choices": [*rules, 7, {"Next": "Nowhere"}], "Default": "C"},
        "B": {"Type": "Pass", "End": True},
        "C": {"Type": "Task", "Resource": "x", "Catch": catch, "Next": "B"},
    }
    lane = lane_of({"StartAt": "A", "States": states})
    assert [node.name for node in lane.nodes] == ["A", "C", "B"]
    assert [(edge.source, edge.target, edge.kind, edge.label) for edge in lane.edges] == [
        ("A", "B", "choice", "n is 1 or n is 2"), ("A", "C", "choice", "otherwise"), ("C", "B", "next", ""),
        ("C", "B", "catch", "any error"),
    ]  # fmt: skip


def _event(number: int, previous: int, kind: str, **details: Any) -> dict[str, Any]:
    key = f"state{'Entered' if kind.endswith('Entered') else 'Exited'}EventDetails"
    return {"id": number, "previousEventId": previous, "type": kind, "timestamp": float(number)} | (
        {key: details} if details else {}
    )


PARALLEL = [
    _event(1, 0, "ExecutionStarted"),
    _event(2, 0, "PassStateEntered", name="First"),
    _event(3, 2, "PassStateExited", name="First"),
    _event(4, 3, "ParallelStateEntered", name="Both"),
    _event(5, 4, "ParallelStateStarted"),
    _event(6, 5, "PassStateEntered", name="Left"),
    _event(7, 5, "PassStateEntered", name="Right"),
    _event(8, 6, "PassStateExited", name="Left"),
    _event(9, 8, "PassStateEntered", name="Then"),
    _event(10, 9, "PassStateExited", name="Then"),
    _event(11, 7, "PassStateExited", name="Right"),
    _event(12, 10, "ParallelStateSucceeded"),
    _event(13, 12, "ParallelStateExited", name="Both"),
    _event(14, 13, "SucceedStateEntered", name="Done"),
    _event(15, 14, "SucceedStateExited", name="Done"),
    _event(16, 15, "ExecutionSucceeded"),
]


def test_a_history_tells_the_machine_that_it_walked() -> None:
    assert walked(PARALLEL, read_history(PARALLEL)) == {
        "StartAt": "First",
        "States": {
            "First": {"Type": "Pass", "Next": "Both"},
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "Next": "Then"}, "Then": {"Type": "Pass"}}},
                    {"StartAt": "Right", "States": {"Right": {"Type": "Pass"}}},
                ],
                "Next": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def shape(lane: Lane, path: str = "") -> set[tuple[str, str, str]]:
    """The ways that were taken, inside of lanes too."""
    found = {(path, edge.source, edge.target) for edge in lane.edges if edge.taken}
    for node in lane.nodes:
        for inner in node.lanes:
            found |= shape(inner, f"{path}/{node.name}")
    return found


def test_ways_taken_and_a_machine_that_was_walked_agree() -> None:
    history = read_history(PARALLEL)
    machine = walked(PARALLEL, history)
    told = run_told(read_history(PARALLEL, machine), machine, (), 16.0)
    assert shape(lane_of(machine, told)) == {("", "First", "Both"), ("", "Both", "Done"), ("/Both", "Left", "Then")}
    assert {told.states[name].status for name in ("First", "Both", "Left", "Done")} == {"SUCCEEDED"}


def test_failures_ways_are_told_from_others() -> None:
    lane = lane_of(TRAINING)
    catches = {(edge.source, edge.target) for edge in lane.edges if edge.kind == CATCH}
    assert ("Prepare Run", "Describe Failure") in catches
    assert ("Notify Failure", "Fail") in catches
