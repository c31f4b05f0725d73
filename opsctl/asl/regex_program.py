"""Regular expressions compiled to a small program, for `regex.py` to run.

What matches a single character or an empty place is left to Python's `re`, which cannot go astray on those; what makes
matching explode (repetition, alternatives) is ours. Back references and looking behind have no place in such a program
and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_PROGRAM = 5_000
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d+)(,?)(\d*)\})(\??)")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_PLACES = frozenset({"^", "$", r"\b", r"\B", r"\A", r"\Z"})
_REPEATS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_DEEPEST = 100

Fragment = list["Step"]


@dataclass(slots=True)
class Step:
    """One instruction. Jumps are relative to the step itself, so that fragments can be copied.

    CHAR takes a character that `matches`; PLACE asks whether the empty string at a place does; SPLIT goes on at `first`
    and, if that fails, at `second`; JUMP goes on at `first`; SAVE notes the place in `first`; LOOK asks whether `ahead`
    matches here (`wanted`) or not; END has found a match.
    """

    kind: str
    matches: Callable[..., object] | None = None
    first: int = 0
    second: int = 0
    ahead: Fragment = field(default_factory=list)
    wanted: bool = True


def compile_program(pattern: str, flags: int) -> tuple[Fragment, int]:
    """The program and its number of groups. Raises `ValueError` for what is no expression or is not supported."""
    try:
        re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the regular expression /{pattern}/ cannot be used: {error}") from error
    parser = _Parser(pattern, flags)
    body = parser.alternatives(0)
    if parser.position < len(pattern):
        raise parser.refusal("it has an unpaired ')'")
    return [Step("SAVE", first=0), *body, Step("SAVE", first=1), Step("END")], parser.groups


class _Parser:
    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern, self.flags = pattern, flags
        self.position = 0
        self.groups = 0

    def refusal(self, reason: str) -> ValueError:
        return ValueError(f"the regular expression /{self.pattern}/ cannot be used: {reason}")

    def accept(self, token: str) -> bool:
        found = self.pattern.startswith(token, self.position)
        self.position += len(token) if found else 0
        return found

    def alternatives(self, depth: int) -> Fragment:
        if depth > _DEEPEST:
            raise self.refusal("it is nested too deeply")
        branches = [self.sequence(depth)]
        while self.accept("|"):
            branches.append(self.sequence(depth))
        whole = branches.pop()
        while branches:
            branch = branches.pop()
            whole = [
                Step("SPLIT", first=1, second=len(branch) + 2),
                *branch,
                Step("JUMP", first=len(whole) + 1),
                *whole,
            ]
        return whole

    def sequence(self, depth: int) -> Fragment:
        steps: Fragment = []
        while self.position < len(self.pattern) and self.pattern[self.position] not in "|)":
            steps += self.repeated(self.atom(depth))
            if len(steps) > LONGEST_PROGRAM:
                raise self.refusal("it is too long")
        return steps

    def atom(self, depth: int) -> Fragment:
        if self.accept("("):
            return self.group(depth)
        if self.pattern[self.position] == "[":
            return self.single(_CLASS)
        if self.pattern[self.position] == "\\":
            return self.single(_ESCAPE)
        text = self.pattern[self.position]
        self.position += 1
        return self.piece(text if text in "^$." else re.escape(text))

    def single(self, kind: re.Pattern[str]) -> Fragment:
        found = kind.match(self.pattern, self.position)
        if found is None:
            raise self.refusal("a character class does not end")
        self.position = found.end()
        text = found[0]
        if text[0] == "\\" and text[1] in "123456789":
            raise self.refusal("back references are not supported")
        return self.piece(text)

    def piece(self, text: str) -> Fragment:
        compiled = re.compile(text, self.flags)
        return [Step("PLACE" if text in _PLACES else "CHAR", matches=compiled.match)]

    def group(self, depth: int) -> Fragment:
        for opening, wanted in (("?=", True), ("?!", False)):
            if self.accept(opening):
                return [Step("LOOK", ahead=[*self.closed(depth), Step("END")], wanted=wanted)]
        if self.accept("?:"):
            return self.closed(depth)
        if self.pattern.startswith("?", self.position):
            raise self.refusal("of the groups that begin with '(?' only (?:…), (?=…) and (?!…) are supported")
        self.groups += 1
        number = self.groups
        return [Step("SAVE", first=2 * number), *self.closed(depth), Step("SAVE", first=2 * number + 1)]

    def closed(self, depth: int) -> Fragment:
        body = self.alternatives(depth + 1)
        if not self.accept(")"):
            raise self.refusal("a '(' is not closed")
        return body

    def repeated(self, body: Fragment) -> Fragment:
        found = _QUANTIFIER.match(self.pattern, self.position)
        if found is None:
            return body
        self.position = found.end()
        lazy = bool(found[5])
        if found[1]:
            least, most = _REPEATS[found[1]]
        else:
            least = int(found[2])
            most = least if not found[3] else int(found[4]) if found[4] else None
        if len(body) * max(least, most or 1) > LONGEST_PROGRAM:
            raise self.refusal("it repeats too much")
        return body * least + (
            _any_number(body, lazy=lazy) if most is None else _at_most(body, most - least, lazy=lazy)
        )


def _any_number(body: Fragment, *, lazy: bool) -> Fragment:
    size = len(body)
    return [_fork(1, size + 2, lazy=lazy), *body, Step("JUMP", first=-size - 1)]


def _at_most(body: Fragment, times: int, *, lazy: bool) -> Fragment:
    whole: Fragment = []
    for _ in range(times):
        whole = [_fork(1, len(body) + len(whole) + 1, lazy=lazy), *body, *whole]
    return whole


def _fork(inside: int, past: int, *, lazy: bool) -> Step:
    return Step("SPLIT", first=past, second=inside) if lazy else Step("SPLIT", first=inside, second=past)
