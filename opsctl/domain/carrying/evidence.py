"""What histories tell of what a Task does with the run's input.

A setup Task often hands the run's input on, and guards read it from there. Its code is not in the definition, so that
a value in its result comes from the run's input can only be seen in runs. That is taken as shown where, in every run at
hand, the value is the one that lies at a certain path of that run's input, and in at least one of them

* the value is there and both paths end in the same key, or
* it is a member of an object of which the input's object at that path is a part: it is copied whole, so a key that
  is in neither would be handed on as well.

A value alone proves nothing (every second value is `true`), a key alone neither (a default may have filled it): it is
the two together, with no run that contradicts, that a reader would believe. Where several paths fit, the one that
agrees in most of its last keys counts, and if there is no single one, none. It stays evidence: the walk of a plan shows
where it leads, and the run itself may still decide otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from opsctl.asl.run_history import SUCCEEDED, RunHistory, StateRun
from opsctl.domain.carrying.values import RUN_INPUT, From, Steps, at
from opsctl.domain.conditions import ABSENT
from opsctl.domain.results import ended_as

_DEEPEST = 8


class Evidence:
    """Of the runs of some histories. `used` has what was asked for and shown: a Task's result, and the run's input."""

    def __init__(self, histories: Sequence[RunHistory]) -> None:
        self.used: dict[From, From] = {}
        self._known: dict[From, From] = {}
        self._answers: dict[str, list[tuple[Any, Any]]] = {}
        for history in histories:
            document = _json(history.input)
            for run, result in successes(history):
                self._answers.setdefault(run.name, []).append((document, result))

    def translate(self, leaf: From) -> From:
        """The part of the run's input that a part of a Task's result is; the leaf itself where that is not shown."""
        if leaf.source == RUN_INPUT or leaf.source not in self._answers or not leaf.path:
            return leaf
        if leaf not in self._known:
            self._known[leaf] = self._shown(leaf)
        if self._known[leaf] != leaf:
            self.used[leaf] = self._known[leaf]
        return self._known[leaf]

    def objects(self, leaf: From) -> list[Mapping[str, Any]]:
        """The objects that this part of a Task's result was in the runs; none where it was anything else.

        Which members a result has is taken from the runs as well: merged over the input, it leaves the others alone.
        """
        found = [at(result, leaf.path) for _, result in self._answers.get(leaf.source, ())]
        return found if all(isinstance(value, Mapping) for value in found) else []

    def _shown(self, leaf: From) -> From:
        answers = self._answers[leaf.source]
        found = {path for document, result in answers for path in _like(document, result, leaf.path)}
        fitting = [path for path in found if all(_equal(at(d, path), at(r, leaf.path)) for d, r in answers)]
        agreeing = sorted(((_common_end(path, leaf.path), path) for path in fitting), reverse=True, key=_agreement)
        if not agreeing or (len(agreeing) > 1 and agreeing[0][0] == agreeing[1][0]):
            return leaf
        return From(RUN_INPUT, agreeing[0][1])


def successes(history: RunHistory) -> Iterator[tuple[StateRun, Any]]:
    """Each entry into a Task that made a result, and the result before any of the state's own processing."""
    for run in history.states:
        done = next((attempt for attempt in reversed(run.attempts) if ended_as(attempt) == SUCCEEDED), None)
        if run.type == "Task" and run.status == SUCCEEDED and done is not None and done.output is not None:
            result = _json(done.output)
            if result is not ABSENT:
                yield run, result


def _like(document: Any, result: Any, path: Steps) -> Iterator[Steps]:
    """The paths of a run's input that a path of a result may come from."""
    value = at(result, path)
    if value is not ABSENT:
        yield from (p for p, inner in _paths(document) if p and p[-1] == path[-1] and _equal(inner, value))
    for size in range(len(path)):
        around = at(result, path[:size])
        if isinstance(around, Mapping):
            yield from (
                (*p, *path[size:])
                for p, inner in _paths(document)
                if isinstance(inner, Mapping) and _telling(inner)
                if _within(inner, around) and _named_alike(p, path[:size])
            )  # fmt: skip


def _telling(part: Mapping[str, Any]) -> bool:
    """Whether finding the object again is no coincidence: a single flag would be."""
    return len(part) > 1 or any(value not in (None, True, False, "", {}, []) for value in part.values())


def _named_alike(one: Steps, other: Steps) -> bool:
    return not one or not other or one[-1] == other[-1]


def _paths(document: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    yield path, document
    if isinstance(document, Mapping) and len(path) < _DEEPEST:
        for name, inner in document.items():
            yield from _paths(inner, (*path, name))


def _within(part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    return all(name in whole and _equal(value, whole[name]) for name, value in part.items())


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _common_end(one: Steps, other: Steps) -> int:
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(reversed(one), reversed(other), strict=False))))


def _agreement(found: tuple[int, Steps]) -> tuple[int, list[str]]:
    return found[0], [str(step) for step in found[1]]


def _json(text: str | None) -> Any:
    try:
        return ABSENT if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return ABSENT
