"""Distributed Maps: the Map Run as the walk asks for it, its events, its end, its redrive."""

from __future__ import annotations

import json
from datetime import date
from random import Random
from typing import Any

import pytest

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.effects import AbandonTask, Failed, MapRunStarted, StartMapRun, Succeeded
from opsctl.asl.failures import StateError
from opsctl.asl.habits import TODAY, Habits, habits_on
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from tests.unit.asl.walking import CONTEXT, INVOKE, JOB, begin, machine_of, written

ARN = "arn:aws:states:eu-west-1:123456789012:mapRun:training/Pages:run-1"
READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItemsPath": "$.most"},
    "Parameters": {"Bucket.$": "$.bucket", "Key": "pages.csv"},
}
WRITER = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix.$": "$.bucket"}}


def distributed(**more: Any) -> dict[str, Any]:
    processor = machine_of({"Each": {"Type": "Task", "Resource": INVOKE}})
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return {"All Pages": {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **processor}, **more}}


def asked_run(execution: Execution) -> StartMapRun:
    (effect,) = execution.effects()
    assert isinstance(effect, StartMapRun)
    return effect


def test_a_map_run_from_its_start_to_its_result() -> None:
    execution = begin(distributed(ItemsPath="$.pages", ResultPath="$.made"), '{"pages":[1,2]}')
    run = asked_run(execution)
    assert (run.items, run.reader, run.writer, run.label, run.redrives) == ([1, 2], None, None, "AllPages", 0)
    assert (run.max_concurrency, run.tolerated_count, run.tolerated_percentage) == (0, 0, 0.0)
    assert run.map_run_arn.startswith("arn:aws:states:eu-west-1:123456789012:mapRun:training/AllPages:")
    assert run.execution_type == "STANDARD"
    assert sorted(parse(run.processor).scope.states) == ["Each"]
    execution.resolve(run.task, MapRunStarted(ARN), 1.0)
    execution.resolve(run.task, Succeeded("[10,20]"), 2.0)
    assert written(execution)[1:] == [
        '2<-0 MapStateEntered All Pages input={"pages":[1,2]}',
        "3<-2 MapStateStarted length=2",
        f"4<-3 MapRunStarted mapRunArn={ARN}",
        "5<-4 MapRunSucceeded",
        "6<-5 MapStateSucceeded",
        '7<-4 MapStateExited All Pages output={"pages":[1,2],"made":[10,20]}',
        '8<-7 ExecutionSucceeded output={"pages":[1,2],"made":[10,20]}',
    ]


def test_the_reader_and_the_writer_reach_the_driver_evaluated() -> None:
    execution = begin(
        distributed(
            ItemReader=READER,
            ResultWriter=WRITER,
            Label="Pages",
            MaxConcurrency=7,
            ToleratedFailurePercentagePath="$.share",
        ),
        '{"bucket":"b","most":3,"share":25.5}',
    )
    run = asked_run(execution)
    assert run.items is None
    assert run.reader == {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Key": "pages.csv", "Bucket": "b"},
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 3},
    }
    assert run.writer == {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "out", "Prefix": "b"},
        "WriterConfig": {},
    }
    assert (run.max_concurrency, run.tolerated_percentage, run.label) == (7, 25.5, "Pages")
    assert written(execution)[-1] == "3<-2 MapStateStarted length=0"


def test_jsonata_settings_reach_the_driver_evaluated() -> None:
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON", "MaxItems": "{% 1 + 1 %}"},
        "Arguments": {"Bucket": "{% $states.input.bucket %}", "Key": "k"},
    }
    states = distributed(ItemReader=reader, ItemSelector={"k": "{% $states.context.Map.Item.Value %}"})
    execution = begin(states, '{"bucket":"b"}', QueryLanguage="JSONata")
    run = asked_run(execution)
    assert run.reader is not None
    assert run.reader["ReaderConfig"] == {"InputType": "JSON", "MaxItems": 2}
    assert run.reader["Parameters"] == {"Bucket": "b", "Key": "k"}
    assert run.processor["QueryLanguage"] == "JSONata"
    assert execution.map_run_inputs(run.task, ["x"]) == ['{"k":"x"}']


def test_the_childrens_inputs_see_what_the_state_sees() -> None:
    selector = {"page.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index", "of.$": "$.book", "for.$": "$who"}
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"run.$": "$$.Execution.Name"}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"who": "me"}, "Next": "All Pages"},
        **distributed(ItemsPath="$.pages", ItemSelector=selector, ItemBatcher=batcher),
    }
    execution = begin(states, '{"book":"B","pages":["a","b","c"]}')
    run = asked_run(execution)
    first, second = (json.loads(text) for text in execution.map_run_inputs(run.task, run.items or []))
    assert first["BatchInput"] == {"run": "nightly-7"}
    assert first["Items"] == [
        {"page": "a", "at": 0, "of": "B", "for": "me"},
        {"page": "b", "at": 1, "of": "B", "for": "me"},
    ]
    assert [item["page"] for item in second["Items"]] == ["c"]


def test_an_object_is_a_data_set_of_its_values() -> None:
    states = distributed(ItemSelector={"k.$": "$$.Map.Item.Key", "v.$": "$$.Map.Item.Value"})
    execution = begin(states, '{"one":1,"two":2}')
    run = asked_run(execution)
    assert execution.map_run_inputs(run.task, run.items or {}) == ['{"v":1,"k":"one"}', '{"v":2,"k":"two"}']


def test_a_selector_that_fails_is_for_the_driver_to_answer() -> None:
    execution = begin(distributed(ItemSelector={"v.$": "$$.Map.Item.Value.missing"}), "[{}]")
    run = asked_run(execution)
    with pytest.raises(StateError, match=r"States\.Runtime"):
        execution.map_run_inputs(run.task, [{}])


def test_a_failed_run_is_retried_as_a_new_run_and_then_caught() -> None:
    guards = {
        "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 5}],
        "Catch": [{"ErrorEquals": ["States.ItemReaderFailed"], "Next": "Caught"}],
    }
    states = {**distributed(**guards), "Caught": {"Type": "Succeed"}}
    execution = begin(states, "[1]")
    first = asked_run(execution)
    execution.resolve(first.task, Failed("States.ItemReaderFailed", "no file"), 1.0)
    execution.tick(6.0)
    second = asked_run(execution)
    assert second.map_run_arn != first.map_run_arn
    execution.resolve(second.task, Failed("States.ItemReaderFailed", "no file"), 7.0)
    lines = [line for line in written(execution) if "mapRunArn" not in line]
    assert lines[2:] == [
        "3<-2 MapStateStarted length=1",
        "5<-4 MapRunFailed error=States.ItemReaderFailed cause=no file",
        "6<-5 MapStateStarted length=1",
        "8<-7 MapRunFailed error=States.ItemReaderFailed cause=no file",
        "9<-8 MapStateFailed",
        '10<-9 MapStateExited All Pages output={"Error":"States.ItemReaderFailed","Cause":"no file"}',
        '11<-10 SucceedStateEntered Caught input={"Error":"States.ItemReaderFailed","Cause":"no file"}',
        '12<-11 SucceedStateExited Caught output={"Error":"States.ItemReaderFailed","Cause":"no file"}',
        '13<-12 ExecutionSucceeded output={"Error":"States.ItemReaderFailed","Cause":"no file"}',
    ]


def test_a_sibling_that_fails_ends_the_run() -> None:
    branches = [machine_of(distributed()), machine_of({"Train": {"Type": "Task", "Resource": JOB}})]
    execution = begin({"Both": {"Type": "Parallel", "Branches": branches}}, "[1]")
    run, task = execution.effects()
    assert isinstance(run, StartMapRun)
    execution.resolve(run.task, MapRunStarted(ARN), 1.0)
    execution.resolve(task.task, Failed("Broken"), 2.0)
    assert execution.effects() == [AbandonTask(run.task)]
    events = [line.split(" ")[1] for line in written(execution)]
    assert [event for event in events if event.startswith("Map")] == [
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunAborted",
        "MapStateAborted",
    ]


def test_stopping_the_execution_ends_the_run() -> None:
    execution = begin(distributed(), "[1]")
    run = asked_run(execution)
    execution.stop(1.0)
    assert execution.effects() == [AbandonTask(run.task)]
    execution.resolve(run.task, Succeeded("[]"), 2.0)
    assert execution.status == "ABORTED"


def test_an_open_run_survives_a_snapshot() -> None:
    states = distributed(ItemSelector={"v.$": "$$.Map.Item.Value"}, MaxConcurrency=3)
    kept = json.loads(json.dumps(begin(states, "[1,2]").snapshot()))
    execution = Execution.restore(parse(machine_of(states)), kept)
    run = asked_run(execution)
    assert run == asked_run(begin(states, "[1,2]"))
    execution.resolve(run.task, MapRunStarted(ARN), 1.0)
    execution = Execution.restore(parse(machine_of(states)), json.loads(json.dumps(execution.snapshot())))
    assert execution.map_run_inputs(run.task, [5]) == ['{"v":5}']
    execution.resolve(run.task, Succeeded("[1]"), 2.0)
    assert (execution.status, execution.output) == ("SUCCEEDED", "[1]")


def test_a_redrive_goes_on_with_the_same_run() -> None:
    states = distributed(ItemReader=READER)
    execution = begin(states, '{"bucket":"b","most":3}')
    first = asked_run(execution)
    execution.resolve(first.task, MapRunStarted(ARN), 1.0)
    execution.resolve(first.task, Failed("States.ExceedToleratedFailureThreshold"), 2.0)
    length = len(execution.events)
    execution = Execution.restore(parse(machine_of(states)), json.loads(json.dumps(execution.snapshot())))
    execution.redrive(10.0)
    again = asked_run(execution)
    assert (again.map_run_arn, again.redrives, again.reader) == (ARN, 1, first.reader)
    execution.resolve(again.task, Succeeded("[1]"), 11.0)
    assert written(execution)[length:] == [
        "8<-7 ExecutionRedriven redriveCount=1",
        f"9<-3 MapRunRedriven mapRunArn={ARN} redriveCount=1",
        "10<-9 MapRunSucceeded",
        "11<-10 MapStateSucceeded",
        "12<-9 MapStateExited All Pages output=[1]",
        "13<-12 ExecutionSucceeded output=[1]",
    ]


def test_a_result_that_is_too_large_starts_a_new_run_on_redrive() -> None:
    execution = begin(distributed(), "[1]")
    first = asked_run(execution)
    execution.resolve(first.task, Succeeded(json.dumps(["x" * 300_000])), 1.0)
    assert (execution.status, execution.error) == ("FAILED", "States.DataLimitExceeded")
    execution.redrive(2.0)
    again = asked_run(execution)
    assert again.redrives == 0
    assert again.map_run_arn != first.map_run_arn


@pytest.mark.parametrize(
    ("fields", "text", "error", "words"),
    [
        ({"ItemsPath": "$.a"}, '{"a":1}', "States.Runtime", 'Reference path "$.a" must point to array.'),
        (
            {"ToleratedFailureCountPath": "$.a"},
            '{"a":-1}',
            "States.Runtime",
            "ToleratedFailureCount cannot be negative.",
        ),
        ({"ItemReader": READER}, '{"bucket":"b","most":-1}', "States.ItemReaderFailed", "MaxItems must be positive"),
        ({"ItemReader": READER}, '{"bucket":"b","most":"x"}', "States.Runtime", "not a valid integer: $.most"),
    ],
)
def test_what_a_map_run_cannot_use(fields: dict[str, Any], text: str, error: str, words: str) -> None:
    execution = begin(distributed(**fields), text)
    assert (execution.status, execution.error) == ("FAILED", error)
    assert (execution.cause or "").endswith(words)


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"ItemReader": {**READER, "Parameters": {"Bucket.$": "no path"}}}, "/ItemReader/Parameters"),
        ({"ItemReader": {**READER, "ReaderConfig": 5}}, "/ItemReader/ReaderConfig"),
        ({"ItemReader": {**READER, "ReaderConfig": {"MaxItemsPath": 5}}}, "/ItemReader/ReaderConfig/MaxItemsPath"),
        ({"ResultWriter": {**WRITER, "WriterConfig": []}}, "/ResultWriter/WriterConfig"),
    ],
)
def test_a_reader_or_writer_that_makes_no_sense_is_refused(fields: dict[str, Any], location: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        parse(machine_of(distributed(**fields)))
    assert [found.location for found in refusal.value.diagnostics] == [f"/States/All Pages{location}"]


@pytest.mark.parametrize(
    ("config", "location"),
    [(5, ""), ({"Mode": "REMOTE"}, "/Mode"), ({"Mode": "DISTRIBUTED", "ExecutionType": 5}, "/ExecutionType")],
)
def test_a_processor_config_that_makes_no_sense_is_refused(config: Any, location: str) -> None:
    states = distributed()
    states["All Pages"]["ItemProcessor"]["ProcessorConfig"] = config
    with pytest.raises(InvalidDefinition) as refusal:
        parse(machine_of(states))
    where = f"/States/All Pages/ItemProcessor/ProcessorConfig{location}"
    assert [found.location for found in refusal.value.diagnostics] == [where]


@pytest.mark.parametrize(("habits", "link"), [(TODAY, 4), (habits_on(date(2024, 8, 19)), 5)])
def test_until_2024_a_maps_exit_followed_the_end_of_its_run(habits: Habits, link: int) -> None:
    definition = parse(machine_of(distributed()))
    execution = Execution(definition, "[1]", CONTEXT, Random(1), habits)
    execution.start(0.0)
    execution.resolve(asked_run(execution).task, Succeeded("[1]"), 1.0)
    assert [(e["id"], e["previousEventId"]) for e in execution.events if e["type"] == "MapStateExited"] == [(7, link)]
