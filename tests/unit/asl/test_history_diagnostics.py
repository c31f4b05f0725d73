"""What the reader says of histories that are not whole, not sound or not of this definition."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.asl.history import read_history
from tests.unit.asl.test_history import Event, event, history

SOUND = history(
    (0, "ExecutionStarted", {"input": "{}"}),
    (0, "TaskStateEntered", {"name": "Train", "input": "{}"}),
    (2, "TaskScheduled", {"resourceType": "lambda", "resource": "invoke"}),
    (3, "TaskSucceeded", {"output": "{}"}),
    (4, "TaskStateExited", {"name": "Train", "output": "{}"}),
    (5, "ExecutionSucceeded", {"output": "{}"}),
)
DEFINITION = {"StartAt": "Train", "States": {"Train": {"Type": "Task", "End": True}}}


def without(*numbers: int) -> list[Event]:
    return [row for row in SOUND if row["id"] not in numbers]


def altered(number: int, **changes: Any) -> list[Event]:
    return [row | changes if row["id"] == number else row for row in SOUND]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (SOUND, []),
        (SOUND[::-1], []),
        (SOUND[:3], []),
        ([], []),
        (SOUND[2:], ["the history begins with event 3: what came before is missing",
                     "event 3 follows event 2, which is missing",
                     "event 5 leaves the state Train, which was not entered before"]),
        (without(3), ["event 3 is missing", "event 4 follows event 3, which is missing"]),
        (without(3, 4), ["events 3 to 4 are missing", "event 5 follows event 4, which is missing"]),
        ([*SOUND, SOUND[3]], ["event 4 is there more than once"]),
        ([SOUND[0], SOUND[2], SOUND[1], *SOUND[3:]],
         ["the events are not in order: event 2 stands behind a later one"]),
        (altered(3, previousEventId=5),
         ["event 3 claims to follow event 5, which comes later: such links lead in a circle or nowhere"]),
        (altered(3, previousEventId=3), ["event 3 claims to follow itself: such links lead in a circle or nowhere"]),
        (altered(3, previousEventId="2"), ["event 3 does not say which event it follows (previousEventId)"]),
        (altered(3, type="TaskDreamt"), ["event 3 is of an unknown type: TaskDreamt"]),
        (altered(3, type="QuantumStateEntered"), ["event 3 does not name its state"]),
        (altered(2, type="DreamStateEntered"), ["event 2 is of a state of an unknown type: Dream"]),
        (altered(1, type="TaskScheduled"),
         ["event 1 is TaskScheduled, where an execution begins with ExecutionStarted"]),
        ([*SOUND, event(7, 6, "PassStateEntered", name="Late")],
         ["event 7 comes after the execution's end", "event 7 enters the state Late, which the definition lacks"]),
    ],
)  # fmt: skip
def test_each_fault_is_told_once(events: list[Event], said: list[str]) -> None:
    assert list(read_history(events, DEFINITION).diagnostics) == said


def test_without_a_definition_no_state_is_strange() -> None:
    assert read_history(altered(2, stateEnteredEventDetails={"name": "Other"})).diagnostics == (
        "event 5 leaves the state Train, which was not entered before",
    )


def test_many_faults_of_a_kind_are_one_sentence() -> None:
    strange = [row | {"previousEventId": 99} for row in SOUND]
    (said,) = read_history(strange).diagnostics
    assert said.startswith("event 1 claims to follow event 99, which comes later: ")
    assert said.endswith(" (and 5 more like it)")


def test_a_redrive_goes_on_after_the_end() -> None:
    redriven = [*SOUND[:5], event(6, 5, "ExecutionFailed"), event(7, 6, "ExecutionRedriven", redriveCount=1)]
    assert read_history(redriven, DEFINITION).diagnostics == ()
