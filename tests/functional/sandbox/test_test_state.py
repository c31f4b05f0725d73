"""TestState: one state by itself, with an answer made up for its work."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud

RETRIER = {"ErrorEquals": ["Busy"], "IntervalSeconds": 4, "BackoffRate": 2, "MaxAttempts": 2}
CATCHER = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Recover"}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
    "InputPath": "$.job",
    "Parameters": {"Name.$": "$.name"},
    "ResultSelector": {"Status.$": "$.TrainingJobStatus"},
    "ResultPath": "$.done",
    "Retry": [{"ErrorEquals": ["Other"]}, RETRIER],
    "Catch": [CATCHER],
    "Next": "After",
}
BUSY = {"errorOutput": {"error": "Busy", "cause": "try later"}}


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return boto3.session.Session().client(
        "stepfunctions",
        region_name=cloud.server["region"],
        endpoint_url=cloud.server["url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(inject_host_prefix=False),
    )


def tried(states: Any, state: dict[str, Any], **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = states.test_state(definition=json.dumps(state), **asked)
    del answer["ResponseMetadata"]
    return answer


def test_a_task_that_succeeds_and_what_went_through_its_fields(states: Any) -> None:
    answer = tried(
        states,
        TASK,
        input='{"job":{"name":"a"}}',
        mock={"result": '{"TrainingJobStatus":"Completed","More":1}'},
        inspectionLevel="DEBUG",
    )
    assert answer == {
        "status": "SUCCEEDED",
        "output": '{"job":{"name":"a"},"done":{"Status":"Completed"}}',
        "nextState": "After",
        "inspectionData": {
            "input": '{"job":{"name":"a"}}',
            "afterInputPath": '{"name":"a"}',
            "afterParameters": '{"Name":"a"}',
            "result": '{"TrainingJobStatus":"Completed","More":1}',
            "afterResultSelector": '{"Status":"Completed"}',
            "afterResultPath": '{"job":{"name":"a"},"done":{"Status":"Completed"}}',
        },
    }


def test_an_error_is_retried_then_caught_then_fails(states: Any) -> None:
    asked = {"input": '{"job":{"name":"a"}}', "mock": BUSY, "inspectionLevel": "DEBUG"}
    first = tried(states, TASK, **asked)
    second = tried(states, TASK, stateConfiguration={"retrierRetryCount": 1}, **asked)
    third = tried(states, TASK, stateConfiguration={"retrierRetryCount": 2}, **asked)
    uncaught = tried(states, {**TASK, "Catch": [], "Retry": []}, **asked)
    handled = [one["inspectionData"].get("errorDetails") for one in (first, second, third, uncaught)]
    assert handled == [
        {"retryIndex": 1, "retryBackoffIntervalSeconds": 4},
        {"retryIndex": 1, "retryBackoffIntervalSeconds": 8},
        {"catchIndex": 0},
        None,
    ]
    assert [one["status"] for one in (first, second, third, uncaught)] == [
        "RETRIABLE",
        "RETRIABLE",
        "CAUGHT_ERROR",
        "FAILED",
    ]
    assert (third["nextState"], third["error"], third["cause"]) == ("Recover", "Busy", "try later")
    assert third["output"] == '{"job":{"name":"a"},"error":{"Error":"Busy","Cause":"try later"}}'
    assert (uncaught["error"], "nextState" in uncaught, "output" in uncaught) == ("Busy", False, False)


def test_states_without_work_and_their_variables(states: Any) -> None:
    again = {
        "Type": "Choice",
        "Choices": [{"Variable": "$count", "NumericLessThan": 3, "Assign": {"count": 3}, "Next": "TestState"}],
        "Default": "Enough",
    }
    few = tried(states, again, variables='{"count":1}', inspectionLevel="TRACE")
    assert (few["nextState"], few["inspectionData"]["variables"]) == ("TestState", '{"count": 3}')
    assert tried(states, again, variables='{"count":5}')["nextState"] == "Enough"
    assert tried(states, {"Type": "Wait", "Seconds": 99_999, "End": True})["status"] == "SUCCEEDED"
    assert tried(states, {"Type": "Fail", "Error": "E", "Cause": "c"}) == {
        "status": "FAILED",
        "error": "E",
        "cause": "c",
    }
    told = tried(states, {"Type": "Pass", "InputPath": "$.no", "End": True})
    assert (told["status"], told["error"]) == ("FAILED", "States.Runtime")


def test_a_state_of_a_whole_machine_and_a_map_with_a_mock(states: Any) -> None:
    inner = {"Type": "Pass", "Output": "{% $states.input + $more %}", "End": True}
    each = {
        "Type": "Map",
        "Items": "{% $states.input %}",
        "ItemProcessor": {"StartAt": "Add", "States": {"Add": inner}},
        "Output": "{% $sum($states.result) %}",
        "Assign": {"all": "{% $states.result %}"},
        "Next": "End",
    }
    states_of_it = {"Each": each, "End": {"Type": "Succeed"}}
    machine = {"QueryLanguage": "JSONata", "StartAt": "Each", "States": states_of_it}
    added = tried(states, machine, stateName="Add", input="4", variables='{"more":3}')
    assert added == {"status": "SUCCEEDED", "output": "7"}
    summed = tried(states, machine, stateName="Each", input="[1]", mock={"result": "[1,2]"}, inspectionLevel="DEBUG")
    assert (summed["output"], summed["nextState"]) == ("3", "End")
    assert summed["inspectionData"] == {
        "input": "[1]",
        "afterArguments": "[1]",
        "result": "[1,2]",
        "variables": '{"all": [1, 2]}',
    }


@pytest.mark.parametrize(
    ("state", "asked", "code"),
    [
        (TASK, {}, "ValidationException"),
        (TASK, {"mock": {}}, "ValidationException"),
        ({"Type": "Succeed"}, {"mock": BUSY}, "ValidationException"),
        ({"Type": "Succeed"}, {"variables": "[]"}, "ValidationException"),
        ({"Type": "Succeed"}, {"variables": "{"}, "ValidationException"),
        ({"Type": "Succeed"}, {"input": "{"}, "InvalidExecutionInput"),
        ({"Type": "Succeed", "Next": "X"}, {}, "InvalidDefinition"),
        ({"Type": "Succeed"}, {"stateName": "X"}, "InvalidDefinition"),
        ({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}, {"stateName": "X"}, "ValidationException"),
        ([], {}, "InvalidDefinition"),
    ],
)
def test_what_cannot_be_tested(states: Any, state: Any, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        states.test_state(definition=json.dumps(state), **asked)
    assert refused.value.response["Error"]["Code"] == code
