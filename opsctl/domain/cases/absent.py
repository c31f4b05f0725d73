"""Cases that name states which a definition does not have.

Such a case cannot come out as it says: either it, or the definition, is wrong. `opsctl test` takes it for the case's
fault and reads no further; a drill, which asks what is wrong with the definition, walks it as far as it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsctl.domain.cases.document import read_cases
from opsctl.domain.cases.fields import UnknownStateError, nearest
from opsctl.domain.cases.model import Case, Path

Absent = Mapping[str, str]
"""By the name of a state that there is not, the nearest that there is, or ""."""


def read_with_absent(
    document: Mapping[str, Any], machine: str, states: Mapping[str, str]
) -> tuple[tuple[Case, ...], dict[str, Absent]]:
    """All cases as `read_cases` reads them, and by case the states that it names and the definition does not have; what
    it mocks of them is left out. Raises CaseError for whatever else is wrong."""
    known, near = dict(states), dict[str, str]()
    while True:
        try:
            cases = read_cases(document, machine, known)
            break
        except UnknownStateError as error:
            known[error.name], near[error.name] = "", nearest(error.name, states)
    absent = {
        case.name: {name: near[name] for name in dict.fromkeys(_named(case)) if name in near} for case in cases
    }  # fmt: skip
    kept = (
        replace(case, mocks={name: mock for name, mock in case.mocks.items() if name not in near}) for case in cases
    )
    return tuple(kept), {name: found for name, found in absent.items() if found}


def _named(case: Case) -> Iterator[str]:
    """Every state that a case names, those that it expects something of first."""
    if case.begin is not None:
        yield case.begin.state
    yield from _in_path(case.expect.get("path", ()))
    for what in ("entered", "not_entered", "attempts", "parameters"):
        yield from case.expect.get(what, ())
    yield from case.mocks


def _in_path(path: Path) -> Iterator[str]:
    for step in path:
        if step is not None:
            yield step.name
            for branch in (step.branches or {}).values():
                yield from _in_path(branch)
