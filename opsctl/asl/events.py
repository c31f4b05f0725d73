"""The history being written: events in the shape of boto3's GetExecutionHistory, ids from 1 without a gap."""

from __future__ import annotations

from typing import Any

MAX_EVENTS = 25_000
_NOT_TRUNCATED = {"truncated": False}
_TERMINAL = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"})


class HistoryFullError(Exception):
    """Only the execution's end still fits into the history."""


class Journal:
    """An append-only list of events."""

    __slots__ = ("events",)

    def __init__(self, events: list[dict[str, Any]] | None = None) -> None:
        self.events: list[dict[str, Any]] = [] if events is None else events

    def add(self, now: float, kind: str, previous: int, details: dict[str, Any] | None = None) -> int:
        """Write an event and return its id. `details` None writes no details. Raises `HistoryFullError`."""
        return self._add(now, kind, previous, f"{kind[0].lower()}{kind[1:]}EventDetails", details)

    def entered(self, now: float, state_type: str, previous: int, name: str, text: str) -> int:
        """Write a `…StateEntered`; returns its id. Raises `HistoryFullError`."""
        details = {"name": name, "input": text, "inputDetails": _NOT_TRUNCATED}
        return self._add(now, f"{state_type}StateEntered", previous, "stateEnteredEventDetails", details)

    def exited(
        self, now: float, state_type: str, previous: int, name: str, text: str, assigned: dict[str, str] | None
    ) -> int:
        """Write a `…StateExited`; returns its id. Raises `HistoryFullError`."""
        details: dict[str, Any] = {"name": name, "output": text, "outputDetails": _NOT_TRUNCATED}
        if assigned:
            details["assignedVariables"] = assigned
            details["assignedVariablesDetails"] = _NOT_TRUNCATED
        return self._add(now, f"{state_type}StateExited", previous, "stateExitedEventDetails", details)

    def _add(self, now: float, kind: str, previous: int, key: str, details: dict[str, Any] | None) -> int:
        identity = len(self.events) + 1
        if identity >= MAX_EVENTS and kind not in _TERMINAL:
            raise HistoryFullError
        event: dict[str, Any] = {"timestamp": now, "type": kind, "id": identity, "previousEventId": previous}
        if details is not None:
            event[key] = details
        self.events.append(event)
        return identity


def with_input(text: str, **more: Any) -> dict[str, Any]:
    """Details that show an input."""
    return {**more, "input": text, "inputDetails": _NOT_TRUNCATED}


def with_output(text: str, **more: Any) -> dict[str, Any]:
    """Details that show an output."""
    return {**more, "output": text, "outputDetails": _NOT_TRUNCATED}


def failure(error: str | None, cause: str | None, **more: Any) -> dict[str, Any]:
    """Details of a failure; AWS leaves out what was not given."""
    details = dict(more)
    if error is not None:
        details["error"] = error
    if cause is not None:
        details["cause"] = cause
    return details
