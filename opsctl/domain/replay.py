"""Walk a recorded run again: the definition that it walked, its input, and the recorded outcome of each attempt.

An outcome is told at the time at which it came. Time limits show in those outcomes, so the definition is walked without
them, and retries come without jitter: only what the record says counts.
"""

from __future__ import annotations

import copy
import heapq
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from opsctl.asl.effects import Failed, Outcome, ScheduleTask, StartMapRun, Succeeded
from opsctl.asl.history import CAUGHT, RUNNING, SUCCEEDED, Attempt, RunHistory, StateRun, read_history, seconds
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.graph import all_states
from opsctl.domain.runs import Run
from opsctl.errors import OpsError

LIMITS = ("TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath")
BEGINS = ("ExecutionStarted", "ExecutionRedriven")
ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
MOST_MOVES = 20_000

Answer = Callable[[ScheduleTask], tuple[float, Outcome] | None]
"""The outcome of a task and when it comes; None for one that is never answered."""


class UnwalkableError(OpsError):
    """The record, or what it leads to, cannot be walked: a Map Run, data left out, a loop without end."""


def replay(definition: Mapping[str, Any], run: Run, events: Sequence[Mapping[str, Any]]) -> Execution | None:
    """The interpreter's execution, as far as the recorded one came, redrives included; None where it does not come to
    the very states entered and left that the record has. Raises UnwalkableError, and ValueError and the like for a
    record or a definition that the interpreter cannot take."""
    history = read_history(events)
    spans = _spans(events)
    recorded = _Recorded(history)
    execution = begun(definition, run, spans[0].began)
    for generation, span in enumerate(spans):
        recorded.generation = generation
        if generation:
            execution.redrive(max(span.began, latest(execution)))
        drive(execution, recorded.answer, math.inf if span.failed else span.ended)
        execution.stop(max(span.ended, latest(execution)))
    return execution if _standing(read_history(execution.events)) == _standing(history) else None


def begun(definition: Mapping[str, Any], run: Run, at: float) -> Execution:
    """The run's execution at its start, by a definition without time limits."""
    execution = Execution(parse(_without_limits(definition)), run.input or "{}", _context(run, at), _NoJitter(0))
    execution.start(at)
    return execution


def drive(execution: Execution, answer: Answer, until: float) -> None:
    """Let it move up to a moment. Raises UnwalkableError where it does not come to rest."""
    waiting: list[tuple[float, int, Outcome]] = []
    now = 0.0
    for _ in range(MOST_MOVES):
        for effect in execution.effects():
            if isinstance(effect, StartMapRun):
                raise UnwalkableError("a Map Run's children are executions of their own")
            if isinstance(effect, ScheduleTask) and (told := answer(effect)):
                heapq.heappush(waiting, (told[0], effect.task, told[1]))
        moments = [moment for moment in (execution.next_timer(), waiting[0][0] if waiting else None) if moment]
        if execution.status != RUNNING or not moments or min(moments) > until:
            return
        now = max(now, latest(execution), min(moments))
        if waiting and waiting[0][0] <= now:
            _, task, outcome = heapq.heappop(waiting)
            execution.resolve(task, outcome, now)
        execution.tick(now)
    raise UnwalkableError("it goes on and on")


def latest(execution: Execution) -> float:
    """When something last happened in it."""
    moment: float = execution.events[-1]["timestamp"]
    return moment


class _NoJitter(Random):
    """A retry comes when it is due, or sooner: its outcome's recorded time decides."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002
        return a


@dataclass(frozen=True)
class _Span:
    """When the run, or a redrive of it, began and ended. One that failed ends by itself again, whenever that may be."""

    began: float
    ended: float
    failed: bool


@dataclass
class _Recorded:
    """The recorded attempts, by state and redrive."""

    history: RunHistory
    generation: int = 0
    attempts: dict[tuple[str, int], list[tuple[StateRun, Attempt]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for state in self.history.states:
            for attempt in state.attempts:
                self.attempts.setdefault((state.name, attempt.generation), []).append((state, attempt))

    def answer(self, effect: ScheduleTask) -> tuple[float, Outcome] | None:
        """The attempt that was asked for in the same words, or else the next one of the state."""
        recorded = self.attempts.get((effect.state, self.generation), [])
        asked = json.dumps(effect.parameters, sort_keys=True)
        same = (entry for entry in recorded if _text(entry[1].parameters) == asked)
        entry = next(same, recorded[0] if recorded else None)
        if entry is None:
            return None
        recorded.remove(entry)
        return _end(*entry)


def _end(state: StateRun, attempt: Attempt) -> tuple[float, Outcome] | None:
    """How an attempt ended; None where the end of the run cut it off."""
    if attempt.ended is None or attempt.status not in (SUCCEEDED, "FAILED", "TIMED_OUT"):
        return None
    if attempt.status == SUCCEEDED:
        if attempt.output is None:
            raise UnwalkableError("the history was read without its data")
        return attempt.ended, Succeeded(attempt.output)
    error = attempt.error or (state.error if attempt.status == "FAILED" else None)
    return None if error is None else (attempt.ended, Failed(error, attempt.cause or ""))


def _spans(events: Sequence[Mapping[str, Any]]) -> list[_Span]:
    begins = [seconds(event["timestamp"]) for event in events if event.get("type") in BEGINS]
    ends = [(seconds(event["timestamp"]), event["type"]) for event in events if event.get("type") in ENDS]
    return [_Span(began, end, kind == "ExecutionFailed") for began, (end, kind) in zip(begins, ends, strict=True)]


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
    machine = {"Id": run.machine_arn, "Name": run.machine_arn.rpartition(":")[2]}
    return {"Execution": own, "StateMachine": machine}


def _text(parameters: str | None) -> str | None:
    try:
        return json.dumps(json.loads(parameters or ""), sort_keys=True)
    except (ValueError, RecursionError):
        return parameters
