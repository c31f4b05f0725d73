"""Mocks as they are written: a state's outcome, a list of them, or one for each iteration of a Map."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from opsctl.domain.cases.fields import Node, UnknownStateError
from opsctl.domain.cases.model import Answer, Kind, Mock, Script
from opsctl.domain.cases.query import QueryError, check

ANSWER_KEYS = (
    "result", "result_query", "error", "cause", "timeout", "heartbeat", "never", "items", "after", "phase", "submitted",
    "times",
)  # fmt: skip
MOCK_KEYS = ("iterations", "otherwise")
PHASES = ("start", "submit", "run")
MISSED = ("missed",)
_ITERATION = re.compile(r"\d+(\.\d+)*")
_MOST_TIMES = 10_000


def read_mocks(node: Node, states: Collection[str]) -> dict[str, Mock]:
    """Mocks by state; `*` in a name stands for any characters, and an exact name goes before it. Raises CaseError."""
    patterns: dict[str, Mock] = {}
    exact: dict[str, Mock] = {}
    for name, value in node.mapping("mocks").items():
        names = list(_matching(name, states)) if "*" in name and name not in states else [name]
        if not names or (len(names) == 1 and names[0] not in states):
            raise UnknownStateError(value.at, name, states)
        mock = _mock(value)
        (patterns if "*" in name and name not in states else exact).update(dict.fromkeys(names, mock))
    return {**patterns, **exact}


def _matching(pattern: str, states: Collection[str]) -> Iterator[str]:
    expression = re.compile(re.escape(pattern).replace(r"\*", ".*"))
    return (state for state in states if expression.fullmatch(state))


def _mock(node: Node) -> Mock:
    if not isinstance(node.value, dict) or "iterations" not in node.value:
        return Mock(_script(node))
    node.mapping("a mock with iterations", MOCK_KEYS)
    iterations = node["iterations"].mapping("iterations")
    for name, value in iterations.items():
        if not _ITERATION.fullmatch(name):
            raise value.error(f"{name!r} is no iteration: it is the item's index from 0, or 2.0 inside nested Maps")
    scripts = {name: _script(value) for name, value in iterations.items()}
    return Mock(_script(node["otherwise"]) if "otherwise" in node else None, scripts)


def _script(node: Node) -> Script:
    if isinstance(node.value, dict):
        if "times" in node.value:
            raise node["times"].error("times belongs in a list of outcomes: a single one answers every call")
        return Script((_answer(node),), endless=True)
    answers: list[Answer] = []
    for element in node.elements("a state's mock, where it is no mapping,", filled=True):
        answer = _answer(element)
        times = element["times"].count("times", 1) if "times" in element else 1
        if times > _MOST_TIMES:
            raise element["times"].error(f"times must be at most {_MOST_TIMES}")
        answers += [answer] * times
    return Script(tuple(answers))


def _answer(node: Node) -> Answer:
    node.mapping("an outcome", ANSWER_KEYS)
    given = [kind for kind in Kind if kind.value in node.value]
    if len(given) != 1:
        raise node.error(f"an outcome has exactly one of: {', '.join(kind.value for kind in Kind)}")
    kind = given[0]
    _check_companions(node, kind)
    return Answer(
        kind=kind,
        value=_value(node, kind),
        error=node["error"].text("error") if kind is Kind.ERROR else "",
        cause=_cause(node.value.get("cause", "")),
        after=node["after"].seconds("after") if "after" in node else 0.0,
        phase=node["phase"].one_of("phase", PHASES) if "phase" in node else "run",
        submitted=node.value.get("submitted", {}),
    )


def _check_companions(node: Node, kind: Kind) -> None:
    for key in ("cause", "phase"):
        if key in node and kind is not Kind.ERROR:
            raise node[key].error(f"{key} goes with an error")
    if "after" in node and kind not in (Kind.RESULT, Kind.QUERY, Kind.ERROR):
        raise node["after"].error("after goes with a result or an error: when a clock runs out, the state says")
    if kind is Kind.ITEMS and not isinstance(node.value["items"], list | dict):
        raise node["items"].error("items must be a list, or a mapping: what the ItemReader reads")
    for flag in (Kind.TIMEOUT, Kind.NEVER):
        if kind is flag and node.value[flag.value] is not True:
            raise node[flag.value].error(f"{flag.value} must be true")
    if kind is Kind.HEARTBEAT:
        node["heartbeat"].one_of("heartbeat", MISSED)


def _value(node: Node, kind: Kind) -> Any:
    if kind in (Kind.RESULT, Kind.ITEMS):
        return node.value[kind.value]
    if kind is not Kind.QUERY:
        return None
    expression = node["result_query"].text("result_query")
    try:
        check(expression)
    except QueryError as error:
        raise node["result_query"].error(str(error)) from error
    return expression


def _cause(value: Any) -> str:
    """A cause is text; anything else is written as JSON, the way services report their jobs."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
