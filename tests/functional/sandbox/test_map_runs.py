"""Distributed Map states: Map Runs whose children are executions of their own."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for

ECHO = {"Echo": {"Type": "Pass", "End": True}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
LISTED = {"Resource": "arn:aws:states:::s3:listObjectsV2"}
READ = {"Resource": "arn:aws:states:::s3:getObject"}


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return cloud.client("stepfunctions")


def distributed(states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A machine of one distributed Map over `$.items` whose children walk these states."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": next(iter(states)), "States": states}
    place = {} if "ItemReader" in more else {"ItemsPath": "$.items"}
    return {"Each": {"Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": True, **place, **more}}


def refused(call: Any, **parameters: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    code: str = raised.value.response["Error"]["Code"]
    return code


def only_run(states: Any, execution: str) -> dict[str, Any]:
    """The description of the execution's one Map Run."""
    (run,) = wait_for(lambda: states.list_map_runs(executionArn=execution)["mapRuns"], "a Map Run")
    description: dict[str, Any] = states.describe_map_run(mapRunArn=run["mapRunArn"])
    return description


def test_children_are_executions(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(distributed(ECHO))
    execution = cloud.start(machine, {"items": [{"n": 1}, {"n": 2}, {"n": 3}]})
    end = cloud.finish(execution)
    run = only_run(states, execution)
    children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    child = states.describe_execution(executionArn=children[-1]["executionArn"])
    kept = states.describe_state_machine_for_execution(executionArn=child["executionArn"])
    assert json.loads(end["output"]) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert (run["status"], run["executionArn"], run["redriveCount"]) == ("SUCCEEDED", execution, 0)
    assert (run["itemCounts"]["succeeded"], run["executionCounts"]["total"], run["maxConcurrency"]) == (3, 3, 0)
    assert [entry["itemCount"] for entry in children] == [1, 1, 1]
    assert (child["mapRunArn"], child["status"], child["input"]) == (run["mapRunArn"], "SUCCEEDED", '{"n":1}')
    assert child["stateMachineArn"] == f"{machine}/Each"
    assert (kept["label"], kept["mapRunArn"]) == ("Each", run["mapRunArn"])
    assert [event["type"] for event in cloud.events(execution)] == [
        "ExecutionStarted", "MapStateEntered", "MapStateStarted", "MapRunStarted", "MapRunSucceeded",
        "MapStateSucceeded", "MapStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    assert [event["type"] for event in cloud.events(child["executionArn"])][-1] == "ExecutionSucceeded"
    assert len(states.list_executions(stateMachineArn=machine)["executions"]) == 1


@pytest.mark.parametrize(
    ("name", "text", "config", "items"),
    [
        ("a.json", '[{"n": 1}, {"n": 2}]', {"InputType": "JSON"}, [{"n": 1}, {"n": 2}]),
        ("a.jsonl", '{"n": 1}\n{"n": 2}\n', {"InputType": "JSONL", "MaxItems": 1}, [{"n": 1}]),
        (
            "a.csv",
            "id,name\n1,one\n2,two\n",
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            [{"id": "1", "name": "one"}, {"id": "2", "name": "two"}],
        ),
    ],
)
def test_items_of_an_object(cloud: Cloud, name: str, text: str, config: dict[str, Any], items: list[Any]) -> None:
    cloud.put(f"items/{name}", text)
    reader = {**READ, "Parameters": {"Bucket": cloud.bucket, "Key": f"items/{name}"}, "ReaderConfig": config}
    assert json.loads(cloud.run(distributed(ECHO, ItemReader=reader))["output"]) == items


def test_items_of_a_listing(cloud: Cloud) -> None:
    prefix = unique("listing")
    for number in range(3):
        cloud.put(f"{prefix}/{number}", "x" * number)
    reader = {**LISTED, "Parameters": {"Bucket": cloud.bucket, "Prefix": f"{prefix}/"}}
    listed = json.loads(cloud.run(distributed(ECHO, ItemReader=reader))["output"])
    assert [(entry["Key"], entry["Size"]) for entry in listed] == [(f"{prefix}/{n}", n) for n in range(3)]


def test_items_of_an_inventory(cloud: Cloud) -> None:
    rows = gzip.compress(b'"bucket","a.png"\n"bucket","b.png"\n')
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key="inventory/data.csv.gz", Body=rows)
    cloud.put("inventory/manifest.json", json.dumps({
        "destinationBucket": f"arn:aws:s3:::{cloud.bucket}", "fileFormat": "CSV", "fileSchema": "Bucket, Key",
        "files": [{"key": "inventory/data.csv.gz"}],
    }))  # fmt: skip
    asked = {"Bucket": cloud.bucket, "Key": "inventory/manifest.json"}
    reader = {**READ, "Parameters": asked, "ReaderConfig": {"InputType": "MANIFEST"}}
    found = json.loads(cloud.run(distributed(ECHO, ItemReader=reader))["output"])
    assert [entry["Key"] for entry in found] == ["a.png", "b.png"]


def test_items_that_cannot_be_read(cloud: Cloud, states: Any) -> None:
    reader = {**READ, "Parameters": {"Bucket": cloud.bucket, "Key": "nowhere"}, "ReaderConfig": {"InputType": "JSON"}}
    execution = cloud.start(cloud.machine(distributed(ECHO, ItemReader=reader)))
    end = cloud.finish(execution)
    assert (end["status"], end["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert only_run(states, execution)["status"] == "FAILED"
    cloud.put("nowhere", "[1]")
    states.redrive_execution(executionArn=execution)
    assert cloud.finish(execution)["output"] == "[1]"
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="nowhere")


def test_results_are_written(cloud: Cloud, states: Any) -> None:
    prefix = unique("results")
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": cloud.bucket, "Prefix": prefix}}
    choice = {
        "Choose": {
            "Type": "Choice", "Default": "Echo",
            "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "No"}],
        },
        "No": {"Type": "Fail", "Error": "Two"},
        **ECHO,
    }  # fmt: skip
    execution = cloud.start(
        cloud.machine(distributed(choice, ResultWriter=writer, ToleratedFailureCount=1)),
        {"items": [{"n": 1}, {"n": 2}, {"n": 3}]},
    )
    output = json.loads(cloud.finish(execution)["output"])
    manifest = json.loads(cloud.get(output["ResultWriterDetails"]["Key"]))
    files = manifest["ResultFiles"]
    good = json.loads(cloud.get(files["SUCCEEDED"][0]["Key"]))
    bad = json.loads(cloud.get(files["FAILED"][0]["Key"]))
    assert manifest["MapRunArn"] == output["MapRunArn"]
    assert [json.loads(child["Output"]) for child in good] == [{"n": 1}, {"n": 3}]
    assert [(child["Error"], child["Status"]) for child in bad] == [("Two", "FAILED")]
    assert only_run(states, execution)["itemCounts"]["resultsWritten"] == 3


def test_batches(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(distributed(ECHO, ItemBatcher={"MaxItemsPerBatch": 2}))
    execution = cloud.start(machine, {"items": [1, 2, 3]})
    assert json.loads(cloud.finish(execution)["output"]) == [{"Items": [1, 2]}, {"Items": [3]}]
    run = only_run(states, execution)
    assert (run["itemCounts"]["total"], run["executionCounts"]["total"]) == (3, 2)


def test_too_many_failures_end_the_others(cloud: Cloud, states: Any) -> None:
    parts = {
        "Choose": {
            "Type": "Choice", "Default": "Wait",
            "Choices": [{"Variable": "$", "NumericEquals": 0, "Next": "No"}],
        },
        "No": {"Type": "Fail", "Error": "Zero"},
        **WAIT,
    }  # fmt: skip
    execution = cloud.start(cloud.machine(distributed(parts, MaxConcurrency=2)), {"items": [5, 0, 0, 5]})
    end = cloud.finish(execution)
    run = only_run(states, execution)
    assert (end["status"], end["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert run["status"] == "FAILED"
    assert (run["executionCounts"]["failed"], run["executionCounts"]["aborted"]) == (1, 3)
    aborted = states.list_executions(mapRunArn=run["mapRunArn"], statusFilter="ABORTED")["executions"]
    assert len(aborted) == 1


def test_a_redrive_runs_the_unsuccessful_children_again(cloud: Cloud, states: Any) -> None:
    key = unique("fixed")
    head = task("aws-sdk:s3:headObject", {"Bucket": cloud.bucket, "Key.$": "$.key"})
    machine = cloud.machine(distributed({"Look": head}, MaxConcurrency=1))
    cloud.put(f"{key}/there", "x")
    execution = cloud.start(machine, {"items": [{"key": f"{key}/there"}, {"key": f"{key}/missing"}]})
    assert cloud.finish(execution)["status"] == "FAILED"
    run = only_run(states, execution)
    failed = states.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED")["executions"][0]["executionArn"]
    assert states.describe_execution(executionArn=failed)["redriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
    assert refused(states.redrive_execution, executionArn=failed) == "ExecutionNotRedrivable"
    cloud.put(f"{key}/missing", "x")
    states.redrive_execution(executionArn=execution)
    assert cloud.finish(execution)["status"] == "SUCCEEDED"
    again = only_run(states, execution)
    redriven = states.list_executions(mapRunArn=run["mapRunArn"], redriveFilter="REDRIVEN")["executions"]
    assert (again["mapRunArn"], again["status"], again["redriveCount"]) == (run["mapRunArn"], "SUCCEEDED", 1)
    assert [(entry["executionArn"], entry["redriveCount"]) for entry in redriven] == [(failed, 1)]
    kinds = [event["type"] for event in cloud.events(execution)]
    assert kinds[kinds.index("ExecutionRedriven") + 1] == "MapRunRedriven"


def test_stopping_the_parent_stops_the_children(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine(distributed(WAIT)), {"items": [1, 2, 3]})
    arn = only_run(states, execution)["mapRunArn"]
    running = {"mapRunArn": arn, "statusFilter": "RUNNING"}
    wait_for(lambda: len(states.list_executions(**running)["executions"]) == 3, "three children")
    states.stop_execution(executionArn=execution)
    wait_for(lambda: states.describe_map_run(mapRunArn=arn)["status"] == "ABORTED", "the Map Run to end")
    assert states.list_executions(**running)["executions"] == []


def test_limits_can_be_changed(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine(distributed(WAIT, MaxConcurrency=1)), {"items": [1, 2, 3]})
    arn = only_run(states, execution)["mapRunArn"]
    running = {"mapRunArn": arn, "statusFilter": "RUNNING"}
    wait_for(lambda: len(states.list_executions(**running)["executions"]) == 1, "one child")
    states.update_map_run(mapRunArn=arn, maxConcurrency=2, toleratedFailureCount=1)
    wait_for(lambda: len(states.list_executions(**running)["executions"]) == 2, "two children")
    run = states.describe_map_run(mapRunArn=arn)
    assert (run["maxConcurrency"], run["toleratedFailureCount"], run["executionCounts"]["pending"]) == (2, 1, 1)
    states.stop_execution(executionArn=execution)
    wait_for(lambda: states.describe_map_run(mapRunArn=arn)["status"] == "ABORTED", "the Map Run to end")
    assert refused(states.update_map_run, mapRunArn=arn, maxConcurrency=1) == "ValidationException"
    assert refused(states.describe_map_run, mapRunArn=arn + "x") == "ResourceNotFound"
