"""What is wrong with a history, told in one sentence for each kind of fault.

The reader (`history.py`) makes the best of any history; here it is said what it had to make the best of. Nothing is
said of a history that merely does not end: its run may be under way.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from opsctl.asl.history_records import EXECUTION_END, kind_of

_WITHOUT_MEANING = frozenset(
    {
        "MapIterationAborted", "MapIterationSucceeded", "MapRunAborted", "MapRunSucceeded", "MapStateAborted",
        "ParallelStateAborted", "TaskStateAborted", "WaitStateAborted",
    }
)  # fmt: skip
"""Types that AWS has and the reader has no use for."""
_TYPES_OF_STATES = frozenset({"Choice", "Fail", "Map", "Parallel", "Pass", "Succeed", "Task", "Wait"})


def diagnose(
    given: Sequence[Mapping[str, Any]], numbered: Sequence[tuple[int, Mapping[str, Any]]], states: Container[str] | None
) -> tuple[str, ...]:
    """What is wrong. `given` is the history as it came, `numbered` each of its events once and by id, `states` the
    names that the definition has, None if there is no definition."""
    faults = _Faults(states)
    faults.order([number for number, _ in numbered], [event["id"] for event in given])
    ids = dict(numbered)
    for number, event in numbered:
        faults.look_at(number, event, ids)
    return tuple(faults.told())


class _Faults:
    def __init__(self, states: Container[str] | None) -> None:
        self._states = states
        self._entered: set[str] = set()
        self._ended = False
        self._first: dict[str, tuple[str, int]] = {}  # by kind: the sentence about the first, and how many there are

    def told(self) -> Iterable[str]:
        for sentence, count in self._first.values():
            yield sentence if count == 1 else f"{sentence} (and {count - 1} more like it)"

    def _note(self, kind: str, sentence: str) -> None:
        before, count = self._first.get(kind, (sentence, 0))
        self._first[kind] = (before, count + 1)

    def order(self, ids: Sequence[int], given: Sequence[Any]) -> None:
        """Faults of the numbers alone. Newest first is an order too."""
        if ids and ids[0] > 1:
            self._note("start", f"the history begins with event {ids[0]}: what came before is missing")
        for before, after in pairwise(ids):
            if after - before > 1:
                lost = f"event {before + 1} is" if after - before == 2 else f"events {before + 1} to {after - 1} are"
                self._note("gap", f"{lost} missing")
        if len(given) == len(ids):
            whole = [int(number) for number in given]
            if whole not in (list(ids), list(ids)[::-1]):
                late = next(after for before, after in pairwise(whole) if after < before)
                self._note("order", f"the events are not in order: event {late} stands behind a later one")
            return
        seen: set[int] = set()
        for number in map(int, given):
            if number in seen:
                self._note("twice", f"event {number} is there more than once")
            seen.add(number)

    def look_at(self, number: int, event: Mapping[str, Any], ids: Container[int]) -> None:
        told = str(event.get("type"))
        kind, what, key = kind_of(told)
        self._link(number, event.get("previousEventId"), ids)
        if number == 1 and told != "ExecutionStarted":
            self._note("begin", f"event 1 is {told}, where an execution begins with ExecutionStarted")
        if self._ended and kind != "execution_redriven":
            self._note("after", f"event {number} comes after the execution's end")
        self._ended = told in EXECUTION_END
        if kind in ("entered", "exited"):
            self._state(number, kind, what, event.get(key))
        elif not kind and told not in _WITHOUT_MEANING:
            self._note("type", f"event {number} is of an unknown type: {told}")

    def _link(self, number: int, previous: Any, ids: Container[int]) -> None:
        if type(previous) is not int:
            self._note("link", f"event {number} does not say which event it follows (previousEventId)")
        elif previous >= number:
            other = "itself" if previous == number else f"event {previous}, which comes later"
            self._note("forward", f"event {number} claims to follow {other}: such links lead in a circle or nowhere")
        elif previous and previous not in ids:
            self._note("lost", f"event {number} follows event {previous}, which is missing")

    def _state(self, number: int, kind: str, what: str, details: Any) -> None:
        name = details.get("name") if isinstance(details, dict) else None
        if not isinstance(name, str):
            self._note("name", f"event {number} does not name its state")
            return
        if what not in _TYPES_OF_STATES:
            self._note("kind", f"event {number} is of a state of an unknown type: {what}")
        if kind == "entered":
            self._entered.add(name)
            if self._states is not None and name not in self._states:
                self._note(f"state {name}", f"event {number} enters the state {name}, which the definition lacks")
        elif name not in self._entered:
            self._note("exit", f"event {number} leaves the state {name}, which was not entered before")
