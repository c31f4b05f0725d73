"""The fields of a Map: its mode, what it reads, batches and writes."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.asl.validate import validate
from tests.unit.asl.walking import machine_of

INSIDE = machine_of({"I": {"Type": "Pass"}})
DISTRIBUTED = {**INSIDE, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
INLINE = {**INSIDE, "ProcessorConfig": {"Mode": "INLINE"}}
GET, PUT = "arn:aws:states:::s3:getObject", "arn:aws:states:::s3:putObject"
PLACE = {"Bucket": "b", "Key": "k"}
CSV = {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


def errors(fields: dict[str, Any], processor: dict[str, Any] = DISTRIBUTED, **more: Any) -> list[tuple[str, str]]:
    found = validate(machine_of({"M": {"Type": "Map", "ItemProcessor": processor, **fields}}, **more))
    return [(one.message, one.location.removeprefix("/States/M")) for one in found if one.severity == "ERROR"]


def reader(config: dict[str, Any]) -> dict[str, Any]:
    return {"ItemReader": {"Resource": GET, "Parameters": PLACE, "ReaderConfig": config}}


@pytest.mark.parametrize(
    "fields",
    [
        reader(CSV),
        reader({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "CSVDelimiter": "TAB"}),
        reader({"InputType": "JSON", "ItemsPointer": "/a/b~1c", "MaxItems": 0}),
        reader({"InputType": "JSONL", "MaxItemsPath": "$.most"}),
        reader({"InputType": "PARQUET"}),
        reader({"InputType": "MANIFEST"}),
        reader({"ManifestType": "S3_INVENTORY", "CSVDelimiter": "PIPE"}),
        reader({"ManifestType": "ATHENA_DATA", **CSV}),
        {"ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "b"}}},
        {"ItemBatcher": {"MaxItemsPerBatch": 1, "MaxInputBytesPerBatch": 262_144, "BatchInput": {"a.$": "$.b"}}},
        {"ItemBatcher": {"MaxItemsPerBatchPath": "$.n"}},
        {"ResultWriter": {"Resource": PUT, "Parameters": {"Bucket": "b"}}},
        {"ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"}}},
        {"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 0, "MaxConcurrency": 0, "Label": "pages"},
    ],
)
def test_what_a_distributed_map_takes(fields: dict[str, Any]) -> None:
    assert errors(fields) == []


@pytest.mark.parametrize(
    ("fields", "words", "location"),
    [
        (reader({"InputType": "XML"}), "[CSV, JSON, JSONL, PARQUET, MANIFEST]", "/ItemReader/ReaderConfig/InputType"),
        (reader({"InputType": "CSV"}), "required: [CSVHeaderLocation]", "/ItemReader/ReaderConfig"),
        (reader({**CSV, "CSVHeaders": ["a"]}), "CSVHeaderLocation GIVEN", "/ItemReader/ReaderConfig"),
        (reader({**CSV, "CSVHeaderLocation": "GIVEN"}), "required: [CSVHeaders]", "/ItemReader/ReaderConfig"),
        (reader({"InputType": "JSON", "CSVDelimiter": "TAB"}), "CSV or MANIFEST", "/ItemReader/ReaderConfig"),
        (reader({"InputType": "JSONL", "ItemsPointer": "/a"}), "InputType JSON", "/ItemReader/ReaderConfig"),
        (reader({"InputType": "JSON", "ItemsPointer": "a"}), "JSON pointer", "/ItemReader/ReaderConfig/ItemsPointer"),
        (reader({**CSV, "MaxItems": 100_000_001}), "between 0 and 100000000", "/ItemReader/ReaderConfig/MaxItems"),
        (reader({**CSV, "MaxItems": "{% 1 %}"}), "must be an integer", "/ItemReader/ReaderConfig/MaxItems"),
        (reader({**CSV, "MaxItem": 1}), "Field 'MaxItem' is not supported", "/ItemReader/ReaderConfig"),
        (reader({**CSV, "ManifestType": "S3_INVENTORY"}), "not allowed", "/ItemReader/ReaderConfig"),
        (reader({"Transformation": "LOAD_AND_FLATTEN"}), "required: [InputType]", "/ItemReader/ReaderConfig"),
        ({"ItemReader": {"Parameters": PLACE}}, "required: [Resource]", "/ItemReader"),
        ({"ItemReader": {"Resource": GET, "Arguments": PLACE}}, "Field 'Arguments' is not supported", "/ItemReader"),
        ({"ItemBatcher": {"MaxItemsPerBatch": 0}}, "between 1 and", "/ItemBatcher/MaxItemsPerBatch"),
        ({"ItemBatcher": {"MaxInputBytesPerBatch": 262_145}}, "1 and 262144", "/ItemBatcher/MaxInputBytesPerBatch"),
        ({"ItemBatcher": {"BatchInput": {}}}, "required: [MaxItemsPerBatch or", "/ItemBatcher"),
        ({"ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"a.$": "x"}}}, "'a.$'", "/ItemBatcher/BatchInput"),
        ({"ResultWriter": {}}, "required: [Resource or WriterConfig]", "/ResultWriter"),
        ({"ResultWriter": {"WriterConfig": {"OutputType": "CSV"}}}, "JSONL]", "/ResultWriter/WriterConfig/OutputType"),
        ({"ToleratedFailurePercentage": 100.5}, "greater than 100", "/ToleratedFailurePercentage"),
        ({"MaxConcurrency": -1}, "between 0 and", "/MaxConcurrency"),
        ({"Label": "a b"}, "1 to 40 characters", "/Label"),
    ],
)  # fmt: skip
def test_what_it_does_not_take(fields: dict[str, Any], words: str, location: str) -> None:
    ((message, where),) = errors(fields)
    assert words in message
    assert where == location


@pytest.mark.parametrize("field", ["ItemReader", "ItemBatcher", "ResultWriter"])
def test_an_inline_map_has_no_reader_batcher_or_writer(field: str) -> None:
    fields = {**reader(CSV), "ItemBatcher": {"MaxItemsPerBatch": 2}, "ResultWriter": {"WriterConfig": {}}}
    assert errors({field: fields[field]}, INLINE) == [
        (f"Field '{field}' is not supported in the Mode INLINE", f"/{field}")
    ]


def test_a_distributed_map_says_how_its_children_run() -> None:
    processor = {**INSIDE, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    place = "/ItemProcessor/ProcessorConfig"
    assert errors({}, processor) == [("These fields are required: [ExecutionType]", place)]


def test_in_jsonata_limits_are_computed_and_arguments_sent() -> None:
    fields = {
        "ItemReader": {"Resource": GET, "Arguments": PLACE, "ReaderConfig": {**CSV, "MaxItems": "{% $n %}"}},
        "ItemBatcher": {"MaxItemsPerBatch": "{% $n %}"},
    }
    assert errors(fields, QueryLanguage="JSONata") == []
    wrong = errors({"ItemBatcher": {"MaxItemsPerBatchPath": "$.n"}}, QueryLanguage="JSONata")
    assert wrong == [("Field 'MaxItemsPerBatchPath' is not supported", "/ItemBatcher")]


def test_a_label_is_there_once() -> None:
    labelled = {"Type": "Map", "ItemProcessor": DISTRIBUTED, "Label": "pages"}
    other = {
        **labelled,
        "ItemProcessor": {**DISTRIBUTED, "StartAt": "J", "States": {"J": {"Type": "Pass", "End": True}}},
    }
    found = validate(machine_of({"M": {**labelled, "Next": "N"}, "N": other}))
    assert [(one.code, one.location) for one in found] == [("DUPLICATE_LABEL_NAME", "/States/N/Label")]
