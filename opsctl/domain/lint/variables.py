"""UNASSIGNED_VARIABLE: reads of variables that no state can have assigned before.

What may be assigned on entry of a state is worked out along all ways that lead there, loops and Catches included. A
variable that is assigned on some of them only is let pass, and so is one of which an expression asks `$exists`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.asl.validation_variables import assignments_of, reads_of
from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.graphs import by_end_of_walk
from opsctl.domain.lint.machine import Machine, Node

Edge = tuple[str, frozenset[str]]
"""A state's name, and the variables that are assigned on the way there."""
_NONE: frozenset[str] = frozenset()


def unassigned_variables(machine: Machine) -> Iterator[Remark]:
    """UNASSIGNED_VARIABLE: an expression reads a variable to which nothing was assigned."""
    before: dict[str, frozenset[str]] | None = None
    for node in machine.nodes.values():
        said: set[str] = set()
        for where, variable in reads_of(node.state, _language(machine, node)):
            before = _assigned_before(machine) if before is None else before
            if variable not in before.get(node.name, _NONE) and variable not in said:
                said.add(variable)
                yield Remark(f"{node.location}{where}", _message(machine, node, variable))


def _language(machine: Machine, node: Node) -> str:
    return str(node.state.get("QueryLanguage", machine.definition.get("QueryLanguage", "JSONPath")))


def _assigned_before(machine: Machine) -> dict[str, frozenset[str]]:
    """Per state, what may have been assigned when it is entered; outer scopes come before the inner."""
    before: dict[str, frozenset[str]] = {}
    for location, nodes in machine.scopes.items():
        container = nodes[0].container
        start = machine.starts[location]
        visible = container is not None and not _is_distributed(container)
        before[start] = before.get(container.name, _NONE) if container is not None and visible else _NONE
        edges = {node.name: list(_edges(node, _language(machine, node))) for node in nodes}
        _spread(edges, before)
    return before


def _spread(edges: Mapping[str, list[Edge]], before: dict[str, frozenset[str]]) -> None:
    """Carry what is assigned along the edges. In the order of the flow once is enough, and once more for each loop
    within a loop."""
    order = list(reversed(by_end_of_walk({name: [target for target, _ in ways] for name, ways in edges.items()})))
    changed = True
    while changed:
        changed = False
        for name in order:
            for target, added in edges[name] if name in before else ():
                merged = before[name] | added
                if target not in before or not merged <= before[target]:
                    before[target] = before.get(target, _NONE) | merged
                    changed = True


def _edges(node: Node, language: str) -> Iterator[Edge]:
    state = node.state
    own = _names(state, language)
    for field in ("Next", "Default"):
        if field in state:
            yield state[field], own
    for field in ("Choices", "Catch"):
        for entry in state.get(field) or ():
            yield entry["Next"], _names(entry, language)


def _names(holder: Mapping[str, Any], language: str) -> frozenset[str]:
    return frozenset(variable for _, variable in assignments_of({"Assign": holder.get("Assign")}, language))


def _assigns(node: Node, variable: str, language: str) -> bool:
    return any(name == variable for _, name in assignments_of(node.state, language))


def _is_distributed(node: Node) -> bool:
    processor = node.state.get("ItemProcessor", node.state.get("Iterator", {}))
    config = processor.get("ProcessorConfig", {}) if node.type == "Map" else {}
    return bool(config.get("Mode") == "DISTRIBUTED")


def _message(machine: Machine, node: Node, variable: str) -> str:
    says = f"'{node.name}' reads ${variable}, "
    homes = [other for other in machine.nodes.values() if _assigns(other, variable, _language(machine, other))]
    if not homes:
        return says + "but no state assigns it."
    scopes, distributed = {node.branch}, None
    for container in node.containers:
        if distributed is None and _is_distributed(container):
            distributed = container
        scopes.add(container.branch)
        if distributed is not None and any(home.branch == container.branch for home in homes):
            return says + f"which the children of the distributed Map '{distributed.name}' cannot see."
    if any(home.branch in scopes for home in homes):
        return says + "but no state on the way there assigns it."
    return says + f"which '{homes[0].name}' assigns in a branch or iteration of its own, with which it ends."
