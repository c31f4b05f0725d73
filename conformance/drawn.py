"""Values that are not the definition's doing, so that two faithful runs differ in them.

Ours come from the driver and the random source: the execution's name and ARN, task tokens, moments of the virtual
clock, UUIDs, random numbers. Wherever *our* run shows one of them, AWS may show anything (and the recorder has often
put a placeholder there). ARNs in definitions and in events were filled in separately by whoever made the corpus: two
ARNs of one service and kind, or an ARN and a word that stands for one (`activity_arn`), are held for the same, but each
always for the same one. A word that stands for a date (`start-date`) agrees with any moment.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, ClassVar

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")
_ARN = re.compile(r"arn:[\w-]+:([\w-]+):[\w-]*:\w*:([\w-]+)[:/]?.*")
_WORD_FOR_ARN = re.compile(r"[\w-]*arn[\w-]*", re.IGNORECASE)
_WORD_FOR_MOMENT = re.compile(r"[A-Za-z-]*(?:date|time)[A-Za-z-]*")
_ARN_INSIDE = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:\w*:[\w:/.-]+")
_WORD_FOR_DETAIL = re.compile(r"\w+EventDetails\.\w+")  # stands for the whole detail
# The recorder's stand-in for a JSON document that was part of a sentence.
_DOCUMENT = re.compile(r"json-input-\d+")
_ANY_WORD = '[^"\\s]*?'
_SPEAKS_OF_UUIDS = re.compile(r"States\.UUID|\$uuid|DISTRIBUTED")
_SPEAKS_OF_NUMBERS = re.compile(r"States\.MathRandom|\$random|\$shuffle")
_SPEAKS_OF_TIME = re.compile(r"\$millis")


class Dice(Random):
    """A random source that remembers the numbers it gave. `of_a_run` makes one for a run of its own."""

    given: ClassVar[set[float]]
    """Shared with the sources that a definition seeds itself: those are of the same class."""

    @classmethod
    def of_a_run(cls) -> Dice:
        class DiceOfARun(cls):  # type: ignore[valid-type, misc]
            given: ClassVar[set[float]] = set()

        made: Dice = DiceOfARun(0)
        return made

    def random(self) -> float:
        return self._remember(super().random())

    def randrange(self, *limits: Any) -> int:
        return int(self._remember(super().randrange(*limits)))

    def _remember(self, number: float) -> float:
        self.given.add(number)
        return number


@dataclass
class Drawn:
    """What our run drew. `since` and `until` bound its clock; `words` are the names and tokens made up for it."""

    definition: str
    dice: Dice
    since: float
    until: float
    words: set[str] = field(default_factory=set)
    real: dict[str, str] = field(default_factory=dict)
    """Recorded placeholder -> what AWS had been given in its place, and we were too."""
    arns: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._uuids = bool(_SPEAKS_OF_UUIDS.search(self.definition))
        self._numbers = bool(_SPEAKS_OF_NUMBERS.search(self.definition))
        self._time = bool(_SPEAKS_OF_TIME.search(self.definition))

    def covers(self, recorded: Any, ours: Any) -> bool:
        """Whether the difference between two scalars is none."""
        if isinstance(ours, str):
            return isinstance(recorded, str) and self._covers_text(recorded, ours)
        if isinstance(ours, int | float) and not isinstance(ours, bool):
            rolled = self._numbers and ours in self.dice.given
            return rolled or (self._time and self._now(ours / 1000))
        return False

    def _covers_text(self, recorded: str, ours: str) -> bool:
        if _WORD_FOR_DETAIL.fullmatch(recorded) or self.real.get(recorded) == ours or self._same_arn(recorded, ours):
            return True
        if _MOMENT.fullmatch(ours) and _WORD_FOR_MOMENT.fullmatch(recorded):
            return True
        for placeholder, real in self.real.items():
            recorded, ours = recorded.replace(real, placeholder), ours.replace(real, placeholder)
        return recorded == ours or self.pattern(recorded, ours)

    def pattern(self, recorded: str, ours: str) -> bool:
        """Whether two texts agree but for what was drawn."""
        if _DOCUMENT.search(recorded):
            return re.fullmatch(_DOCUMENT.sub(".*", _escaped(recorded)), ours, re.DOTALL) is not None
        spans = self._spans(ours)
        if not spans:
            return False
        expression, end = "", 0
        for start, stop in spans:
            expression += f"{re.escape(ours[end:start])}({_ANY_WORD})"
            end = stop
        found = re.fullmatch(expression + re.escape(ours[end:]), recorded, re.DOTALL)
        return found is not None and all(
            self._is_drawn(ours[start:stop]) or self._same_arn(word, ours[start:stop])
            for word, (start, stop) in zip(found.groups(), spans, strict=True)
        )

    def _is_drawn(self, text: str) -> bool:
        return text in self.arns.values() or not _ARN_INSIDE.fullmatch(text)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where drawn values stand in a text of ours, without overlaps."""
        expressions = [re.escape(word) for word in sorted(self.words, key=len, reverse=True)]
        expressions += [UUID] if self._uuids else []
        spans = [match.span() for match in re.finditer("|".join(expressions) or r"(?!)", text)]
        spans += [match.span() for match in _MOMENT.finditer(text) if self._now(_seconds(match[0]))]
        spans += [match.span() for match in _ARN_INSIDE.finditer(text)]
        if self._numbers:
            given = "|".join(re.escape(json.dumps(number)) for number in self.dice.given) or r"(?!)"
            spans += [match.span() for match in re.finditer(rf"(?<![\w.])(?:{given})(?![\w.])", text)]
        apart: list[tuple[int, int]] = []
        for span in sorted(spans):
            if not apart or span[0] >= apart[-1][1]:
                apart.append(span)
        return apart

    def _same_arn(self, recorded: str, ours: str) -> bool:
        theirs_kind, our_kind = _ARN.fullmatch(recorded), _ARN.fullmatch(ours)
        if theirs_kind and our_kind:
            alike = theirs_kind.groups() == our_kind.groups()
        else:
            sides = ((our_kind, recorded), (theirs_kind, ours))
            alike = any(kind and _WORD_FOR_ARN.fullmatch(word) for kind, word in sides)
        return alike and self.arns.setdefault(recorded, ours) == ours

    def _now(self, moment: float) -> bool:
        return self.since - 1 <= moment <= self.until + 1


def _escaped(text: str) -> str:
    return re.escape(text).replace(r"json\-input\-", "json-input-")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf")
