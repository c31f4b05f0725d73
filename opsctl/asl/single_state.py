"""One state by itself, as TestState tests it: what becomes of an input, given what its work answers.

The state is walked in a machine of its own, in which every state that it may go on to is an empty one. A Parallel or a
Map stands there as a Task, whose answer is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.definition import Guarded
from opsctl.asl.effects import Outcome, ScheduleTask
from opsctl.asl.environment import Environment
from opsctl.asl.failures import StateError, matches
from opsctl.asl.flow import Flow, JsonPathFlow, follow, place
from opsctl.asl.interpreter import Execution
from opsctl.asl.payload import Payload
from opsctl.asl.validate import parse
from opsctl.asl.validation_graph import transitions

SUCCEEDED, FAILED, RETRIABLE, CAUGHT_ERROR = "SUCCEEDED", "FAILED", "RETRIABLE", "CAUGHT_ERROR"
_WORK = frozenset({"Task", "Parallel", "Map"})
_OF_CONTAINERS = frozenset(
    {
        "Branches", "ItemBatcher", "ItemProcessor", "ItemReader", "ItemSelector", "Items", "ItemsPath", "Iterator",
        "Label", "MaxConcurrency", "MaxConcurrencyPath", "ResultWriter", "ToleratedFailureCount",
        "ToleratedFailureCountPath", "ToleratedFailurePercentage", "ToleratedFailurePercentagePath",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What a state is tested with."""

    name: str
    state: Mapping[str, Any]
    language: str
    input: str
    answer: Outcome | None = None
    """What a Task, Parallel or Map is answered."""
    retries: int = 0
    """How often its Retry has tried again before."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Verdict:
    """What became of it."""

    status: str = SUCCEEDED
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    next_state: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    """What it assigned, as JSON texts."""
    data: dict[str, str] = field(default_factory=dict)
    """What went through its fields, by TestState's names, as JSON texts."""
    handled: dict[str, int] = field(default_factory=dict)
    """Which entry of Retry or Catch takes the error, and after how many seconds it is tried again."""


def works(state: Mapping[str, Any]) -> bool:
    """Whether the state is of a type that asks for work, and so needs an answer."""
    return state.get("Type") in _WORK


def try_state(trial: Trial) -> Verdict:
    """Walk the state. Raises `InvalidDefinition` if it is none, `ValueError` if the input is no JSON."""
    machine = parse(_machine(trial))
    execution = Execution(machine, trial.input, trial.context, variables=trial.variables)
    execution.pause_when(lambda: True)
    execution.start(0.0)
    state, raw, view = machine.scope.states[trial.name], Payload(text=trial.input), execution.view()
    now = _work(execution, trial)
    verdict = _verdict(execution)
    if isinstance(state, Guarded) and verdict.status in (RETRIABLE, CAUGHT_ERROR):
        verdict.handled = _handler(verdict, state, (execution.next_timer() or now) - now)
    verdict.data = {"input": trial.input, **_data(state.flow, raw, _result(execution), view)}
    return verdict


def _work(execution: Execution, trial: Trial) -> float:
    """Let the state do its work, and time pass until it has; returns when that is."""
    now, left = 0.0, trial.retries
    while execution.status == "RUNNING" and _exit_at(execution) is None:
        if execution.busy:
            execution.go_on(now)
            continue
        asked = [effect for effect in execution.effects() if isinstance(effect, ScheduleTask)]
        if asked and trial.answer is not None:
            execution.resolve(asked[-1].task, trial.answer, now)
            continue
        due = execution.next_timer()
        if due is None or (trial.answer is not None and left == 0):
            break
        now, left = due, left - 1
        execution.tick(now)
    return now


def _verdict(execution: Execution) -> Verdict:
    events = execution.events
    if execution.status == "FAILED":
        return Verdict(FAILED, error=execution.error, cause=execution.cause)
    exit_at = _exit_at(execution)
    error, cause = _failure(events[-1 if exit_at is None else exit_at - 1])
    if exit_at is None:
        return Verdict(RETRIABLE, error=error, cause=cause)
    left = events[exit_at]["stateExitedEventDetails"]
    execution.go_on(events[-1]["timestamp"])  # into the next state, if that was not gone into with the exit
    entered: Mapping[str, Any] = next(
        (event["stateEnteredEventDetails"] for event in events[exit_at:] if _is_entry(event)), {}
    )
    return Verdict(
        SUCCEEDED if error is None else CAUGHT_ERROR,
        output=left["output"],
        error=error,
        cause=cause,
        next_state=entered.get("name"),
        variables=left.get("assignedVariables", {}),
    )


def _exit_at(execution: Execution) -> int | None:
    """Where among the events the state was left."""
    return next((index for index, event in enumerate(execution.events) if "stateExitedEventDetails" in event), None)


def _is_entry(event: Mapping[str, Any]) -> bool:
    return "stateEnteredEventDetails" in event


def _failure(event: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Error and cause, if the event tells of them."""
    told: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return told.get("error"), told.get("cause")


def _handler(verdict: Verdict, state: Guarded, pause: float) -> dict[str, int]:
    """Which entry of Retry or Catch it is that takes the error."""
    retried = verdict.status == RETRIABLE
    entries = [entry.errors for entry in (state.retriers if retried else state.catchers)]
    index = next((index for index, errors in enumerate(entries) if matches(verdict.error, errors)), 0)
    return {"retryIndex": index, "retryBackoffIntervalSeconds": round(pause)} if retried else {"catchIndex": index}


def _result(execution: Execution) -> Payload | None:
    """What the work was answered, if that was no error."""
    for event in execution.events:
        for name in (
            "taskSucceededEventDetails",
            "lambdaFunctionSucceededEventDetails",
            "activitySucceededEventDetails",
        ):
            if name in event:
                return Payload(text=event[name]["output"])
    return None


def _data(flow: Flow, raw: Payload, result: Payload | None, view: Environment) -> dict[str, str]:
    """What the state's fields make of input and result, as far as they make something of it."""
    data: dict[str, str] = {}
    try:
        if not isinstance(flow, JsonPathFlow):
            data["afterArguments"] = flow.arguments(raw, view).text
            return data if result is None else {**data, "result": result.text}
        data["afterInputPath"] = follow(flow.input_path, raw, view).text
        data["afterParameters"] = flow.arguments(raw, view).text
        if result is not None:
            data["result"] = result.text
            if flow.result_selector is not None:
                result = Payload(flow.result_selector(view.with_data(result.value)))
            data["afterResultSelector"] = result.text
            data["afterResultPath"] = place(flow.result_path, raw, result).text
    except StateError:
        pass
    return data


def _machine(trial: Trial) -> dict[str, Any]:
    state = dict(trial.state)
    if state.get("Type") in ("Parallel", "Map"):
        kept = {name: value for name, value in state.items() if name not in _OF_CONTAINERS}
        state = {**kept, "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
    targets = {target for _, target in transitions(state) if isinstance(target, str)}
    states = {target: {"Type": "Succeed"} for target in sorted(targets)} | {trial.name: state}
    return {"QueryLanguage": trial.language, "StartAt": trial.name, "States": states}
