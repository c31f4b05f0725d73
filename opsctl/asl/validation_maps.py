"""Checks of what a Map state has of its own: the mode, where items come from, batches, where results go.

What a distributed Map takes is told in the Developer Guide ("ItemReader (Map)", "ItemBatcher (Map)", "ResultWriter
(Map)", "Using Map state in Distributed mode").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from opsctl.asl.validation_values import (
    Check,
    a_path,
    a_pointer,
    a_reference,
    a_resource,
    anything,
    integer_from,
    one_of,
    or_jsonata,
    strings,
)

Problem = tuple[str, str]
"""What is wrong, and where below the state."""
_MOST_BATCH_BYTES = 262_144
_MOST_ITEMS = 100_000_000
_PROCESSOR: dict[str, Check] = {"Mode": one_of("INLINE", "DISTRIBUTED"), "ExecutionType": one_of("STANDARD", "EXPRESS")}
_READER: dict[str, Check] = {"Resource": a_resource, "ReaderConfig": anything}
_WRITER: dict[str, Check] = {"Resource": a_resource, "WriterConfig": anything}
_READER_CONFIG: dict[str, Check] = {
    "CSVDelimiter": one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "CSVHeaderLocation": one_of("FIRST_ROW", "GIVEN"),
    "CSVHeaders": strings,
    "InputType": one_of("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"),
    "ItemsPointer": a_pointer,
    "ManifestType": one_of("ATHENA_DATA", "S3_INVENTORY"),
    "MaxItems": integer_from(0, _MOST_ITEMS),
    "MaxItemsPath": a_path,
    "Transformation": one_of("NONE", "LOAD_AND_FLATTEN"),
}
_WRITER_CONFIG: dict[str, Check] = {
    "OutputType": one_of("JSON", "JSONL"),
    "Transformation": one_of("NONE", "COMPACT", "FLATTEN"),
}
_BATCHER: dict[str, Check] = {
    "BatchInput": anything,
    "MaxInputBytesPerBatch": integer_from(1, _MOST_BATCH_BYTES),
    "MaxInputBytesPerBatchPath": a_reference,
    "MaxItemsPerBatch": integer_from(1),
    "MaxItemsPerBatchPath": a_reference,
}
_LABEL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f?*<>{}\[\]:;,\\|^~$#%&`\"]{1,40}")
DISTRIBUTED_ONLY = ("ItemReader", "ItemBatcher", "ResultWriter")
"""The fields of a Map that do nothing where the iterations run in the execution itself."""


def check_map(state: dict[str, Any], language: str) -> Iterator[Problem]:
    """All findings about a Map's own fields."""
    for field in ("ItemProcessor", "Iterator", *DISTRIBUTED_ONLY):
        if field in state and not isinstance(state[field], dict):
            yield "Value must be an object.", f"/{field}"
    for field in ("ItemProcessor", "Iterator"):
        if isinstance(state.get(field), dict) and "ProcessorConfig" in state[field]:
            yield from _check_mode(state, state[field]["ProcessorConfig"], f"/{field}/ProcessorConfig")
    sent = "Arguments" if language == "JSONata" else "Parameters"
    if isinstance(state.get("ItemReader"), dict):
        yield from _check_reader(state["ItemReader"], sent, language)
    if isinstance(state.get("ResultWriter"), dict):
        yield from _check_writer(state["ResultWriter"], sent)
    if isinstance(state.get("ItemBatcher"), dict):
        yield from _check_batcher(state["ItemBatcher"], language)


def check_labels(labels: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Code, message and location of what is wrong about the Labels of a machine: (where the Map is, its Label)."""
    seen: set[str] = set()
    for location, label in labels:
        if not isinstance(label, str):
            continue
        if not _LABEL.fullmatch(label):
            message = "A Label has 1 to 40 characters, and no spaces, brackets, wildcards or special characters"
            yield "INVALID_LABEL_NAME", message, f"{location}/Label"
        elif label in seen:
            yield "DUPLICATE_LABEL_NAME", f"Duplicate Label: {label}", f"{location}/Label"
        seen.add(label)


def _check_mode(state: dict[str, Any], config: Any, where: str) -> Iterator[Problem]:
    if not isinstance(config, dict):
        yield "Value must be an object.", where
        return
    yield from _check_fields(config, _PROCESSOR, where)
    if config.get("Mode") == "DISTRIBUTED" and "ExecutionType" not in config:
        yield "These fields are required: [ExecutionType]", where
    if config.get("Mode") == "INLINE":
        for field in DISTRIBUTED_ONLY:
            if field in state:
                yield f"Field '{field}' is not supported in the Mode INLINE", f"/{field}"


def _check_reader(reader: dict[str, Any], sent: str, language: str) -> Iterator[Problem]:
    yield from _check_fields(reader, {**_READER, sent: anything}, "/ItemReader")
    if "Resource" not in reader:
        yield "These fields are required: [Resource]", "/ItemReader"
    where = "/ItemReader/ReaderConfig"
    config = reader.get("ReaderConfig", {})
    if not isinstance(config, dict):
        yield "Value must be an object.", where
        return
    yield from _check_fields(config, _in(language, _READER_CONFIG), where)
    for message in _of_input_type(config):
        yield message, where


def _of_input_type(config: dict[str, Any]) -> Iterator[str]:
    """What the kind of data that is read demands and excludes."""
    kind, inventory = config.get("InputType"), config.get("ManifestType") == "S3_INVENTORY"
    given = config.get("CSVHeaderLocation") == "GIVEN"
    if kind == "CSV" and "CSVHeaderLocation" not in config:
        yield "These fields are required: [CSVHeaderLocation]"
    if given and not config.get("CSVHeaders"):
        yield "These fields are required: [CSVHeaders]"
    if "CSVHeaders" in config and not given:
        yield "Field 'CSVHeaders' needs the CSVHeaderLocation GIVEN"
    if kind not in ("CSV", "MANIFEST") and not inventory:
        for field in ("CSVDelimiter", "CSVHeaderLocation"):
            if field in config:
                yield f"Field '{field}' needs the InputType CSV or MANIFEST"
    if "ItemsPointer" in config and kind != "JSON":
        yield "Field 'ItemsPointer' needs the InputType JSON"
    if config.get("Transformation") == "LOAD_AND_FLATTEN" and kind is None:
        yield "These fields are required: [InputType]"
    if inventory and kind is not None:
        yield "Field 'InputType' is not allowed with the ManifestType S3_INVENTORY"


def _check_writer(writer: dict[str, Any], sent: str) -> Iterator[Problem]:
    where = "/ResultWriter"
    yield from _check_fields(writer, {**_WRITER, sent: anything}, where)
    if not {"Resource", "WriterConfig"} & writer.keys():
        yield "These fields are required: [Resource or WriterConfig]", where
    config = writer.get("WriterConfig", {})
    if not isinstance(config, dict):
        yield "Value must be an object.", f"{where}/WriterConfig"
        return
    yield from _check_fields(config, _WRITER_CONFIG, f"{where}/WriterConfig")


def _check_batcher(batcher: dict[str, Any], language: str) -> Iterator[Problem]:
    yield from _check_fields(batcher, _in(language, _BATCHER), "/ItemBatcher")
    if not any(field.startswith("Max") for field in batcher):
        yield "These fields are required: [MaxItemsPerBatch or MaxInputBytesPerBatch]", "/ItemBatcher"


def _in(language: str, table: dict[str, Check]) -> dict[str, Check]:
    """In JSONata a limit has no Path form, and may be computed."""
    if language == "JSONPath":
        return table
    limits = {field: or_jsonata(check) for field, check in table.items() if field.startswith("Max")}
    return {field: limits.get(field, check) for field, check in table.items() if not field.endswith("Path")}


def _check_fields(holder: dict[str, Any], table: dict[str, Check], where: str) -> Iterator[Problem]:
    for field, value in holder.items():
        if field == "Comment":
            continue
        if field not in table:
            yield f"Field '{field}' is not supported", where
            continue
        problem = table[field](value)
        if problem:
            yield problem, f"{where}/{field}"
