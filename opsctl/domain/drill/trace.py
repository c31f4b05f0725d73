"""A run as a few lines: what was asked for, what broke, where that led, and what does not hold of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsctl.domain.cases.model import BEGINNING, Case, Record
from opsctl.domain.drill.model import Fault, Line, Refutation, Trace
from opsctl.domain.drill.places import Places
from opsctl.domain.drill.tasks import START
from opsctl.domain.drill.walk import Drive

MOST_LINES = 60
LONGEST = 160  # letters of a cause
_ENDS = {
    "ExecutionSucceeded": "the run ends SUCCEEDED", "ExecutionAborted": "the run ends ABORTED",
    "ExecutionTimedOut": "the run ends TIMED_OUT",
}  # fmt: skip


def trace(drive: Drive, faults: tuple[Fault, ...], refutation: Refutation) -> Trace:
    """The trace of a run that refutes something."""
    lines = _cut(list(_lines(drive.events, drive.struck)))
    lines.append(Line(drive.now - START, refutation.at, f"REFUTED {refutation.check}: {refutation.words}"))
    document = drive.scenario.document
    return Trace(refutation, faults, drive.scenario.name, tuple(lines), document, tuple(drive.events))


def trace_of(case: Case, record: Record, refutation: Refutation, absent: Iterable[str] = ()) -> Trace:
    """The trace of a case that does not come out as it says; these are states that it names, and that there are not."""
    events = [event for event in record.history if _state(event) != BEGINNING]
    lines = _cut(list(_lines(events, (), case.start)))
    lines += [Line(record.duration, name, "never comes: the machine has no such state") for name in absent]
    lines.append(Line(record.duration, refutation.at, f"REFUTED {refutation.check}: {refutation.words}"))
    return Trace(refutation, (), case.name, tuple(lines), case.input, tuple(events))


def lines_of(events: Iterable[Mapping[str, Any]], start: float) -> list[Line]:
    """The events of a run that began at `start`, in so many lines as can be read."""
    return _cut(list(_lines(events, (), start)))


def _cut(lines: list[Line]) -> list[Line]:
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        left_out = Line(lines[half].at, "", f"({len(lines) - MOST_LINES} more lines)")
        lines = [*lines[:half], left_out, *lines[-half:]]
    return lines


def _lines(
    events: Iterable[Mapping[str, Any]], strikes: Iterable[tuple[Fault, int, float]], start: float = START
) -> Iterator[Line]:
    places = Places()
    struck = list(strikes)
    tried: dict[str, int] = {}
    for number, event in enumerate(events, 1):
        while struck and struck[0][1] < number:
            fault, _, moment = struck.pop(0)
            yield Line(moment - start, fault.state, f"FAULT {fault.words}")
        kind, now = event["type"], event["timestamp"] - start
        state = places.state_of(event)
        if kind.endswith("Scheduled"):
            tried[state] = tried.get(state, 0) + 1
            yield Line(now, state, "is asked for" if tried[state] == 1 else f"is asked for again ({tried[state]})")
        elif (words := _told(kind, event)) is not None and (state or not kind.endswith("StateAborted")):
            yield Line(now, state, words)
    for fault, _, moment in struck:
        yield Line(moment - start, fault.state, f"FAULT {fault.words}")


def _told(kind: str, event: Mapping[str, Any]) -> str | None:
    details: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    why = ": ".join(str(part)[:LONGEST] for part in (details.get("error"), details.get("cause")) if part)
    if kind in _ENDS:
        return _ENDS[kind]
    if kind == "ExecutionFailed":
        return f"the run ends FAILED ({why})" if why else "the run ends FAILED"
    if kind == "ExecutionRedriven":
        return "the run is redriven"
    if kind.endswith("StateAborted"):
        return "is given up"
    if kind.endswith(("Failed", "TimedOut")) and kind != "MapIterationFailed":  # the Map itself fails behind it
        return f"fails ({why})" if why else "fails"
    if (
        kind == "PassStateEntered"
        or kind == "ChoiceStateEntered"
        or kind == "SucceedStateEntered"
        or kind == "FailStateEntered"
    ):
        return "is entered"
    return None


def _state(event: Mapping[str, Any]) -> str:
    for key in ("stateEnteredEventDetails", "stateExitedEventDetails"):
        if key in event:
            return str(event[key]["name"])
    return ""
