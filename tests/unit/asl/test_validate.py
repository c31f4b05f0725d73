"""The validator: what it refuses, in which words, where; and what it lets pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.diagnostics import Diagnostic, InvalidDefinition
from opsctl.asl.validate import parse, validate
from tests.unit.asl.walking import INVOKE, machine_of

TASK = {"Type": "Task", "Resource": INVOKE}
ONLY_JSONATA = (
    "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage"
)
WHOLE = machine_of(
    {
        "Run": {
            **TASK,
            "Parameters": {"a.$": "$.b"},
            "ResultSelector": {"c.$": "States.Array($$.State.Name)"},
            "TimeoutSeconds": 60,
            "HeartbeatSeconds": 5,
            "Credentials": {"RoleArn.$": "$.role"},
            "Retry": [{"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 0, "JitterStrategy": "FULL"}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Assign": {"x.$": "$"}, "Next": "Check"}],
            "Next": "Check",
        },
        "Check": {
            "Type": "Choice",
            "Choices": [{"Not": {"Variable": "$$.Execution.Input.skip", "IsPresent": True}, "Next": "Both"}],
            "Default": "Bad",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [machine_of({"Nap": {"Type": "Wait", "Timestamp": "2026-11-21T08:00:00Z"}})],
            "Next": "Done",
        },
        "Done": {"Type": "Succeed", "InputPath": "$[0]"},
        "Bad": {"Type": "Fail", "ErrorPath": "States.Format('{}', $.e)", "Cause": "c"},
    },
    Comment="whole",
    TimeoutSeconds=3600,
    Version="1.0",
)


def errors(states: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    found = validate(machine_of(states, **more))
    return [(one.code, one.message, one.location) for one in found if one.severity == "ERROR"]


def test_a_sound_definition_has_no_findings() -> None:
    assert validate(json.dumps(WHOLE)) == validate(WHOLE) == ()
    machine = parse(WHOLE)
    assert (machine.timeout, machine.comment, machine.scope.start_at) == (3600, "whole", "Run")


def test_parse_refuses_with_every_error_and_no_warning() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "$.x", "Next": "B", "Foo": 1}}})
    assert refused.value.diagnostics == (
        Diagnostic("ERROR", "SCHEMA_VALIDATION_FAILED", "Field 'Foo' is not supported", "/States/A"),
        Diagnostic("ERROR", "MISSING_TRANSITION_TARGET", "Missing 'Next' target: B", "/States/A/Next"),
        Diagnostic("ERROR", "MISSING_END_STATE", "Workflow has no terminal state", ""),
    )
    assert refused.value.message == ("SCHEMA_VALIDATION_FAILED: Field 'Foo' is not supported at /States/A (and 2 more)")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "MISSING_DESCRIPTION", "null or empty"),
        ("not a definition", "INVALID_JSON_DESCRIPTION", "Unrecognized token 'not': was expecting"),
        ('{"StartAt": }', "INVALID_JSON_DESCRIPTION", "line: 1, column: 13"),
        ('{"StartAt": "A", "StartAt": "B"}', "INVALID_JSON_DESCRIPTION", "Duplicate field 'StartAt'"),
        ('{"StartAt": NaN}', "INVALID_JSON_DESCRIPTION", "'NaN' is no JSON"),
        ("[]", "SCHEMA_VALIDATION_FAILED", "Value must be an object."),
        ("{}", "SCHEMA_VALIDATION_FAILED", "These fields are required: [States, StartAt]"),
        ("[" * 100_000, "INVALID_JSON_DESCRIPTION", "nested too deeply"),
        (json.dumps("x" * 1_048_577), "SCHEMA_VALIDATION_FAILED", "longer than 1048576 bytes"),
    ],
)
def test_what_is_no_definition(text: str, code: str, words: str) -> None:
    (first, *_) = validate(text)
    assert (first.severity, first.code) == ("ERROR", code)
    assert words in first.message


@pytest.mark.parametrize("depth", [50, 150, 195, 200, 300, 600, 5000])
def test_depth_is_a_finding_and_no_accident(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    text = '{"StartAt":"P","States":{"P":{"Type":"Pass","End":true,"Parameters":' + nested + "}}}"
    found = validate(text)
    assert found == () or [one.code for one in found] == ["INVALID_JSON_DESCRIPTION"]
    if not found:
        assert parse(text).scope.start_at == "P"


def test_transitions() -> None:
    loop = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    assert errors(loop) == [("MISSING_END_STATE", "Workflow has no terminal state", "")]
    assert errors({**loop, "C": {"Type": "Succeed"}}) == [
        ("MISSING_TRANSITION_TARGET", 'State "C" is not reachable.', "/States/C")
    ]
    dangling = {
        "A": {**TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "N1"}], "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "N2"}], "Default": "N3"},
        "P": {"Type": "Parallel", "Branches": [machine_of({"I": {"Type": "Pass", "Next": "A"}})]},
    }
    assert [(message, location) for _, message, location in errors(dangling)] == [
        ("Missing 'Next' target: N1", "/States/A/Catch[0]/Next"),
        ("Missing 'Next' target: N3", "/States/C/Default"),
        ("Missing 'Next' target: N2", "/States/C/Choices[0]/Next"),
        ('State "P" is not reachable.', "/States/P"),
        ("Missing 'Next' target: A", "/States/P/Branches[0]/States/I/Next"),
        ("Workflow has no terminal state", "/States/P/Branches[0]"),
    ]
    twice = {"P": {"Type": "Parallel", "Branches": [machine_of({"P": {"Type": "Pass"}})]}}
    assert [(code, location) for code, _, location in errors(twice)] == [
        ("DUPLICATE_STATE_NAME", "/States/P/Branches[0]/States/P")
    ]


@pytest.mark.parametrize(
    ("state", "message", "location"),
    [
        ({"Type": "Nap"}, "Unknown Type: Nap", ""),
        ({"Type": []}, "Unknown Type: []", ""),
        ({}, "These fields are required: [Type]", ""),
        ({"Type": "Task"}, "These fields are required: [Resource]", ""),
        ({**TASK, "Resource": "nope"}, "Value is not a valid resource ARN", "/Resource"),
        ({"Type": "Pass", "Next": "A", "End": True}, "Only one of these fields is allowed: [Next, End]", ""),
        ({"Type": "Pass", "TimeoutSeconds": 1}, "Field 'TimeoutSeconds' is not supported", ""),
        ({"Type": "Pass", "Catch": []}, "Field 'Catch' is not supported", ""),
        ({"Type": "Pass", "OutputPath": "Test"}, "Value must be a valid JSONPath.", "/OutputPath"),
        (
            {"Type": "Pass", "ResultPath": "$.a[*]"},
            "Value must be a valid JSONPath that identifies a single node in the input.",
            "/ResultPath",
        ),
        (
            {"Type": "Pass", "ResultPath": "$var"},
            "Value must be a valid JSONPath that identifies a single node in the input.",
            "/ResultPath",
        ),
        (
            {"Type": "Pass", "Parameters": {"a": [{"b.$": "x"}]}},
            "The value for the field 'b.$' must be a valid JSONPath or a valid intrinsic function call",
            "/Parameters/a[0]",
        ),
        (
            {"Type": "Pass", "Output": 1},
            ONLY_JSONATA,
            "",
        ),
        ({**TASK, "TimeoutSeconds": 0}, "Value must be between 1 and 99999999.", "/TimeoutSeconds"),
        ({**TASK, "TimeoutSeconds": True}, "Value must be an integer.", "/TimeoutSeconds"),
        (
            {**TASK, "TimeoutSeconds": 5, "TimeoutSecondsPath": "$.t"},
            "Only one of these fields is allowed: [TimeoutSeconds, TimeoutSecondsPath]",
            "",
        ),
        (
            {**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5},
            "HeartbeatSeconds must be smaller than TimeoutSeconds.",
            "/HeartbeatSeconds",
        ),
        ({**TASK, "Credentials": {}}, "The field 'RoleArn' is required but was missing", "/Credentials"),
        ({**TASK, "Retry": {}}, "Value must be an array.", "/Retry"),
        ({**TASK, "Retry": [{}]}, "These fields are required: [ErrorEquals]", "/Retry[0]"),
        (
            {**TASK, "Retry": [{"ErrorEquals": []}]},
            "Value must be a non-empty array of error names.",
            "/Retry[0]/ErrorEquals",
        ),
        (
            {**TASK, "Retry": [{"ErrorEquals": ["States.ALL", "E"]}]},
            "States.ALL must appear alone in ErrorEquals.",
            "/Retry[0]/ErrorEquals",
        ),
        (
            {**TASK, "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}]},
            "States.ALL must be in the last entry.",
            "/Retry[0]",
        ),
        (
            {**TASK, "Retry": [{"ErrorEquals": ["E"], "JitterStrategy": "HALF"}]},
            "Value must be one of [FULL, NONE].",
            "/Retry[0]/JitterStrategy",
        ),
        ({"Type": "Wait"}, "These fields are required: [Seconds or SecondsPath or Timestamp or TimestampPath]", ""),
        (
            {"Type": "Wait", "Timestamp": "2016-12-05T25:29:29Z"},
            "String does not match RFC3339 timestamp",
            "/Timestamp",
        ),
        ({"Type": "Parallel", "Branches": []}, "Value must be a non-empty array of branches.", "/Branches"),
        ({"Type": "Choice", "Choices": []}, "Value must be a non-empty array of choice rules.", "/Choices"),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": "1", "Next": "A"}]},
            "The operand of NumericEquals has the wrong type.",
            "/Choices[0]/NumericEquals",
        ),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.x", "Next": "A"}]},
            "A choice rule must have exactly one comparison operator.",
            "/Choices[0]",
        ),
        (
            {"Type": "Choice", "Choices": [{"And": [{"IsNull": True, "Next": "A"}], "Next": "A"}]},
            "Field 'Next' is not supported",
            "/Choices[0]/And[0]",
        ),
    ],
)
def test_a_state_is_refused(state: dict[str, Any], message: str, location: str) -> None:
    ended = state if "Next" in state or state.get("Type") == "Choice" else {"End": True, **state}
    found = validate({"StartAt": "A", "States": {"A": ended}})
    assert Diagnostic("ERROR", "SCHEMA_VALIDATION_FAILED", message, f"/States/A{location}") in found


def test_warnings_are_aws_s_three() -> None:
    states = {
        "A": {**TASK, "Parameters": {"Name": "$.name", "Price": "$5", "Id": "States.UUID()"}, "Next": "B"},
        "B": {"Type": "Pass", "Result": {"x.$": "$.y"}, "Next": "C"},
        "C": {"Type": "Fail", "Error": "$.error", "Cause": "It costs $5"},
    }
    assert [(one.severity, one.code, one.location) for one in validate(machine_of(states))] == [
        ("WARNING", "NO_DOLLAR", "/States/A/Parameters/Name"),
        ("WARNING", "NO_DOLLAR", "/States/A/Parameters/Id"),
        ("WARNING", "PASS_RESULT_IS_STATIC", "/States/B/Result"),
        ("WARNING", "NO_PATH", "/States/C/Error"),
    ]
    assert parse(machine_of(states)).scope.start_at == "A"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["$", "$.a", "A", "B", "Pass", "Task", "States.ALL"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "StartAt",
                    "States",
                    "Type",
                    "Next",
                    "End",
                    "Catch",
                    "Retry",
                    "ErrorEquals",
                    "Choices",
                    "Branches",
                    "Iterator",
                    "Parameters",
                    "A",
                    "B",
                    "And",
                    "Not",
                    "Variable",
                    "StringEquals",
                    "Seconds",
                    "QueryLanguage",
                    "Credentials",
                    "Result",
                    "a.$",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=120, deadline=None)
@given(JSON)
def test_no_document_upsets_the_validator(document: Any) -> None:
    text = json.dumps({"StartAt": "A", "States": {"A": document, "B": {"Type": "Succeed"}}})
    found = validate(text)
    if not any(one.severity == "ERROR" for one in found):
        parse(text)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_damage_to_a_definition_upsets_the_validator(data: st.DataObject) -> None:
    """Put an arbitrary value in the place of any one value of a sound definition."""
    document = json.loads(json.dumps(WHOLE))
    holder: Any = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(JSON)
    found = validate(json.dumps(document))
    if not any(one.severity == "ERROR" for one in found):
        parse(document)


@given(st.text(max_size=200))
def test_no_text_upsets_the_validator(text: str) -> None:
    for one in validate(text):
        assert one.message


@pytest.mark.parametrize("assign", [5, "x", [1], {"": 1}, {"states": 1}, {"v" * 81: 1}])
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_assign_is_an_object_of_variables(assign: object, language: str) -> None:
    condition = {"Condition": True} if language == "JSONata" else {"Variable": "$.x", "IsNull": True}
    states = {
        "A": {"Type": "Choice", "Choices": [{**condition, "Next": "B", "Assign": assign}], "Default": "B"},
        "B": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C", "Assign": assign}],
            "Next": "C",
        },
        "C": {"Type": "Pass", "End": True, "Assign": assign},
    }
    found = validate({"QueryLanguage": language, "StartAt": "A", "States": states})
    assert [diagnostic.location for diagnostic in found if diagnostic.severity == "ERROR"] == [
        "/States/A/Choices[0]/Assign",
        "/States/B/Catch[0]/Assign",
        "/States/C/Assign",
    ]
