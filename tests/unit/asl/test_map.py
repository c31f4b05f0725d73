"""Map states: iterations, their order and links, batches, tolerated failures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.effects import AbandonTask, Failed, Succeeded
from tests.unit.asl.walking import INVOKE, asked, begin, cause_of, machine_of, output_of, play, written

PASS = machine_of({"Each": {"Type": "Pass"}})
TASK = machine_of({"Each": {"Type": "Task", "Resource": INVOKE}})


def map_of(processor: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Map": {"Type": "Map", "ItemProcessor": processor, **more}}


def test_one_iteration_after_the_other() -> None:
    selector = {"number.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value", "of.$": "$.name"}
    states = map_of(PASS, ItemsPath="$.items", ItemSelector=selector, MaxConcurrency=1, ResultPath="$.made")
    execution = begin(states, '{"name": "n", "items": ["a", "b"]}')
    first, second = '{"number":0,"of":"n","value":"a"}', '{"number":1,"of":"n","value":"b"}'
    made = json.dumps({"name": "n", "items": ["a", "b"], "made": [json.loads(first), json.loads(second)]})
    made = made.replace(", ", ",").replace(": ", ":")
    assert written(execution)[2:] == [
        "3<-2 MapStateStarted length=2",
        "4<-3 MapIterationStarted Map index=0",
        f"5<-4 PassStateEntered Each input={first}",
        f"6<-5 PassStateExited Each output={first}",
        "7<-6 MapIterationSucceeded Map index=0",
        "8<-6 MapIterationStarted Map index=1",
        f"9<-8 PassStateEntered Each input={second}",
        f"10<-9 PassStateExited Each output={second}",
        "11<-10 MapIterationSucceeded Map index=1",
        "12<-11 MapStateSucceeded",
        f"13<-11 MapStateExited Map output={made}",
        f"14<-13 ExecutionSucceeded output={made}",
    ]


def test_as_many_at_once_as_allowed() -> None:
    execution = begin(map_of(TASK, MaxConcurrency=2), "[1,2,3,4]")
    first, second = asked(execution)
    assert (first.parameters, second.parameters) == (1, 2)
    execution.resolve(second.task, Succeeded('"b"'), 1.0)
    (third,) = asked(execution)
    assert third.parameters == 3
    for task, answer in ((first, '"a"'), (third, '"c"')):
        execution.resolve(task.task, Succeeded(answer), 2.0)
    execution.resolve(asked(execution)[0].task, Succeeded('"d"'), 3.0)
    assert execution.output == '["a","b","c","d"]'


def test_a_failing_iteration_aborts_the_others() -> None:
    execution = begin(map_of(TASK), "[1,2,3]")
    first, second, third = asked(execution)
    execution.resolve(first.task, Succeeded("{}"), 1.0)
    execution.resolve(second.task, Failed("Broken", "why"), 2.0)
    assert written(execution)[-6:] == [
        "19<-18 MapIterationFailed Map index=1",
        "20<-18 TaskStateAborted",
        "21<-18 MapIterationAborted Map index=2",
        "22<-18 TaskStateAborted",
        "23<-18 MapStateFailed",
        "24<-23 ExecutionFailed error=Broken cause=why",
    ]
    assert execution.effects() == [AbandonTask(third.task)]


def test_a_retry_starts_all_iterations_again() -> None:
    fail = machine_of({"No": {"Type": "Fail", "Error": "Broken"}})
    execution = play(begin(map_of(fail, Retry=[{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]), "[7]"), {})
    assert written(execution)[2:] == [
        "3<-2 MapStateStarted length=1",
        "4<-3 MapIterationStarted Map index=0",
        "5<-4 FailStateEntered No input=7",
        "6<-5 MapIterationFailed Map index=0",
        "7<-5 MapStateStarted length=1",
        "8<-7 MapIterationStarted Map index=0",
        "9<-8 FailStateEntered No input=7",
        "10<-9 MapIterationFailed Map index=0",
        "11<-9 MapStateFailed",
        "12<-11 ExecutionFailed error=Broken",
    ]


def test_failures_are_tolerated_up_to_a_number_or_a_share() -> None:
    for tolerance in ({"ToleratedFailureCount": 1}, {"ToleratedFailurePercentagePath": "$$.Execution.Input[2]"}):
        execution = begin(map_of(TASK, MaxConcurrency=1, **tolerance), "[10, 20, 34]")
        play(execution, {"Each": [Failed("Broken"), Succeeded("2"), Succeeded("3")]})
        assert (execution.status, execution.output) == ("SUCCEEDED", "[2,3]")
        execution = begin(map_of(TASK, MaxConcurrency=1, **tolerance), "[10, 20, 34]")
        play(execution, {"Each": [Failed("Broken"), Failed("Again")]})
        assert (execution.status, execution.error) == ("FAILED", "Again")


def test_items_come_in_batches() -> None:
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"run.$": "$$.Execution.Name"}}
    assert json.loads(output_of(map_of(PASS, ItemBatcher=batcher), "[1,2,3]") or "") == [
        {"BatchInput": {"run": "nightly-7"}, "Items": [1, 2]},
        {"BatchInput": {"run": "nightly-7"}, "Items": [3]},
    ]
    batcher = {"MaxInputBytesPerBatch": len('{"Items":["aa","bb"]}')}
    assert output_of(map_of(PASS, ItemBatcher=batcher), '["aa", "bb", "cc"]') == (
        '[{"Items":["aa","bb"]},{"Items":["cc"]}]'
    )


def test_an_empty_array_is_done_at_once() -> None:
    execution = begin(map_of(PASS), "[]")
    assert written(execution)[2:] == [
        "3<-2 MapStateStarted length=0",
        "4<-3 MapStateSucceeded",
        "5<-3 MapStateExited Map output=[]",
        "6<-5 ExecutionSucceeded output=[]",
    ]


@pytest.mark.parametrize(
    ("fields", "text", "words"),
    [
        ({"ItemsPath": "$.a"}, '{"a":1}', 'Reference path "$.a" must point to array.'),
        ({}, "{}", 'Reference path "$" must point to array.'),
        ({"ToleratedFailureCountPath": "$[0]"}, "[-1]", "ToleratedFailureCount cannot be negative."),
        (
            {"ToleratedFailureCountPath": "$[0]"},
            '["No"]',
            'The ToleratedFailureCountPath field refers to value "No" which is not a valid integer: $[0]',
        ),
        ({"ToleratedFailurePercentagePath": "$[0]"}, "[101]", "ToleratedFailurePercentage must be between 0 and 100."),
        (
            {"ToleratedFailurePercentagePath": "$[0]"},
            "[{}]",
            'The ToleratedFailurePercentagePath field refers to value "{}" which is not a valid float: $[0]',
        ),
    ],
)
def test_what_a_map_cannot_use(fields: dict[str, Any], text: str, words: str) -> None:
    error, cause = cause_of(map_of(PASS, **fields), text)
    assert error == "States.Runtime"
    assert (cause or "").endswith(words)


def test_maps_nest_and_the_inner_item_is_seen() -> None:
    inner = machine_of({"Item": {"Type": "Pass", "Parameters": {"v.$": "$$.Map.Item.Value", "x.$": "$x"}}})
    outer = machine_of({"Inner": {"Type": "Map", "ItemProcessor": inner, "Assign": {"y": "late"}}})
    states = {"Set": {"Type": "Pass", "Assign": {"x": 9}, "Next": "Map"}, **map_of(outer, MaxConcurrency=1)}
    assert output_of(states, "[[1, 2], [3]]") == '[[{"v":1,"x":9},{"v":2,"x":9}],[{"v":3,"x":9}]]'
