"""Executions as the Step Functions API shows them."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.errors import RefusedError
from opsctl.sandbox.clienttokens import ClientTokens
from opsctl.sandbox.tasks import OpenTask


@dataclass(frozen=True)
class Origin:
    """The state machine as it was when the execution started: later updates do not touch it.

    `map_run` is the ARN of the Map Run whose child the execution is.
    """

    arn: str
    name: str
    role: str
    definition: str
    machine: StateMachine
    version_arn: str | None
    alias_arn: str | None
    description: Mapping[str, Any]
    map_run: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """The parsed machine is not kept: it comes out of the definition again."""
        return _origin, ({item.name: getattr(self, item.name) for item in fields(self) if item.name != "machine"},)


@dataclass(frozen=True)
class Standing:
    """How an execution stands; times in seconds. Replaced as a whole, so that whoever reads it sees one moment."""

    status: str = "RUNNING"
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrives: int = 0
    redriven: float | None = None


class Run:
    """One execution: what the API knows about it and, while it runs, the interpreter's state.

    Only the engine's thread touches `walk`, `tasks`, `armed`, `logged` and `goes_on`. When the execution has ended, the
    interpreter's state is kept compressed: all of it if it may be redriven, else the history alone. `ended` is resolved
    with the final DescribeExecution document; a redrive makes a new one.
    """

    def __init__(
        self, number: int, arn: str, name: str, text: str, origin: Origin, now: float, trace: str | None = None
    ) -> None:
        self.number = number
        self.arn = arn
        self.name = name
        self.input = text
        self.origin = origin
        self.trace = trace
        self.started = now
        self.standing = Standing()
        self.tokens = ClientTokens()
        self.ended: Future[dict[str, Any]] = Future()
        self.tasks: dict[int, OpenTask] = {}
        self.armed: float | None = None
        self.logged = 0
        """How many events were looked at for CloudWatch Logs."""
        self.goes_on = False
        """Whether the engine will come back to it because it has paused."""
        self._kept = b""
        self.walk: Execution | None = Execution(origin.machine, text, self._context(), Random())

    def __getstate__(self) -> dict[str, Any]:
        """All but what lives in this process only. To be asked for while the engine stands still."""
        kept = {name: value for name, value in vars(self).items() if name not in ("walk", "armed", "goes_on")}
        return {**kept, "snapshot": None if self.walk is None else self.walk.snapshot()}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        snapshot = kept.pop("snapshot")
        vars(self).update(kept)
        self.walk = None if snapshot is None else Execution.restore(self.origin.machine, snapshot)
        self.armed, self.goes_on = None, False

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
        return self.standing.status

    def events(self) -> list[dict[str, Any]]:
        """The history so far; timestamps are seconds."""
        walk = self.walk
        if walk is not None:
            return list(walk.events)
        events: list[dict[str, Any]] = _unpack(self._kept)["events"]
        return events

    def close(self, now: float) -> None:
        """The interpreter has come to an end: keep what it has come to and drop its state."""
        walk = self.walk
        if walk is None:
            return
        good = walk.status == "SUCCEEDED"
        self._keep({"events": walk.events} if good else walk.snapshot())
        self._end(walk.status, now, walk.output, walk.error, walk.cause)

    def give_up(self, now: float, cause: str) -> None:
        """The interpreter itself has failed: end the execution FAILED, with nothing to redrive."""
        walk = self.walk
        if walk is None:
            return
        count = len(walk.events)
        details = {"error": "States.Runtime", "cause": cause}
        last = {"timestamp": now, "type": "ExecutionFailed", "id": count + 1, "previousEventId": count}
        self._keep({"events": [*walk.events, {**last, "executionFailedEventDetails": details}]})
        self._end("FAILED", now, None, "States.Runtime", cause)

    def reopen(self, now: float) -> None:
        """Make it RUNNING again, for the interpreter to redrive. Raises RefusedError, with redriveStatusReason."""
        reason = self.refusal(now)
        if reason is not None:
            raise RefusedError(reason, "Start a new execution instead.")
        self.walk = Execution.restore(self.origin.machine, _unpack(self._kept))
        self.ended = Future()
        self.standing = Standing(redrives=self.standing.redrives + 1, redriven=now)

    def refusal(self, now: float) -> str | None:
        """Why it cannot be redriven now, None if it can."""
        if self.status in ("RUNNING", "SUCCEEDED"):
            return f"Execution is {self.status} and cannot be redriven"
        kept = _unpack(self._kept)
        if "frames" not in kept:
            return "Execution was ended by a fault of the sandbox"
        return Execution.restore(self.origin.machine, kept).redrive_refusal(now)

    def _keep(self, document: Mapping[str, Any]) -> None:
        self._kept = zlib.compress(json.dumps(document, separators=(",", ":")).encode())

    def _end(self, status: str, now: float, output: str | None, error: str | None, cause: str | None) -> None:
        self.standing = replace(self.standing, status=status, stopped=now, output=output, error=error, cause=cause)
        self.walk = None

    def describe(self, *, data: bool = True) -> dict[str, Any]:
        """The document of DescribeExecution; without `data` it holds no input, output, error and cause."""
        standing = self.standing
        content = {"input": self.input, "output": standing.output, "error": standing.error, "cause": standing.cause}
        document = {
            **self._summary(standing),
            **(content if data else {}),
            "inputDetails": {"included": data},
            "outputDetails": {"included": data} if standing.output is not None else None,
            "traceHeader": self.trace,
            **self._redrivable(),
        }
        return {name: value for name, value in document.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An entry of ListExecutions."""
        return self._summary(self.standing)

    def _summary(self, standing: Standing) -> dict[str, Any]:
        entry = {
            "executionArn": self.arn,
            "stateMachineArn": self.origin.arn,
            "stateMachineVersionArn": self.origin.version_arn,
            "stateMachineAliasArn": self.origin.alias_arn,
            "mapRunArn": self.origin.map_run,
            "name": self.name,
            "status": standing.status,
            "startDate": instant(self.started),
            "stopDate": None if standing.stopped is None else instant(standing.stopped),
            "redriveCount": standing.redrives,
            "redriveDate": None if standing.redriven is None else instant(standing.redriven),
        }
        return {name: value for name, value in entry.items() if value is not None}

    def _redrivable(self) -> dict[str, Any]:
        reason = self.refusal(time.time())
        if reason is None:
            return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN" if self.origin.map_run else "REDRIVABLE"}
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}

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


@lru_cache(maxsize=256)
def _machine(definition: str) -> StateMachine:
    return parse(definition)


def _origin(kept: dict[str, Any]) -> Origin:
    return Origin(machine=_machine(kept["definition"]), **kept)


def instant(seconds: float) -> datetime:
    """Seconds since the epoch as a point in time."""
    return datetime.fromtimestamp(seconds, UTC)


def _unpack(kept: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(kept))
    return document
