"""What keeps the evaluation of a JSONata expression within bounds: of steps, of depth, of the size of values.

All three are counted, none is a clock: an expression that is refused is refused on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from opsctl.asl.intrinsics import IntrinsicError
from opsctl.asl.regex import Pattern

MOST_STEPS = 500_000
DEEPEST = 200
LONGEST_TEXT = 8 * 1_048_576
"""Characters; no state's output may be as long, but what is thrown away on the way to it may."""


_FRAMES = 10_000
"""Python frames that an evaluation within `DEEPEST` may need, a good deal more than Python lets by itself."""


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


class Bounds:
    """Counts one evaluation; `frame` is the library's frame that it runs in. Raises `IntrinsicError` beyond a bound."""

    def __init__(self, frame: Any) -> None:
        self.steps = self.depth = 0
        frame.set_evaluate_entry_callback(self._enter)
        frame.set_evaluate_exit_callback(self._leave)

    def _enter(self, _expression: Any, _input: Any, environment: Any) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise IntrinsicError(f"the expression takes more than {MOST_STEPS} steps: it may never end")
        if not environment.is_parallel_call:
            self.depth += 1
            if self.depth > DEEPEST:
                raise IntrinsicError(f"the expression is evaluated more than {DEEPEST} levels deep: it may never end")

    def _leave(self, _expression: Any, _input: Any, environment: Any, result: Any) -> None:
        if isinstance(result, str) and len(result) > LONGEST_TEXT:
            raise _too_long()
        if not environment.is_parallel_call:
            self.depth -= 1


def regular_expression(pattern: str, flags: Any) -> Pattern:
    """The library's `regex_engine`: expressions that always come to an end."""
    return Pattern(pattern, ignore_case=flags.case_insensitive, multiline=flags.multiline)


def bounded_functions() -> dict[str, Any]:
    """The library's functions that make much of little in a single step, with a look at how much before it is made."""
    from jsonata.functions import Functions  # type: ignore[import-untyped]

    def pad(text: Any, width: Any = None, filling: Any = None) -> Any:
        if isinstance(width, int | float) and abs(width) > LONGEST_TEXT:
            raise _too_long()
        return Functions.pad(text, width, filling)

    def join(parts: Any, separator: Any = None) -> Any:
        if isinstance(parts, list):
            length = sum(len(part) for part in parts if isinstance(part, str))
            if length + len(parts) * len(separator or "") > LONGEST_TEXT:
                raise _too_long()
        return Functions.join(parts, separator)

    def native(function: Callable[..., Any], signature: str) -> Any:
        return library().JFunction(library().JLambda(function), signature)

    return {"pad": native(pad, "<s-ns?:s>"), "join": native(join, "<a<s>s?:s>")}


def _too_long() -> IntrinsicError:
    return IntrinsicError(f"the expression makes a string of more than {LONGEST_TEXT} characters")
