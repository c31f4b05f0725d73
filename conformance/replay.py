"""Walk a recorded execution again: the definition, the input and each task's recorded outcome in, our events out.

The recorded events are read in order. One that is an outcome (a task's Started, Submitted, Succeeded, Failed …) is told
to our execution; one that takes time (a Wait's end, a retry, a timeout) lets the virtual clock run until our execution
has come as far. Which of our tasks a recorded outcome belongs to is found by the state's name and the arguments.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from conformance.corpus import Event, Recording
from conformance.drawn import Dice, Drawn
from conformance.events import details, outcome_of, work
from conformance.inputs import real_input
from conformance.map_runs import outcome_of_run
from opsctl.asl.effects import (
    Effect,
    Heartbeat,
    MapRunStarted,
    Outcome,
    ScheduleTask,
    StartMapRun,
)
from opsctl.asl.habits import TODAY, habits_on
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse

_TAKE_TIME = frozenset({"WaitStateExited", "ParallelStateStarted", "MapStateStarted"})
_MOST_TIMERS = 100_000
_NO_ACTIVITY = re.compile(r"The activity \S+ does not exist\.")
_NAME, _MACHINE = "DrawnExecutionName", "DrawnMachineName"


@dataclass
class Replay:
    """What came of it: our events and status, and what was drawn on the way."""

    events: list[Event]
    status: str
    drawn: Drawn


def replay(recording: Recording, *, real_times: bool = False) -> Replay:
    """Raises `InvalidDefinition` if our parser refuses the definition.

    With `real_times` outcomes come when the recording says; else (its timestamps may be made up) at once.
    """
    return _Driver(recording, real_times).run()


@dataclass
class _Driver:
    recording: Recording
    real_times: bool
    tasks: dict[int, int] = field(default_factory=dict)  # recorded Scheduled event -> our task
    asked: list[ScheduleTask] = field(default_factory=list)  # not yet matched
    map_runs: dict[str, StartMapRun] = field(default_factory=dict)  # the latest by state
    due_to_time_out: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.events = self.recording.events
        self.by_id = {event["id"]: event for event in self.events}
        self.now = datetime.fromisoformat(self.events[0]["timestamp"]).timestamp()
        dice, text = Dice.of_a_run(), json.dumps(self.recording.definition)
        self.drawn = Drawn(text, dice, self.now, self.now)
        self.expected_steps: Counter[tuple[str, str]] = Counter()
        self.execution = self._execution(dice)

    def _execution(self, dice: Dice) -> Execution:
        started = details(self.events[0])
        region = next((details(event)["region"] for event in self.events if "region" in details(event)), "us-east-1")
        machine = f"arn:aws:states:{region}:123456789012:stateMachine:{_MACHINE}"
        arn = f"arn:aws:states:{region}:123456789012:execution:{_MACHINE}:{_NAME}"
        start = datetime.fromtimestamp(self.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        own: dict[str, Any] = {"Id": arn, "StartTime": start, "Name": _NAME, "RoleArn": started.get("roleArn", "")}
        habits = TODAY if self.recording.recorded is None else habits_on(self.recording.recorded.date())
        if habits.counts_redrives:
            own["RedriveCount"] = 0
        self.drawn.words |= {arn, machine, _NAME, _MACHINE}
        text, self.drawn.real = real_input(started["input"], self.recording.input)
        context = {"Execution": own, "StateMachine": {"Id": machine, "Name": _MACHINE}}
        execution = Execution(parse(dict(self.recording.definition or {})), text, context, dice, habits)
        if _NO_ACTIVITY.search(str(details(self.events[-1]).get("cause"))):
            execution.ask_for_activities(lambda _arn: self._scheduled_after(execution))
        return execution

    def _scheduled_after(self, execution: Execution) -> bool:
        """Whether AWS scheduled one more activity than we have: only the last was found missing."""
        kind = "ActivityScheduled"
        return _count_of(kind, self.events) > _count_of(kind, execution.events)

    def run(self) -> Replay:
        self.execution.start(self.now)
        self._collect()
        for event in self.events:
            if event["type"] == "ExecutionRedriven":
                self._redrive(event)
            elif self.execution.status == "RUNNING":
                self._follow(event)
        seen = len(self.events) if self.recording.status == "RUNNING" else math.inf
        self._let_time_pass(lambda: len(self.execution.events) >= seen)
        self.drawn.until = self.now
        return Replay(self.execution.events, self.execution.status, self.drawn)

    def _follow(self, event: Event) -> None:
        what = work(event["type"])
        if event["type"] == "ExecutionAborted":
            self.execution.stop(self.now, details(event).get("error"), details(event).get("cause"))
        elif event["type"] in _TAKE_TIME:
            self._await_step(event)
        elif what == "Scheduled":
            self._find(event)
        elif what == "TimedOut":
            self._time_out(event)
        elif event["type"].startswith("MapRun"):
            self._run_map(event)
        elif (outcome := outcome_of(event)) is not None:
            self._tell(event, outcome)

    def _redrive(self, event: Event) -> None:
        self._let_time_pass(lambda: False)
        self._advance(event)
        if self.execution.redrive_refusal(self.now) is None:
            self.execution.redrive(self.now)
            self._collect()

    def _await_step(self, event: Event) -> None:
        """Let time pass until our execution has come as far: left a Wait of that name, started a scope (again)."""
        name = details(event).get("name")
        self.expected_steps[event["type"], str(name)] += 1
        wanted = self.expected_steps[event["type"], str(name)]
        self._let_time_pass(lambda: self._left(event["type"], name) >= wanted)

    def _left(self, kind: str, name: Any) -> int:
        return sum(1 for ours in self.execution.events if ours["type"] == kind and details(ours).get("name") == name)

    def _find(self, scheduled: Event) -> None:
        """Find our task for a recorded Scheduled event; a retry's comes after its delay."""
        name = self._state_of(scheduled)
        self._let_time_pass(lambda: any(task.state == name for task in self.asked))
        of_that_name = [task for task in self.asked if task.state == name]
        if not of_that_name:
            return
        told = details(scheduled)
        wanted = _value(told.get("parameters", told.get("input")))
        task = next((task for task in of_that_name if task.parameters == wanted), of_that_name[0])
        self.asked.remove(task)
        self.tasks[scheduled["id"]] = task.task

    def _tell(self, event: Event, outcome: Outcome) -> None:
        task = self._task_of(event)
        if task is not None:
            self._advance(event)
            self.execution.resolve(task, outcome, self.now)
            self._collect()

    def _run_map(self, event: Event) -> None:
        name = self._state_of(event) or ""
        effect = self.map_runs.get(name)
        if effect is None:
            return
        self._advance(event)
        if event["type"] in ("MapRunStarted", "MapRunRedriven"):
            self.execution.resolve(effect.task, MapRunStarted(details(event).get("mapRunArn")), self.now)
        else:
            left = next((one for one in self.events if one["id"] > event["id"] and _is_exit_of(one, name)), None)
            state = _state_named(self.recording.definition or {}, name)
            outcome = outcome_of_run(self.execution, effect, event, left, state)
            self.execution.resolve(effect.task, outcome, self.now)
        self._collect()

    def _time_out(self, event: Event) -> None:
        task = self._task_of(event)
        if task is not None:
            self.due_to_time_out.add(task)
            kind = event["type"]
            self.expected_steps[kind, ""] += 1
            self._let_time_pass(lambda: self._count(kind) >= self.expected_steps[kind, ""])

    def _count(self, kind: str) -> int:
        return sum(1 for ours in self.execution.events if ours["type"] == kind)

    def _advance(self, event: Event) -> None:
        """Let the clock go on to a recorded event."""
        at = datetime.fromisoformat(event["timestamp"]).timestamp() if self.real_times else self.now + 0.001
        self.now = max(self.now, at)

    def _let_time_pass(self, there: Any) -> None:
        """Fire timers, one after the other, until `there` or nothing is left that time alone could change."""
        for _ in range(_MOST_TIMERS):
            due = self.execution.next_timer()
            if due is None or there() or self.execution.status != "RUNNING":
                return
            # Signs of life are not recorded: a task that did not time out must have given them.
            for task in set(self.tasks.values()) - self.due_to_time_out:
                self.execution.resolve(task, Heartbeat(), self.now)
            due = self.execution.next_timer() or due
            self.now = max(self.now, due)
            self.execution.tick(self.now)
            self._collect()

    def _collect(self) -> None:
        for effect in self.execution.effects():
            self._take(effect)

    def _take(self, effect: Effect) -> None:
        if isinstance(effect, StartMapRun):
            self.map_runs[effect.state] = effect
        elif isinstance(effect, ScheduleTask):
            self.asked.append(effect)
            if effect.token is not None:
                self.drawn.words.add(effect.token)

    def _task_of(self, event: Event) -> int | None:
        seen: Event | None = event
        while seen is not None and work(seen["type"]) != "Scheduled":
            seen = self.by_id.get(seen["previousEventId"])
        return None if seen is None else self.tasks.get(seen["id"])

    def _state_of(self, event: Event) -> str | None:
        seen: Event | None = event
        while seen is not None and not seen["type"].endswith("StateEntered"):
            seen = self.by_id.get(seen["previousEventId"])
        return None if seen is None else str(details(seen)["name"])


def _count_of(kind: str, events: list[Event]) -> int:
    return sum(1 for event in events if event["type"] == kind)


def _is_exit_of(event: Event, name: str) -> bool:
    return event["type"] == "MapStateExited" and details(event).get("name") == name


def _state_named(definition: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A state's definition, wherever in the machine it stands."""
    waiting: list[Any] = [definition]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if isinstance(states := value.get("States"), Mapping) and name in states:
                found: Mapping[str, Any] = states[name]
                return found
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return {}


def _value(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return text
