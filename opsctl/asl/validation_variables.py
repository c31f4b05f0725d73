"""The variables of a machine: where each is assigned and read, and that no inner scope takes an outer one's name.

A variable belongs to the scope whose states assign it: the machine, a branch, a processor. States further inside read
it (but not the children of a distributed Map), and may not assign it (Developer Guide, "Passing data between states
with variables").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.asl.expressions import parse_expression, paths_of
from opsctl.asl.jsonata import expression_of
from opsctl.asl.jsonata_tokens import words_of
from opsctl.asl.validation_graph import inner_scopes, states_of
from opsctl.asl.validation_values import is_jsonata

Use = tuple[str, str]
"""Where below the state, and the variable's name."""
_SCOPES = frozenset({"Branches", "ItemProcessor", "Iterator"})
_VARIABLE = re.compile(r"\$[^\W\d]")


def check_variables(machine: dict[str, Any], language: str) -> Iterator[Use]:
    """Where a state assigns a variable that belongs to a scope around it (a location in the machine), and which."""
    yield from _clashes(machine, "", language, frozenset())


def _clashes(scope: dict[str, Any], location: str, language: str, outer: frozenset[str]) -> Iterator[Use]:
    states = states_of(scope)
    own: set[str] = set()
    for name, state in states.items():
        for where, variable in assignments_of(state, state.get("QueryLanguage", language)):
            own.add(variable)
            if variable in outer:
                yield f"{location}/States/{name}{where}", variable
    for name, state in states.items():
        for below, inner in inner_scopes(state):
            yield from _clashes(inner, f"{location}/States/{name}{below}", language, outer | own)


def references(machine: dict[str, Any]) -> dict[str, list[str]]:
    """The variables that each state reads, wherever in the machine it is; states that read none are not there."""
    language = machine.get("QueryLanguage", "JSONPath")
    found: dict[str, list[str]] = {}
    scopes = [machine]
    while scopes:
        for name, state in states_of(scopes.pop()).items():
            if read := {variable for _, variable in reads_of(state, state.get("QueryLanguage", language))}:
                found[name] = sorted(read)
            scopes += [inner for _, inner in inner_scopes(state)]
    return found


def assignments_of(state: Mapping[str, Any], language: str) -> Iterator[Use]:
    """The variables that a state assigns when it is left, by a rule of its Choices or by a Catch."""
    for where, holder in (("", state), *_entries(state, "Choices"), *_entries(state, "Catch")):
        assigned = holder.get("Assign")
        for field in assigned if isinstance(assigned, dict) else ():
            yield f"{where}/Assign/{field}", field.removesuffix(".$") if language == "JSONPath" else field


def _entries(state: Mapping[str, Any], field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    entries = state.get(field)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield f"/{field}[{index}]", entry


def reads_of(state: Mapping[str, Any], language: str) -> Iterator[Use]:
    """The variables that a state's own fields read; not those of the states inside of it."""
    for field, value in state.items():
        if field not in _SCOPES and field != "Comment":
            yield from _reads(value, f"/{field}", field, language)


def _reads(value: Any, where: str, field: str, language: str) -> Iterator[Use]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _reads(item, f"{where}/{key}", key, language)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _reads(item, f"{where}[{index}]", field, language)
    elif isinstance(value, str) and "$" in value:
        names = _of_jsonata(value) if language == "JSONata" else _of_paths(value, field)
        yield from ((where, name) for name in names)


def _of_jsonata(text: str) -> tuple[str, ...]:
    return words_of(expression_of(text)).variables if is_jsonata(text) else ()


def _of_paths(text: str, field: str) -> tuple[str, ...]:
    if not (field.endswith((".$", "Path")) or field == "Variable") or not _VARIABLE.search(text):
        return ()
    try:
        paths = paths_of(parse_expression(text))
    except ValueError:
        return ()
    return tuple(path.root for path in paths if path.root not in ("$", "$$"))
