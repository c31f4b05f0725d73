"""In which state each event of a history happened. Most say it, or stand behind one that does.

Where a failure ends a Parallel or Map, AWS puts all that ends with it behind the failure, without a name: the Parallel
or Map is the one that the failure lies in; what is given up are the states in it that were entered and never left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_BEGUN = ("ParallelStateStarted", "MapStateStarted")
_ENDED = ("ParallelStateFailed", "MapStateFailed", "ParallelStateSucceeded", "MapStateSucceeded")
FIRST = 0


class Places:
    """The events of one history, as they come."""

    def __init__(self) -> None:
        self._at = {FIRST: ""}
        self._before: dict[int, int] = {}
        self._open: dict[int, str] = {}
        self._begun: set[int] = set()

    def state_of(self, event: Mapping[str, Any]) -> str:
        """The state that the next event happened in; nothing for what ends with the failure of that state itself."""
        number, kind, before = event["id"], str(event["type"]), event.get("previousEventId", FIRST)
        self._before[number] = before
        state = _named(event) or self._at.get(before, "")
        if kind.endswith("StateEntered"):
            self._open[number] = kind.removesuffix("Entered")
        elif kind.endswith("StateExited"):
            self._leave(next((one for one in self._way(before) if one in self._open and self._at[one] == state), FIRST))
        elif kind in _BEGUN:
            self._begun.add(number)
        elif kind in _ENDED:
            container = self._container(before)
            self._begun.discard(container)
            state = self._at.get(container, state)
        elif kind.endswith("StateAborted"):
            given_up = self._given_up(kind.removesuffix("Aborted"), before)
            self._leave(given_up)
            state = "" if given_up in self._way(before) else self._at.get(given_up, "")
        self._at[number] = state
        return state

    def _given_up(self, kind: str, failure: int) -> int:
        container = self._container(failure)
        ways = {one: list(self._way(one)) for one, opened in self._open.items() if opened == kind}
        within = {one: way[way.index(container) - 1] for one, way in ways.items() if container in way}
        return min(within, key=lambda one: (within[one], -one), default=FIRST)

    def _container(self, number: int) -> int:
        """Where the Parallel or Map began that an event lies in, and that goes on."""
        return next((one for one in self._way(number) if one in self._begun), FIRST)

    def _leave(self, number: int) -> None:
        self._open.pop(number, None)

    def _way(self, number: int) -> Iterator[int]:
        """An event, and those that led to it, the last first."""
        while number != FIRST:
            yield number
            number = self._before.get(number, FIRST)


def _named(event: Mapping[str, Any]) -> str:
    for key in ("stateEnteredEventDetails", "stateExitedEventDetails"):
        if key in event:
            return str(event[key]["name"])
    return ""
