"""A file of cases, as JSON values, read into cases.

The format is described in docs/testing-definitions.md. What is wrong is told once, at the first place: CaseError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from opsctl.asl.timestamps import format_timestamp, parse_timestamp
from opsctl.domain.cases.expectations import read_expectations
from opsctl.domain.cases.fields import CaseError, Node
from opsctl.domain.cases.mocks import read_mocks
from opsctl.domain.cases.model import Begin, Case, Mock, Stop

__all__ = ["CaseError", "definition_of", "read_cases"]

FILE_KEYS = ("definition", "variables", "machine", "execution", "context", "start", "defaults", "cases")
CASE_KEYS = (
    "name", "examples", "from", "input", "execution", "context", "start", "stop", "redrives", "seed", "mocks",
    "expect",
)  # fmt: skip
FROM_KEYS = ("state", "input", "variables")
STOP_KEYS = ("after", "error", "cause")
SHARED_PREFIX = "x-"
"""Keys of the file that begin so are not read: a place for anchors."""
START = "2026-01-01T00:00:00Z"
EXECUTION = "test"
_ACCOUNT = "us-east-1:123456789012"
_PLACEHOLDER = re.compile(r"<([^<>]+)>")


def definition_of(document: Any) -> tuple[Any, Any]:
    """The file's `definition` (a file's name, or the definition itself) and `variables`. Raises CaseError."""
    if not isinstance(document, dict):
        raise CaseError((), "a file of cases is a mapping with `definition` and `cases`")
    own = {key: value for key, value in document.items() if not key.startswith(SHARED_PREFIX)}
    Node(own).mapping("the file", FILE_KEYS, needs=("definition", "cases"))
    definition = own["definition"]
    if not isinstance(definition, dict | str) or not definition:
        raise CaseError(("definition",), "definition must be a file's name, or a definition in Amazon States Language")
    variables = own.get("variables")
    if variables is not None and not isinstance(variables, dict | str):
        raise CaseError(("variables",), "variables must be a mapping, or the name of a file that holds one")
    return definition, variables


def read_cases(document: Mapping[str, Any], machine: str, states: Collection[str]) -> tuple[Case, ...]:
    """All cases, one for each of their examples; `machine` is the state machine's name where the file gives none.

    Raises CaseError.
    """
    root = Node(document)
    reader = _Reader(root, root["machine"].text("machine") if "machine" in root else machine, states)
    cases = [case for node in root["cases"].elements("cases", filled=True) for case in reader.cases(node)]
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            hint = "where a case has examples, its name must hold one of their values: <value>"
            raise CaseError(case.location, f"two cases have the name {case.name!r}", hint)
        seen.add(case.name)
    return tuple(cases)


class _Reader:
    def __init__(self, root: Node, machine: str, states: Collection[str]) -> None:
        self._machine = machine
        self._states = states
        self._execution = root["execution"].text("execution") if "execution" in root else EXECUTION
        self._context = _context(root)
        self._start = _moment(root["start"] if "start" in root else Node(START))
        self._defaults: Mapping[str, Mock] = {}
        if "defaults" in root:
            self._defaults = read_mocks(root["defaults"], states)

    def cases(self, node: Node) -> Iterator[Case]:
        node.mapping("a case", CASE_KEYS, needs=("name", "expect"))
        node["name"].text("a case's name")
        for example in _examples(node):
            yield self._case(Node(_filled({**node.value, "examples": None}, example), node.at))

    def _case(self, node: Node) -> Case:
        start = self._start if "start" not in node else _moment(node["start"])
        mocks = read_mocks(node["mocks"], self._states) if "mocks" in node else {}
        return Case(
            name=node["name"].text("a case's name"),
            location=node.at,
            input=node.value.get("input", {}),
            context=self._case_context(node, start),
            start=start,
            mocks={**self._defaults, **mocks},
            expect=read_expectations(node["expect"], self._states),
            begin=self._begin(node) if "from" in node else None,
            stops=(_stop(node["stop"]),) if "stop" in node else (),
            redrives=(0.0,) * node["redrives"].count("redrives") if "redrives" in node else (),
            seed=node["seed"].count("seed") if "seed" in node else 0,
        )

    def _begin(self, node: Node) -> Begin:
        """Where the case begins: a state's name, or with its own input and the variables that are set by then."""
        begin, whole = node["from"], node.value.get("input", {})
        if isinstance(begin.value, str):
            return Begin(begin.state(self._states), whole, {})
        begin.mapping("from", FROM_KEYS, needs=("state",))
        variables = begin["variables"].mapping("variables").value if "variables" in begin else {}
        return Begin(begin["state"].state(self._states), begin.value.get("input", whole), variables)

    def _case_context(self, node: Node, start: float) -> dict[str, Any]:
        """The context object: our own, under the file's, under the case's."""
        name = node["execution"].text("execution") if "execution" in node else self._execution
        arn = f"arn:aws:states:{_ACCOUNT}"
        own = {
            "Execution": {
                "Id": f"{arn}:execution:{self._machine}:{name}",
                "Name": name,
                "RoleArn": "arn:aws:iam::123456789012:role/test",
                "StartTime": format_timestamp(start),
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": f"{arn}:stateMachine:{self._machine}", "Name": self._machine},
        }
        return _merged(_merged(own, self._context), _context(node))


def _context(node: Node) -> dict[str, Any]:
    if "context" not in node:
        return {}
    context = node["context"].mapping("context", ("Execution", "StateMachine"))
    for name, part in context.items():
        part.mapping(f"context.{name}")
    redrives = context.value.get("Execution", {}).get("RedriveCount", 0)
    if not isinstance(redrives, int) or isinstance(redrives, bool):
        raise CaseError((*context.at, "Execution", "RedriveCount"), "RedriveCount must be a whole number")
    return dict(context.value)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    return {**below, **{name: {**below.get(name, {}), **part} for name, part in above.items()}}


def _moment(node: Node) -> float:
    moment: datetime | None = parse_timestamp(node.value)
    if moment is None:
        raise node.error(f"start must be a moment such as {START}")
    return moment.timestamp()


def _stop(node: Node) -> Stop:
    node.mapping("stop", STOP_KEYS, needs=("after",))
    words = {key: node[key].text(f"stop.{key}") for key in ("error", "cause") if key in node}
    return Stop(node["after"].seconds("stop.after"), **words)


# examples


def _examples(node: Node) -> list[Mapping[str, Any]]:
    """The values for a case's placeholders; a case without examples has one, without values."""
    if "examples" not in node:
        return [{}]
    used = set(_PLACEHOLDER.findall(str({**node.value, "examples": None})))
    examples = node["examples"].elements("examples", filled=True)
    for example in examples:
        for name, value in example.mapping("an example").items():
            if name not in used:
                raise value.error(f"the example's {name!r} is not used: there is no <{name}> in the case")
    return [dict(example.value) for example in examples]


def _filled(value: Any, example: Mapping[str, Any]) -> Any:
    """The value with each `<name>` of the example replaced; a string that is nothing else becomes the value itself."""
    if isinstance(value, dict):
        return {_word(_filled(key, example)): _filled(item, example) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, example) for item in value]
    if not isinstance(value, str) or not example:
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole and whole[1] in example:
        return example[whole[1]]
    return _PLACEHOLDER.sub(lambda found: _word(example.get(found[1], found[0])), value)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
