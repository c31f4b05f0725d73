"""Expressions in a definition's fields, as values: a path leads to what it leads to, anything else is Computed.

What an expression reads is known before it is evaluated: in JSONPath from its parsed paths, in JSONata from the paths
that its text spells out, or begins to. It is evaluated by the interpreter's own code, on documents that hold no more
than what it reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import evaluate, parse_expression, paths_of
from opsctl.asl.jsonata import compile_expression, expression_of
from opsctl.asl.paths import Path
from opsctl.asl.validation_values import is_jsonata
from opsctl.domain.carrying.merging import constant, merged_parts, object_members
from opsctl.domain.carrying.values import RUN_INPUT, Computed, From, Steps, Unknown, Value, Work, below, placed
from opsctl.domain.conditions import ABSENT

DATA, CONTEXT, RESULT, ERROR = "$", "$$", "$result", "$error"
_STATES = {"input": DATA, "context": CONTEXT, "result": RESULT, "errorOutput": ERROR}
_NAME = r"(?:[A-Za-z_]\w*|`[^`]+`|\"[^\"\\]+\"|'[^'\\]+')"
_WAY = re.compile(rf"\s*\.\s*({_NAME})")
_ROOT = re.compile(r"\$states\s*\.\s*(input|context|result|errorOutput)\b|\$(states)\b|\$([A-Za-z_]\w*)(?!\s*\(|\w)")
_WORD = re.compile(r"`([^`]+)`|\"([^\"\\]+)\"|'([^'\\]+)'|(?<![$\w])([A-Za-z_]\w*)")
_STRING = re.compile(r"'([^'\\]+)'")
_LONGEST_LIST = 100


@dataclass(frozen=True, slots=True)
class Read:
    """What an expression reads: `root` is one of the four above or a variable's name."""

    root: str
    steps: Steps


@dataclass(frozen=True)
class Sight:
    """What the expressions in a state can see. `demands` are the values that the run had to have to come here."""

    data: Value
    variables: Mapping[str, Value]
    context: Value
    result: Value = ABSENT
    demands: frozenset[From] = frozenset()

    def look(self, read: Read) -> Value:
        """The value that is read."""
        if read.root == ERROR:
            return Unknown("an error's description")
        roots = {DATA: self.data, CONTEXT: self.context, RESULT: self.result}
        root = roots[read.root] if read.root in roots else self.variables.get(read.root, ABSENT)
        return below(root, read.steps)


# What is read


def path_read(path: Path) -> Read:
    """What a JSONPath reads: all of it, or as far as it is definite."""
    steps: list[str | int] = []
    for step in path.steps:
        if not isinstance(step, str | int) or (isinstance(step, int) and not 0 <= step < _LONGEST_LIST):
            break
        steps.append(step)
    return Read(path.root, tuple(steps))


def jsonata_reads(text: str) -> list[Read]:
    """What the text of a JSONata expression reads."""
    return [read for root in _ROOT.finditer(text) for read in _reads_at(text, root)]


def _reads_at(text: str, root: re.Match[str]) -> list[Read]:
    if root[2]:
        return [Read(name, ()) for name in (DATA, CONTEXT, RESULT)]
    steps, _ = _way(text, root.end())
    return [Read(_STATES[root[1]] if root[1] else root[3], steps)]


def _way(text: str, position: int) -> tuple[Steps, int]:
    steps: list[str] = []
    while found := _WAY.match(text, position):
        steps.append(found[1].strip("`\"'"))
        position = found.end()
    return tuple(steps), position


def jsonata_words(text: str) -> frozenset[str]:
    """The names and strings in an expression: keys that it may look for below what it reads."""
    words = (next(filter(None, found.groups())) for found in _WORD.finditer(text))
    return frozenset(words) - {"states", "input", "context", "Execution", "Input", "true", "false", "null", "and", "or"}


def _plain_path(text: str) -> Read | None:
    """The one path that an expression is, if it is no more than that."""
    root = _ROOT.match(text)
    if root is None or root[2]:
        return None
    steps, end = _way(text, root.end())
    return Read(_STATES[root[1]] if root[1] else root[3], steps) if end == len(text) else None


# What it comes to


def environment(reads: Iterable[Read], values: Iterable[Any], now: float = 0.0) -> Environment:
    """A view in which there is nothing but what is read. Values are plain JSON or ABSENT."""
    roots: dict[str, Any] = {}
    for read, value in sorted(zip(reads, values, strict=True), key=lambda pair: len(pair[0].steps)):
        if value is not ABSENT:
            roots[read.root] = grown(roots.get(read.root), read.steps, value)
    data = roots.get(DATA, {})
    return Environment(
        context=lambda: roots.get(CONTEXT, {}),
        variable=lambda name: roots[name],
        random=Random(0),
        now=now,
        data=data,
        states={"input": data, "result": roots.get(RESULT, {}), "errorOutput": roots.get(ERROR, {})},
    )


def grown(document: Any, steps: Steps, value: Any) -> Any:
    """The document with a value at a path, and objects and arrays around it as it needs them."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        members = document if isinstance(document, dict) else {}
        return {**members, step: grown(members.get(step), rest, value)}
    elements = list(document) if isinstance(document, list) else []
    elements += [None] * (step + 1 - len(elements))
    elements[step] = grown(elements[step], rest, value)
    return elements


def path_value(text: str, sight: Sight) -> Value:
    """What a path or intrinsic function comes to."""
    try:
        expression = parse_expression(text)
    except ValueError:
        return Unknown(f"what {text} comes to")
    if isinstance(expression, Path) and len(path_read(expression).steps) == len(expression.steps):
        return sight.look(path_read(expression))
    reads = [path_read(path) for path in paths_of(expression)]
    words = frozenset(found[1] for found in _STRING.finditer(text))
    return _computed(reads, lambda seen: evaluate(expression, seen, text), sight, words)


def jsonata_value(text: str, sight: Sight) -> Value:
    """What a JSONata expression (without its braces) comes to."""
    plain = _plain_path(text.strip())
    if plain is not None:
        return sight.look(plain)
    if known := constant(text):
        return known[0]
    taken_apart = _taken_apart(text, sight)
    if taken_apart is not None:
        return taken_apart
    reads = [read for read in jsonata_reads(text) if read.root in _STATES.values() or read.root in sight.variables]
    return _computed(reads, lambda seen: compile_expression(text, "")(seen), sight, jsonata_words(text))


def _taken_apart(text: str, sight: Sight) -> Value:
    """An object that is written out, or merged of one value and such objects; None for anything else."""
    members = object_members(text)
    if members is not None:
        return {key: jsonata_value(inner, sight) for key, inner in members}
    parts = merged_parts(text) or []
    written = [object_members(part) for part in parts[1:]]
    if not parts or None in written:
        return None
    value = jsonata_value(parts[0], sight)
    for key, inner in (member for members in written for member in members or ()):
        value = placed(value, (key,), jsonata_value(inner, sight))
    return value


def _computed(
    reads: list[Read], compute: Callable[[Environment], Any], sight: Sight, words: frozenset[str]
) -> Value:  # fmt: skip
    values = tuple(sight.look(read) for read in reads)
    return Computed(Work(values, lambda real: compute(environment(reads, real)), words))


def template_value(source: Any, sight: Sight, *, jsonata: bool) -> tuple[Value, frozenset[From]]:
    """What JSON with expressions in it comes to, and what must be there for that."""
    demands: set[From] = set()
    value = _template(source, sight, demands, jsonata=jsonata)
    return value, frozenset(demands)


def _template(source: Any, sight: Sight, demands: set[From], *, jsonata: bool) -> Value:
    if isinstance(source, Mapping):
        return dict(_field(key, value, sight, demands, jsonata=jsonata) for key, value in source.items())
    if isinstance(source, list):
        return [_template(item, sight, demands, jsonata=jsonata) for item in source]
    if jsonata and isinstance(source, str) and is_jsonata(source):
        return _demanded(jsonata_value(expression_of(source), sight), demands, jsonata=True)
    return source


def _field(key: str, value: Any, sight: Sight, demands: set[From], *, jsonata: bool) -> tuple[str, Value]:
    if jsonata or not key.endswith(".$"):
        return key, _template(value, sight, demands, jsonata=jsonata)
    return key.removesuffix(".$"), _demanded(path_value(value, sight), demands, jsonata=False)


def _demanded(value: Value, demands: set[From], *, jsonata: bool) -> Value:
    """What has to be there: a path's end; all that an intrinsic function takes; what JSONata takes of Tasks, as a rule.

    Whether JSONata needs a part of the run's input only its evaluation can tell.
    """
    if isinstance(value, From):
        demands.add(value)
    elif isinstance(value, Computed):
        reads = (read for read in value.work.reads if isinstance(read, From))
        demands.update(read for read in reads if not jsonata or read.source != RUN_INPUT)
    return value
