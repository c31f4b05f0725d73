"""Filter expressions of JSONPath: `[?(@.failed == true && @.attempts > 2)]`.

Grammar: or := and ('||' and)* ; and := not ('&&' not)* ; not := '!' not | '(' or ')' | comparison.
A comparison with one operand only asks whether it is there. Operands of different types are unequal and in no order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from opsctl.asl.failures import runtime_failure
from opsctl.asl.path_work import pay
from opsctl.asl.regex import Pattern, RegexLimitError

_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|=~|<|>|\bin\b|\bnin\b|\bsize\b|\bempty\b|\bcontains\b)\s*")
_LITERAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?|true\b|false\b|null\b|\[[^\]]*\]")
_WORD = re.compile(r"[A-Za-z_][\w-]*(?=\s*[)\]&|]|\s*$)")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/([a-z]*)")
_MISSING: Any = object()


class FoundPath(Protocol):
    """What a filter needs of a path."""

    @property
    def root(self) -> str: ...

    @property
    def definite(self) -> bool: ...

    def seek(self, document: Any) -> Any: ...


PathScanner = Callable[[str, int], tuple[FoundPath, int]]
Predicate = Callable[[Any, Any], bool]
Operand = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """A predicate on one element (`@`) and the whole document (`$`)."""

    text: str
    predicate: Predicate

    def matches(self, element: Any, document: Any) -> bool:
        """Whether the element is selected. Raises `StateError` if it takes too many steps to tell."""
        pay(1)
        return self.predicate(element, document)


class FilterSyntaxError(ValueError):
    """The text is no filter."""


def parse_filter(text: str, position: int, scan_path: PathScanner) -> tuple[Filter, int]:
    """Parse the filter whose '(' is at `position`; returns it and where it ends. Raises `FilterSyntaxError`."""
    parser = _Parser(text, position, scan_path)
    parser.expect("(")
    try:
        predicate = parser.disjunction()
    except RecursionError as error:
        raise FilterSyntaxError("a filter is nested too deeply") from error
    parser.expect(")")
    return Filter(text[position : parser.position], predicate), parser.position


class _Parser:
    def __init__(self, text: str, position: int, scan_path: PathScanner) -> None:
        self.text = text
        self.position = position
        self.scan_path = scan_path

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise FilterSyntaxError(f"'{token}' is missing in '{self.text}'")

    def accept(self, token: str) -> bool:
        rest = self.text[self.position :].lstrip()
        if not rest.startswith(token):
            return False
        self.position = len(self.text) - len(rest) + len(token)
        return True

    def disjunction(self) -> Predicate:
        left = self.conjunction()
        while self.accept("||"):
            left = _either(left, self.conjunction())
        return left

    def conjunction(self) -> Predicate:
        left = self.negation()
        while self.accept("&&"):
            left = _both(left, self.negation())
        return left

    def negation(self) -> Predicate:
        if self.accept("!"):
            inner = self.negation()
            return lambda element, document: not inner(element, document)
        if self.accept("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Predicate:
        left = self.operand()
        operator = _OPERATOR.match(self.text, self.position)
        if not operator:
            return lambda element, document: left(element, document) is not _MISSING
        self.position = operator.end()
        compare = _COMPARISONS[operator[1]]
        right = self.pattern() if operator[1] == "=~" else self.operand()
        return lambda element, document: compare(left(element, document), right(element, document))

    def pattern(self) -> Operand:
        found = _REGEX.match(self.text, self.position)
        if not found:
            raise FilterSyntaxError(f"a /regular expression/ is missing in '{self.text}'")
        self.position = found.end()
        try:
            expression = Pattern(found[1], ignore_case="i" in found[2], pay=pay)
        except ValueError as error:
            raise FilterSyntaxError(str(error)) from error
        return lambda _element, _document: expression

    def operand(self) -> Operand:
        self.position = len(self.text) - len(self.text[self.position :].lstrip())
        if self.text[self.position : self.position + 1] in ("@", "$"):
            path, self.position = self.scan_path(self.text, self.position)
            return _path_operand(path)
        value = self.literal()
        return lambda _element, _document: value

    def literal(self) -> Any:
        quote = self.text[self.position : self.position + 1]
        if quote and quote in "'\"":
            end = self.text.find(quote, self.position + 1)
            if end < 0:
                raise FilterSyntaxError(f"a string does not end in '{self.text}'")
            value, self.position = self.text[self.position + 1 : end], end + 1
            return value
        found = _LITERAL.match(self.text, self.position)
        word = None if found else _WORD.match(self.text, self.position)
        if word:  # inside an intrinsic function's argument no quotes fit, and people write the bare word
            self.position = word.end()
            return word[0]
        if not found:
            raise FilterSyntaxError(f"a value is missing in '{self.text}'")
        self.position = found.end()
        try:
            return json.loads(found[0].replace("'", '"'))
        except ValueError as error:
            raise FilterSyntaxError(f"'{found[0]}' is no value") from error


def _either(left: Predicate, right: Predicate) -> Predicate:
    return lambda element, document: left(element, document) or right(element, document)


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda element, document: left(element, document) and right(element, document)


def _path_operand(path: FoundPath) -> Operand:
    def evaluate(element: Any, document: Any) -> Any:
        try:
            found = path.seek(element if path.root == "@" else document)
        except LookupError:
            return _MISSING
        return found if path.definite or found else _MISSING

    return evaluate


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def check(left: Any, right: Any) -> bool:
        return _kind(left) == _kind(right) and _kind(left) in ("number", "string") and compare(left, right)

    return check


def _equal(left: Any, right: Any) -> bool:
    return left is not _MISSING and right is not _MISSING and _kind(left) == _kind(right) and bool(left == right)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else type(value).__name__


def _contains(items: Any, wanted: Any) -> bool:
    if not isinstance(items, list):
        return False
    pay(len(items))
    return any(_equal(item, wanted) for item in items)


def _sized(value: Any) -> int | None:
    return len(value) if isinstance(value, list | dict | str) else None


def _matches(left: Any, right: Any) -> bool:
    try:
        return isinstance(left, str) and right.fullmatch(left) is not None
    except RegexLimitError as error:
        raise runtime_failure(f"In a filter, {error}") from error


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "=~": _matches,
    "in": lambda left, right: _contains(right, left),
    "nin": lambda left, right: isinstance(right, list) and not _contains(right, left),
    "contains": lambda left, right: (
        _contains(left, right) or (isinstance(left, str) and isinstance(right, str) and right in left)
    ),
    "size": lambda left, right: _sized(left) is not None and _sized(left) == right,
    "empty": lambda left, right: _sized(left) is not None and (_sized(left) == 0) == right,
}
