"""What a history's states came to, worked out from the events and the definition without the reader.

Slow and plain on purpose, and written against the same rules from the other end: the reader moves forward in one pass,
this looks back from every state by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from conformance.corpus import Event, Recording
from conformance.events import details, work

_ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionAborted": "ABORTED",
    "ExecutionTimedOut": "TIMED_OUT",
}
_SCOPE_STARTS = frozenset({"ParallelStateStarted", "MapStateStarted"})
_SCOPE_FAILURES = frozenset({"ParallelStateFailed", "MapStateFailed", "MapIterationFailed"})
_BROKEN = frozenset({"Failed", "TimedOut", "SubmitFailed", "StartFailed", "ScheduleFailed"})


def expected_status(recording: Recording) -> str:
    """The execution's status: its last word, unless it was redriven after that."""
    last = [
        event["type"] for event in recording.events if event["type"] in _ENDS or event["type"] == "ExecutionRedriven"
    ]
    return _ENDS.get(last[-1], "RUNNING") if last else "RUNNING"


def expected_states(recording: Recording) -> dict[int, tuple[str, str]]:
    """By the id of a state's Entered event its name and status."""
    return _Backwards(recording).states()


class _Backwards:
    def __init__(self, recording: Recording) -> None:
        self.events = recording.events
        self.by_id = {event["id"]: event for event in self.events}
        self.status = expected_status(recording)
        self.catches = dict(_catches(recording.definition)) if recording.definition else {}
        self.entries = [event for event in self.events if event["type"].endswith("StateEntered")]
        self.exits = {
            entry["id"]: event
            for event in self.events
            if event["type"].endswith("StateExited") and (entry := self._entry_of_exit(event)) is not None
        }
        self.scope_of: dict[int, int] = {}  # by a start or failure of a Parallel or Map its entry
        self.last_start: dict[int, int] = {}  # by the entry the event
        self._attribute_scopes()
        self.blamed = self._blamed()

    def states(self) -> dict[int, tuple[str, str]]:
        return {entry["id"]: (str(details(entry)["name"]), self._status(entry)) for entry in self.entries}

    def _status(self, entry: Event) -> str:
        left = self.exits.get(entry["id"])
        if left is not None:
            return "CAUGHT" if self._caught(left) else "SUCCEEDED"
        if entry["type"].startswith("Fail") or entry["id"] in self.blamed:
            return "FAILED"
        if self.status == "RUNNING" and not self._enclosing_is_over(entry):
            return "RUNNING"
        return "TIMED_OUT" if self.status == "TIMED_OUT" and not self._enclosing_is_over(entry) else "ABORTED"

    def _back(self, event: Event | None) -> Iterator[Event]:
        """The event and what led to it, the latest first."""
        while event is not None:
            yield event
            event = self.by_id.get(event["previousEventId"])

    def _entry_of_exit(self, left: Event) -> Event | None:
        name, kind = details(left).get("name"), left["type"].replace("Exited", "Entered")
        return next((one for one in self._back(left) if one["type"] == kind and details(one).get("name") == name), None)

    def _caught(self, left: Event) -> bool:
        """By the definition if it tells: the next state is one that only a Catch leads to. Else by what came before."""
        following = next((one for one in self.entries if one["previousEventId"] == left["id"]), None)
        usual, handlers = self.catches.get(str(details(left).get("name")), (None, frozenset()))
        if following is not None and details(following)["name"] in handlers and details(following)["name"] != usual:
            return True
        before = self.by_id.get(left["previousEventId"], {"type": ""})["type"]
        if left["type"].startswith(("Parallel", "Map")):
            failed = before in ("ParallelStateFailed", "MapStateFailed", "EvaluationFailed")
            return failed and not self._succeeded_beside(left)
        return (work(before) or "") in _BROKEN or before == "EvaluationFailed"

    def _succeeded_beside(self, left: Event) -> bool:
        kind = left["type"].replace("Exited", "Succeeded")
        return any(
            event["type"] == kind and event["previousEventId"] == left["previousEventId"] for event in self.events
        )

    def _blamed(self) -> set[int]:
        """States that never left because they failed: what each report of a failure, nearest first, points back to."""
        blamed: set[int] = set()
        for event in self.events:
            if event["type"] == "ExecutionFailed":
                inner, *outer = [*self._open_before(event), None]
                around = [one for one in outer if one and one["type"].startswith(("Parallel", "Map"))]
                blamed |= {one["id"] for one in (inner, *around) if one}
            elif event["type"] in _SCOPE_FAILURES or self._starts_again(event):
                blamed |= {one["id"] for one in islice(self._open_before(event), 1)}
                blamed |= {self.scope_of[event["id"]]} if event["type"].endswith("StateFailed") else set()
            elif event["type"] == "EvaluationFailed":
                # Its link may lead past the state it speaks of: it names the state instead.
                before = [one for one in self.entries if one["id"] < event["id"]]
                named = [one["id"] for one in before if details(one)["name"] == details(event).get("state")]
                blamed |= set(named[-1:])
        return blamed

    def _starts_again(self, event: Event) -> bool:
        """Whether it is a Retry's start of a Parallel or Map: then something inside had failed."""
        before = self.by_id.get(event["previousEventId"], {"type": ""})["type"]
        return event["type"] in _SCOPE_STARTS and not before.endswith("StateEntered")

    def _open_before(self, event: Event) -> Iterator[Event]:
        """Entries that led to the event, that it is inside of, and that never came to an exit; the innermost first."""
        return (one for one in self._around(event) if one["id"] not in self.exits and one["type"] not in _SCOPE_STARTS)

    def _attribute_scopes(self) -> None:
        """Find out which entry a start or failure of a Parallel or Map speaks of: the innermost that has not failed."""
        failed: set[int] = set()
        for event in self.events:
            kind, _, what = event["type"].partition("State")
            if kind in ("Parallel", "Map") and what in ("Started", "Failed"):
                around = (one["id"] for one in self._around(event) if one["type"] == f"{kind}StateEntered")
                of = next((one for one in around if one not in failed), 0)
                self.scope_of[event["id"]] = of
                if what == "Started":
                    self.last_start[of] = event["id"]
                else:
                    failed.add(of)

    def _enclosing_is_over(self, entry: Event) -> bool:
        """Whether a Parallel or Map around it has been left, has failed or was started again."""
        start = 0
        for event in self._around(entry):
            if event["type"] in _SCOPE_STARTS:
                start = start or event["id"]
            elif event["type"].startswith(("Parallel", "Map")):
                if (
                    event["id"] in self.exits
                    or event["id"] in self.blamed
                    or self.last_start.get(event["id"], 0) > start
                ):
                    return True
                start = 0
        return False

    def _around(self, inner: Event) -> Iterator[Event]:
        """What an event is inside of, the innermost first: entries, and events that started a Parallel or Map."""
        left: list[Event] = []  # states that were left in between, the last one innermost
        event = self.by_id.get(inner["previousEventId"])
        while event is not None:
            previous = event["previousEventId"]
            if event["type"].endswith("StateExited"):
                left.append(event)
            elif event["type"] in _SCOPE_STARTS:
                if not _is_scope(left):
                    yield event
                previous = self.scope_of.get(event["id"], previous)  # a Retry's start links to what had failed
            elif event["type"] == "MapIterationStarted":
                previous = self._start_of(event)
            elif event["type"].endswith("StateEntered"):
                if left and details(left[-1])["name"] == details(event)["name"]:
                    left.pop()
                elif not _is_scope(left):  # else it failed inside of a Parallel or Map that was left all the same
                    yield event
            event = self.by_id.get(previous)

    def _start_of(self, iteration: Event) -> int:
        """The start of an iteration's Map. The iteration may link to what ended the one before it, whose states it is
        not inside of."""
        event = self.by_id.get(iteration["previousEventId"])
        while event is not None:
            entry = self.by_id.get(self.scope_of.get(event["id"], 0))
            name = None if entry is None else details(entry).get("name")
            if event["type"] == "MapStateStarted" and name == details(iteration).get("name"):
                return int(event["id"])
            event = self.by_id.get(event["previousEventId"])
        return int(iteration["previousEventId"])


def _is_scope(left: list[Event]) -> bool:
    """Whether the state that was left last, seen from the innermost, is a Parallel or Map."""
    return bool(left) and left[-1]["type"].startswith(("Parallel", "Map"))


def _catches(definition: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str | None, frozenset[str]]]]:
    """By state name: where it goes, and where its Catch goes."""
    states = definition.get("States")
    for name, state in (states if isinstance(states, dict) else {}).items():
        yield name, (state.get("Next"), frozenset(catcher["Next"] for catcher in state.get("Catch", ())))
        inner = [*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")]
        for scope in inner:
            if isinstance(scope, dict):
                yield from _catches(scope)
