"""A definition as the rules see it: every state once, with where it lies and where it leads.

Only for definitions without errors: names are unique, targets exist, fields have the right types.

*Flow* is what happens without an error: Next, the outcomes of a Choice, into a Parallel or Map and out of it again. A
Fail state inside a branch flows to what handles the failure of the state around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from opsctl.domain.lint.graphs import next_hops, reachable, reversed_edges

State = Mapping[str, Any]
GENERIC_ERRORS = frozenset({"States.ALL", "States.TaskFailed", "States.Timeout", "States.HeartbeatTimeout"})
"""What a job or function that fails by itself raises; any other name is an error that its author expected."""
_TELLS = re.compile(
    r"notif|alert|pager|\bpage\W?(on\W?call|duty|ops|team|us)\b|slack|escalat|send\W*e?\W?mail", re.IGNORECASE
)
_THERE_ALREADY = re.compile(r"\.ExecutionAlreadyExists(Exception)?$")
_SENDS = re.compile(
    r":states:::(aws-sdk:)?("
    r"sns:publish|ses(v2)?:send\w*mail|sqs:sendMessage|(eventbridge|events):putEvents|chatbot:\w+|ssmincidents:startIncident"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Catcher:
    """One entry of Catch."""

    location: str
    errors: tuple[str, ...]
    target: str
    source: Mapping[str, Any]

    @property
    def is_generic(self) -> bool:
        """Whether it takes failures that nobody expected."""
        return bool(GENERIC_ERRORS & set(self.errors))


@dataclass(frozen=True, eq=False)
class Node:
    """A state. `container` is the Parallel or Map around it, `branch` the location of its scope."""

    name: str
    state: State
    location: str
    branch: str
    container: Node | None

    @property
    def type(self) -> str:
        """The state's Type."""
        return str(self.state["Type"])

    @property
    def can_fail(self) -> bool:
        """Whether it has errors of its own, to retry and catch."""
        return self.type in ("Task", "Parallel", "Map")

    @cached_property
    def resource(self) -> str:
        """A Task's Resource, else ""."""
        return str(self.state.get("Resource", "")) if self.type == "Task" else ""

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """What is sent to the resource, where it is written as an object."""
        sent = self.state.get("Parameters", self.state.get("Arguments"))
        return sent if isinstance(sent, dict) else {}

    @cached_property
    def is_job(self) -> bool:
        """Whether it runs a job to its end, which is what costs time and money."""
        return self.resource.endswith((".sync", ".sync:2"))

    @property
    def waits(self) -> bool:
        """Whether it waits for an answer to a task token: an approval, say, that may never come."""
        return self.resource.endswith(".waitForTaskToken")

    @cached_property
    def notifies(self) -> bool:
        """Whether it tells somebody: by its service, or else by what it and its function are called."""
        if self.type != "Task":
            return False
        called = f"{self.name} {self.resource} {self.parameters.get('FunctionName', '')}"
        return bool(_SENDS.search(self.resource)) or (not self.is_job and bool(_TELLS.search(called)))

    @cached_property
    def catchers(self) -> tuple[Catcher, ...]:
        """Its Catch."""
        return tuple(
            Catcher(f"{self.location}/Catch[{index}]", tuple(entry["ErrorEquals"]), entry["Next"], entry)
            for index, entry in enumerate(self.state.get("Catch") or ())
        )

    @cached_property
    def starts_once(self) -> bool:
        """Whether its Catch has the very error of an execution whose name is taken: then a repetition is meant to meet
        what was started before."""
        return any(_THERE_ALREADY.search(error) for catcher in self.catchers for error in catcher.errors)

    @cached_property
    def uncaught(self) -> tuple[str, ...]:
        """Which of the generic errors no Catch takes; () if all are taken."""
        caught = {error for catcher in self.catchers for error in catcher.errors}
        if "States.ALL" in caught:
            return ()
        return tuple(error for error in ("States.TaskFailed", "States.Timeout") if error not in caught)

    @property
    def containers(self) -> Iterator[Node]:
        """The states around it, innermost first."""
        node = self.container
        while node is not None:
            yield node
            node = node.container


def inner_scopes(state: State) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A Parallel's branches or a Map's processor, with where they lie below the state."""
    for index, branch in enumerate(state.get("Branches") or ()):
        yield f"/Branches[{index}]", branch
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield f"/{field}", state[field]


def choice_targets(state: State) -> list[str]:
    """A Choice's outcomes: its rules' targets and the Default."""
    targets = [rule["Next"] for rule in state.get("Choices") or ()]
    return [*targets, state["Default"]] if "Default" in state else targets


class Machine:
    """All states of a definition by name, outer ones before the inner."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.definition = definition
        self.nodes: dict[str, Node] = {}
        self.starts: dict[str, str] = {}
        self._inner: dict[str, list[str]] = {}
        self._collect(definition, "", None)

    def _collect(self, scope: Mapping[str, Any], location: str, container: Node | None) -> None:
        self.starts[location] = scope["StartAt"]
        for name, state in scope["States"].items():
            node = Node(name, state, f"{location}/States/{name}", location, container)
            self.nodes[name] = node
            for below, inner in inner_scopes(state):
                self._inner.setdefault(name, []).append(inner["StartAt"])
                self._collect(inner, node.location + below, node)

    @cached_property
    def scopes(self) -> dict[str, list[Node]]:
        """The states of each scope, by the scope's location."""
        scopes: dict[str, list[Node]] = {location: [] for location in self.starts}
        for node in self.nodes.values():
            scopes[node.branch].append(node)
        return scopes

    def failing_nodes(self) -> Iterator[Node]:
        """The states whose failure somebody must hear of. A notification that fails has nobody left to tell; a
        question that nobody answers has, before all is lost."""
        for node in self.nodes.values():
            asks = node.waits and node.name in self.succeeding
            if node.can_fail and (asks or not node.notifies):
                yield node

    def scopes_of(self, node: Node) -> list[str]:
        """The locations of the scopes directly inside a state."""
        return [node.location + below for below, _ in inner_scopes(node.state)]

    @cached_property
    def jobs_within(self) -> dict[str, list[Node]]:
        """Per scope, the jobs anywhere in it."""
        jobs: dict[str, list[Node]] = {location: [] for location in self.starts}
        for node in self.nodes.values():
            if node.is_job:
                for place in (node, *node.containers):
                    jobs[place.branch].append(node)
        return jobs

    def has_jobs(self, node: Node) -> bool:
        """Whether the state is a job or has one inside."""
        return node.is_job or any(self.jobs_within[scope] for scope in self.scopes_of(node))

    @cached_property
    def flow(self) -> dict[str, tuple[str, ...]]:
        """Where each state leads without an error of its own."""
        return {name: tuple(dict.fromkeys(self._leads_to(node))) for name, node in self.nodes.items()}

    def _leads_to(self, node: Node) -> Iterator[str]:
        yield from self._inner.get(node.name, ())
        if node.type == "Choice":
            yield from choice_targets(node.state)
        elif node.type == "Fail":
            yield from self._raised_from(node)
        elif "Next" in node.state:
            yield node.state["Next"]
        else:
            yield from self._after(node.container)

    def _after(self, container: Node | None) -> Iterator[str]:
        while container is not None:
            if "Next" in container.state:
                yield container.state["Next"]
                return
            container = container.container

    def _raised_from(self, node: Node) -> Iterator[str]:
        for container in node.containers:
            yield from (catcher.target for catcher in container.catchers if catcher.is_generic)
            if not container.uncaught:
                return

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        return reversed_edges(self.flow)

    def leading_to(self, wanted: Callable[[Node], bool]) -> frozenset[str]:
        """The states from which the flow can reach one that is wanted, those themselves included."""
        return reachable([name for name, node in self.nodes.items() if wanted(node)], self._sources)

    @cached_property
    def notified(self) -> frozenset[str]:
        """The states whose flow can reach a notification."""
        return self.leading_to(lambda node: node.notifies)

    @cached_property
    def failing(self) -> frozenset[str]:
        """The states whose flow can reach a Fail state."""
        return self.leading_to(lambda node: node.type == "Fail")

    @cached_property
    def succeeding(self) -> frozenset[str]:
        """The states whose flow can reach the end of a run that succeeded."""
        return frozenset(self._to_green)

    @cached_property
    def after_jobs(self) -> frozenset[str]:
        """The states that may run when a job is done, or that are or hold one."""
        return reachable([name for name, node in self.nodes.items() if self.has_jobs(node)], self.flow)

    def ends_green(self, node: Node) -> bool:
        """Whether the run can succeed right behind the state."""
        return node.type not in ("Fail", "Choice") and not any(True for _ in self.on_from(node))

    def on_from(self, node: Node) -> Iterator[str]:
        """The state that comes when this one has succeeded, if one does."""
        return iter([node.state["Next"]]) if "Next" in node.state else self._after(node.container)

    @cached_property
    def _to_green(self) -> dict[str, str | None]:
        """Of each state from which the run can succeed, the next on a shortest way there."""
        return next_hops([name for name, node in self.nodes.items() if self.ends_green(node)], self._sources)

    def reaches_green_without(self, start: str, barred: Node) -> bool:
        """Whether the flow from `start` can end well without passing through `barred` again."""
        name: str | None = start
        while name is not None and name in self._to_green and name != barred.name:
            name = self._to_green[name]
        if name is None:
            return True
        around = {**self.flow, barred.name: ()}
        return any(self._to_green.get(other, "") is None for other in reachable([start], around) - {barred.name})

    def behind_passes(self, name: str) -> str:
        """The first state from here on that is no Pass."""
        seen: set[str] = set()
        while name not in seen and self.nodes[name].type == "Pass" and self.flow[name]:
            seen.add(name)
            name = self.flow[name][0]
        return name
