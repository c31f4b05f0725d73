"""A machine as a picture: its states, the ways between them and, of a run, what became of each; nothing about places.

A lane is one sequence of states: the machine's own, a branch of a Parallel, the processor of a Map. ASL lets no way
lead from one lane into another, so a picture is lanes inside states inside lanes, and each lane is drawn by itself.

Pictures are drawn of definitions of any quality (lint judges them), so nothing is checked here: what is not shaped like
a definition is left out, and a way to a state that does not exist is too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.domain.choice_words import rule_words

NEXT, CHOICE, CATCH = "next", "choice", "catch"
OTHERWISE = "otherwise"
ANY_ERROR = "any error"
SERVICES = {
    "sagemaker:createTrainingJob": "SageMaker training job",
    "sagemaker:createTransformJob": "SageMaker transform job",
    "sagemaker:createProcessingJob": "SageMaker processing job",
    "batch:submitJob": "Batch job",
    "lambda:invoke": "Lambda function",
    "sns:publish": "SNS message",
    "sqs:sendMessage": "SQS message",
    "states:startExecution": "nested run",
}
COMPLETIONS = {"sync": "", "sync:2": "", "waitForTaskToken": ", answered by a token"}


@dataclass(frozen=True)
class Told:
    """What a run tells of a state: in status's words what became of it, how long it took, how often it was tried
    (`2+1`: once more in a redrive), and why it failed. `entries` counts the times that it was entered."""

    status: str
    seconds: float | None = None
    attempts: str | None = None
    error: str | None = None
    note: str | None = None
    entries: int = 0


@dataclass(frozen=True)
class Edge:
    """A way from a state to another of its lane. `label` says when it is taken, where that is not always; `taken`
    whether the run took it, None where there is no run."""

    source: str
    target: str
    kind: str = NEXT
    label: str = ""
    taken: bool | None = None


@dataclass(frozen=True)
class Node:
    """A state. `kind` is its Type, `work` what it does in words; `ends` says that its lane may end with it."""

    name: str
    kind: str
    work: str = ""
    ends: bool = False
    told: Told | None = None
    lanes: tuple[Lane, ...] = ()


@dataclass(frozen=True)
class Lane:
    """States in the order of their ways: each comes after those that lead to it, but for loops."""

    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """A machine, or a run of it; `facts` is the line below the title."""

    title: str
    lane: Lane
    status: str | None = None
    facts: tuple[str, ...] = ()

    @property
    def states(self) -> Iterator[Node]:
        """Every state, outer ones before inner ones."""
        waiting = [self.lane]
        for lane in waiting:
            yield from lane.nodes
            waiting += [inner for node in lane.nodes for inner in node.lanes]


@dataclass(frozen=True)
class RunTold:
    """What is known of a run's states by name, and the ways that it took: from where, to where, after a failure?"""

    states: Mapping[str, Told] = field(default_factory=dict)
    ways: frozenset[tuple[str, str, bool]] = frozenset()


def lane_of(scope: Any, run: RunTold | None = None, label: str = "") -> Lane:
    """The lane of a machine, a branch or a processor; with what a run tells of it."""
    states = {name: state for name, state in _mapping(_mapping(scope).get("States")).items() if _mapping(state)}
    start = _mapping(scope).get("StartAt")
    edges = [edge for name, state in states.items() for edge in _edges(name, state, run) if edge.target in states]
    order = _in_order(list(states), edges, start if isinstance(start, str) else "")
    nodes = tuple(_node(name, states[name], run) for name in order)
    rank = {name: number for number, name in enumerate(order)}
    return Lane(str(start), nodes, tuple(sorted(edges, key=lambda edge: rank[edge.source])), label)


def service_words(resource: str) -> str:
    """What a Task's resource is, as people say it; other integrations by AWS's words: `glue startJobRun`."""
    if ":activity:" in resource:
        return "activity"
    if ":lambda:" in resource and ":states:" not in resource:
        return "Lambda function"
    call, _, completion = resource.rpartition(":::")[2].partition(".")
    words = SERVICES.get(call) or " ".join(call.removeprefix("aws-sdk:").split(":")[-2:])
    return words + COMPLETIONS.get(completion, "")


def _node(name: str, state: Mapping[str, Any], run: RunTold | None) -> Node:
    kind = str(state.get("Type", ""))
    told = None if run is None else run.states.get(name)
    ends = state.get("End") is True or kind in ("Succeed", "Fail")
    return Node(name, kind, _work(kind, state), ends, told, tuple(_lanes(kind, state, run)))


def _work(kind: str, state: Mapping[str, Any]) -> str:
    if kind == "Task":
        return service_words(str(state.get("Resource", "")))
    if kind == "Wait":
        seconds = state.get("Seconds")
        return f"waits {seconds} s" if isinstance(seconds, int) else "waits"
    if kind == "Fail":
        return str(state.get("Error", ""))
    return ""


def _lanes(kind: str, state: Mapping[str, Any], run: RunTold | None) -> Iterator[Lane]:
    if kind == "Parallel":
        for number, branch in enumerate(_list(state.get("Branches")), 1):
            yield lane_of(branch, run, f"branch {number}")
    elif kind == "Map":
        yield lane_of(state.get("ItemProcessor", state.get("Iterator")), run, "each item")


def _edges(name: str, state: Mapping[str, Any], run: RunTold | None) -> Iterator[Edge]:
    """The ways out of a state: one for each target and kind, with all that leads there in its label."""
    labels: dict[tuple[str, str], list[str]] = {}
    for kind, target, label in _ways(state):
        found = labels.setdefault((kind, target), [])
        found += [label] * (label not in found)
    for (kind, target), words in labels.items():
        taken = None if run is None else (name, target, kind == CATCH) in run.ways
        yield Edge(name, target, kind, ANY_ERROR if ANY_ERROR in words else " or ".join(words), taken)


def _ways(state: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if isinstance(state.get("Next"), str):
        yield NEXT, state["Next"], ""
    for rule in map(_mapping, _list(state.get("Choices"))):
        if isinstance(rule.get("Next"), str):
            yield CHOICE, rule["Next"], rule_words(rule)
    if state.get("Type") == "Choice" and isinstance(state.get("Default"), str):
        yield CHOICE, state["Default"], OTHERWISE
    for catcher in map(_mapping, _list(state.get("Catch"))):
        if isinstance(catcher.get("Next"), str):
            errors = [str(error) for error in _list(catcher.get("ErrorEquals"))]
            yield CATCH, catcher["Next"], ANY_ERROR if "States.ALL" in errors else " or ".join(errors)


def _in_order(names: list[str], edges: list[Edge], start: str) -> list[str]:
    """Reverse postorder from the start, ways without a failure before the others; then what is not reached."""
    ways: dict[str, list[str]] = {name: [] for name in names}
    for edge in sorted(edges, key=lambda edge: edge.kind != CATCH):  # what is pushed last comes first
        ways[edge.source].append(edge.target)
    done: dict[str, None] = {}
    seen: set[str] = set()
    for root in [*([start] if start in ways else []), *names]:
        found: list[str] = []
        stack = [(root, False)]
        while stack:
            name, finished = stack.pop()
            if finished:
                found.append(name)
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(target, False) for target in ways[name] if target not in seen]
        done.update(dict.fromkeys(reversed(found)))
    return list(done)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
