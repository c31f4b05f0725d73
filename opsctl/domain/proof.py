"""Prove a plan: walk the definition under the planned run input, and see which Tasks are entered.

The walk is the interpreter's own, on a virtual clock. Each Task answers as it did when it last succeeded in the runs
whose histories are given; one that never did gives the plausible answer of its integration (`answers.py`). So the walk
knows the run input for certain, and of what Tasks will answer as much as there is to know before they run.

Hence three outcomes. The walk enters what was planned: proven. It does not, and nothing but run input decided that: the
plan is wrong. It does not, and what a Task will answer decided that: the plan may be right, which is a *doubt*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.build import build_machine
from opsctl.asl.run_history import RunHistory
from opsctl.asl.timestamps import format_timestamp
from opsctl.domain.answers import recorded_answers
from opsctl.domain.cases.model import Case, Record
from opsctl.domain.cases.walk import walk_case
from opsctl.domain.guards import Pipeline, read_pipeline

ACCOUNT = "us-east-1:123456789012"
MOST_ITEMS = 2  # of a distributed Map: each is an execution of its own, and all are walked alike


@dataclass(frozen=True)
class Proof:
    """What the walk came to. `entered` are the Tasks that it entered; `problem` says in a sentence why the plan is
    wrong, `doubt` why it cannot be known before the run. Neither: the walk entered exactly the planned steps."""

    entered: frozenset[str]
    problem: str | None
    doubt: str | None
    transitions: int = 0  # of states, in the walk


def prove(
    definition: Mapping[str, Any],
    document: Mapping[str, Any],
    expected: Collection[str],
    histories: Sequence[RunHistory] = (),
    name: str = "rerun",
) -> Proof:
    """Walk the definition (known to be valid) with `document` as run input; `expected` are the steps that must run.

    `histories` are of the run that is repeated and those that it reused results of, the former first.
    """
    pipeline = read_pipeline(definition)
    answers = recorded_answers(definition, histories)
    start = next((history.started for history in histories if history.started), 0.0)
    machine = build_machine(_with_few_items(definition))
    record = walk_case(
        machine, Case("plan", (), document, _context(name, start), start, answers, {})
    )  # fmt: skip
    tasks = frozenset(name for name in record.entered if name in _tasks(pipeline))
    problem = _problem(pipeline, record, frozenset(expected))
    if problem is not None and record.status == "FAILED" and record.error == "States.Runtime":
        return Proof(tasks, None, problem, len(record.entered))
    return Proof(tasks, problem, None, len(record.entered))


def _tasks(pipeline: Pipeline) -> frozenset[str]:
    handlers = (name for name, kind in pipeline.others.items() if kind == "Task")
    return frozenset([*(step.name for step in pipeline.steps), *handlers])


def _problem(pipeline: Pipeline, record: Record, expected: frozenset[str]) -> str | None:
    steps = [step.name for step in pipeline.steps]
    entered = next((name for name in steps if name in record.entered and name not in expected), None)
    missed = next((name for name in steps if name in expected and name not in record.entered), None)
    if entered is not None:
        return f"walked with this input, the machine enters {entered}, which the plan bypasses"
    if record.problem is not None:
        return f"the machine cannot be walked with this input: {record.problem}"
    if record.status != "SUCCEEDED":
        why = f" with {record.error}" if record.error else ""
        return f"walked with this input, the machine ends {record.status}{why}{_before(missed)}"
    if missed is not None:
        return f"walked with this input, the machine never comes to {missed}, which the plan runs"
    return None


def _before(missed: str | None) -> str:
    return f", before {missed}" if missed else ""


def _context(name: str, start: float) -> dict[str, Any]:
    arn = f"arn:aws:states:{ACCOUNT}"
    return {
        "Execution": {
            "Id": f"{arn}:execution:plan:{name}",
            "Name": name,
            "RoleArn": "arn:aws:iam::123456789012:role/plan",
            "StartTime": format_timestamp(start),
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": f"{arn}:stateMachine:plan", "Name": "plan"},
    }


def _with_few_items(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with each distributed Map over the state's own data cut to its first items."""
    return {**scope, "States": {name: _few_items(state) for name, state in scope["States"].items()}}


def _few_items(state: Mapping[str, Any]) -> Mapping[str, Any]:
    if state["Type"] == "Parallel":
        return {**state, "Branches": [_with_few_items(branch) for branch in state["Branches"]]}
    if state["Type"] != "Map":
        return state
    key = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
    inner = _with_few_items(state[key])
    if (inner.get("ProcessorConfig") or {}).get("Mode", "INLINE") == "INLINE" or "ItemReader" in state:
        return {**state, key: inner}
    return {**state, key: inner, **_first_items(state)}


def _first_items(state: Mapping[str, Any]) -> dict[str, Any]:
    items = state.get("Items")
    if isinstance(items, list):
        return {"Items": items[:MOST_ITEMS]}
    if isinstance(items, str):
        expression = items.removeprefix("{%").removesuffix("%}").strip()
        return {"Items": f"{{% [({expression})[[0..{MOST_ITEMS - 1}]]] %}}"}
    return {"ItemsPath": f"{state.get('ItemsPath', '$')}[0:{MOST_ITEMS}]"}
