"""Executions as the Step Functions API shows them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsctl.asl import Execution, StateMachine
from opsctl.sandbox.tasks import Task


@dataclass(frozen=True)
class Origin:
    """The state machine as it was when the execution started: later updates do not touch it."""

    arn: str
    name: str
    role: str
    definition: str
    machine: StateMachine
    version_arn: str | None
    alias_arn: str | None
    description: Mapping[str, Any]


class Run:
    """One execution: what the API knows about it and, while it runs, the interpreter's state.

    Only the engine's thread touches `walk`, `tasks` and `armed`. When the execution has ended, the interpreter's state
    is dropped and the history is kept compressed. `ended` is resolved with the final DescribeExecution document.
    """

    def __init__(self, number: int, arn: str, name: str, text: str, origin: Origin, now: float) -> None:
        self.number = number
        self.arn = arn
        self.name = name
        self.input = text
        self.origin = origin
        self.started = now
        self.stopped: float | None = None
        self.status = "RUNNING"
        self.output: str | None = None
        self.error: str | None = None
        self.cause: str | None = None
        self.redrives = 0
        self.ended: Future[dict[str, Any]] = Future()
        self.tasks: dict[int, Task] = {}
        self.armed: float | None = None
        self._kept = b""
        self.walk: Execution | None = Execution(origin.machine, text, self._context())

    def events(self) -> list[dict[str, Any]]:
        """The history so far; timestamps are seconds."""
        walk = self.walk
        if walk is not None:
            return list(walk.events)
        events: list[dict[str, Any]] = json.loads(zlib.decompress(self._kept))
        return events

    def close(self, now: float, status: str, error: str | None = None, cause: str | None = None) -> None:
        """Keep what the interpreter has come to and drop its state."""
        walk = self.walk
        if walk is None:
            return
        self._kept = zlib.compress(json.dumps(walk.events, separators=(",", ":")).encode())
        self.output, self.error, self.cause = walk.output, error or walk.error, cause or walk.cause
        self.stopped = now
        self.status = status
        self.walk = None
        self.tasks.clear()

    def describe(self) -> dict[str, Any]:
        """The document of DescribeExecution."""
        document = {
            **self.summary(),
            "input": self.input,
            "inputDetails": {"included": True},
            "output": self.output,
            "outputDetails": {"included": True} if self.output is not None else None,
            "error": self.error,
            "cause": self.cause,
            **self._redrivable(),
        }
        return {name: value for name, value in document.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An entry of ListExecutions."""
        entry = {
            "executionArn": self.arn,
            "stateMachineArn": self.origin.arn,
            "stateMachineVersionArn": self.origin.version_arn,
            "stateMachineAliasArn": self.origin.alias_arn,
            "name": self.name,
            "status": self.status,
            "startDate": instant(self.started),
            "stopDate": None if self.stopped is None else instant(self.stopped),
            "redriveCount": self.redrives,
        }
        return {name: value for name, value in entry.items() if value is not None}

    def change(self) -> dict[str, Any]:
        """The detail of the event "Step Functions Execution Status Change"; times are milliseconds."""
        included = {"included": True}
        return {
            "executionArn": self.arn,
            "stateMachineArn": self.origin.arn,
            "stateMachineVersionArn": self.origin.version_arn,
            "stateMachineAliasArn": self.origin.alias_arn,
            "name": self.name,
            "status": self.status,
            "startDate": int(self.started * 1000),
            "stopDate": None if self.stopped is None else int(self.stopped * 1000),
            "input": self.input,
            "inputDetails": included,
            "output": self.output,
            "outputDetails": included if self.output is not None else None,
            "error": self.error,
            "cause": self.cause,
            "redriveCount": self.redrives,
            "redriveDate": None,
            **self._redrivable(),
        }

    def _redrivable(self) -> dict[str, Any]:
        if self.status in ("RUNNING", "SUCCEEDED"):
            reason = f"Execution is {self.status} and cannot be redriven"
            return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
        return {"redriveStatus": "REDRIVABLE"}

    def _context(self) -> dict[str, Any]:
        return {
            "Execution": {
                "Id": self.arn,
                "Name": self.name,
                "RoleArn": self.origin.role,
                "StartTime": instant(self.started).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": self.origin.arn, "Name": self.origin.name},
        }


def instant(seconds: float) -> datetime:
    """Seconds since the epoch as a point in time."""
    return datetime.fromtimestamp(seconds, UTC)
