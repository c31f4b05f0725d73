"""Redrive an ended run in the interpreter, and see where it would get to.

The recorded run is walked again (`replay`) and then redriven. Whatever that asks for succeeds: with the answer that the
same state got before, or a job's with one like its service's, or else with one that has whatever the definition reads
of it. Such an answer is a guess, and where one was needed an end in failure proves nothing yet. It does where a run in
which nothing had failed would succeed by the same guesses: then it is what happened before, and a redrive keeps, that
leads there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.effects import Outcome, ScheduleTask, Succeeded
from opsctl.asl.history import SUCCEEDED, RunHistory, read_history
from opsctl.asl.interpreter import Execution
from opsctl.domain.answers import filled, stand_ins
from opsctl.domain.carrying.values import Steps
from opsctl.domain.guards import read_pipeline
from opsctl.domain.replay import UnwalkableError, begun, drive, latest, replay
from opsctl.domain.results import JOB_STATUS
from opsctl.domain.runs import Run
from opsctl.errors import OpsError

# By the resource's action: where a request holds a name that the service takes only once.
UNIQUE_NAMES = {
    "createTrainingJob": "TrainingJobName",
    "createTransformJob": "TransformJobName",
    "createProcessingJob": "ProcessingJobName",
    "createHyperParameterTuningJob": "HyperParameterTuningJobName",
    "startExecution": "Name",
}
Needs = Mapping[str, Mapping[Steps, Any]]
MOST_ASKED = 2_000  # tasks of a redriven walk: what loops longer is not seen to its end


@dataclass(frozen=True)
class Foreseen:
    """Where a redriven run would get to if each task that it asks for succeeded.

    `asked` are those tasks' states, in order; `fails_at` is the state at which it would fail all the same, None where
    it would not, and `certain` whether no mere guess at an answer led there. `repeated` are the jobs that would be
    asked for under a name that an earlier attempt has used: (state, name).
    """

    asked: tuple[str, ...]
    fails_at: str | None
    certain: bool
    error: str | None
    repeated: tuple[tuple[str, str], ...]


def foresee(definition: Mapping[str, Any], run: Run, events: Sequence[Mapping[str, Any]]) -> Foreseen | None:
    """None where the record cannot be walked again: a Map Run, data left out, a definition unknown to the parser."""
    try:
        execution = replay(definition, run, events)
        if execution is None:
            return None
        history = read_history(events)
        needs = stand_ins(read_pipeline(definition).reads)
        answers = _Answers(history, latest(execution), _hopeless(definition), needs)
        execution.redrive(answers.at)
        drive(execution, answers.answer, math.inf)
        fails_at = answers.doomed or _failed_at(execution)
        certain = not answers.guessed or (fails_at is not None and _would_succeed(definition, run, history, needs))
    except (OpsError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return Foreseen(tuple(answers.asked), fails_at, certain, execution.error, tuple(answers.repeated))


def _would_succeed(definition: Mapping[str, Any], run: Run, history: RunHistory, needs: Needs) -> bool:
    """Whether a run in which no task fails gets to a good end by the answers that are at hand."""
    answers = _Answers(history, run.started, frozenset(), needs)
    execution = begun(definition, run, run.started)
    try:
        drive(execution, answers.answer, math.inf)
    except UnwalkableError:
        return False
    return execution.status == SUCCEEDED


@dataclass
class _Answers:
    """A success for every task, at one moment, until one is asked for from which no good end can be reached."""

    history: RunHistory
    at: float
    hopeless: frozenset[str]  # states of the top level
    needs: Needs  # what the definition reads of each state's result
    asked: list[str] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    guessed: bool = False
    doomed: str | None = None

    def answer(self, effect: ScheduleTask) -> tuple[float, Outcome] | None:
        """Raises UnwalkableError where too many are asked for."""
        if self.doomed:
            return None
        self.asked.append(effect.state)
        if len(self.asked) > MOST_ASKED:
            raise UnwalkableError("it goes on and on")
        self._note_name(effect)
        if effect.state in self.hopeless:
            self.doomed = effect.state
            return None
        return self.at, Succeeded(json.dumps(self._output(effect)))

    def _output(self, effect: ScheduleTask) -> Any:
        """A job answers the same every time, but for details; what anything else answers is a guess."""
        key, done = JOB_STATUS.get(action_of(effect.resource), ("", ""))
        earlier = self._earlier(effect.state)
        job = key and ".sync" in effect.resource and action_of(effect.resource) != "startExecution"
        if job and earlier and earlier.get(key) == done:
            return earlier
        self.guessed = True
        asked = effect.parameters if isinstance(effect.parameters, dict) else {}
        return {**asked, key: done} if job else earlier or filled({}, self.needs.get(effect.state, {}))

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
        name = unique_name(effect.resource, effect.parameters)
        if name and (effect.state, name) not in self.repeated and name in self._used(effect):
            self.repeated.append((effect.state, name))

    def _used(self, effect: ScheduleTask) -> set[Any]:
        """The names under which jobs of the state exist."""
        attempts = [one for state in self.history.states if state.name == effect.state for one in state.attempts]
        asked = (json.loads(attempt.parameters or "{}") for attempt in attempts if attempt.submitted is not None)
        return {unique_name(effect.resource, value) for value in asked}


def _failed_at(execution: Execution) -> str | None:
    states = read_history(execution.events).states if execution.status == "FAILED" else ()
    return next((state.name for state in reversed(states) if state.status == "FAILED"), None)


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


def unique_name(resource: str, parameters: Any) -> Any:
    """The name that a request asks for and that the service takes only once; None where there is none."""
    key = UNIQUE_NAMES.get(action_of(resource))
    return parameters.get(key) if key and isinstance(parameters, dict) else None


def action_of(resource: str) -> str:
    """`createTrainingJob` of `arn:aws:states:::sagemaker:createTrainingJob.sync`."""
    return resource.partition(".")[0].rpartition(":")[2]
