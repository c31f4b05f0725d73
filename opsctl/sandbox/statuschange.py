"""The detail of the event "Step Functions Execution Status Change", as the Step Functions developer guide shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LARGEST = 248 * 1024  # bytes of escaped input and output that an event carries


def status_change(described: Mapping[str, Any]) -> dict[str, Any]:
    """From DescribeExecution's document. What there is not is null; start and end are milliseconds."""
    output_bytes = _escaped(described.get("output"))
    with_output = output_bytes <= LARGEST
    with_input = _escaped(described.get("input")) + (output_bytes if with_output else 0) <= LARGEST
    has_output = described.get("output") is not None
    redriven = described.get("redriveDate")
    return {
        "executionArn": described["executionArn"],
        "stateMachineArn": described["stateMachineArn"],
        "name": described["name"],
        "status": described["status"],
        "startDate": _milliseconds(described["startDate"]),
        "stopDate": _milliseconds(described.get("stopDate")),
        "input": described.get("input") if with_input else None,
        "inputDetails": {"included": with_input},
        "output": described.get("output") if with_output else None,
        "outputDetails": {"included": with_output} if has_output else None,
        "stateMachineVersionArn": described.get("stateMachineVersionArn"),
        "stateMachineAliasArn": described.get("stateMachineAliasArn"),
        "redriveCount": described["redriveCount"],
        "redriveDate": None if redriven is None else redriven.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "redriveStatus": described["redriveStatus"],
        "redriveStatusReason": described.get(
            "redriveStatusReason", f"Execution is {described['status']} and is redrivable"
        ),
        "error": described.get("error"),
        "cause": described.get("cause"),
    }


def _escaped(text: str | None) -> int:
    return 0 if text is None else len(json.dumps(text).encode())


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
