"""The items of a distributed Map, read from what an ItemReader found: JSON, JSON Lines, CSV, a manifest or a listing.

Texts go in, items come out; fetching the texts is the driver's work. `config` is the evaluated ReaderConfig.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from opsctl.asl.failures import StateError

ITEM_READER_FAILED = "States.ItemReaderFailed"
MOST_ITEMS = 100_000_000
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
Config = Mapping[str, Any]


def items_of_text(text: str, config: Config) -> list[Any] | dict[str, Any]:
    """The items in a file's text, MaxItems of them at most. Raises `StateError` (`States.ItemReaderFailed`)."""
    kind = config.get("InputType", "JSON")
    if kind == "JSON":
        return _items_of_json(text, config)
    if kind == "JSONL":
        return limited(_items_of_lines(text), config)
    if kind in ("CSV", "MANIFEST"):
        return limited(_items_of_csv(text, config), config)
    raise _failure(f"InputType '{kind}' cannot be read here.")


def items_of_listing(objects: Iterable[Mapping[str, Any]], config: Config) -> list[Any]:
    """The items of an S3 listing: its `Contents`, as boto3 gives them, in the form that AWS hands to children."""
    return limited((_listed(entry) for entry in objects), config)


def manifest_files(text: str) -> tuple[str, list[str], list[str]]:
    """An S3 inventory's bucket, the keys of its data files and its columns. Raises `StateError`.

    The data files are gzipped CSV without a header; each row is an item with the columns' names.
    """
    try:
        manifest = json.loads(text)
        if manifest["fileFormat"] != "CSV":
            raise _failure(f"The inventory's format '{manifest['fileFormat']}' cannot be read here.")
        bucket = str(manifest["destinationBucket"]).rpartition(":")[2]
        columns = [column.strip() for column in manifest["fileSchema"].split(",")]
        return bucket, [entry["key"] for entry in manifest["files"]], columns
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _failure("The file is no manifest of an S3 inventory.") from error


def inventory_config(config: Config, columns: list[str]) -> dict[str, Any]:
    """How to read an inventory's data files: as CSV under the manifest's columns."""
    return {**config, "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": columns}


def limited(items: Iterable[Any], config: Config) -> list[Any]:
    """At most MaxItems of the items; 0 means all, as AWS takes it."""
    return list(islice(items, config.get("MaxItems") or MOST_ITEMS))


def _items_of_json(text: str, config: Config) -> list[Any] | dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _failure("Attempting to map over non-iterable node.") from error
    pointer = config.get("ItemsPointer")
    if pointer:
        document = _pointed(document, pointer)
    if isinstance(document, list):
        return limited(document, config)
    if isinstance(document, dict):
        return dict(islice(document.items(), config.get("MaxItems") or MOST_ITEMS))
    raise _failure("Attempting to map over non-iterable node.")


def _pointed(document: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) leads to."""
    for token in str(pointer).split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(name)] if isinstance(document, list) else document[name]
        except (LookupError, ValueError, TypeError) as error:
            raise _failure(f"The ItemsPointer '{pointer}' leads nowhere in the file.") from error
    return document


def _items_of_lines(text: str) -> Iterator[Any]:
    # Not `splitlines`: JSON strings may hold the line separators of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _failure(f"Line {number} of the file is no JSON.") from error


def _items_of_csv(text: str, config: Config) -> Iterator[dict[str, str]]:
    named = config.get("CSVDelimiter", "COMMA")
    delimiter = _DELIMITERS.get(named) if isinstance(named, str) else None
    if delimiter is None:
        raise _failure(f"The CSVDelimiter '{named}' is none of {', '.join(_DELIMITERS)}.")
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    try:
        given = config.get("CSVHeaderLocation", "FIRST_ROW") == "GIVEN"
        headers = _headers(config) if given else next(rows, [])
        if len(set(headers)) < len(headers):
            raise _failure("CSV headers cannot contain duplicates.")
        for row in rows:
            if row:
                # Fields without a header are left out, headers without a field are empty.
                values = [*row, *[""] * (len(headers) - len(row))]
                yield dict(zip(headers, values, strict=False))
    except csv.Error as error:
        raise _failure(f"The file is no CSV: {error}") from error


def _headers(config: Config) -> list[str]:
    headers = config.get("CSVHeaders")
    if not isinstance(headers, list) or not all(isinstance(header, str) for header in headers):
        raise _failure("CSVHeaders must be a list of strings.")
    return headers


def _listed(entry: Mapping[str, Any]) -> dict[str, Any]:
    modified = entry.get("LastModified")
    return {
        "Etag": entry.get("ETag", entry.get("Etag")),
        "LastModified": int(modified.timestamp()) if isinstance(modified, datetime) else modified,
        "Key": entry["Key"],
        "Size": entry.get("Size", 0),
        "StorageClass": entry.get("StorageClass", "STANDARD"),
    }


def _failure(cause: str) -> StateError:
    return StateError(ITEM_READER_FAILED, cause)
