"""How the tests of the interpreter drive it, and how they write a history down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from random import Random
from types import FrameType
from typing import Any

from opsctl.asl.effects import Outcome, ScheduleTask
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse

CONTEXT = {
    "Execution": {
        "Id": "arn:aws:states:eu-west-1:123456789012:execution:training:nightly-7",
        "Name": "nightly-7",
        "RoleArn": "arn:aws:iam::123456789012:role/machine",
        "StartTime": "2026-11-21T08:00:00.000Z",
        "RedriveCount": 0,
    },
    "StateMachine": {
        "Id": "arn:aws:states:eu-west-1:123456789012:stateMachine:training",
        "Name": "training",
    },
}
JOB = "arn:aws:states:::sagemaker:createTrainingJob.sync"
INVOKE = "arn:aws:states:::lambda:invoke"
CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def machine_of(states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A definition whose first state is the start; a state that goes nowhere ends."""
    whole = {name: _ended(state) for name, state in states.items()}
    return {"StartAt": next(iter(states)), "States": whole, **more}


def _ended(state: dict[str, Any]) -> dict[str, Any]:
    ends = state["Type"] in ("Succeed", "Fail", "Choice") or "Next" in state or "End" in state
    return state if ends else {**state, "End": True}


def begin(states: dict[str, Any], text: str = "{}", seed: int = 1, **more: Any) -> Execution:
    """An execution, started at second 0."""
    execution = Execution(parse(machine_of(states, **more)), text, CONTEXT, Random(seed))
    execution.start(0.0)
    return execution


def asked(execution: Execution) -> list[ScheduleTask]:
    """The tasks that the execution asked for since the last call."""
    return [effect for effect in execution.effects() if isinstance(effect, ScheduleTask)]


def play(execution: Execution, outcomes: Mapping[str, list[Outcome]]) -> Execution:
    """Answer each task at once with the next outcome of its state, and let time pass, until nothing moves."""
    left = {state: list(answers) for state, answers in outcomes.items()}
    now = 0.0
    while execution.status == "RUNNING":
        tasks = [task for task in asked(execution) if left.get(task.state)]
        for task in tasks:
            execution.resolve(task.task, left[task.state].pop(0), now)
        due = execution.next_timer()
        if not tasks and due is None:
            break
        if not tasks and due is not None:
            now = due
            execution.tick(now)
    return execution


def written(execution: Execution) -> list[str]:
    """The history as lines `id<-previous Type details`, the constant parts left out."""
    return [_line(event) for event in execution.events]


def _line(event: dict[str, Any]) -> str:
    details = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    hidden = {"inputDetails", "outputDetails", "assignedVariablesDetails", "roleArn", "resourceType", "region"}
    shown = [f"{value}" if key == "name" else f"{key}={value}" for key, value in details.items() if key not in hidden]
    return " ".join([f"{event['id']}<-{event['previousEventId']}", event["type"], *shown])


def output_of(states: dict[str, Any], text: str = "{}") -> str | None:
    """What a machine of states without tasks makes of an input."""
    execution = begin(states, text)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    return execution.output


def cause_of(states: dict[str, Any], text: str = "{}") -> tuple[str | None, str | None]:
    """How a machine of states without tasks fails."""
    execution = begin(states, text)
    assert execution.status == "FAILED"
    return execution.error, execution.cause


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python that takes: a measure of time in which no clock and no other process has a say."""
    done = 0

    def trace(_frame: FrameType, kind: str, _more: object) -> Any:
        nonlocal done
        done += kind == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return done
