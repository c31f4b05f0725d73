"""Recorded events against ours: the same but for the interleaving of siblings and for what was drawn.

Both histories are trees along `previousEventId`. They agree if each recorded event has one counterpart of ours with the
same type, the same details, a counterpart as predecessor, and children that agree in turn. Not compared: timestamps,
and the ids themselves (they follow from the interleaving; `identical` says whether they are the same as well).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.corpus import Event
from conformance.drawn import Drawn
from conformance.events import details

_PAYLOADS = frozenset({"input", "output", "parameters"})  # JSON texts; a cause may be one, and may be a sentence


@dataclass(frozen=True, slots=True)
class Verdict:
    """`difference` tells the first one found, None if there is none. `identical`: ids and links are the same too.
    `same_text`: payloads agree as text (order of keys, notation of numbers, spaces), not only as values."""

    difference: str | None
    identical: bool
    same_text: bool


def compare(recorded: list[Event], ours: list[Event], drawn: Drawn) -> Verdict:
    pair = _Pair(recorded, ours, drawn)
    if pair.identical(text=False):
        return Verdict(None, True, pair.identical(text=True))
    agree = len(recorded) == len(ours) and pair.children_agree(0, 0, text=False)
    if not agree:
        return Verdict(pair.first_difference(), False, False)
    return Verdict(None, False, pair.children_agree(0, 0, text=True))


class _Pair:
    def __init__(self, recorded: list[Event], ours: list[Event], drawn: Drawn) -> None:
        self.recorded, self.ours, self.drawn = recorded, ours, drawn
        self.their_children, self.our_children = _children(recorded), _children(ours)
        self.agreed: dict[tuple[int, int, bool], bool] = {}

    def identical(self, *, text: bool) -> bool:
        return len(self.recorded) == len(self.ours) and all(
            (theirs["id"], theirs["previousEventId"]) == (mine["id"], mine["previousEventId"])
            and self.events_agree(theirs, mine, text)
            for theirs, mine in zip(self.recorded, self.ours, strict=True)
        )

    def children_agree(self, theirs: int, mine: int, *, text: bool) -> bool:
        """Whether the events that follow the two can be paired off; of several possible partners the earliest."""
        left = list(self.our_children[mine])
        for child in self.their_children[theirs]:
            partner = next((one for one in left if self._agree(child, one, text)), None)
            if partner is None:
                return False
            left.remove(partner)
        return not left

    def _agree(self, theirs: Event, mine: Event, text: bool) -> bool:
        key = (theirs["id"], mine["id"], text)
        if key not in self.agreed:
            self.agreed[key] = self.events_agree(theirs, mine, text) and self.children_agree(
                theirs["id"], mine["id"], text=text
            )
        return self.agreed[key]

    def events_agree(self, theirs: Event, mine: Event, text: bool) -> bool:
        if theirs["type"] != mine["type"]:
            return False
        told, ours = details(theirs), details(mine)
        return told.keys() == ours.keys() and not self._differing(told, ours, text)

    def _differing(self, told: Mapping[str, Any], ours: Mapping[str, Any], text: bool) -> list[str]:
        """The keys of both whose values do not agree."""
        return [key for key in sorted(told.keys() & ours.keys()) if not self._agrees(key, told[key], ours[key], text)]

    def _agrees(self, key: str, theirs: Any, mine: Any, text: bool) -> bool:
        if key == "assignedVariables" and isinstance(theirs, dict) and isinstance(mine, dict):
            same_names = theirs.keys() == mine.keys()
            return same_names and all(self._agrees("output", theirs[name], mine[name], text) for name in theirs)
        if text and (key in _PAYLOADS or key == "cause"):
            return bool(theirs == mine) or self.drawn.covers(theirs, mine)
        if key in _PAYLOADS and isinstance(theirs, str) and isinstance(mine, str):
            return theirs == mine or self._same(_value(theirs), _value(mine))
        return self._same(theirs, mine)

    def _same(self, theirs: Any, mine: Any) -> bool:
        if isinstance(theirs, dict) and isinstance(mine, dict):
            return theirs.keys() == mine.keys() and all(self._same(theirs[key], mine[key]) for key in theirs)
        if isinstance(theirs, list) and isinstance(mine, list):
            return len(theirs) == len(mine) and all(map(self._same, theirs, mine))
        if isinstance(theirs, str) and isinstance(mine, str) and theirs != mine:
            documents = _document(theirs), _document(mine)
            if None not in documents:
                return self._same(*documents)
        same_kind = isinstance(theirs, bool) == isinstance(mine, bool)
        return (same_kind and theirs == mine) or self.drawn.covers(theirs, mine)

    def first_difference(self) -> str:
        """The first place, in order of ids, where the two part."""
        for theirs, mine in zip(self.recorded, self.ours, strict=False):
            links = theirs["previousEventId"] == mine["previousEventId"]
            if not (links and self.events_agree(theirs, mine, text=False)):
                return self._told(theirs, mine)
        if len(self.recorded) > len(self.ours):
            return f"ours ends before {self.recorded[len(self.ours)]['type']}"
        return f"ours goes on with {self.ours[len(self.recorded)]['type']}"

    def _told(self, theirs: Event, mine: Event) -> str:
        if theirs["type"] != mine["type"]:
            return f"{theirs['type']} recorded, ours {mine['type']}"
        if theirs["previousEventId"] != mine["previousEventId"]:
            return f"{theirs['type']}: previousEventId"
        told, ours = details(theirs), details(mine)
        keys = told.keys() ^ ours.keys() or self._differing(told, ours, text=False)
        return f"{theirs['type']}: {', '.join(sorted(keys))}"


def _children(events: list[Event]) -> Mapping[int, list[Event]]:
    children: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        children[event["previousEventId"]].append(event)
    return children


def _value(text: str) -> Any:
    """A payload's value; what is no JSON stands for itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _document(text: str) -> Any:
    """What a text inside of a payload is as JSON: an object, an array or a text, else None."""
    if text[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
