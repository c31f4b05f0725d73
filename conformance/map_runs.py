"""Carry out the Map Runs of a distributed Map while replaying.

A history does not show what happened inside a Map Run. If the items came with the state's input and their processor
asks for nothing from outside, the children are walked here and their outputs are the result. Otherwise (items read from
S3, tasks inside) the run's outcome is outside information, fed in as recorded: the error, or the result as the state's
output shows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from conformance.corpus import Event
from opsctl.asl.effects import Failed, StartMapRun, Succeeded
from opsctl.asl.failures import StateError
from opsctl.asl.interpreter import Execution
from opsctl.asl.map_results import EXCEEDED, EXCEEDED_CAUSE, exports, result_text, tolerates, written
from opsctl.asl.validate import parse

_FIELDS_THAT_RESHAPE = ("ResultSelector", "Output", "OutputPath")


def outcome_of_run(
    execution: Execution, effect: StartMapRun, end: Event | None, left: Event | None, state: Mapping[str, Any]
) -> Succeeded | Failed:
    """What to tell of a Map Run. `end` is the recorded MapRunSucceeded or MapRunFailed, `left` the state's recorded
    exit, `state` its definition."""
    walked = None if effect.items is None else _walk_children(execution, effect, effect.items)
    if walked is not None:
        return walked
    told = (end or {}).get("mapRunFailedEventDetails")
    if told is not None:
        return Failed(told.get("error") or "", told.get("cause") or "")
    return Succeeded(_result(left, state))


def _walk_children(execution: Execution, effect: StartMapRun, items: list[Any]) -> Succeeded | Failed | None:
    """None where a child needs something from outside."""
    try:
        inputs = execution.map_run_inputs(effect.task, items)
    except StateError as problem:
        return Failed(problem.error or "", problem.cause or "")
    children = [_walk(effect, text) for text in inputs]
    if any(child.status == "RUNNING" for child in children):
        return None
    failures = sum(child.status != "SUCCEEDED" for child in children)
    if not tolerates(effect, failures, len(children)):
        return Failed(EXCEEDED, EXCEEDED_CAUSE)
    if exports(effect):
        described = [{"Status": child.status, "Output": child.output} for child in children]
        return Succeeded(written(effect, effect.map_run_arn, described)[0])
    return Succeeded(result_text([child.output for child in children], effect.writer))


def _walk(effect: StartMapRun, text: str) -> Execution:
    """One child, as far as it gets without the world; Map Runs inside of it are walked likewise."""
    child = Execution(parse(dict(effect.processor)), text, {}, Random(0))
    child.start(0.0)
    while child.status == "RUNNING":
        runs = [asked for asked in child.effects() if isinstance(asked, StartMapRun)]
        outcomes = [_walk_children(child, run, run.items) if run.items is not None else None for run in runs]
        if not runs or None in outcomes:
            break
        for run, outcome in zip(runs, outcomes, strict=True):
            if outcome is not None:
                child.resolve(run.task, outcome, 0.0)
    return child


def _result(left: Event | None, state: Mapping[str, Any]) -> str:
    """The run's result, out of the state's output; where the state reshapes it there is no way back."""
    output = str((left or {}).get("stateExitedEventDetails", {}).get("output", "null"))
    path = state.get("ResultPath", "$")
    if any(field in state for field in _FIELDS_THAT_RESHAPE) or not isinstance(path, str):
        return output
    value = json.loads(output)
    for step in path.split(".")[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    return output if path == "$" else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
