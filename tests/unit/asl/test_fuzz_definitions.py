"""Whatever is given as a definition: a verdict, never a traceback; and what is accepted can be walked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsctl.asl.diagnostics import Diagnostic, InvalidDefinition
from opsctl.asl.effects import Failed, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse, validate
from tests.unit.asl.mutations import VALUES, WORDS, spoilt
from tests.unit.asl.walking import CALLBACK, CONTEXT, INVOKE, asked, machine_of

RETRY = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "JitterStrategy": "FULL"}]
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.caught", "Next": "Done"}]
JSONPATH = machine_of(
    {
        "Pass": {"Type": "Pass", "Parameters": {"a.$": "$.a", "b": 1}, "Assign": {"x.$": "$.a"}, "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.a", "NumericEquals": 5}],
                    "Next": "Task",
                },
                {"Not": {"Variable": "$$.Execution.Name", "StringMatches": "x*"}, "Assign": {"y": 2}, "Next": "Both"},
            ],
            "Default": "Done",
        },
        "Task": {
            "Type": "Task", "Resource": INVOKE,
            "Parameters": {"n.$": "States.Format('{}-{}', $.a, $$.State.RetryCount)"},
            "ResultSelector": {"r.$": "$.Payload"}, "ResultPath": "$.task", "TimeoutSeconds": 5, "Retry": RETRY,
            "Catch": CATCH, "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                machine_of({"Wait": {"Type": "Wait", "SecondsPath": "$.a"}}),
                machine_of({"Ask": {"Type": "Task", "Resource": CALLBACK, "HeartbeatSeconds": 3}}),
            ],
            "Catch": CATCH, "Next": "Each",
        },
        "Each": {
            "Type": "Map", "ItemsPath": "$", "MaxConcurrency": 2, "ItemSelector": {"v.$": "$$.Map.Item.Value"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **machine_of({"Item": {"Type": "Pass"}})},
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    }
)  # fmt: skip
JSONATA = machine_of(
    {
        "Pass": {"Type": "Pass", "Output": {"a": "{% $states.input.a + 1 %}"}, "Assign": {"x": 2}, "Next": "Choice"},
        "Choice": {"Type": "Choice", "Choices": [{"Condition": "{% $x = 2 %}", "Next": "Task"}], "Default": "Done"},
        "Task": {
            "Type": "Task", "Resource": INVOKE, "Arguments": {"p": "{% $states.context.Execution.Name %}"},
            "Output": "{% $states.result %}", "Retry": RETRY,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Done"}],
            "Next": "Each",
        },
        "Each": {
            "Type": "Map", "Items": "{% [1..3] %}",
            "ItemProcessor": machine_of({"Item": {"Type": "Fail", "Error": "{% 'E' %}"}}),
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}], "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
    QueryLanguage="JSONata",
)  # fmt: skip
GOOD = st.sampled_from([JSONPATH, JSONATA])
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def judged(definition: Any) -> bool:
    """Whether the definition is accepted; `parse` and `validate` must be of one mind."""
    found = validate(definition)
    assert all(isinstance(one, Diagnostic) and one.message for one in found)
    errors = [one for one in found if one.severity == "ERROR"]
    try:
        parse(definition)
    except InvalidDefinition as refusal:
        refused = refusal.diagnostics
    else:
        refused = ()
    assert bool(refused) == bool(errors)
    return not errors


@FUZZ
@given(st.text(max_size=40) | WORDS | VALUES.map(lambda value: json.dumps(value)))
@example("")
@example("{" * 20_000)
@example('{"a":' * 20_000 + "1" + "}" * 20_000)
@example('{"StartAt": "A", "StartAt": "A", "States": {}}')
@example('{"StartAt": 1e999, "States": NaN}')
def test_any_text_is_judged(text: str) -> None:
    judged(text)


@FUZZ
@given(st.dictionaries(st.sampled_from(["StartAt", "States", "QueryLanguage"]), VALUES))
def test_any_object_is_judged(value: dict[str, Any]) -> None:
    judged(value)


@pytest.mark.parametrize("value", [None, 5, "nope", {}])
def test_what_a_choice_rule_assigns_is_judged_too(value: Any) -> None:
    assert not judged(
        machine_of(
            {
                "Choice": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.a", "IsPresent": True, "Assign": {"x.$": value}, "Next": "Done"}],
                    "Default": "Done",
                },
                "Done": {"Type": "Succeed"},
            }
        )
    )


@pytest.mark.parametrize("good", [JSONPATH, JSONATA])
def test_the_unspoilt_definitions_are_accepted(good: dict[str, Any]) -> None:
    assert judged(good)


@FUZZ
@given(
    spoilt(GOOD), st.sampled_from(['{"a": 1}', '{"a": 5}', "{}", "null", "[1, 2]"]), st.lists(st.booleans(), max_size=8)
)
def test_a_spoilt_definition_is_refused_or_walked_to_an_end(
    definition: dict[str, Any], text: str, script: list[bool]
) -> None:
    if not judged(definition):
        return
    execution = Execution(parse(definition), text, CONTEXT, Random(1))
    execution.start(0.0)
    now = 0.0
    for well in [*script, *[True] * 60]:
        for task in asked(execution):
            execution.resolve(task.task, Succeeded('{"Payload": 1}') if well else Failed("E", "because"), now)
        due = execution.next_timer()
        if due is not None:
            now = max(now, due)
            execution.tick(now)
    assert [event["id"] for event in execution.events] == list(range(1, len(execution.events) + 1))
    json.dumps(execution.events)
