"""A definition and the cases that are run against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.validate import parse, validate
from opsctl.domain.cases.absent import Absent, read_with_absent
from opsctl.domain.cases.document import read_cases
from opsctl.domain.cases.model import Case, Verdict
from opsctl.domain.cases.variants import begun_at, containers, mocked_whole, types_of
from opsctl.domain.cases.verdict import judge
from opsctl.domain.cases.walk import walk_case


class Suite:
    """All cases of a file. Raises InvalidDefinition for a definition that AWS would refuse, CaseError for bad cases.

    A case that names a state which the definition does not have is bad, unless the suite is `lenient`: `absent` has the
    names of such states then, by case.
    """

    def __init__(
        self, definition: Mapping[str, Any], document: Mapping[str, Any], machine: str, *, lenient: bool = False
    ) -> None:
        errors = tuple(found for found in validate(definition) if found.severity == "ERROR")
        if errors:
            raise InvalidDefinition(errors)
        self._definition = definition
        self._containers = containers(definition)
        self._machines: dict[tuple[frozenset[str], str], StateMachine] = {}
        self.absent: Mapping[str, Absent] = {}
        if lenient:
            self.cases, self.absent = read_with_absent(document, machine, types_of(definition))
        else:
            self.cases = read_cases(document, machine, types_of(definition))
        for case in self.cases:
            if self.begins(case):
                self._machine(case)

    def begins(self, case: Case) -> bool:
        """Whether there is a state for the case to begin at."""
        return case.begin is None or case.begin.state not in self.absent.get(case.name, {})

    def run(self, case: Case) -> Verdict:
        """Walk a case that `begins`, and judge what came of it."""
        return judge(case, walk_case(self._machine(case), case))

    def _machine(self, case: Case) -> StateMachine:
        """The definition as the case changes it; the same changes share a machine."""
        begin = case.begin
        whole = frozenset(name for name in self._containers.intersection(case.mocks) if not case.mocks[name].reads)
        key = (whole, "" if begin is None else json.dumps([begin.state, begin.input, dict(begin.variables)]))
        if key not in self._machines:
            definition = mocked_whole(self._definition, whole) if whole else self._definition
            self._machines[key] = parse(definition if begin is None else begun_at(definition, begin))
        return self._machines[key]
