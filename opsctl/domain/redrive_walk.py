"""Walk an ended run again, redrive it, and see where it would get to.

The interpreter is given the definition that the run walked, its input and the recorded outcome of each attempt, at the
time at which it came. Time limits show in those outcomes, so the definition is walked without them, and retries come
without jitter: only what the record says counts. Where this ends with the very states done and open that the record
has, a redrive is tried on it. Whatever is asked for then succeeds: jobs with an answer like their service's, and what
answers in no known form (a function, a callback) makes the end uncertain.
"""

from __future__ import annotations

import copy
import heapq
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from opsctl.asl import Execution, parse
from opsctl.asl.effects import Failed, Outcome, ScheduleTask, StartMapRun, Succeeded
from opsctl.asl.history import CAUGHT, RUNNING, SUCCEEDED, Attempt, RunHistory, StateRun, read_history, seconds
from opsctl.domain.guards import all_states
from opsctl.domain.results import JOB_STATUS
from opsctl.domain.runs import Run
from opsctl.errors import OpsError

LIMITS = ("TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath")
BEGINS = ("ExecutionStarted", "ExecutionRedriven")
ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
# By the resource's action: where a request holds a name that the service takes only once.
UNIQUE_NAMES = {
    "createTrainingJob": "TrainingJobName",
    "createTransformJob": "TransformJobName",
    "createProcessingJob": "ProcessingJobName",
    "createHyperParameterTuningJob": "HyperParameterTuningJobName",
    "startExecution": "Name",
}
MOST_ASKED = 2_000  # tasks of a redriven walk: what loops longer is not seen to its end
MOST_TIMERS = 20_000


@dataclass(frozen=True)
class Foreseen:
    """Where a redriven run would get to if each task that it asks for succeeded.

    `asked` are those tasks' states, in order; `fails_at` is the state at which it would fail all the same, None where
    it would succeed or the end is not certain. `repeated` are the jobs that would be asked for under a name that an
    earlier attempt has used: (state, name).
    """

    asked: tuple[str, ...]
    fails_at: str | None
    error: str | None
    repeated: tuple[tuple[str, str], ...]


def foresee(definition: Mapping[str, Any], run: Run, events: Sequence[Mapping[str, Any]]) -> Foreseen | None:
    """None where the record cannot be walked again: a Map Run, data left out, a definition unknown to the parser."""
    history = read_history(events)
    try:
        past = _Past(history, _spans(events))
        execution = past.walked(definition, run)
        if not past.is_like(execution):
            return None
        return _Future(history, _hopeless(definition)).of(execution, _latest(execution))
    except (OpsError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


class _UnwalkableError(OpsError):
    """Something in the record is not to be walked again."""


class _NoJitter(Random):
    """A retry comes when it is due, or sooner: its outcome's recorded time decides."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002
        return a


@dataclass
class _Past:
    """The recorded attempts, by state and redrive; and when the run, and each redrive of it, began and ended, and
    whether it failed: then it ends by itself again, whenever that may be."""

    history: RunHistory
    spans: list[tuple[float, float, bool]]
    attempts: dict[tuple[str, int], list[tuple[StateRun, Attempt]]] = field(default_factory=dict)
    generation: int = 0

    def __post_init__(self) -> None:
        for state in self.history.states:
            for attempt in state.attempts:
                self.attempts.setdefault((state.name, attempt.generation), []).append((state, attempt))

    def walked(self, definition: Mapping[str, Any], run: Run) -> Execution:
        """The interpreter's execution, as far as the recorded one came."""
        context = _context(run, self.spans[0][0])
        execution = Execution(parse(_without_limits(definition)), run.input or "{}", context, _NoJitter(0))
        for generation, (began, end, failed) in enumerate(self.spans):
            self.generation = generation
            if generation:
                execution.redrive(max(began, _latest(execution)))
            else:
                execution.start(began)
            _drive(execution, self._answer, math.inf if failed else end)
            execution.stop(max(end, _latest(execution)))
        return execution

    def is_like(self, execution: Execution) -> bool:
        """Whether the same states were entered, and the same ones left."""
        return _standing(read_history(execution.events)) == _standing(self.history)

    def _answer(self, effect: ScheduleTask) -> tuple[float, Outcome] | None:
        recorded = self.attempts.get((effect.state, self.generation), [])
        asked = json.dumps(effect.parameters, sort_keys=True)
        same = (entry for entry in recorded if _text(entry[1].parameters) == asked)
        entry = next(same, recorded[0] if recorded else None)
        if entry is None:
            return None
        recorded.remove(entry)
        return _recorded_end(*entry)


@dataclass
class _Future:
    """Answers for what a redriven execution asks."""

    history: RunHistory
    hopeless: frozenset[str]  # states of the top level from which no good end can be reached
    asked: list[str] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    unknown: bool = False
    made_up: bool = False
    doomed: str | None = None

    def of(self, execution: Execution, now: float) -> Foreseen:
        seen = len(execution.events)
        execution.redrive(now)
        self.made_up = self.unknown = False
        _drive(execution, lambda effect: self._answer(effect, now), math.inf)
        if not execution.events[seen:]:
            raise _UnwalkableError("nothing happened")
        fails_at = self.doomed or self._failed_at(execution)
        return Foreseen(tuple(self.asked), fails_at, execution.error, tuple(self.repeated))

    def _answer(self, effect: ScheduleTask, now: float) -> tuple[float, Outcome] | None:
        if self.doomed:
            return None
        self.asked.append(effect.state)
        if len(self.asked) > MOST_ASKED:
            raise _UnwalkableError("it goes on and on")
        self._note_name(effect)
        if effect.state in self.hopeless and not self.unknown:
            self.doomed = effect.state
            return None
        return now, Succeeded(json.dumps(self._output(effect)))

    def _failed_at(self, execution: Execution) -> str | None:
        """Where it failed, if no answer that is only a guess led there."""
        if execution.status != "FAILED" or self.unknown:
            return None
        last = read_history(execution.events).states
        failing = next((state for state in reversed(last) if state.status == "FAILED"), None)
        chosen = failing is not None and failing.type == "Fail"
        return failing.name if failing and (chosen or not self.made_up) else None

    def _output(self, effect: ScheduleTask) -> Any:
        key, done = JOB_STATUS.get(_action(effect.resource), ("", ""))
        earlier = self._earlier(effect.state)
        if ".sync" in effect.resource and key and _action(effect.resource) != "startExecution":
            self.made_up = self.made_up or earlier is None
            asked = effect.parameters if isinstance(effect.parameters, dict) else {}
            return earlier if earlier and earlier.get(key) == done else {**asked, key: done}
        self.unknown = True
        return earlier or {}

    def _earlier(self, name: str) -> dict[str, Any] | None:
        """What the state's work answered when it last succeeded in this run."""
        found = [
            attempt.output
            for state in self.history.states
            for attempt in state.attempts
            if state.name == name and attempt.status == SUCCEEDED and attempt.output
        ]
        value = json.loads(found[-1]) if found else None
        return value if isinstance(value, dict) else None

    def _note_name(self, effect: ScheduleTask) -> None:
        key = UNIQUE_NAMES.get(_action(effect.resource))
        name = effect.parameters.get(key) if key and isinstance(effect.parameters, dict) else None
        if name and (effect.state, name) not in self.repeated and name in self._used(effect.state, str(key)):
            self.repeated.append((effect.state, name))

    def _used(self, name: str, key: str) -> set[Any]:
        """The names under which jobs of the state exist."""
        attempts = [one for state in self.history.states if state.name == name for one in state.attempts]
        asked = (json.loads(attempt.parameters or "{}") for attempt in attempts if attempt.submitted is not None)
        return {value.get(key) for value in asked if isinstance(value, dict)}


def _drive(execution: Execution, answer: Callable[[ScheduleTask], tuple[float, Outcome] | None], until: float) -> None:
    """Let it move up to a moment, each task answered when its answer says, or never."""
    waiting: list[tuple[float, int, Outcome]] = []
    now = 0.0
    for _ in range(MOST_TIMERS):
        for effect in execution.effects():
            if isinstance(effect, StartMapRun):
                raise _UnwalkableError("a Map Run's children are executions of their own")
            if isinstance(effect, ScheduleTask) and (told := answer(effect)):
                heapq.heappush(waiting, (told[0], effect.task, told[1]))
        moments = [moment for moment in (execution.next_timer(), waiting[0][0] if waiting else None) if moment]
        if execution.status != RUNNING or not moments or min(moments) > until:
            return
        now = max(now, _latest(execution), min(moments))
        if waiting and waiting[0][0] <= now:
            _, task, outcome = heapq.heappop(waiting)
            execution.resolve(task, outcome, now)
        execution.tick(now)
    raise _UnwalkableError("it goes on and on")


def _recorded_end(state: StateRun, attempt: Attempt) -> tuple[float, Outcome] | None:
    """How an attempt ended; None where the end of the run cut it off."""
    if attempt.ended is None or attempt.status not in (SUCCEEDED, "FAILED", "TIMED_OUT"):
        return None
    if attempt.status == SUCCEEDED:
        if attempt.output is None:
            raise _UnwalkableError("the history was read without its data")
        return attempt.ended, Succeeded(attempt.output)
    error = attempt.error or (state.error if attempt.status == "FAILED" else None)
    return None if error is None else (attempt.ended, Failed(error, attempt.cause or ""))


def _spans(events: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, bool]]:
    begins = [seconds(event["timestamp"]) for event in events if event.get("type") in BEGINS]
    ends = [(seconds(event["timestamp"]), event["type"]) for event in events if event.get("type") in ENDS]
    return [(began, end, kind == "ExecutionFailed") for began, (end, kind) in zip(begins, ends, strict=True)]


def _latest(execution: Execution) -> float:
    moment: float = execution.events[-1]["timestamp"]
    return moment


def _standing(history: RunHistory) -> Counter[tuple[str, bool]]:
    return Counter((state.name, state.status in (SUCCEEDED, CAUGHT)) for state in history.states)


def _without_limits(definition: Mapping[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(dict(definition))
    for scope in (result, *(state for _, state in all_states(result))):
        for limit in LIMITS:
            scope.pop(limit, None)  # type: ignore[attr-defined]
    return result


def _context(run: Run, began: float) -> dict[str, Any]:
    start = datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    own = {"Id": run.arn, "Name": run.name, "RoleArn": "", "StartTime": start, "RedriveCount": 0}
    return {
        "Execution": own,
        "StateMachine": {"Id": run.machine_arn, "Name": run.machine_arn.rpartition(":")[2]},
    }


def _hopeless(definition: Mapping[str, Any]) -> frozenset[str]:
    """The states of the top level from which every way ends in a Fail state."""
    states: Mapping[str, Mapping[str, Any]] = definition["States"]
    good: set[str] = set()
    size = -1
    while size != len(good):
        size = len(good)
        for name, state in states.items():
            if state.get("End") or state["Type"] == "Succeed" or good & set(_ways_on(state)):
                good.add(name)
    return frozenset(states.keys() - good)


def _ways_on(state: Mapping[str, Any]) -> Iterator[str]:
    for holder in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def _action(resource: str) -> str:
    return resource.partition(".")[0].rpartition(":")[2]


def _text(parameters: str | None) -> str | None:
    try:
        return json.dumps(json.loads(parameters or ""), sort_keys=True)
    except ValueError:
        return parameters
