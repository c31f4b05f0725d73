"""YAML (and so JSON) as JSON values that know their lines.

Types are those of YAML 1.2's core schema, so that `on`, `12:30:00` and `2026-11-21` stay the words they look like; keys
are always strings. Duplicate keys are refused, and so are anchors that contain themselves or unfold beyond measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from opsctl.errors import UsageError

MOST_VALUES = 1_000_000
"""How many values a document may hold once its aliases are unfolded."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_MERGE = "tag:yaml.org,2002:merge"
_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
    ("merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 PyYAML's own shape


def _register() -> None:
    for name, pattern, first in _CORE:
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), first)


_register()


@dataclass(frozen=True)
class Source:
    """A document: `value` is JSON; lines and columns count from 1."""

    value: Any
    _root: yaml.Node | None

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a value, or of the nearest value around it that is written in the file."""
        return int(self._mark(path).line) + 1

    def column(self, path: Sequence[str | int]) -> int:
        """The column of a value, likewise."""
        return int(self._mark(path).column) + 1

    def _mark(self, path: Sequence[str | int]) -> Any:
        node, mark = self._root, yaml.Mark("", 0, 0, 0, None, 0)
        if node is not None:
            mark = node.start_mark
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        return mark


def _child(node: yaml.Node | None, step: str | int) -> tuple[Any, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


def load(text: str, name: str) -> Source:
    """The document in `text`; `name` is the file's, for errors. Raises UsageError with the line."""
    try:
        root = yaml.compose(text, _Loader)
        value = None if root is None else _Reader(name).read(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        words = f"{error.context}: {error.problem}" if error.context else f"{error.problem}"
        hint = "quote words with a ? inside [...] or {...}" if "got '?'" in words else None
        raise UsageError(f"{name}:{line}: this is not YAML: {words}", hint) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: this is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise UsageError(f"{name}: the document is nested too deeply") from None
    return Source(value, root)


class _Reader:
    """Nodes to values; what an alias names is read once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def read(self, node: yaml.Node) -> Any:
        return self._sized(node)[0]

    def _sized(self, node: yaml.Node) -> tuple[Any, int]:
        """A node's value, and how many values it unfolds to."""
        known = self._values.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise self._error(node, "an anchor contains itself")
        self._open.add(id(node))
        found: tuple[Any, int]
        if isinstance(node, yaml.MappingNode):
            found = self._mapping(node)
        elif isinstance(node, yaml.SequenceNode):
            parts = [self._sized(item) for item in node.value]
            found = [value for value, _ in parts], 1 + sum(size for _, size in parts)
        else:
            found = self._scalar(node), 1
        if found[1] > MOST_VALUES:
            raise self._error(node, f"its aliases unfold to more than {MOST_VALUES} values")
        self._open.discard(id(node))
        self._values[id(node)] = found
        return found

    def _mapping(self, node: yaml.MappingNode) -> tuple[dict[str, Any], int]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        total = 1
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be a word")
            value, size = self._sized(item)
            total += size
            if key.tag == _MERGE:
                for more in value if isinstance(value, list) else [value]:
                    merged = {**self._mergeable(more, item), **merged}
            elif (name := self._text(key)) in own:
                raise self._error(key, f"the key {name!r} stands here twice")
            else:
                own[name] = value
        return {**merged, **own}, total

    def _mergeable(self, value: Any, node: yaml.Node) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(node, "<< takes a mapping, or a list of mappings")
        return value

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.rpartition(":")[2], self._text(node)
        if not node.tag.startswith("tag:yaml.org,2002:") or kind not in {"null", "bool", "int", "float", "str"}:
            raise self._error(node, f"the tag {node.tag} means nothing here")
        try:
            return _CONVERTERS[kind](text)
        except ValueError:
            raise self._error(node, f"{text!r} is no {kind}") from None

    def _text(self, node: yaml.Node) -> str:
        """A scalar's text, in which JSON's escapes for one character beyond the basic plane are one character."""
        text = str(node.value)
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16") if _SURROGATE.search(text) else text
        except UnicodeDecodeError:
            raise self._error(node, "half a character: a surrogate stands alone") from None

    def _error(self, node: yaml.Node, words: str) -> UsageError:
        return UsageError(f"{self._name}:{node.start_mark.line + 1}: {words}")


def _integer(text: str) -> int:
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")) or value != value:
        raise ValueError(text)
    return value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": _truth,
    "int": _integer,
    "float": _number,
    "str": str,
}
