"""Rules about Choices and about transitions that are written but never taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.graphs import reachable
from opsctl.domain.lint.machine import Machine, Node, choice_targets

_CONNECTIVES = ("And", "Or", "Not")
_AROUND = frozenset({"Next", "Comment", "Assign", "Output"})
_SHAPES_DATA = frozenset({"Assign", "Output", "Parameters", "Result"})
_ALWAYS, _NEVER = re.compile(r"\{%\s*true\s*%\}"), re.compile(r"\{%\s*false\s*%\}")
_UNCATCHABLE = "States.Runtime"
_NOT_A_TASK_FAILURE = frozenset({"States.ALL", "States.Timeout", "States.HeartbeatTimeout", "States.DataLimitExceeded"})
Condition = Mapping[str, Any]


def missing_defaults(machine: Machine) -> Iterator[Remark]:
    """CHOICE_WITHOUT_DEFAULT: a Choice that has no answer where its path is missing or holds something else."""
    for node in machine.nodes.values():
        if node.type == "Choice" and "Default" not in node.state and not _is_exhaustive(node.state["Choices"]):
            read = ", ".join(dict.fromkeys(_paths(node.state["Choices"]))) or "its condition"
            message = f"'{node.name}' has no Default: if {read} is missing or matches no rule, the run fails at once."
            yield Remark(node.location, message)


def useless_guards(machine: Machine) -> Iterator[Remark]:
    """GUARD_WITHOUT_EFFECT: a Choice that leads to the same state whatever it finds."""
    for node in machine.nodes.values():
        if node.type != "Choice":
            continue
        targets = choice_targets(node.state)
        ends = {machine.behind_passes(target) for target in targets}
        if len(ends) == 1 and len(targets) > 1 and not _differ_in_data(machine, node, targets):
            yield Remark(node.location, f"'{node.name}' guards nothing: whatever it finds, '{ends.pop()}' comes next.")


def unreachable_states(machine: Machine) -> Iterator[Remark]:
    """UNREACHABLE_STATE: a state to which only transitions lead that are never taken."""
    for location, nodes in machine.scopes.items():
        edges = {node.name: _live_targets(node) for node in nodes}
        reached = reachable([machine.starts[location]], edges)
        for node in nodes:
            if node.name not in reached:
                yield Remark(node.location, f"'{node.name}' is never reached: {_why(node.name, nodes)}.")


def _live_targets(node: Node) -> list[str]:
    """The targets that some execution can take."""
    return [*_choice_outcomes(node), *_live_catches(node), *_next(node)]


def _next(node: Node) -> list[str]:
    return [node.state["Next"]] if "Next" in node.state else []


def _choice_outcomes(node: Node) -> Iterator[str]:
    if node.type != "Choice":
        return
    seen: list[Condition] = []
    for rule in node.state["Choices"]:
        condition = _bare(rule)
        if condition in seen or _holds_never(condition):
            continue
        yield rule["Next"]
        if _holds_always(condition):
            return
        seen.append(condition)
    if "Default" in node.state and not _is_exhaustive(node.state["Choices"]):
        yield node.state["Default"]


def _live_catches(node: Node) -> Iterator[str]:
    caught: set[str] = {_UNCATCHABLE}
    for catcher in node.catchers:
        if any(error not in caught and not _taken_as_task_failure(error, caught) for error in catcher.errors):
            yield catcher.target
        caught |= set(catcher.errors)


def _taken_as_task_failure(error: str, caught: set[str]) -> bool:
    return "States.TaskFailed" in caught and error not in _NOT_A_TASK_FAILURE


def _why(name: str, nodes: list[Node]) -> str:
    for node in nodes:
        if any(catcher.target == name for catcher in node.catchers):
            return f"an earlier Catch of '{node.name}' takes the same errors, or nothing can catch them"
        if node.type == "Choice" and name in choice_targets(node.state):
            return f"an earlier rule of '{node.name}' always decides first"
    return "only states lead to it that are never reached"


def _bare(rule: Condition) -> Condition:
    return {field: value for field, value in rule.items() if field not in _AROUND}


def _holds_always(condition: Condition) -> bool:
    value = condition.get("Condition")
    return value is True or (isinstance(value, str) and _ALWAYS.fullmatch(value) is not None)


def _holds_never(condition: Condition) -> bool:
    value = condition.get("Condition")
    return value is False or (isinstance(value, str) and _NEVER.fullmatch(value) is not None)


def _is_exhaustive(rules: list[Condition]) -> bool:
    """Whether one of the rules holds for every input: two that complement each other and cannot fail, or `true`."""
    conditions = [_bare(rule) for rule in rules]
    if any(_holds_always(condition) for condition in conditions):
        return True
    safe = [condition for condition in conditions if "Condition" not in condition and _cannot_fail(condition)]
    return any(_complement(condition) in safe for condition in safe)


def _complement(condition: Condition) -> Condition:
    if "IsPresent" in condition:
        return {**condition, "IsPresent": not condition["IsPresent"]}
    return _bare(condition["Not"]) if "Not" in condition else {"Not": condition}


def _cannot_fail(condition: Condition) -> bool:
    """Whether every path that is compared is asked for first."""
    asked = {found.get("Variable") for found in _comparisons(condition) if "IsPresent" in found}
    return all(found.get("Variable") in asked for found in _comparisons(condition))


def _comparisons(condition: Condition) -> Iterator[Condition]:
    for field in _CONNECTIVES:
        if field in condition:
            inner = condition[field]
            for part in inner if isinstance(inner, list) else [inner]:
                yield from _comparisons(part)
            return
    yield condition


def _paths(rules: list[Condition]) -> Iterator[str]:
    for rule in rules:
        for comparison in _comparisons(rule):
            if "Variable" in comparison:
                yield str(comparison["Variable"])


def _differ_in_data(machine: Machine, node: Node, targets: list[str]) -> bool:
    """Whether the outcomes hand on different data, and the Choice is not there to skip something."""
    if "skip" in node.name.lower() or any("skip" in path.lower() for path in _paths(node.state["Choices"])):
        return False
    if any(_SHAPES_DATA & rule.keys() for rule in node.state["Choices"]):
        return True
    return len(set(targets)) > 1 and any(_shapes_data(machine, target) for target in targets)


def _shapes_data(machine: Machine, name: str) -> bool:
    seen: set[str] = set()
    while name not in seen and machine.nodes[name].type == "Pass":
        seen.add(name)
        if _SHAPES_DATA & machine.nodes[name].state.keys():
            return True
        name = next(iter(machine.flow[name]), name)
    return False
