"""Checks of JSONata in a state: every expression parses, and reads of `$states` only what is there in its field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.asl.jsonata import expression_of
from opsctl.asl.jsonata_tokens import check_syntax, words_of
from opsctl.asl.validation_values import is_jsonata

Problem = tuple[str, str]
"""What is wrong, and where below the state."""
_SCOPES = frozenset({"Branches", "ItemProcessor", "Iterator"})
_WITH_RESULT = frozenset({"Map", "Parallel", "Task"})
_MADE_AFTER = frozenset({"Assign", "Output"})
_NOT_EVERYWHERE = frozenset({"errorOutput", "result"})
_NOTHING: frozenset[str] = frozenset()


def check_expressions(state: dict[str, Any], kind: str) -> Iterator[Problem]:
    """All findings about the JSONata of a state; of what lies in its branches or processor nothing.

    `$states.result` is there when the state's work is done, `$states.errorOutput` in a Catch; elsewhere AWS refuses
    them (Developer Guide, "Transforming data with JSONata").
    """
    for field, value in state.items():
        if field in _SCOPES or field == "Comment":
            continue
        if field == "Catch" and isinstance(value, list):
            for index, catcher in enumerate(value):
                yield from _check_catcher(catcher, f"/Catch[{index}]")
            continue
        there = {"result"} if kind in _WITH_RESULT and field in _MADE_AFTER else _NOTHING
        yield from _check(value, f"/{field}", frozenset(there))


def _check_catcher(catcher: Any, where: str) -> Iterator[Problem]:
    for field, value in catcher.items() if isinstance(catcher, dict) else ():
        if field != "Comment":
            there = frozenset({"errorOutput"}) if field in _MADE_AFTER else _NOTHING
            yield from _check(value, f"{where}/{field}", there)


def _check(value: Any, where: str, there: frozenset[str]) -> Iterator[Problem]:
    if isinstance(value, dict):
        for field, item in value.items():
            yield from _check(item, f"{where}/{field}", there)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, f"{where}[{index}]", there)
    elif isinstance(value, str):
        problem = _problem(value, there)
        if problem:
            yield problem, where


def _problem(text: str, there: frozenset[str]) -> str | None:
    if not is_jsonata(text):
        return None
    expression = expression_of(text)
    try:
        check_syntax(expression)
    except ValueError as error:
        return str(error)
    missing = (words_of(expression).states & _NOT_EVERYWHERE) - there
    return f"'$states.{min(missing)}' is not accessible in this field" if missing else None
