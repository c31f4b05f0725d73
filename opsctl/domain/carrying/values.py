"""Values that say where they come from.

A value is JSON as far as the definition says it, with one of these wherever only a run can tell:

    From      what lies at a path of the run's input, or of a Task's result
    Over      an object of which some members are known, over another value that has the others
    Either    one of several values, by the way that the run takes
    Computed  what an expression makes of such values
    Unknown   anything, for the reason given

`made_real` turns a value into plain JSON for a given run input, with stand-ins for what Tasks answer. Chains of such
values can be long, so what was made once in a world is remembered there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.domain.conditions import ABSENT

RUN_INPUT = ""
Step = str | int
Steps = tuple[Step, ...]
Value = Any


@dataclass(frozen=True, slots=True)
class From:
    """`source` is RUN_INPUT or a Task's name."""

    source: str
    path: Steps = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """`why` completes "it is …"."""

    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """An object: `members`, and of `base` those that are not among them. A member may be ABSENT."""

    base: Value
    members: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """One of the options."""

    options: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """An expression and the values that it reads. `evaluate` takes those as plain JSON; it may raise StateError."""

    reads: tuple[Value, ...]
    evaluate: Callable[[list[Any]], Any]
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Computed:
    """What lies at `steps` of what the work makes."""

    work: Work
    steps: Steps = ()


Leaf = From | Unknown


class UndecidedError(Exception):
    """The value is not the same in every run with this input."""


class World:
    """A run input, and what stands in for everything else.

    `translate` says which run input a Task's result is; `worked` counts the expressions that were evaluated.
    """

    def __init__(
        self, document: Any, stand_ins: Mapping[Leaf, Any], translate: Callable[[From], From] = lambda leaf: leaf
    ) -> None:
        self.document = document
        self.stand_ins = stand_ins
        self.translate = translate
        self.made: dict[int, Any] = {}
        self.worked = 0

    def leaf(self, leaf: Leaf) -> Any:
        """The leaf's value, or ABSENT. Raises UndecidedError where nothing stands in for it."""
        if isinstance(leaf, From):
            leaf = self.translate(leaf)
            if leaf.source == RUN_INPUT:
                return at(self.document, leaf.path)
        if leaf not in self.stand_ins:
            raise UndecidedError
        return self.stand_ins[leaf]


def at(document: Any, steps: Steps) -> Any:
    """What lies at a path of plain JSON, or ABSENT."""
    for step in steps:
        document = _at(document, step)
    return document


def _at(document: Any, step: Step) -> Any:
    if isinstance(step, str):
        return document.get(step, ABSENT) if isinstance(document, Mapping) else ABSENT
    inside = isinstance(document, list) and -len(document) <= step < len(document)
    return document[step] if inside else ABSENT


def member(value: Value, step: Step) -> Value:
    """A member of an object, or an element of an array; ABSENT where there is none."""
    if isinstance(value, From):
        return From(value.source, (*value.path, step))
    if isinstance(value, Over):
        if isinstance(step, str) and step in value.members:
            return value.members[step]
        return member(value.base, step)
    if isinstance(value, Either):
        return either([member(option, step) for option in value.options])
    if isinstance(value, Computed):
        return Computed(value.work, (*value.steps, step))
    if isinstance(value, Unknown):
        return value
    return at(value, (step,))


def below(value: Value, steps: Steps) -> Value:
    """What lies at a path."""
    for step in steps:
        value = member(value, step)
    return value


def placed(value: Value, steps: Steps, result: Value) -> Value:
    """The value with a result put at a path, as ResultPath does."""
    if not steps:
        return result
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        return Unknown("an array that a ResultPath wrote into")
    inner = member(value, step)
    new = placed({} if inner is ABSENT or inner is None else inner, rest, result)
    base, members = _parts(value)
    return {**members, step: new} if base is None else Over(base, {**members, step: new})


def either(options: list[Value]) -> Value:
    """One of the options; the only one, where they are the same."""
    distinct: list[Value] = []
    for option in options:
        for one in option.options if isinstance(option, Either) else (option,):
            if not any(_same(one, other) for other in distinct):
                distinct.append(one)
    return distinct[0] if len(distinct) == 1 else Either(tuple(distinct))


def joined(one: Value, other: Value) -> Value:
    """The value where two ways of a run meet: of objects over the same base, member by member."""
    if _same(one, other):
        return one
    (base, members), (other_base, other_members) = _parts(one), _parts(other)
    if not _same(base, other_base) or isinstance(one, list) or isinstance(other, list):
        return either([one, other])
    names = [*members, *(name for name in other_members if name not in members)]
    merged = {name: joined(member(one, name), member(other, name)) for name in names}
    return merged if base is None else Over(base, merged)


def _parts(value: Value) -> tuple[Value, Mapping[str, Value]]:
    """A base, None for none, and the members over it."""
    if isinstance(value, Over):
        return value.base, value.members
    return (None, value) if isinstance(value, Mapping) else (value, {})


def _same(one: Value, other: Value) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


@dataclass
class Leaves:
    """What a value depends on: leaves in the order in which they are met, and paths that may lie below them."""

    found: dict[Leaf, None] = field(default_factory=dict)
    deeper: dict[From, None] = field(default_factory=dict)
    words: dict[str, None] = field(default_factory=dict)
    _seen: set[tuple[int, Steps]] = field(default_factory=set)

    def visit(self, value: Value, steps: Steps = ()) -> None:
        """Add what a value depends on."""
        if isinstance(value, From | Unknown):
            self.found[value] = None
            if steps and isinstance(value, From):
                self.deeper[From(value.source, (*value.path, *steps))] = None
        elif isinstance(value, Computed):
            self._work(value.work, (*value.steps, *steps))
        elif (id(value), steps) not in self._seen:
            self._inside(value, steps)

    def _work(self, work: Work, steps: Steps) -> None:
        if (id(work), steps) in self._seen:
            return
        self._seen.add((id(work), steps))
        self.words.update(dict.fromkeys(sorted(work.words)))
        for read in work.reads:
            self.visit(read, steps)

    def _inside(self, value: Value, steps: Steps) -> None:
        if isinstance(value, Over | Either | Mapping | list):
            self._seen.add((id(value), steps))
        if isinstance(value, Over):
            self.visit(value.base, steps)
        for part in _members(value):
            self.visit(part)


def _members(value: Value) -> list[Value]:
    if isinstance(value, Over):
        return list(value.members.values())
    if isinstance(value, Either):
        return list(value.options)
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def made_real(value: Value, world: World) -> Any:
    """The plain JSON that a value is in a world, or ABSENT. Raises UndecidedError, and StateError of an expression."""
    if isinstance(value, From | Unknown):
        return world.leaf(value)
    if isinstance(value, Computed):
        return at(_worked(value.work, world), value.steps)
    if isinstance(value, Over):
        return _real_object(value, world)
    if isinstance(value, Either):
        return _agreed(value, world)
    if isinstance(value, Mapping):
        real = {name: made_real(inner, world) for name, inner in value.items()}
        return {name: inner for name, inner in real.items() if inner is not ABSENT}
    if isinstance(value, list):
        return [made_real(inner, world) for inner in value]
    return value


def _worked(work: Work, world: World) -> Any:
    if id(work) not in world.made:
        world.worked += 1
        world.made[id(work)] = work.evaluate([made_real(read, world) for read in work.reads])
    return world.made[id(work)]


def _real_object(value: Over, world: World) -> Any:
    if id(value) not in world.made:
        base = made_real(value.base, world)
        members = made_real(value.members, world)
        kept = base if isinstance(base, Mapping) else {}
        gone = {name for name, inner in value.members.items() if inner is ABSENT}
        world.made[id(value)] = {**{name: kept[name] for name in kept if name not in gone}, **members}
    return world.made[id(value)]


def _agreed(value: Either, world: World) -> Any:
    if id(value) not in world.made:
        first, *others = [made_real(option, world) for option in value.options]
        if any(not _same(first, other) for other in others):
            raise UndecidedError
        world.made[id(value)] = first
    return world.made[id(value)]
