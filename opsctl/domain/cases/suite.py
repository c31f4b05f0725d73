"""A definition and the cases that are run against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.asl import InvalidDefinition, StateMachine, parse, validate
from opsctl.domain.cases.document import read_cases
from opsctl.domain.cases.model import Case, Verdict
from opsctl.domain.cases.verdict import judge
from opsctl.domain.cases.walk import walk_case

_CONTAINERS = ("Parallel", "Map")
_STAND_IN = "arn:aws:lambda:us-east-1:123456789012:function:mock"
_KEPT = frozenset(
    ("Comment", "QueryLanguage", "InputPath", "OutputPath", "ResultPath", "ResultSelector", "Assign", "Output",
     "Arguments", "Retry", "Catch", "Next", "End")
)  # fmt: skip
"""What a Task has in common with a Parallel or Map. Parameters are left out: a Map's make the input of an item."""


class Suite:
    """All cases of a file. Raises InvalidDefinition for a definition that AWS would refuse, CaseError for bad cases."""

    def __init__(self, definition: Mapping[str, Any], document: Mapping[str, Any], machine: str) -> None:
        errors = tuple(found for found in validate(definition) if found.severity == "ERROR")
        if errors:
            raise InvalidDefinition(errors)
        self._definition = definition
        self._machines: dict[frozenset[str], StateMachine] = {}
        self._types = dict(_types(definition))
        self.cases = read_cases(document, machine, self._types)
        for case in self.cases:
            self._machine(case)

    def run(self, case: Case) -> Verdict:
        """Walk a case and judge what came of it."""
        return judge(case, walk_case(self._machine(case), case))

    def _machine(self, case: Case) -> StateMachine:
        """The definition, with every Parallel or Map that the case mocks as a whole replaced by a task."""
        whole = frozenset(name for name in case.mocks if self._types[name] in _CONTAINERS)
        if whole not in self._machines:
            self._machines[whole] = parse(_replaced(self._definition, whole))
        return self._machines[whole]


def _scopes(state: Mapping[str, Any]) -> Iterator[tuple[str, int | None, Mapping[str, Any]]]:
    """The definitions inside a state: the field, the position in it, the definition."""
    for index, branch in enumerate(state.get("Branches") or ()):
        yield "Branches", index, branch
    for name in ("Iterator", "ItemProcessor"):
        if isinstance(state.get(name), Mapping):
            yield name, None, state[name]


def _types(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in definition["States"].items():
        yield name, state["Type"]
        for _, _, inner in _scopes(state):
            yield from _types(inner)


def _replaced(definition: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    states = {
        name: _stand_in(state) if name in names else _inside(state, names)
        for name, state in definition["States"].items()
    }
    return {**definition, "States": states}


def _inside(state: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    changed: dict[str, Any] = dict(state)
    for field, index, inner in _scopes(state):
        if index is None:
            changed[field] = _replaced(inner, names)
        else:
            changed[field] = [*changed[field][:index], _replaced(inner, names), *changed[field][index + 1 :]]
    return changed


def _stand_in(state: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in state.items() if key in _KEPT}
    return {**kept, "Type": "Task", "Resource": _STAND_IN}
