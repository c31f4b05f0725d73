"""The states of a definition as a graph: which there are, and the ways through them that end well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

State = Mapping[str, Any]


def all_states(scope: Mapping[str, Any]) -> Iterator[tuple[str, State]]:
    """Every state of a definition with its name, those inside Parallel and Map included."""
    for name, state in scope["States"].items():
        yield name, state
        for inner in inner_scopes(state):
            yield from all_states(inner)


def inner_scopes(state: State) -> list[Mapping[str, Any]]:
    """A Parallel's branches, or a Map's processor."""
    if state["Type"] == "Parallel":
        return list(state["Branches"])
    if state["Type"] == "Map":
        return [state.get("ItemProcessor") or state["Iterator"]]
    return []


@dataclass(frozen=True)
class SuccessPath:
    """The states of one scope that are reached from its start and can end well, without a failure.

    `order` has every state before its successors, unless they lie on a loop; `edges` says where each leads, in the
    order in which its author wrote it; `reach` what comes after each (loops lead nowhere new).
    """

    order: list[str]
    edges: Mapping[str, list[str]]
    reach: Mapping[str, frozenset[str]]

    def leads_to(self, target: str, name: str) -> bool:
        """Whether a state is the target, or comes after it."""
        return target == name or name in self.reach.get(target, frozenset())


def success_path(scope: Mapping[str, Any]) -> SuccessPath:
    """The success path of a scope."""
    states: Mapping[str, State] = scope["States"]
    edges = _success_edges(states, scope["StartAt"])
    order = _topological(edges, scope["StartAt"])
    return SuccessPath(order, edges, _reachable(order, edges))


def _next_states(state: State) -> list[str]:
    """Where a state leads without a failure, in the order in which its author wrote it."""
    if state["Type"] == "Choice":
        targets = [rule["Next"] for rule in state["Choices"]] + [state.get("Default")]
        return list(dict.fromkeys(target for target in targets if target))
    return [state["Next"]] if "Next" in state else []


def _success_edges(states: Mapping[str, State], start: str) -> dict[str, list[str]]:
    """Edges between the states that are reached from the start and can end well."""
    backwards: dict[str, list[str]] = {name: [] for name in states}
    for name, state in states.items():
        for target in _next_states(state):
            backwards.setdefault(target, []).append(name)
    ends = [name for name, state in states.items() if state.get("End") or state["Type"] == "Succeed"]
    good = _closure(ends, backwards)
    forwards = {name: [t for t in _next_states(states[name]) if t in good] for name in good}
    reached = _closure([start] if start in good else [], forwards)
    return {name: forwards[name] for name in states if name in reached}


def _topological(edges: Mapping[str, list[str]], start: str) -> list[str]:
    """Reverse postorder: before its successors comes every state that does not lie on a loop with them."""
    done: dict[str, None] = {}
    seen: set[str] = set()
    stack = [(start, False)] if start in edges else []
    while stack:
        name, finished = stack.pop()
        if finished:
            done[name] = None
        elif name not in seen:
            seen.add(name)
            stack.append((name, True))
            stack += [(target, False) for target in edges[name] if target not in seen]
    return list(reversed(done))


def _reachable(order: list[str], edges: Mapping[str, list[str]]) -> dict[str, frozenset[str]]:
    reach: dict[str, frozenset[str]] = {}
    for name in reversed(order):
        targets = edges[name]
        reach[name] = frozenset(targets).union(*(reach.get(target, frozenset()) for target in targets))
    return reach


def _closure(start: list[str], edges: Mapping[str, list[str]]) -> set[str]:
    seen, waiting = set(start), list(start)
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen
