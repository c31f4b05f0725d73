"""Checks of each state by its kind, and of the templates, Retry, Catch and scopes in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.asl.diagnostics import Diagnostic, Severity
from opsctl.asl.expressions import parse_expression
from opsctl.asl.validation_choices import check_choices
from opsctl.asl.validation_expressions import check_expressions
from opsctl.asl.validation_fields import EXCLUSIVE, REQUIRED, TABLES, TEMPLATES
from opsctl.asl.validation_graph import inner_scopes
from opsctl.asl.validation_maps import DISTRIBUTED_ONLY, check_map
from opsctl.asl.validation_values import (
    RETRY_FIELDS,
    Check,
    a_path,
    a_result_path,
    a_string,
    anything,
    assignments,
    error_names,
)

SCHEMA = "SCHEMA_VALIDATION_FAILED"
_SCOPE_FIELDS = {"Comment", "ProcessorConfig", "StartAt", "States"}
_MACHINE_FIELDS = {"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"}
_MAX_NAME = 80


def finding(message: str, location: str, code: str = SCHEMA, severity: Severity = "ERROR") -> Diagnostic:
    """A diagnostic of the schema kind."""
    return Diagnostic(severity, code, message, location)


def check_scope(scope: Any, location: str, language: str) -> Iterator[Diagnostic]:
    """All findings about a scope's own fields and its states."""
    if not isinstance(scope, dict):
        yield finding("Value must be an object.", location or "/")
        return
    missing = [field for field in ("States", "StartAt") if field not in scope]
    if missing:
        yield finding(f"These fields are required: [{', '.join(missing)}]", location or "/")
    for field in scope.keys() - (_SCOPE_FIELDS if location else _MACHINE_FIELDS):
        yield finding(f"Field '{field}' is not supported", location or "/")
    if "StartAt" in scope and a_string(scope["StartAt"]):
        yield finding("Value must be a string.", f"{location}/StartAt")
    states = scope.get("States", {})
    if not isinstance(states, dict) or ("States" in scope and not states):
        yield finding("Value must be a non-empty object of states.", f"{location}/States")
        return
    for name, state in states.items():
        yield from _check_state(name, state, f"{location}/States/{name}", language)


def _check_state(name: str, state: Any, location: str, machine_language: str) -> Iterator[Diagnostic]:
    if not isinstance(state, dict):
        yield finding("Value must be an object.", location)
        return
    if not name or len(name) > _MAX_NAME:
        yield finding(f"A state's name has 1 to {_MAX_NAME} characters.", location, "INVALID_STATE_NAME")
    kind = state.get("Type")
    if not isinstance(kind, str) or kind not in TABLES["JSONPath"]:
        yield finding("These fields are required: [Type]" if kind is None else f"Unknown Type: {kind}", location)
        return
    language = state.get("QueryLanguage", machine_language)
    if language == "JSONPath" and machine_language == "JSONata":
        yield finding("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine", location)
    language = "JSONata" if language == "JSONata" else "JSONPath"
    yield from _check_fields(state, kind, location, language)
    yield from _check_parts(state, kind, location, language)
    for below, inner in inner_scopes(state):
        yield from check_scope(inner, location + below, machine_language)


def _check_fields(state: dict[str, Any], kind: str, location: str, language: str) -> Iterator[Diagnostic]:
    table, other = TABLES[language][kind], next(name for name in TABLES if name != language)
    for field, value in state.items():
        check = table.get(field)
        if check is not None:
            problem = check(value)
            if problem:
                yield finding(problem, f"{location}/{field}")
        elif field in TABLES[other][kind]:
            yield finding(
                f"The QueryLanguage is set to '{language}', but field '{field}' is only supported for the '{other}' "
                "QueryLanguage",
                location,
            )
        else:
            yield finding(f"Field '{field}' is not supported", location)
    for group in REQUIRED.get(kind, ()):
        if not any(field in state for field in group):
            shown = group[0] if len(group) == 1 else " or ".join(group)
            yield finding(f"These fields are required: [{shown}]", location)
    yield from check_exclusive(state, location)


def check_exclusive(holder: dict[str, Any], location: str) -> Iterator[Diagnostic]:
    """Fields that exclude each other."""
    for group in EXCLUSIVE:
        present = [field for field in group if field in holder]
        if len(present) > 1:
            yield finding(f"Only one of these fields is allowed: [{', '.join(present)}]", location)


def _check_parts(state: dict[str, Any], kind: str, location: str, language: str) -> Iterator[Diagnostic]:
    if language == "JSONata":
        for problem, where in check_expressions(state, kind):
            yield finding(problem, location + where)
    else:
        for field in TEMPLATES:
            if field in state:
                yield from check_template(state[field], f"{location}/{field}")
    if "Choices" in state and kind == "Choice":
        for problem, where in check_choices(state["Choices"], language):
            yield finding(problem, location + where)
        if language == "JSONPath":
            yield from _check_assignments(state["Choices"], f"{location}/Choices")
    if kind in ("Map", "Parallel", "Task"):
        yield from _check_retriers(state.get("Retry", []), f"{location}/Retry")
        yield from _check_catchers(state.get("Catch", []), f"{location}/Catch", language)
    if kind == "Task":
        yield from _check_task(state, location)
    if kind == "Parallel" and "Branches" in state:
        yield from _check_branches(state["Branches"], f"{location}/Branches")
    if kind == "Map":
        for problem, where in check_map(state, language):
            yield finding(problem, location + where)
        yield from _check_map_templates(state, location, language)


def _check_assignments(rules: Any, location: str) -> Iterator[Diagnostic]:
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and "Assign" in rule:
            yield from check_template(rule["Assign"], f"{location}[{index}]/Assign")


def check_template(template: Any, location: str) -> Iterator[Diagnostic]:
    """Every `.$` field of a payload template must parse."""
    if isinstance(template, list):
        for index, item in enumerate(template):
            yield from check_template(item, f"{location}[{index}]")
    if not isinstance(template, dict):
        return
    for field, value in template.items():
        if not field.endswith(".$"):
            yield from check_template(value, f"{location}/{field}")
        elif not _is_expression(value):
            yield finding(
                f"The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call",
                location,
            )


def _is_expression(value: Any) -> bool:
    try:
        parse_expression(value)
    except (ValueError, AttributeError):
        return False
    return True


def _check_task(state: dict[str, Any], location: str) -> Iterator[Diagnostic]:
    if "Credentials" in state:
        credentials = state["Credentials"]
        if not isinstance(credentials, dict):
            yield finding("Value must be an object.", f"{location}/Credentials")
        elif not {"RoleArn", "RoleArn.$"} & credentials.keys():
            yield finding("The field 'RoleArn' is required but was missing", f"{location}/Credentials")
        else:
            yield from check_template(credentials, f"{location}/Credentials")
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if isinstance(timeout, int) and isinstance(heartbeat, int) and heartbeat >= timeout:
        yield finding("HeartbeatSeconds must be smaller than TimeoutSeconds.", f"{location}/HeartbeatSeconds")


def _check_branches(branches: Any, location: str) -> Iterator[Diagnostic]:
    if not isinstance(branches, list) or not branches:
        yield finding("Value must be a non-empty array of branches.", location)
        return
    for index, branch in enumerate(branches):
        if not isinstance(branch, dict):
            yield finding("Value must be an object.", f"{location}[{index}]")


def _check_map_templates(state: dict[str, Any], location: str, language: str) -> Iterator[Diagnostic]:
    """What JSONata there is in these fields was checked with the whole state."""
    for field in DISTRIBUTED_ONLY:
        template = "BatchInput" if field == "ItemBatcher" else "Parameters"
        holder = state.get(field)
        if not isinstance(holder, dict):
            continue
        if language == "JSONPath" and template in holder:
            yield from check_template(holder[template], f"{location}/{field}/{template}")
        yield from check_exclusive(holder, f"{location}/{field}")
        config = holder.get("ReaderConfig")
        if isinstance(config, dict):
            yield from check_exclusive(config, f"{location}/{field}/ReaderConfig")


def _check_retriers(retriers: Any, location: str) -> Iterator[Diagnostic]:
    if not isinstance(retriers, list):
        yield finding("Value must be an array.", location)
        return
    for index, retrier in enumerate(retriers):
        where = f"{location}[{index}]"
        if not isinstance(retrier, dict):
            yield finding("Value must be an object.", where)
            continue
        if "ErrorEquals" not in retrier:
            yield finding("These fields are required: [ErrorEquals]", where)
        for field, value in retrier.items():
            problem = RETRY_FIELDS[field](value) if field in RETRY_FIELDS else f"Field '{field}' is not supported"
            if problem:
                yield finding(problem, f"{where}/{field}" if field in RETRY_FIELDS else where)
        if _is_all(retrier) and index < len(retriers) - 1:
            yield finding("States.ALL must be in the last entry.", where)


def _check_catchers(catchers: Any, location: str, language: str) -> Iterator[Diagnostic]:
    if not isinstance(catchers, list):
        yield finding("Value must be an array.", location)
        return
    checks: dict[str, Check] = {
        "Assign": assignments,
        "Comment": a_string,
        "ErrorEquals": error_names,
        "Next": a_string,
    }
    checks |= {"ResultPath": a_result_path} if language == "JSONPath" else {"Output": anything}
    for index, catcher in enumerate(catchers):
        where = f"{location}[{index}]"
        if not isinstance(catcher, dict):
            yield finding("Value must be an object.", where)
            continue
        missing = [field for field in ("ErrorEquals", "Next") if field not in catcher]
        if missing:
            yield finding(f"These fields are required: [{', '.join(missing)}]", where)
        for field, value in catcher.items():
            problem = checks[field](value) if field in checks else f"Field '{field}' is not supported"
            if problem:
                yield finding(problem, f"{where}/{field}" if field in checks else where)
        if language == "JSONPath" and "Assign" in catcher:
            yield from check_template(catcher["Assign"], f"{where}/Assign")
        if _is_all(catcher) and index < len(catchers) - 1:
            yield finding("States.ALL must be in the last entry.", where)


def _is_all(entry: dict[str, Any]) -> bool:
    return entry.get("ErrorEquals") == ["States.ALL"]


def check_warnings(template: Any, location: str) -> Iterator[Diagnostic]:
    """NO_DOLLAR: a field of a template that looks computed and is not."""
    if isinstance(template, list):
        for index, item in enumerate(template):
            yield from check_warnings(item, f"{location}[{index}]")
    if not isinstance(template, dict):
        return
    for field, value in template.items():
        if field.endswith(".$"):
            continue
        if isinstance(value, str) and looks_computed(value):
            message = f"The value of the field '{field}' looks computed, but the field's name does not end in '.$'"
            yield finding(message, f"{location}/{field}", "NO_DOLLAR", "WARNING")
        yield from check_warnings(value, f"{location}/{field}")


def looks_computed(value: str) -> bool:
    """Whether a string is a path or a call of an intrinsic function."""
    if value.startswith("$"):
        return a_path(value) is None
    return value.startswith("States.") and _is_expression(value)
