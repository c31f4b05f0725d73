"""Checks of a definition, in the spirit and with the codes of ValidateStateMachineDefinition.

Errors are what AWS refuses; the corpus of its verdicts is what the rules were measured against. Warnings are AWS's own
three (NO_DOLLAR, NO_PATH, PASS_RESULT_IS_STATIC); the project's further advice belongs to `opsctl lint`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsctl.asl.build import build_machine
from opsctl.asl.definition import StateMachine
from opsctl.asl.diagnostics import Diagnostic, InvalidDefinition
from opsctl.asl.validation_fields import TEMPLATES
from opsctl.asl.validation_graph import check_graph, inner_scopes, states_of
from opsctl.asl.validation_maps import check_labels
from opsctl.asl.validation_states import check_scope, check_warnings, finding, looks_computed
from opsctl.asl.validation_values import integer_from
from opsctl.asl.validation_variables import check_variables

MAX_BYTES = 1_048_576
MAX_DEPTH = 200
_TOO_DEEP = finding("The definition is nested too deeply.", "", "INVALID_JSON_DESCRIPTION")
_PATH_FIELDS = ("Error", "Cause", "Seconds", "Timestamp", "TimeoutSeconds", "HeartbeatSeconds")


def validate(definition: str | Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """All findings about a definition (JSON text or its value): the errors in the document's order, then warnings."""
    source, diagnostics = _read(definition)
    return diagnostics or _checked(source)


def parse(definition: str | Mapping[str, Any]) -> StateMachine:
    """The machine of a definition (JSON text or its value). Raises `InvalidDefinition`."""
    source, diagnostics = _read(definition)
    errors = tuple(found for found in diagnostics or _checked(source) if found.severity == "ERROR")
    if errors:
        raise InvalidDefinition(errors)
    try:
        return build_machine(source)
    except ValueError as error:
        raise InvalidDefinition((finding(str(error), ""),)) from error


def _checked(source: dict[str, Any]) -> tuple[Diagnostic, ...]:
    return (_TOO_DEEP,) if _deeper_than(MAX_DEPTH, source) else tuple(_check(source))


def _deeper_than(limit: int, document: Any) -> bool:
    """Whether arrays and objects are nested deeper. The checks recurse; they must not exhaust the stack."""
    level = [document]
    for _ in range(limit):
        level = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _check(source: dict[str, Any]) -> Iterator[Diagnostic]:
    yield from _check_machine(source)
    language = source.get("QueryLanguage", "JSONPath")
    yield from check_scope(source, "", language)
    yield from check_graph(source)
    for location, name in check_variables(source, language):
        yield finding(f"Variable '{name}' is already assigned in an outer scope: names must differ", location)
    for code, message, location in check_labels(_labels(source, "")):
        yield finding(message, location, code)
    yield from _warnings(source, "", language)


def _check_machine(source: dict[str, Any]) -> Iterator[Diagnostic]:
    if source.get("QueryLanguage", "JSONPath") not in ("JSONPath", "JSONata"):
        yield finding("Value must be one of [JSONPath, JSONata].", "/QueryLanguage")
    if "TimeoutSeconds" in source:
        problem = integer_from(1)(source["TimeoutSeconds"])
        if problem:
            yield finding(problem, "/TimeoutSeconds")
    for field in ("Comment", "Version"):
        if field in source and not isinstance(source[field], str):
            yield finding("Value must be a string.", f"/{field}")


def _labels(scope: dict[str, Any], location: str) -> Iterator[tuple[str, Any]]:
    """Every Map's location and Label."""
    for name, state in states_of(scope).items():
        here = f"{location}/States/{name}"
        if "Label" in state:
            yield here, state["Label"]
        for below, inner in inner_scopes(state):
            yield from _labels(inner, here + below)


def _warnings(scope: dict[str, Any], location: str, machine_language: str) -> Iterator[Diagnostic]:
    for name, state in states_of(scope).items():
        here = f"{location}/States/{name}"
        if state.get("QueryLanguage", machine_language) == "JSONPath":
            yield from _state_warnings(state, here)
        for below, inner in inner_scopes(state):
            yield from _warnings(inner, here + below, machine_language)


def _state_warnings(state: dict[str, Any], location: str) -> Iterator[Diagnostic]:
    for field in TEMPLATES:
        if field in state:
            yield from check_warnings(state[field], f"{location}/{field}")
    for field in _PATH_FIELDS:
        value = state.get(field)
        if isinstance(value, str) and looks_computed(value):
            message = f"The value of '{field}' looks like a path; the field for paths is '{field}Path'"
            yield finding(message, f"{location}/{field}", "NO_PATH", "WARNING")
    if state.get("Type") == "Pass" and _holds_path(state.get("Result")):
        message = "The Result of a Pass state is static: use Parameters to compute it"
        yield finding(message, f"{location}/Result", "PASS_RESULT_IS_STATIC", "WARNING")


def _holds_path(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key.endswith(".$") or _holds_path(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_holds_path(item) for item in value)
    return isinstance(value, str) and looks_computed(value)


# reading


class _DuplicateFieldError(ValueError):
    pass


def _read(definition: str | Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    if not isinstance(definition, str):
        return dict(definition), ()
    if not definition.strip():
        return {}, (finding("Received a null or empty workflow input.", "", "MISSING_DESCRIPTION"),)
    if len(definition.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return {}, (finding(f"The definition is longer than {MAX_BYTES} bytes.", ""),)
    try:
        source = json.loads(definition, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return {}, (_syntax_error(definition, error),)
    except _DuplicateFieldError as error:
        return {}, (finding(str(error), "", "INVALID_JSON_DESCRIPTION"),)
    except RecursionError:
        return {}, (_TOO_DEEP,)
    if not isinstance(source, dict):
        return {}, (finding("Value must be an object.", "/"),)
    return source, ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise _DuplicateFieldError(f"Duplicate field '{repeated}'")
    return fields


def _no_constant(text: str) -> Any:
    raise _DuplicateFieldError(f"'{text}' is no JSON")


def _syntax_error(text: str, error: json.JSONDecodeError) -> Diagnostic:
    """Said as AWS's parser says it where the text begins with a word that is no JSON."""
    word = re.compile(r"[A-Za-z_$][\w$]*").match(text, error.pos)
    column = error.colno + len(word[0]) if word else error.colno
    location = f'[Source: (String)"{text[:500]}"; line: {error.lineno}, column: {column}]'
    message = (
        f"Unrecognized token '{word[0]}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' "
        f"or 'false')\n at {location}"
        if word
        else f"{error.msg}\n at {location}"
    )
    return finding(message, location, "INVALID_JSON_DESCRIPTION")
