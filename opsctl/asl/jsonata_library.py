"""JSONata's library, made to pay for what it does within a single step of an evaluation.

Its functions are called through `Paid`, its operators that walk through whole values are overridden in `Expression`;
both pay into the `Bounds` of the evaluation that this thread is at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from opsctl.asl.intrinsics import IntrinsicError
from opsctl.asl.jsonata_bounds import ITEMS_COPIED_A_UNIT, Bounds, size
from opsctl.asl.regex import Pattern

Price = Callable[[Bounds, Any], None]
_FRAMES = 10_000
"""Python frames that an evaluation within `DEEPEST` may need, a good deal more than Python lets by itself."""
_CHARACTERS_A_UNIT = 64
_ITEMS_A_UNIT = 4
_PAIRS_COPIED_A_UNIT = 1024
_REGEX_STEPS_A_UNIT = 4
_WALKERS = ("clone", "keys", "lookup", "merge", "spread", "string")
_COPIERS = ("append", "reverse")
_WITH_PICTURE = ("formatInteger", "formatNumber", "fromMillis", "now", "parseInteger", "toMillis")
_LONGEST_PICTURE = 1_000
_LARGEST_SPELLED = 10**15
_NUMBER_SPELLED = 10


@cache
def library() -> Any:
    """The library's `Jsonata`; only definitions that use JSONata pay for the import.

    It raises Python's recursion limit for the whole process when imported, with which deeply nested JSON would exhaust
    the stack elsewhere instead of being refused; so the limit is put back, and raised in `room_to_recurse` alone.
    """
    before = sys.getrecursionlimit()
    from jsonata import Jsonata  # type: ignore[import-untyped]

    sys.setrecursionlimit(before)
    return Jsonata


@contextmanager
def room_to_recurse() -> Iterator[None]:
    """Let an evaluation go as deep as `Bounds` lets it, from whatever depth it is called."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def bounds() -> Bounds:
    """The bounds of this thread's evaluation, where `jsonata.py` has put them."""
    found: Bounds = library().CURRENT.jsonata.bounds
    return found


def parse(text: str) -> Any:
    """An expression of the library's. Raises its `JException`, among others."""
    return expression_class()(text, _regular_expression)


def _regular_expression(pattern: str, flags: Any) -> Pattern:
    return Pattern(pattern, ignore_case=flags.case_insensitive, multiline=flags.multiline, pay=pay_for_matching)


def pay_for_matching(steps: int) -> None:
    """Pay for steps of a regular expression."""
    bounds().pay(steps // _REGEX_STEPS_A_UNIT)


@cache
def expression_class() -> Any:
    """The library's class of expressions with its operators paid for."""

    class Expression(library()):  # type: ignore[misc]
        def evaluate_name(self, expr: Any, focus: Any, environment: Any) -> Any:
            if isinstance(focus, list):
                self.bounds.pay_for_walk([focus])
            return super().evaluate_name(expr, focus, environment)

        def evaluate_wildcard(self, expr: Any, focus: Any) -> Any:
            _pay_for_gathering(self.bounds, focus)
            return super().evaluate_wildcard(expr, focus)

        def evaluate_descendants(self, expr: Any, focus: Any) -> Any:
            self.bounds.pay_for_walk([focus])
            return super().evaluate_descendants(expr, focus)

        def evaluate_equality_expression(self, lhs: Any, rhs: Any, op: Any) -> Any:
            if isinstance(lhs, list | dict) and isinstance(rhs, list | dict):
                self.bounds.pay_for_walk([lhs])
            return super().evaluate_equality_expression(lhs, rhs, op)

        def evaluate_includes_expression(self, lhs: Any, rhs: Any) -> Any:
            self.bounds.pay_for_walk([lhs, rhs], values_a_unit=32)
            return super().evaluate_includes_expression(lhs, rhs)

        def evaluate_string_concat(self, lhs: Any, rhs: Any) -> Any:
            self.bounds.pay_for_walk([lhs, rhs])
            return super().evaluate_string_concat(lhs, rhs)

        def evaluate_group_expression(self, expr: Any, focus: Any, environment: Any) -> Any:
            if isinstance(focus, list):
                self.bounds.pay(len(focus) ** 2 // _PAIRS_COPIED_A_UNIT)
            return super().evaluate_group_expression(expr, focus, environment)

        def evaluate_tuple_step(self, expr: Any, focus: Any, tuple_bindings: Any, environment: Any) -> Any:
            """Joins (`@`, `#`, `%`): each item that a step makes becomes an object of all that it was joined with."""
            before, self.bounds.items_a_unit = self.bounds.items_a_unit, 1
            try:
                return super().evaluate_tuple_step(expr, focus, tuple_bindings, environment)
            finally:
                self.bounds.items_a_unit = before

        def evaluate_transform_expression(self, expr: Any, focus: Any, environment: Any) -> Any:
            return paid(super().evaluate_transform_expression(expr, focus, environment), _walked)

    return Expression


def _pay_for_gathering(limits: Bounds, value: Any) -> None:
    """The library copies what it has gathered so far for each member that is an array."""
    limits.pay_for_walk([value])
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    arrays = sum(isinstance(member, list) for member in members)
    limits.pay(arrays * size([value], limits.left) // _PAIRS_COPIED_A_UNIT)


@cache
def paid_frame() -> Any:
    """The frame of all functions of the library; an evaluation's own frame lies within it."""
    outer = library().static_frame
    frame = library().Frame(outer)
    for name, function in outer.bindings.items():
        frame.bind(name, paid(function, _price_of(name)))
    return frame


def _price_of(name: str) -> Price:
    if name in _WITH_PICTURE:
        return _pictured
    return _walked if name in _WALKERS else _copied if name in _COPIERS else _gone_over


def paid(function: Any, price: Price) -> Any:
    """The function, which takes its price whenever it checks its arguments or is called."""

    class Paid(library().JFunction):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(function, None)
            self.signature = function.signature
            self.function_name = function.function_name

        def validate(self, args: Any, context: Any) -> Any:
            price(bounds(), args)
            return function.validate(args, context)

        def call(self, focus: Any, args: Any) -> Any:
            price(bounds(), args)
            return function.call(focus, args)

        def get_number_of_args(self) -> int:
            count: int = function.get_number_of_args()
            return count

    return Paid()


def native(name: str, function: Callable[..., Any], signature: str) -> Any:
    """A function of ours as the library calls it, with its arguments checked by a signature, and paid for."""
    return paid(library().JFunction(library().JLambda(function), signature), _price_of(name))


def _gone_over(limits: Bounds, arguments: Any) -> None:
    for one in arguments or ():
        if isinstance(one, str):
            limits.pay(len(one) // _CHARACTERS_A_UNIT)
        elif isinstance(one, list | dict):
            limits.pay(len(one) // _ITEMS_A_UNIT)


def _copied(limits: Bounds, arguments: Any) -> None:
    limits.pay(sum(len(one) for one in arguments if isinstance(one, list)) // ITEMS_COPIED_A_UNIT)


def _walked(limits: Bounds, arguments: Any) -> None:
    _gone_over(limits, [one for one in arguments or () if isinstance(one, str)])
    limits.pay_for_walk(arguments or ())


def _pictured(limits: Bounds, arguments: Any) -> None:
    for one in arguments or ():
        if isinstance(one, str):
            if len(one) > _LONGEST_PICTURE:
                raise IntrinsicError(
                    f"a picture, or what it is to be read from, has over {_LONGEST_PICTURE} characters"
                )
            limits.pay(len(one))
        elif isinstance(one, int | float):
            limits.pay(_NUMBER_SPELLED)
            if abs(one) > _LARGEST_SPELLED:
                raise IntrinsicError(f"the number {one} is too large to be written by a picture")
