"""JMESPath, with one kind of error."""

from __future__ import annotations

from typing import Any

import jmespath

from opsctl.asl.effects import ScheduleTask


class QueryError(ValueError):
    """An expression that cannot be compiled or evaluated."""


def check(expression: str) -> None:
    """Raises QueryError for anything that is no JMESPath expression."""
    try:
        jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise QueryError(_words(expression, error)) from error


def search(expression: str, document: Any) -> Any:
    """What the expression finds in a JSON value. Raises QueryError."""
    try:
        return jmespath.search(expression, document)
    except jmespath.exceptions.JMESPathError as error:
        raise QueryError(_words(expression, error)) from error


def view_of(effect: ScheduleTask, call: int, iteration: str, execution: str) -> dict[str, Any]:
    """What the query of a mock sees of a task: the state's `call`th, in that iteration of a Map ("" outside)."""
    return {
        "parameters": effect.parameters, "state": effect.state, "call": call, "iteration": iteration,
        "token": effect.token, "execution": execution,
    }  # fmt: skip


def _words(expression: str, error: Exception) -> str:
    first = str(error).partition("\n")[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
    return f"{expression!r} is no JMESPath expression that works here: {first}"
