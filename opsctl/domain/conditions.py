"""Which run input makes each rule of a Choice state fire.

A *setting* is a value at a path of the run input, or its absence. A condition is solved for true or false into
alternatives, each a set of settings; alternatives of an And are combined and those that contradict themselves dropped.
A comparison with anything but a constant, or of anything but run input, has no solution: such a rule cannot be driven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTEXT_INPUT = "$$.Execution.Input."
MAX_ALTERNATIVES = 64


class _Absent:
    """No value at a path. Written out as null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
_PRESENT = object()  # any value, null too: what IsPresent alone asks for
_NOT_NULL = object()  # any value but null


@dataclass(frozen=True)
class Setting:
    """`value` at `path` of the run input, or ABSENT."""

    path: tuple[str, ...]
    value: Any

    @property
    def dotted(self) -> str:
        """The path as the command line takes it."""
        return ".".join(self.path)


Settings = dict[tuple[str, ...], Any]


def rule_settings(choice: Mapping[str, Any], changed: frozenset[str] | None) -> list[tuple[str, tuple[Setting, ...]]]:
    """(target, settings that lead there) for each outcome that run input alone can bring about, in the rules' order.

    `changed` holds the top-level keys of the state's input that may differ from the run's, None for all of them.
    """
    earlier: list[Settings] = [{}]  # ways in which no rule before this one fires
    outcomes = []
    for rule in choice["Choices"]:
        ways = _combine(earlier, _solve(rule, True, changed))
        if ways:
            outcomes.append((str(rule["Next"]), _settings(ways[0])))
        earlier = _combine(earlier, _solve(rule, False, changed))
    if choice.get("Default") and earlier:
        outcomes.append((str(choice["Default"]), _settings(earlier[0])))
    return outcomes


def _settings(way: Settings) -> tuple[Setting, ...]:
    return tuple(
        Setting(path, True if value in (_PRESENT, _NOT_NULL) else value) for path, value in sorted(way.items())
    )


def _solve(condition: Mapping[str, Any], wanted: bool, changed: frozenset[str] | None) -> list[Settings]:
    if "Not" in condition:
        return _solve(condition["Not"], not wanted, changed)
    for operator, all_of in (("And", wanted), ("Or", not wanted)):
        if operator in condition:
            parts = [_solve(part, wanted, changed) for part in condition[operator]]
            return _combine(*parts) if all_of else [way for part in parts for way in part][:MAX_ALTERNATIVES]
    path = _path(str(condition.get("Variable", "")), changed)
    return [{path: value} for value in _values(condition, wanted)] if path else []


def _path(variable: str, changed: frozenset[str] | None) -> tuple[str, ...]:
    """The path in the run input that a Variable reads; () if it reads anything else."""
    if variable.startswith(CONTEXT_INPUT):
        path = tuple(variable.removeprefix(CONTEXT_INPUT).split("."))
    elif variable.startswith("$.") and changed is not None:
        path = tuple(variable.removeprefix("$.").split("."))
        if path[0] in changed:
            return ()
    else:
        return ()
    plain = all(part.replace("_", "").replace("-", "").isalnum() for part in path)
    return path if plain else ()


def _values(condition: Mapping[str, Any], wanted: bool) -> list[Any]:
    """Values for which one comparison comes out as wanted, the plainest first."""
    if "IsPresent" in condition:
        return [_PRESENT] if condition["IsPresent"] is wanted else [ABSENT]
    if "IsNull" in condition:
        return [None] if condition["IsNull"] is wanted else [_NOT_NULL]
    if "BooleanEquals" in condition:
        return [condition["BooleanEquals"] is wanted]
    if "StringEquals" in condition:
        text = str(condition["StringEquals"])
        return [text] if wanted else [f"not {text}"]
    if "NumericEquals" in condition:
        number = condition["NumericEquals"]
        return [number if wanted else number + 1]
    return []


def _combine(*parts: list[Settings]) -> list[Settings]:
    """Every way to take one alternative of each part that does not contradict itself."""
    ways: list[Settings] = [{}]
    for part in parts:
        merged = (_merge(way, other) for way in ways for other in part)
        ways = [way for way in merged if way is not None][:MAX_ALTERNATIVES]
    return ways


def _merge(one: Settings, other: Settings) -> Settings | None:
    merged = dict(one)
    for path, value in other.items():
        known = merged.get(path, value)
        if _fits(known, value):
            merged[path] = known
        elif _fits(value, known):
            merged[path] = value
        else:
            return None
    return merged


def _fits(value: Any, demand: Any) -> bool:
    """Whether having `value` at a path fulfils the demand."""
    if demand is _PRESENT:
        return value is not ABSENT
    if demand is _NOT_NULL:
        return value not in (ABSENT, _PRESENT, None)
    return type(value) is type(demand) and value == demand
