"""States that a run did not enter, and why: it passed them by, or it never came to them.

SKIPPED: a Choice that the run left took another way, past which the state cannot be reached any more, and the way over
the state would have come back to the run's own, or to the good end that the run came to as well. So a guarded step is
skipped; a failure's handler that was not needed is not, and nor is what a failure kept the run from: their ways lead to
another end. NOT REACHED: everything else.

Inside a Parallel or Map that was not entered itself, its states share its fate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.outline import Outlined, outline
from opsctl.asl.run_history import RUNNING, SUCCEEDED, RunHistory

SKIPPED = "SKIPPED"
NOT_REACHED = "NOT REACHED"


@dataclass(frozen=True, slots=True)
class Unentered:
    """A state without an entry in the history. `scope` and `branch` say which Parallel or Map it is inside of."""

    name: str
    type: str
    status: str
    scope: str | None
    branch: int | None


def unentered(definition: Mapping[str, Any], run: RunHistory) -> tuple[Unentered, ...]:
    """The definition's states that the run has no entry of, in the definition's order."""
    states = outline(definition)
    passed = _Passed(states, run)
    fates: dict[str, str] = {}
    for name, state in states.items():
        if name not in passed.entered:
            above = fates.get(state.scope) if state.scope else None
            fates[name] = above or (SKIPPED if name in passed.by else NOT_REACHED)
    return tuple(
        Unentered(name, states[name].type, fate, states[name].scope, states[name].branch)
        for name, fate in fates.items()
    )


class _Passed:
    """`by`: the states that some Choice led the run past."""

    def __init__(self, states: Mapping[str, Outlined], run: RunHistory) -> None:
        self.states = states
        self.entered = {state.name for state in run.states}
        left = {state.name for state in run.states if state.type == "Choice" and state.status != RUNNING}
        handlers = {name for state in states.values() for name in state.catches}
        coming = self._reach(state.name for state in run.states if state.status == RUNNING)
        self.good_ends = {
            (states[state.name].scope, states[state.name].branch)
            for state in run.states
            if state.status == SUCCEEDED and state.name in states and states[state.name].ends
        }
        self.hopeful = {name for name in states if any(self._ends(one) for one in self._reach([name], _onward))}
        self.by: set[str] = set()
        for name in left & states.keys():
            taken = self._reach(way for way in states[name].next if way in self.entered)
            other = self._reach((way for way in states[name].next if way not in self.entered), self._fresh)
            self.by |= other - taken - coming - handlers - self.entered
        self.by = {name for name in self.by if self._comes_back(name)}

    def _ends(self, name: str) -> bool:
        return self.states[name].ends

    def _fresh(self, state: Outlined) -> Iterable[str]:
        return (way for way in state.next if way not in self.entered)

    def _comes_back(self, name: str) -> bool:
        """Whether the way over the state leads to one that was entered on the way to a good end, or to that end."""
        return any(
            (state.ends and (state.scope, state.branch) in self.good_ends)
            or any(way in self.entered and way in self.hopeful for way in state.next)
            for state in map(self.states.__getitem__, self._reach([name], self._fresh))
        )

    def _reach(self, names: Iterable[str], ways: Callable[[Outlined], Iterable[str]] | None = None) -> set[str]:
        """The states that can follow, these included."""
        reached: set[str] = set()
        waiting = [name for name in names if name in self.states]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                state = self.states[name]
                following = (*state.next, *state.catches) if ways is None else ways(state)
                waiting.extend(way for way in following if way in self.states)
        return reached


def _onward(state: Outlined) -> Iterable[str]:
    return state.next
