"""What each Task answers when a plan is walked: as when it last succeeded, else plausibly for its integration.

Where histories show that a part of a recorded answer is the run's input, carried on, it is the new input's now. An
answer that no history has is a success of the integration's kind, with something at every place that the definition
reads of it. Where a Choice decides by it, it is made such that the run goes on to the expected steps if it can: what
the Task will really answer is not known, so nothing is refused for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.run_history import RunHistory, StateRun
from opsctl.domain.carrying.evidence import successes
from opsctl.domain.carrying.expressions import grown
from opsctl.domain.carrying.flow import LIST, MOMENT, NUMBER, TEXT
from opsctl.domain.carrying.values import From, Leaf, Steps, at
from opsctl.domain.cases.model import Answer, Kind, Mock, Script
from opsctl.domain.conditions import ABSENT
from opsctl.domain.graph import all_states
from opsctl.domain.guards import Crossing, Pipeline
from opsctl.domain.results import JOB_STATUS

_ITEM = {"Key": "item", "Size": 1, "Etag": "0", "LastModified": 0, "StorageClass": "STANDARD"}
"""What an ItemReader reads, once: an object in a listing."""

_SUCCESSES: dict[str, dict[str, Any]] = {
    "lambda:invoke": {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": {}},
    "sagemaker:createModel": {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/not-known-yet"},
    "glue:startJobRun": {"JobRunState": "SUCCEEDED"},
    "codebuild:startBuild": {"Build": {"BuildStatus": "SUCCEEDED"}},
    "athena:startQueryExecution": {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}},
    "ecs:runTask": {"LastStatus": "STOPPED", "StopCode": "EssentialContainerExited"},
    "states:startExecution": {"Status": "SUCCEEDED", "Output": "{}"},
}
"""Answers by `service:action`; jobs whose status `results.JOB_STATUS` knows need no entry here."""

STAND_IN = "not known yet"
_RESULT_PATH = re.compile(r"(?<![$\w])\$(?:states\.result)?\.(\w+(?:\.\w+)*)(?![\w.]*\()")

STAND_INS: dict[str, Any] = {TEXT: STAND_IN, NUMBER: 1, MOMENT: "1970-01-01T00:00:00Z", LIST: [{}]}


@dataclass(frozen=True, slots=True)
class _InTurn(Script):
    """Recorded answers in order; the last one again for every call after them."""

    def answer(self, call: int) -> Answer | None:
        return self.answers[min(call, len(self.answers)) - 1]


@dataclass(frozen=True)
class Answers:
    """`mocks` has one for every Task and every Map, whose items may have to be read; `made_up` names those Tasks and
    Maps of which no history has an answer."""

    mocks: Mapping[str, Mock]
    made_up: frozenset[str]


def answers_for(
    definition: Mapping[str, Any], pipeline: Pipeline, document: Mapping[str, Any], expected: Collection[str],
    histories: Sequence[RunHistory],
) -> Answers:  # fmt: skip
    """The answers in a walk with this run input, which is to enter the expected steps.

    Of several histories, the first in which a Task succeeded counts for it.
    """
    states = {name: state for name, state in all_states(definition) if state["Type"] in ("Task", "Map")}
    recorded = _recorded(pipeline, document, histories)
    made_up = frozenset(states.keys() - recorded.keys())
    needs = _needs(pipeline, document, frozenset(expected), made_up, recorded)
    mocks = {
        name: _replayed(recorded[name]) if name in recorded else _made_up(state, needs.get(name, {}))
        for name, state in states.items()
    }
    return Answers(mocks, made_up)


def plausible_answers(
    definition: Mapping[str, Any], pipeline: Pipeline, chosen: Mapping[From, Any]
) -> dict[str, Mock]:  # fmt: skip
    """An answer for every Task and every Map, with something at each place that is read of it: what is `chosen` there,
    else what is read by the success path, or by the state itself where only a failure leads to it."""
    needs: dict[str, dict[Steps, Any]] = {}
    for name, state in all_states(definition):
        needs[name] = dict.fromkeys(_read_by_itself(state), STAND_INS[TEXT])
    for leaf, kind in pipeline.reads.items():
        needs.setdefault(leaf.source, {})[leaf.path] = STAND_INS[kind]
    for leaf, value in chosen.items():
        if value is not ABSENT:
            needs.setdefault(leaf.source, {})[leaf.path] = value
    works = {name: state for name, state in all_states(definition) if state["Type"] in ("Task", "Map")}
    return {name: _made_up(state, needs[name]) for name, state in works.items()}


def _read_by_itself(state: Mapping[str, Any]) -> list[Steps]:
    """The plain paths at which a state's own fields read what its work answers."""
    fields = [state.get(field) for field in ("ResultSelector", "Assign", "Output")]
    if "ResultPath" not in state:
        fields.append(state.get("OutputPath"))
    words = json.dumps([field for field in fields if field is not None])
    found = _RESULT_PATH.findall(words)
    return [tuple(path.split(".")) for path in dict.fromkeys(found)]


# Recorded answers

Recorded = dict[str, list[Any]]
"""Results in the order of the calls, by Map iteration."""


def _recorded(
    pipeline: Pipeline, document: Mapping[str, Any], histories: Sequence[RunHistory]
) -> dict[str, Recorded]:  # fmt: skip
    recorded: dict[str, Recorded] = {}
    for history in histories:
        found: dict[str, Recorded] = {}
        for run, result in successes(history):
            carried = _carried(pipeline, run.name, result, document)
            found.setdefault(run.name, {}).setdefault(_iteration(run), []).append(carried)
        recorded = {**found, **recorded}
    return recorded


def _carried(pipeline: Pipeline, name: str, result: Any, document: Mapping[str, Any]) -> Any:
    """The result with the new run's input wherever the old one's is known to be."""
    for leaf, origin in pipeline.carried.items():
        if leaf.source == name:
            value = at(document, origin.path)
            result = _without(result, leaf.path) if value is ABSENT else grown(result, leaf.path, value)
    return result


def _without(document: Any, path: Steps) -> Any:
    if not path or at(document, path) is ABSENT or not isinstance(document, Mapping):
        return document
    name, rest = path[0], path[1:]
    if not rest:
        return {key: value for key, value in document.items() if key != name}
    return {**document, str(name): _without(document[name], rest)}


def _iteration(run: StateRun) -> str:
    return ".".join(str(scope.iteration) for scope in run.scopes if scope.iteration is not None)


def _replayed(recorded: Recorded) -> Mock:
    scripts = {
        iteration: _InTurn(tuple(Answer(Kind.RESULT, result) for result in results))
        for iteration, results in recorded.items()
    }
    return Mock(scripts.get("") or next(iter(scripts.values())), scripts)


# Answers that no history has


def _needs(
    pipeline: Pipeline, document: Mapping[str, Any], expected: frozenset[str], made_up: frozenset[str],
    recorded: Mapping[str, Recorded],
) -> dict[str, dict[Steps, Any]]:  # fmt: skip
    """What the definition reads of the answers that have to be made up, with a value for each."""
    needs = stand_ins(pipeline.reads)
    for leaf, value in _chosen(pipeline, document, expected, made_up, recorded).items():
        needs.setdefault(leaf.source, {})[leaf.path] = value
    return needs


def stand_ins(reads: Mapping[From, str]) -> dict[str, dict[Steps, Any]]:
    """By state, a value for each part of its result that the definition reads."""
    needs: dict[str, dict[Steps, Any]] = {}
    for leaf, kind in reads.items():
        needs.setdefault(leaf.source, {})[leaf.path] = STAND_INS[kind]
    return needs


def _chosen(
    pipeline: Pipeline, document: Mapping[str, Any], expected: frozenset[str], made_up: frozenset[str],
    recorded: Mapping[str, Recorded],
) -> dict[From, Any]:  # fmt: skip
    """Values with which the Choices that decide by them lead on to the expected steps."""
    chosen: dict[From, Any] = {}
    for crossing in pipeline.crossings:
        asked = [leaf for leaf in crossing.decision.others if isinstance(leaf, From) and leaf.source in made_up]
        if asked:
            known = {**_known(crossing, recorded), **chosen}
            world = _fitting(crossing, document, expected, known)
            chosen.update({leaf: world[leaf] for leaf in asked if leaf not in chosen and leaf in world})
    return {leaf: value for leaf, value in chosen.items() if value is not ABSENT}


def _known(crossing: Crossing, recorded: Mapping[str, Recorded]) -> dict[From, Any]:
    leaves = (leaf for leaf in crossing.decision.others if isinstance(leaf, From) and leaf.source in recorded)
    return {leaf: at(next(iter(recorded[leaf.source].values()))[-1], leaf.path) for leaf in leaves}


def _fitting(
    crossing: Crossing, document: Mapping[str, Any], expected: frozenset[str], known: Mapping[From, Any]
) -> Mapping[Leaf, Any]:  # fmt: skip
    """The first world in which the Choice misses no expected step, and as many others as can be."""
    targets = sorted(crossing.misses, key=lambda target: -len(crossing.misses[target]))
    right = [target for target in targets if not crossing.misses[target] & expected]
    fixed: dict[Leaf, Any] = {leaf: value for leaf, value in known.items()}  # noqa: C416 a dict of more kinds of keys
    worlds = [{**world, **fixed} for world in crossing.decision.worlds]
    led = [(crossing.decision.once(document, world), world) for world in worlds]
    return next((world for target in right for way, world in led if way == target), worlds[0])


def _made_up(state: Mapping[str, Any], needs: Mapping[Steps, Any]) -> Mock:
    if state["Type"] == "Map":
        return Mock(Script((Answer(Kind.ITEMS, [filled(_ITEM, needs)]),), endless=True))
    return Mock(Script((_plausible(str(state.get("Resource", "")), needs),), endless=True))


def _plausible(resource: str, needs: Mapping[Steps, Any]) -> Answer:
    """A success; a job's description echoes the request and has the status that means done."""
    service, _, action = resource.partition(":::")[2].rpartition(":")
    action, _, pattern = action.partition(".")
    success = dict(_SUCCESSES.get(f"{service}:{action}", {})) if pattern != "waitForTaskToken" else {}
    if pattern == "sync:2" and "Output" in success:
        success["Output"] = {}
    if not pattern.startswith("sync"):
        return Answer(Kind.RESULT, filled(success, needs))
    if action in JOB_STATUS:
        key, done = JOB_STATUS[action]
        success[key] = done
    more, done_so = _literal(filled(success, needs)), _literal(success)
    echo = f"merge({more}, parameters, {done_so})"
    return Answer(Kind.QUERY, f"type(parameters) == 'object' && {echo} || {more}")


def _literal(document: Any) -> str:
    return "`" + json.dumps(document).replace("`", "\\u0060") + "`"


def filled(document: Any, needs: Mapping[Steps, Any]) -> Any:
    """The document with what is needed of it, where it has nothing there."""
    for path in sorted(needs, key=len):
        if path and at(document, path) in (ABSENT, STAND_INS[TEXT]):
            document = grown(document, path, needs[path])
    return document
