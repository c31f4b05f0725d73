"""Read an execution's history back into runs of states: the inverse of the interpreter.

Rules, as AWS writes histories (and our interpreter too):

* Only `<Type>StateEntered` and `<Type>StateExited` carry a state's name. Every other event belongs to the state that
  its `previousEventId` leads back to, so each event is given a place (owning state, enclosing scopes) once, when it is
  read, and later events look up their predecessor's place: one pass, no walking.
* A retry is one more `…Scheduled` under the same entry. A redrive (`ExecutionRedriven`) schedules again under the
  *original* entry: such a state, and the Parallel or Map around it, are open again.
* A caught failure exits like a success; what tells them apart is the last task event before the exit.
* `TaskStateAborted` is nameless and points at the failure of another state. What was aborted is therefore inferred:
  whatever is still open inside a failed Parallel or Map, or in an execution that ended.
* `ExecutionAborted` and `ExecutionTimedOut` point at nothing.
* A history may be incomplete, newer than this file or no history at all: unknown events take their predecessor's
  place, events that lead nowhere are left out, values of another type count as missing, and a state that never exited
  in an ended execution is never called a success. Links that lead forward or in circles lead nowhere. What is wrong
  with a history is told in the result's `diagnostics`.
* A definition adds what events cannot tell: which branch a state belongs to, and that a state whose work succeeded was
  caught all the same (its result could not be used), because the run went on where only its Catch leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.asl.history_diagnostics import diagnose
from opsctl.asl.history_reader import Reader
from opsctl.asl.history_records import seconds
from opsctl.asl.outline import outline
from opsctl.asl.run_history import (
    ABORTED,
    CAUGHT,
    FAILED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    Attempt,
    InvalidHistory,
    RunHistory,
    Scope,
    StateRun,
)

__all__ = [
    "ABORTED", "CAUGHT", "FAILED", "RUNNING", "SUCCEEDED", "TIMED_OUT",
    "Attempt", "GrowingHistory", "InvalidHistory", "RunHistory", "Scope", "StateRun", "read_history", "seconds",
]  # fmt: skip


def read_history(events: Iterable[Mapping[str, Any]], definition: Mapping[str, Any] | None = None) -> RunHistory:
    """Events in GetExecutionHistory's shape, in any order, some missing or twice; timestamps as seconds, datetime or
    ISO 8601 text. Raises `InvalidHistory` if they are no events."""
    states = outline(definition) if definition else {}
    reader = Reader(states)
    given = list(events) if isinstance(events, Iterable) else events
    numbered = _in_order(given)
    for number, event in numbered:
        reader.read(number, event)
    return replace(reader.result(), diagnostics=diagnose(given, numbered, states if definition else None))


class GrowingHistory:
    """A history that is read while it is still being written: each event once, and each result in a time that grows
    with what has changed since the one before."""

    def __init__(self, definition: Mapping[str, Any] | None = None) -> None:
        self._reader = Reader(outline(definition) if definition else {})
        self._states: list[StateRun] = []
        self._positions: dict[int, int] = {}  # by entered id

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Events that all come after those that were added before, as `read_history` takes them."""
        for number, event in _in_order(events):
            self._reader.read(number, event)

    def result(self) -> RunHistory:
        """What the events so far say."""
        reader = self._reader
        for state in reader.states[len(self._states) :]:
            self._positions[state.entered_id] = len(self._states)
            self._states.append(state.freeze())
        for entered_id in reader.take_changed():
            position = self._positions[entered_id]
            self._states[position] = reader.states[position].freeze()
        return reader.result(tuple(self._states))


def _in_order(events: Iterable[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """The events with their ids, each id once."""
    try:
        return sorted({int(event["id"]): event for event in events}.items())
    except (TypeError, ValueError, KeyError, OverflowError):
        raise InvalidHistory(
            "not an execution's history: its events must be a list of objects that each have a whole number as id",
            "Give the events as `aws stepfunctions get-execution-history` prints them under `events`.",
        ) from None
