"""What each Task answers when a plan is walked: as when it last succeeded, else plausibly for its integration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.run_history import SUCCEEDED, RunHistory, StateRun
from opsctl.domain.cases.model import Answer, Kind, Mock, Script
from opsctl.domain.guards import all_states
from opsctl.domain.results import JOB_STATUS, ended_as

ITEM = {"Key": "item", "Size": 1, "Etag": "0", "LastModified": 0, "StorageClass": "STANDARD"}
"""What an ItemReader reads, once: an object in a listing."""

_SUCCESSES: dict[str, Any] = {
    "lambda:invoke": {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": {}},
    "glue:startJobRun": {"JobRunState": "SUCCEEDED"},
    "codebuild:startBuild": {"Build": {"BuildStatus": "SUCCEEDED"}},
    "athena:startQueryExecution": {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}},
    "ecs:runTask": {"LastStatus": "STOPPED", "StopCode": "EssentialContainerExited"},
    "states:startExecution": {"Status": "SUCCEEDED", "Output": "{}"},
    "sns:publish": {"MessageId": "plan"},
    "sqs:sendMessage": {"MessageId": "plan"},
}
"""Answers by `service:action`; jobs whose status `results.JOB_STATUS` knows need no entry here."""


@dataclass(frozen=True, slots=True)
class _Recorded(Script):
    """Recorded answers in order; the last one again for every call after them."""

    def answer(self, call: int) -> Answer | None:
        return self.answers[min(call, len(self.answers)) - 1]


def recorded_answers(definition: Mapping[str, Any], histories: Sequence[RunHistory]) -> dict[str, Mock]:
    """A mock for every Task and ItemReader. Of several histories, the first in which the Task succeeded counts."""
    recorded: dict[str, dict[str, list[Answer]]] = {}
    for history in histories:
        found: dict[str, dict[str, list[Answer]]] = {}
        for run, output in _successes(history):
            answer = Answer(Kind.RESULT, output)
            found.setdefault(run.name, {}).setdefault(_iteration(run), []).append(answer)
        recorded = {**found, **recorded}
    return {name: _mock(state, recorded.get(name, {})) for name, state in all_states(definition)}


def _successes(history: RunHistory) -> Iterator[tuple[StateRun, Any]]:
    """Each entry into a Task that made a result, and the result before any of the state's own processing."""
    for run in history.states:
        done = next((attempt for attempt in reversed(run.attempts) if ended_as(attempt) == SUCCEEDED), None)
        if run.type == "Task" and run.status == SUCCEEDED and done is not None and done.output is not None:
            try:
                yield run, json.loads(done.output)
            except ValueError:
                continue


def _iteration(run: StateRun) -> str:
    return ".".join(str(scope.iteration) for scope in run.scopes if scope.iteration is not None)


def _mock(state: Mapping[str, Any], recorded: Mapping[str, list[Answer]]) -> Mock:
    scripts = {iteration: _Recorded(tuple(answers)) for iteration, answers in recorded.items()}
    if state["Type"] == "Map":
        return Mock(Script((Answer(Kind.ITEMS, [ITEM]),), endless=True))
    default = scripts.pop("", None) or next(iter(scripts.values()), None)
    return Mock(default or Script((_plausible(str(state.get("Resource", ""))),), endless=True), scripts)


def _plausible(resource: str) -> Answer:
    """A success that echoes the request, as a job's description does, with the status that means done."""
    service, _, action = resource.partition(":::")[2].rpartition(":")
    action, _, pattern = action.partition(".")
    success = dict(_SUCCESSES.get(f"{service}:{action}", {}))
    if pattern.startswith("sync") and action in JOB_STATUS:
        key, done = JOB_STATUS[action]
        success[key] = done
    if pattern == "sync:2" and "Output" in success:
        success["Output"] = {}
    shown = json.dumps(success).replace("`", "")
    return Answer(Kind.QUERY, f"type(parameters) == 'object' && merge(parameters, `{shown}`) || `{shown}`")
