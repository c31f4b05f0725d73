"""What a Map Run reads and writes: items out of files and listings, results into an output or files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from opsctl.asl.effects import StartMapRun
from opsctl.asl.failures import StateError
from opsctl.asl.map_items import inventory_config, items_of_listing, items_of_text, manifest_files
from opsctl.asl.map_results import exports, result_text, tolerates, written

ARN = "arn:aws:states:eu-west-1:123456789012:mapRun:training/Pages:run-1"


def run_of(**more: Any) -> StartMapRun:
    plan: dict[str, Any] = {
        "task": 1,
        "state": "Pages",
        "map_run_arn": ARN,
        "label": "Pages",
        "items": [],
        "reader": None,
        "max_concurrency": 0,
        "tolerated_count": 0,
        "tolerated_percentage": 0.0,
        "processor": {},
        "execution_type": "STANDARD",
        "writer": None,
    }
    return StartMapRun(**{**plan, **more})


@pytest.mark.parametrize(
    ("text", "config", "items"),
    [
        ("[1, 2, 3]", {"InputType": "JSON"}, [1, 2, 3]),
        ("[1, 2, 3]", {"InputType": "JSON", "MaxItems": 2}, [1, 2]),
        ("[1, 2, 3]", {"InputType": "JSON", "MaxItems": 0}, [1, 2, 3]),
        ('{"a": 1, "b": 2}', {"InputType": "JSON", "MaxItems": 1}, {"a": 1}),
        ('{"a/b": {"c": [7, [8]]}}', {"InputType": "JSON", "ItemsPointer": "/a~1b/c/1"}, [8]),
        ('{"a": 1}\n\n[2]\r\n"\u2028"\n', {"InputType": "JSONL"}, [{"a": 1}, [2], "\u2028"]),
        ("a,b\n1,2\n", {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, [{"a": "1", "b": "2"}]),
        ("\ufeffa\n1\n2\n3\n", {"InputType": "CSV", "MaxItems": 2}, [{"a": "1"}, {"a": "2"}]),
        ('a|b\n"x|y"|"two\nlines"\n', {"InputType": "CSV", "CSVDelimiter": "PIPE"}, [{"a": "x|y", "b": "two\nlines"}]),
        (
            "1,2\n3\n4,5,6\n\n",
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"]},
            [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "4", "b": "5"}],
        ),
    ],
)
def test_items_out_of_a_file(text: str, config: dict[str, Any], items: Any) -> None:
    assert items_of_text(text, config) == items


@pytest.mark.parametrize(
    ("text", "config", "cause"),
    [
        ("5", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
        ("[", {"InputType": "JSON"}, "Attempting to map over non-iterable node."),
        ("{}", {"InputType": "JSON", "ItemsPointer": "/a"}, "The ItemsPointer '/a' leads nowhere in the file."),
        ("{}\n{", {"InputType": "JSONL"}, "Line 2 of the file is no JSON."),
        ("a,a\n1,2", {"InputType": "CSV"}, "CSV headers cannot contain duplicates."),
        (
            "a",
            {"InputType": "CSV", "CSVDelimiter": "DOT"},
            "The CSVDelimiter 'DOT' is none of COMMA, PIPE, SEMICOLON, SPACE, TAB.",
        ),
        ("a", {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"}, "CSVHeaders must be a list of strings."),
        ("", {"InputType": "PARQUET"}, "InputType 'PARQUET' cannot be read here."),
    ],
)
def test_files_that_hold_no_items(text: str, config: dict[str, Any], cause: str) -> None:
    with pytest.raises(StateError) as failure:
        items_of_text(text, config)
    assert (failure.value.error, failure.value.cause) == ("States.ItemReaderFailed", cause)


def test_items_out_of_a_listing() -> None:
    modified = datetime(2026, 11, 21, tzinfo=UTC)
    listed = [{"Key": f"page-{number}", "ETag": '"e"', "Size": 5, "LastModified": modified} for number in range(3)]
    assert items_of_listing(listed, {"MaxItems": 1}) == [
        {"Etag": '"e"', "LastModified": 1795219200, "Key": "page-0", "Size": 5, "StorageClass": "STANDARD"}
    ]


def test_items_out_of_an_inventory() -> None:
    manifest = {
        "destinationBucket": "arn:aws:s3:::inventories",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "inventory/data/1.csv.gz"}],
    }
    bucket, keys, columns = manifest_files(json.dumps(manifest))
    assert (bucket, keys) == ("inventories", ["inventory/data/1.csv.gz"])
    config = inventory_config({"InputType": "MANIFEST"}, columns)
    assert items_of_text('"b","k","5"\n', config) == [{"Bucket": "b", "Key": "k", "Size": "5"}]
    for text in ("[]", "{", '{"fileFormat": "ORC"}'):
        with pytest.raises(StateError, match=r"States\.ItemReaderFailed"):
            manifest_files(text)


@pytest.mark.parametrize(
    ("settings", "failures", "total", "goes_on"),
    [
        ({}, 0, 10, True),
        ({}, 1, 10, False),
        ({"tolerated_count": 2}, 2, 10, True),
        ({"tolerated_count": 2}, 3, 10, False),
        ({"tolerated_percentage": 30.0}, 3, 10, True),
        ({"tolerated_percentage": 30.0}, 4, 10, False),
        ({"tolerated_percentage": 100.0}, 10, 10, True),
    ],
)
def test_how_many_failures_a_run_bears(settings: dict[str, Any], failures: int, total: int, *, goes_on: bool) -> None:
    assert tolerates(run_of(**settings), failures, total) is goes_on


def test_a_result_without_an_export_is_the_array_of_outputs() -> None:
    assert result_text(['{"a": 1}', None, "[2]"]) == '[{"a": 1},[2]]'
    flat = {"Parameters": {}, "WriterConfig": {"Transformation": "FLATTEN"}}
    assert result_text(["[1,2]", "3"], flat) == "[1,2,3]"
    assert not exports(run_of(writer=flat))


def test_an_export_groups_the_children_by_their_end() -> None:
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "jobs/"}}
    children = [
        {"Name": "a", "Status": "SUCCEEDED", "Output": "[1]"},
        {"Name": "b", "Status": "TIMED_OUT"},
        {"Name": "c", "Status": "SUCCEEDED", "Output": "2"},
        {"Status": "PENDING", "Input": "{}"},
    ]
    run = run_of(writer=writer)
    assert exports(run)
    result, files = written(run, ARN, children)
    assert json.loads(result) == {
        "MapRunArn": ARN,
        "ResultWriterDetails": {"Bucket": "out", "Key": "jobs/run-1/manifest.json"},
    }
    manifest = json.loads(files.pop("jobs/run-1/manifest.json"))
    sizes = {key: len(text) for key, text in files.items()}
    assert manifest == {
        "DestinationBucket": "out",
        "MapRunArn": ARN,
        "ResultFiles": {
            name: [{"Key": f"jobs/run-1/{name}_0.json", "Size": sizes[f"jobs/run-1/{name}_0.json"]}]
            for name in ("FAILED", "PENDING", "SUCCEEDED")
        },
    }
    assert json.loads(files["jobs/run-1/SUCCEEDED_0.json"]) == [children[0], children[2]]
    assert json.loads(files["jobs/run-1/FAILED_0.json"]) == [children[1]]


def test_an_export_in_lines_of_outputs() -> None:
    config = {"Transformation": "FLATTEN", "OutputType": "JSONL"}
    run = run_of(writer={"Resource": "r", "Parameters": {"Bucket": "out"}, "WriterConfig": config})
    children = [{"Status": "SUCCEEDED", "Output": "[1,2]"}, {"Status": "FAILED", "Error": "E"}]
    _, files = written(run, ARN, children)
    assert files["run-1/SUCCEEDED_0.jsonl"] == "1\n2\n"
    assert files["run-1/FAILED_0.jsonl"] == '{"Status":"FAILED","Error":"E"}\n'
