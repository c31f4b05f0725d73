"""Prove a plan: walk the definition under the planned run input, and see which Tasks are entered.

The walk is the interpreter's own, on a virtual clock. Each Task answers as it did when it last succeeded in the runs
whose histories are given; one that never did gives a plausible answer (`answers.py`). So the walk knows the run input
for certain, and of what Tasks will answer as much as there is to know before they run.

Hence three outcomes. The walk enters what was planned: proven. It does not, and nothing but run input decided that: the
plan is wrong. It does not, and what a Task will answer decided that: the plan may be right, which is a *doubt*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.build import build_machine
from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.run_history import RunHistory
from opsctl.asl.timestamps import format_timestamp
from opsctl.domain.answers import Answers, answers_for
from opsctl.domain.carrying.values import From
from opsctl.domain.cases.model import Case, Record
from opsctl.domain.cases.walk import walk_case
from opsctl.domain.guards import Crossing, Pipeline, read_pipeline

ACCOUNT = "us-east-1:123456789012"
LONGEST_WHY = 300
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
    pipeline = read_pipeline(definition, histories)
    answers = answers_for(definition, pipeline, document, expected, histories)
    start = next((history.started for history in histories if history.started), 0.0)
    case = Case("plan", (), document, _context(name, start), start, answers.mocks, {})
    try:
        record = walk_case(build_machine(with_few_items(definition)), case)
    except (ValueError, InvalidDefinition) as error:
        return Proof(frozenset(), None, f"whether the plan is right cannot be told: {error}")
    return _Verdict(pipeline, answers, document, record, frozenset(expected)).proof()


@dataclass(frozen=True)
class _Verdict:
    """What a walk says of a plan."""

    pipeline: Pipeline
    answers: Answers
    document: Mapping[str, Any]
    record: Record
    expected: frozenset[str]

    def proof(self) -> Proof:
        steps, entered = [step.name for step in self.pipeline.steps], self.record.entered
        handlers = [name for name, kind in self.pipeline.others.items() if kind == "Task"]
        uncalled = next((name for name in steps if name in entered and name not in self.expected), None)
        missed = next((name for name in steps if name in self.expected and name not in entered), None)
        problem = doubt = None
        if uncalled is not None:
            problem = f"with this input the machine enters {uncalled}, which the plan does not run"
        elif self.record.status != "SUCCEEDED" or missed is not None:
            doubt = self._doubt(missed)
            problem = None if doubt else self._wrong(missed)
        return Proof(frozenset(entered.intersection((*steps, *handlers))), problem, doubt, self.record.transitions)

    def _wrong(self, missed: str | None) -> str:
        record = self.record
        if record.status == "SUCCEEDED":
            return f"with this input the machine never comes to {missed}, which the plan runs"
        if record.problem or record.status == "RUNNING":
            return f"with this input the machine cannot be walked to its end: {record.problem or record.waiting}"
        before = f" before {missed}" if missed else ""
        return f"with this input the machine ends {record.status}{before}{self._why()}"

    def _why(self) -> str:
        why = ": ".join(part for part in (self.record.error, self.record.cause) if part)
        return f" ({why[:LONGEST_WHY]})" if why else ""

    def _doubt(self, missed: str | None) -> str | None:
        """What only the run will tell, if that is why the walk is not as planned."""
        what = f"whether {missed} runs" if missed else "whether the run succeeds"
        crossing = self._undecided(missed)
        if crossing is not None:
            return f"{what} is decided in the run: {crossing.choice!r} reads {_read_by(crossing)}"
        step = self.pipeline.step(missed) if missed else None
        maps = [scope for scope, _ in step.branch if scope in self.answers.made_up] if step else []
        if maps:
            return f"{what} is decided in the run: by the items of {maps[-1]}"
        guessed = [name for name in self.record.entered if name in self.answers.made_up]
        if guessed and self.record.status != "SUCCEEDED":
            names = ", ".join(sorted(guessed))
            return f"{what} cannot be told before the run, as no history has an answer of {names}{self._why()}"
        return None

    def _undecided(self, missed: str | None) -> Crossing | None:
        """The last Choice that led past the step, or to the failure, and that run input alone does not decide."""
        for crossing in reversed(self.pipeline.crossings):
            concerned = crossing.choice in self.record.entered and (missed is None or missed in crossing.ahead)
            went_on = any(
                target in self.record.entered and missed not in behind for target, behind in crossing.misses.items()
            )
            undecided = crossing.decision.others and crossing.decision.target(self.document) is None
            if concerned and not went_on and undecided:
                return crossing
        return None


def _read_by(crossing: Crossing) -> str:
    reading, leaf = crossing.decision.blamed() or (None, None)
    if reading is None:
        return "more than run input"
    return f"{reading.text} of {leaf.source}" if isinstance(leaf, From) else reading.text


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


def with_few_items(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with each distributed Map over the state's own data cut to its first items."""
    return {**scope, "States": {name: _few_items(state) for name, state in scope["States"].items()}}


def _few_items(state: Mapping[str, Any]) -> Mapping[str, Any]:
    if state["Type"] == "Parallel":
        return {**state, "Branches": [with_few_items(branch) for branch in state["Branches"]]}
    if state["Type"] != "Map":
        return state
    key = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
    inner = with_few_items(state[key])
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
