"""The search for run input that leads a Choice to its targets: candidate values are tried, the Choice judges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opsctl.domain.conditions import ABSENT, Setting

MAX_TRIALS = 400
MAX_FREE = 64
MAX_WAYS = 4

Path = tuple[str, ...]
Way = tuple[Setting, ...]
Assignment = dict[Path, Any]
Judge = Callable[[Any], str | None]
"""Of a run input: the target that it leads to, None where that cannot be told."""


class Trials:
    """A search over the values to try at each path. The first way found to a target is the plainest."""

    def __init__(self, judge: Judge, values: Mapping[Path, Sequence[Any]]) -> None:
        self._judge, self._values = judge, values
        self._known: dict[tuple[int, ...], str | None] = {}

    def ways(self) -> dict[str, list[Way]]:
        """Some ways to each target that was come to, each without the paths that make no difference."""
        found: dict[str, list[Assignment]] = {}
        for assignment in self._assignments():
            if not any(_within(assignment, way) for ways in found.values() for way in ways):
                target = self._target(assignment)
                if target is not None and len(found.setdefault(target, [])) < MAX_WAYS:
                    found[target].append(self._loosened(assignment, target))
        return {target: [_settings(way) for way in ways] for target, ways in found.items()}

    def _assignments(self) -> list[Assignment]:
        """What is tried, those first that set the fewest paths."""
        rows = itertools.islice(rows_of(list(self._values.values()), MAX_TRIALS), MAX_TRIALS)
        plain = [dict(zip(self._values, row, strict=True)) for row in rows]
        return sorted(plain, key=lambda one: sum(value is not ABSENT for value in one.values()))

    def _target(self, assignment: Assignment) -> str | None:
        key = tuple(map(id, assignment.values()))  # the values live as long as the search
        if key not in self._known:
            self._known[key] = self._judge(_document(assignment))
        return self._known[key]

    def _loosened(self, assignment: Assignment, target: str) -> Assignment:
        """The assignment without the paths whose value makes no difference to the target."""
        free: list[Path] = []
        for path in assignment:
            tried = [*free, path]
            rows = rows_of([self._values[one] for one in tried], MAX_FREE)
            if all(self._target({**assignment, **dict(zip(tried, row, strict=True))}) == target for row in rows):
                free = tried
        return {path: value for path, value in assignment.items() if path not in free}


def rows_of(columns: Sequence[Sequence[Any]], most: int) -> Iterator[tuple[Any, ...]]:
    """All rows of one value of each column; where these are more than `most`, uniform rows and those near them."""
    if math.prod(map(len, columns)) <= most:
        yield from itertools.product(*columns)
        return
    longest = max(map(len, columns))
    uniform = [tuple(column[min(row, len(column) - 1)] for column in columns) for row in range(longest)]
    yield from uniform
    for base, (place, column) in itertools.product(uniform, enumerate(columns)):
        yield from ((*base[:place], value, *base[place + 1 :]) for value in column)


def _within(assignment: Assignment, way: Assignment) -> bool:
    return all(assignment[path] is value for path, value in way.items())


def _settings(way: Assignment) -> Way:
    return tuple(Setting(path, value) for path, value in sorted(way.items()))


def _document(assignment: Assignment) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for path, value in assignment.items():
        if value is not ABSENT:
            inner = document
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
    return document
