"""Run inputs as documents: read a value at a path, set one, merge, compare. Documents are never changed in place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.conditions import ABSENT, Setting
from opsctl.errors import UsageError


@dataclass(frozen=True)
class Change:
    """A leaf that differs between two documents; ABSENT where one has none. `default` is what counted in place of
    an absent `before`, where that is known."""

    path: str
    before: Any
    after: Any
    default: Any = ABSENT


def value_at(document: Any, path: Iterable[str]) -> Any:
    """The value at a path, or ABSENT."""
    for part in path:
        if not isinstance(document, Mapping) or part not in document:
            return ABSENT
        document = document[part]
    return document


def with_settings(document: Mapping[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """The document with each setting made true; objects that an ABSENT leaves empty go as well.

    Raises UsageError where a path leads through something that is no object.
    """
    result = copy.deepcopy(dict(document))
    for setting in settings:
        if setting.value is ABSENT:
            _remove(result, setting.path)
        else:
            _put(result, setting)
    return result


def merged(document: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the leaves of `other` put over it."""
    result = copy.deepcopy(dict(document))
    for key, value in other.items():
        mine = result.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        result[key] = merged(mine, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The leaves that differ, by path."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    paths = sorted(old.keys() | new.keys())
    compared = [Change(path, old.get(path, ABSENT), new.get(path, ABSENT)) for path in paths]
    return [change for change in compared if not alike(change.before, change.after)]


def alike(one: Any, other: Any) -> bool:
    """Equal, as JSON has it: 0 is not false."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, value


def _put(document: dict[str, Any], setting: Setting) -> None:
    for part in setting.path[:-1]:
        inner = document.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{setting.dotted} cannot be set: {part} is a value, not an object")
        document = inner
    document[setting.path[-1]] = copy.deepcopy(setting.value)


def _remove(document: dict[str, Any], path: tuple[str, ...]) -> None:
    head, rest = path[0], path[1:]
    if not rest:
        document.pop(head, None)
    elif isinstance(document.get(head), dict):
        _remove(document[head], rest)
        if not document[head]:
            del document[head]
