"""Executions' events in CloudWatch Logs, for machines whose loggingConfiguration asks for them."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opsctl.sandbox.logs import LogStream
from opsctl.sandbox.runs import Run
from opsctl.sandbox.world import World

logger = logging.getLogger(__name__)
_FATAL = frozenset({"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"})
_ERRORS = ("Aborted", "Failed", "TimedOut")
_DATA = frozenset({"input", "inputDetails", "output", "outputDetails", "parameters", "assignedVariables"})


class ExecutionLogs:
    """Writes in a thread of its own, in the order in which it is told: a log group may have subscribers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="execution-logs")
        self._streams: dict[tuple[str, str], LogStream] = {}
        self._waiting: deque[tuple[str, str, list[str]]] = deque()

    def kept(self) -> list[tuple[str, str, list[str]]]:
        """What is to outlive the server: lines that are not yet written."""
        return list(self._waiting)

    def restore(self, kept: list[tuple[str, str, list[str]]]) -> None:
        """Have what a server before this one kept."""
        self._waiting.extend(kept)

    def take_up(self) -> None:
        """Write what was kept."""
        for _ in list(self._waiting):
            self._writer.submit(self._write_next)

    def follow(self, run: Run) -> None:
        """Log the events that an execution has written since the last time. To be called in the engine's thread."""
        wanted = run.origin.description.get("loggingConfiguration") or {}
        group = _group(wanted)
        walk = run.walk
        if group is None or walk is None:
            return
        events, run.logged = walk.events[run.logged :], len(walk.events)
        lines = [
            json.dumps(_line(run, event, bool(wanted.get("includeExecutionData"))))
            for event in events
            if _is_logged(event["type"], str(wanted.get("level")))
        ]
        if lines:
            self._put(group, run.origin.name, lines)

    def _put(self, group: str, machine: str, lines: list[str]) -> None:
        self._waiting.append((group, machine, lines))
        self._writer.submit(self._write_next)

    def _write_next(self) -> None:
        try:
            self._write(*self._waiting[0])
        except Exception:
            logger.exception("lines of an execution could not be logged")
        finally:
            self._waiting.popleft()

    def _write(self, group: str, machine: str, lines: list[str]) -> None:
        stream = self._streams.get((group, machine))
        if stream is None:
            name = f"states/{machine}/{time.strftime('%Y-%m-%d-%H-%M', time.gmtime())}/{uuid.uuid4().hex[:8]}"
            stream = LogStream(self._world.account, self._world.region, group, name)
            self._streams[group, machine] = stream
        for line in lines:
            stream.write(line)


def _group(configuration: Mapping[str, Any]) -> str | None:
    """The name in the destination's ARN, `arn:aws:logs:region:account:log-group:NAME:*`."""
    for destination in configuration.get("destinations") or ():
        parts = str((destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn", "")).split(":")
        if len(parts) > 6 and configuration.get("level", "OFF") != "OFF":
            return parts[6]
    return None


def _is_logged(kind: str, level: str) -> bool:
    if level == "ERROR":
        return kind.endswith(_ERRORS) or kind == "FailStateEntered"
    return level == "ALL" or kind in _FATAL


def _line(run: Run, event: Mapping[str, Any], with_data: bool) -> dict[str, Any]:
    details: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return {
        "id": str(event["id"]),
        "type": event["type"],
        "details": {key: value for key, value in details.items() if with_data or key not in _DATA},
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(int(event["timestamp"] * 1000)),
        "execution_arn": run.arn,
        "redrive_count": str(run.standing.redrives),
    }
