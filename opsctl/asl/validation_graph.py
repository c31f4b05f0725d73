"""Checks of the transitions: every target exists, every state is reached, there is an end, no name appears twice.

A scope (the machine, a branch, a processor) is a graph of its own: no transition leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.asl.diagnostics import Diagnostic

Scope = dict[str, Any]
_ENDS = ("Succeed", "Fail")


def inner_scopes(state: dict[str, Any]) -> Iterator[tuple[str, Scope]]:
    """The scopes that a state contains, with where they lie below it."""
    branches = state.get("Branches")
    if isinstance(branches, list):
        for index, branch in enumerate(branches):
            if isinstance(branch, dict):
                yield f"/Branches[{index}]", branch
    for field in ("ItemProcessor", "Iterator"):
        if isinstance(state.get(field), dict):
            yield f"/{field}", state[field]


def states_of(scope: Scope) -> dict[str, dict[str, Any]]:
    """The scope's well-formed states."""
    states = scope.get("States")
    if not isinstance(states, dict):
        return {}
    return {name: state for name, state in states.items() if isinstance(state, dict)}


def transitions(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every transition out of a state: where it is written, and its target."""
    if "Next" in state:
        yield "/Next", state["Next"]
    if "Default" in state:
        yield "/Default", state["Default"]
    for field in ("Choices", "Catch"):
        entries = state.get(field)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and "Next" in entry:
                yield f"/{field}[{index}]/Next", entry["Next"]


def check_graph(machine: Scope) -> Iterator[Diagnostic]:
    """All findings about transitions and names."""
    yield from _duplicate_names(machine, "", {})
    yield from _check_scope(machine, "")


def _duplicate_names(scope: Scope, location: str, seen: dict[str, str]) -> Iterator[Diagnostic]:
    for name, state in states_of(scope).items():
        here = f"{location}/States/{name}"
        if name in seen:
            yield _error("DUPLICATE_STATE_NAME", f"Duplicate state name: {name} (also at {seen[name]})", here)
        seen.setdefault(name, here)
        for below, inner in inner_scopes(state):
            yield from _duplicate_names(inner, here + below, seen)


def _check_scope(scope: Scope, location: str) -> Iterator[Diagnostic]:
    states = states_of(scope)
    if not states:
        return
    yield from _missing_targets(scope, states, location)
    if not any(_ends(state) for state in states.values()):
        yield _error("MISSING_END_STATE", "Workflow has no terminal state", location)
    else:
        reached = _reached(scope, states)
        for name in states:
            if name not in reached:
                message = f'State "{name}" is not reachable.'
                yield _error("MISSING_TRANSITION_TARGET", message, f"{location}/States/{name}")
    for name, state in states.items():
        for below, inner in inner_scopes(state):
            yield from _check_scope(inner, f"{location}/States/{name}{below}")


def _missing_targets(scope: Scope, states: dict[str, dict[str, Any]], location: str) -> Iterator[Diagnostic]:
    places = [(f"{location}/StartAt", scope["StartAt"])] if "StartAt" in scope else []
    for name, state in states.items():
        places += [(f"{location}/States/{name}{where}", target) for where, target in transitions(state)]
    for place, target in places:
        if isinstance(target, str) and target not in states:
            yield _error("MISSING_TRANSITION_TARGET", f"Missing 'Next' target: {target}", place)


def _ends(state: dict[str, Any]) -> bool:
    return state.get("Type") in _ENDS or state.get("End") is True


def _reached(scope: Scope, states: dict[str, dict[str, Any]]) -> set[str]:
    reached: set[str] = set()
    ahead = [scope.get("StartAt")]
    while ahead:
        name = ahead.pop()
        if isinstance(name, str) and name in states and name not in reached:
            reached.add(name)
            ahead += [target for _, target in transitions(states[name])]
    return reached


def _error(code: str, message: str, location: str) -> Diagnostic:
    return Diagnostic("ERROR", code, message, location)
