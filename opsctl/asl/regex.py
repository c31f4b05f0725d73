"""Regular expressions that always come to an end.

Python's `re` tries every way to match, which for `(a+)+$` are more than any machine can try. Here a place of the
program is tried at most once at each place of the text, so the work grows with their product, and what is too much even
so ends with an error after a fixed number of steps: the same on every machine, whatever its speed.

The interface is the part of `re.Pattern` and `re.Match` that JSONata's library uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opsctl.asl.regex_program import Fragment, Step, compile_program

MOST_STEPS = 2_000_000
_STEPS_ON_CREDIT = 4_096
_CHARACTERS_A_STEP = 256
_AT_THE_END = re.compile(r"\Z").match
_GROUP_IN_TEMPLATE = re.compile(r"\\g<(\d+)>")


class RegexLimitError(ValueError):
    """The expression took too many steps on this text."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a pattern matched: `places[2n]` and `places[2n + 1]` are where group n begins and ends, or None."""

    text: str
    places: tuple[int | None, ...]

    def group(self, number: int = 0) -> str | None:
        """A group's text; None if it took no part. Raises `IndexError` if there is no such group."""
        start, end = self.places[2 * number], self.places[2 * number + 1]
        return None if start is None or end is None else self.text[start:end]

    def groups(self) -> tuple[str | None, ...]:
        """The texts of all groups."""
        return tuple(self.group(number) for number in range(1, len(self.places) // 2))

    def start(self) -> int:
        """Where the match begins."""
        return self.places[0] or 0

    def end(self) -> int:
        """Where it ends."""
        return self.places[1] or 0


class Pattern:
    """A compiled regular expression."""

    def __init__(
        self,
        pattern: str,
        *,
        ignore_case: bool = False,
        multiline: bool = False,
        pay: Callable[[int], None] = lambda _steps: None,
    ) -> None:
        """`pay` is told of the steps taken, now and then, and may raise an error to end the matching.

        Raises `ValueError` for what is no regular expression or uses what is not supported.
        """
        flags = (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE if multiline else 0)
        self.pattern = pattern
        self.pay = pay
        self._program, self._groups = compile_program(pattern, flags)
        self._whole = [*self._program[:-1], Step("PLACE", matches=_AT_THE_END), Step("END")]

    def search(self, text: str) -> Match | None:
        """The first match. Raises `RegexLimitError`."""
        return next(self.finditer(text), None)

    def fullmatch(self, text: str) -> Match | None:
        """The match of the whole text. Raises `RegexLimitError`."""
        run = _Run(text, 2 * self._groups + 2, self)
        places = run.match_at(self._whole, 0, set())
        run.settle()
        return None if places is None else Match(text, places)

    def finditer(self, text: str) -> Iterator[Match]:
        """All matches that do not overlap. Raises `RegexLimitError`."""
        run = _Run(text, 2 * self._groups + 2, self)
        start, taken = 0, -1
        while start <= len(text):
            places = run.firstmatch_at(self._program, start, taken)
            if places is None:
                return
            found = Match(text, places)
            yield found
            start = found.end()
            taken = start if found.start() == start else -1

    def sub(self, replacement: str | Callable[[Match], str], text: str, count: int = 0) -> str:
        """The text with each match, or the first `count`, replaced. `\\g<n>` in a string stands for a group."""
        parts, end = [], 0
        for number, found in enumerate(self.finditer(text), start=1):
            made = replacement(found) if callable(replacement) else _filled(replacement, found)
            self.pay(len(made) // _CHARACTERS_A_STEP)
            parts += [text[end : found.start()], made]
            end = found.end()
            if number == count:
                break
        return "".join([*parts, text[end:]])

    def split(self, text: str, maxsplit: int = 0) -> list[str | None]:
        """The text's parts between the matches, and between them the matches' groups."""
        parts: list[str | None] = []
        end = 0
        for number, found in enumerate(self.finditer(text), start=1):
            parts += [text[end : found.start()], *found.groups()]
            end = found.end()
            if number == maxsplit:
                break
        return [*parts, text[end:]]


def _filled(template: str, found: Match) -> str:
    """Raises `re.error` for a group that there is not, in the words that JSONata's library waits for."""

    def group(reference: re.Match[str]) -> str:
        number = int(reference[1])
        if 2 * number >= len(found.places):
            raise re.error(f"invalid group reference {number}", template, reference.start(1))
        return found.group(number) or ""

    return _GROUP_IN_TEMPLATE.sub(group, template)


class _Run:
    """The matching of one text: the places already tried in vain, and the steps that are left."""

    def __init__(self, text: str, slots: int, pattern: Pattern) -> None:
        self.text, self.slots, self.pattern = text, slots, pattern
        self.left = MOST_STEPS
        self.due = _STEPS_ON_CREDIT
        """How many steps may be taken before they are paid."""

    def settle(self) -> None:
        """Pay what was taken since the last time."""
        taken, self.due = _STEPS_ON_CREDIT - self.due, _STEPS_ON_CREDIT
        self.left -= taken
        if self.left < 0:
            raise RegexLimitError(f"the regular expression /{self.pattern.pattern}/ takes too many steps")
        self.pattern.pay(taken)

    def firstmatch_at(self, program: Fragment, start: int, not_empty_at: int) -> tuple[int | None, ...] | None:
        """The leftmost match from `start` on; an empty one at `not_empty_at`, where the last was empty, is none."""
        tried: set[int] = set()
        places = None
        for begin in range(start, len(self.text) + 1):
            places = self.match_at(program, begin, tried, not_empty_at if begin == not_empty_at else -1)
            if places is not None:
                break
        self.settle()
        return places

    def match_at(
        self, program: Fragment, begin: int, tried: set[int], not_empty_at: int = -1
    ) -> tuple[int | None, ...] | None:
        """The match that begins at a place; `tried` are the pairs of step and place known to lead nowhere."""
        text, width, size = self.text, len(self.text) + 1, len(self.text)
        none: tuple[int | None, ...] = (None,) * self.slots
        todo = [(0, begin, none)]
        while todo:
            at, place, places = todo.pop()
            while True:
                key = at * width + place
                if key in tried:
                    break
                tried.add(key)
                self.due -= 1
                if self.due <= 0:
                    self.settle()
                step = program[at]
                if step.kind == "CHAR":
                    if place >= size or step.matches is None or not step.matches(text, place, place + 1):
                        break
                    at, place = at + 1, place + 1
                elif step.kind == "SPLIT":
                    todo.append((at + step.second, place, places))
                    at += step.first
                elif step.kind == "JUMP":
                    at += step.first
                elif step.kind == "SAVE":
                    places = (*places[: step.first], place, *places[step.first + 1 :])
                    at += 1
                elif step.kind == "PLACE":
                    if step.matches is None or not step.matches(text, place):
                        break
                    at += 1
                elif step.kind == "LOOK":
                    if (self.match_at(step.ahead, place, set()) is not None) is not step.wanted:
                        break
                    at += 1
                elif place == not_empty_at:
                    break
                else:
                    return places
        return None
