"""How AWS words the failures of states, and which events lead to them, beyond what the other tests look at."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.asl.effects import Failed
from tests.unit.asl.walking import begin, cause_of, play, written

ENTERED = "An error occurred while executing the state 'A' (entered at the event id #2). "
JSONATA = {"QueryLanguage": "JSONata"}


@pytest.mark.parametrize(
    ("state", "text", "told"),
    [
        (
            {"Type": "Fail", "ErrorPath": "$.e"},
            '{"e":404}',
            'The ErrorPath field refers to value "404" which is not a valid string: $.e',
        ),
        (
            {"Type": "Fail", "Error": "E", "CausePath": "$.c"},
            '{"c":null}',
            'The CausePath field refers to value "null" which is not a valid string: $.c',
        ),
        (
            {"Type": "Wait", "SecondsPath": "$.s"},
            '{"s":null}',
            "The SecondsPath parameter cannot be parsed as a long value: $.s == null",
        ),
        (
            {"Type": "Wait", "TimestampPath": "$.s"},
            '{"s":true}',
            (
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
                "string: $.s == true"
            ),
        ),
        (
            {"Type": "Pass", "Parameters": {"v.$": "States.Format('{}', States.Format('{}', $.no))"}},
            '{"a":1}',
            (
                "The function 'States.Format('{}', States.Format('{}', $.no))' had the following error: The JsonPath "
                "argument for the field '$.no' could not be found in the input '{\"a\":1}'"
            ),
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_its_path(state: dict[str, Any], text: str, told: str) -> None:
    assert cause_of({"A": state}, text) == ("States.Runtime", ENTERED + told)


def test_a_fail_state_in_jsonata_wants_texts() -> None:
    execution = begin({"A": {"Type": "Fail", "Error": "{% $states.input.n %}"}}, '{"n":5}', **JSONATA)
    told = "The JSONata expression '$states.input.n' specified for the field 'Error' returned an unexpected result type"
    assert (execution.error, execution.cause) == (
        "States.QueryEvaluationError",
        f"{ENTERED}{told}. Expected 'string', but was 'number' for value: 5",
    )


def _branches(*states: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"StartAt": name, "States": {name: state}} for name, state in states]


def test_a_parallel_that_fails_after_its_branches_points_at_its_success() -> None:
    parallel = {
        "Type": "Parallel",
        "Branches": _branches(("B", {"Type": "Pass", "End": True})),
        "ResultSelector": {"m.$": "$.no"},
    }
    lines = written(begin({"A": parallel}))
    assert [line.partition(" cause")[0] for line in lines[5:]] == [
        "6<-5 ParallelStateSucceeded",
        "7<-6 ExecutionFailed error=States.Runtime",
    ]


def test_a_parallel_whose_output_cannot_be_made_passes_its_success_by() -> None:
    parallel = {
        "Type": "Parallel",
        "Branches": _branches(("B", {"Type": "Pass", "End": True})),
        "Output": "{% $no %}",
    }
    lines = written(begin({"A": parallel}, **JSONATA))
    assert [" ".join(line.split()[:2]) for line in lines[5:]] == [
        "6<-5 ParallelStateSucceeded",
        "7<-5 EvaluationFailed",
        "8<-7 ParallelStateFailed",
        "9<-8 ExecutionFailed",
    ]


def test_a_catcher_whose_output_cannot_be_made_fails_the_state_anew() -> None:
    parallel = {
        "Type": "Parallel",
        "Branches": _branches(("B", {"Type": "Fail", "Error": "E"})),
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": {"v": "{% $no %}"}, "Next": "C"}],
    }
    lines = written(begin({"A": parallel, "C": {"Type": "Pass"}}, **JSONATA))
    assert [" ".join(line.split()[:2]) for line in lines[3:]] == [
        "4<-3 FailStateEntered",
        "5<-4 ParallelStateFailed",
        "6<-4 EvaluationFailed",
        "7<-6 ParallelStateFailed",
        "8<-7 ExecutionFailed",
    ]


def test_a_catcher_of_a_task_whose_output_cannot_be_made_follows_the_failure() -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $no %}", "Next": "C"}],
    }
    execution = play(begin({"A": task, "C": {"Type": "Pass"}}, **JSONATA), {"A": [Failed("E", "why")]})
    assert [" ".join(line.split()[:2]) for line in written(execution)[4:]] == [
        "5<-4 TaskFailed",
        "6<-5 EvaluationFailed",
        "7<-6 ExecutionFailed",
    ]
