"""Reading a document: known keys, the nearest one for an unknown one, and where in the document it stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

Location = tuple[str | int, ...]
LONGEST = 100_000 * 86_400
"""Seconds that a duration may have."""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class CaseError(Exception):
    """A file of cases is wrong: `message` says what, `hint` what would be right, `location` where (keys, indexes)."""

    def __init__(self, location: Location, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.location = location
        self.message = message
        self.hint = hint


class UnknownStateError(CaseError):
    """A state of this `name` is named, and the definition has none."""

    def __init__(self, at: Location, name: str, states: Collection[str]) -> None:
        super().__init__(at, f"unknown state {name!r}; {_hint(name, states)}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands."""

    value: Any
    at: Location = ()

    def __getitem__(self, key: str | int) -> Node:
        return Node(self.value[key], (*self.at, key))

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def error(self, message: str, hint: str | None = None) -> CaseError:
        """What to raise about this value."""
        return CaseError(self.at, message, hint)

    def mapping(self, what: str, known: Collection[str] | None = None, *, needs: Collection[str] = ()) -> Node:
        """Itself, if it is a mapping with no key but the known ones and with all that it needs. Raises CaseError."""
        if not isinstance(self.value, dict):
            raise self.error(f"{what} must be a mapping")
        for key in self.value if known is not None else ():
            if known is not None and key not in known:
                raise unknown((*self.at, key), f"key {key!r} in {what}", key, known)
        for key in needs:
            if key not in self.value:
                raise self.error(f"{what} has no {key!r}")
        return self

    def items(self) -> list[tuple[str, Node]]:
        """The members of a mapping."""
        return [(key, self[key]) for key in self.value]

    def elements(self, what: str, *, filled: bool = False) -> list[Node]:
        """The elements of a list. Raises CaseError if it is none, or empty where it must not be."""
        if not isinstance(self.value, list) or (filled and not self.value):
            raise self.error(f"{what} must be a list" + (" with at least one element" if filled else ""))
        return [self[index] for index in range(len(self.value))]

    def text(self, what: str) -> str:
        """A string that is not empty. Raises CaseError."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error(f"{what} must be a string")
        return self.value

    def count(self, what: str, least: int = 0) -> int:
        """A whole number. Raises CaseError."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < least:
            raise self.error(f"{what} must be a whole number, at least {least}")
        return self.value

    def seconds(self, what: str) -> float:
        """A duration: a number of seconds, or a string such as 90s, 15m, 2h or 1d. Raises CaseError."""
        number, match = self.value, None
        if isinstance(number, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", number)):
            number = float(match[1]) * _UNITS[match[2]]
        if not isinstance(number, int | float) or isinstance(number, bool) or number < 0:
            raise self.error(f"{what} must be a duration such as 90, 90s, 15m, 2h or 1d")
        if number > LONGEST:
            raise self.error(f"{what} must be at most {LONGEST // _UNITS['d']} days")
        return float(number)

    def state(self, states: Collection[str]) -> str:
        """The name of a state of the definition. Raises UnknownStateError with the nearest one."""
        name = self.text("a state's name")
        if name not in states:
            raise UnknownStateError(self.at, name, states)
        return name

    def one_of(self, what: str, words: Collection[str]) -> str:
        """One of a few words. Raises CaseError with the nearest one."""
        if self.value not in words:
            raise unknown(self.at, f"{what} {self.value!r}", str(self.value), words)
        return str(self.value)


def unknown(at: Location, what: str, word: str, known: Collection[str]) -> CaseError:
    """The error for a word that is not known, naming the nearest that is."""
    return CaseError(at, f"unknown {what}; {_hint(word, known)}")


def nearest(word: str, known: Collection[str]) -> str:
    """The nearest known word, "" if none is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.5)), "")


def _hint(word: str, known: Collection[str]) -> str:
    near = nearest(word, known)
    return f"the nearest known is {near!r}" if near else f"there are: {', '.join(known)}"
