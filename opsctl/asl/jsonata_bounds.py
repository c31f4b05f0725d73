"""What keeps the evaluation of a JSONata expression within bounds: of work, of depth, of the size of values.

All three are counted, none is a clock: an expression that is refused is refused on every machine. A step of the
evaluation is one unit of work. What the library does within a step over a whole value (`jsonata_library.py` knows
where) is paid by the value's size before it is done, and so is every value that a step makes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsctl.asl.intrinsics import IntrinsicError

MOST_WORK = 300_000
"""Units of one expression; a unit is about 3 microseconds, and a payload of 256 KiB has at most 131,000 values."""
DEEPEST = 600
LONGEST_TEXT = 1_048_576
"""Characters; no state's output may be as long, but what is thrown away on the way to it may."""
LONGEST_ARRAY = 1_000_000
ITEMS_COPIED_A_UNIT = 32
_CHARACTERS_COPIED_A_UNIT = 4096
_CHARACTERS_A_VALUE = 64


class Bounds:
    """Counts one evaluation; `frame` is the library's frame that it runs in. Raises `IntrinsicError` beyond a bound."""

    def __init__(self, frame: Any) -> None:
        self.left = MOST_WORK
        self.depth = 0
        self.items_a_unit = ITEMS_COPIED_A_UNIT
        """How many items of an array that a step makes are a unit."""
        frame.set_evaluate_entry_callback(self._enter)
        frame.set_evaluate_exit_callback(self._leave)

    def pay(self, units: int) -> None:
        """Take units of work from what is left."""
        self.left -= units
        if self.left < 0:
            raise IntrinsicError(f"the expression takes more than {MOST_WORK} units of work: it may never end")

    def pay_for_walk(self, values: Iterable[Any], values_a_unit: int = 4) -> None:
        """Pay for a walk through all values within some values."""
        self.pay(-(-size(values, self.left * values_a_unit) // values_a_unit))

    def _enter(self, _expression: Any, _input: Any, _environment: Any) -> None:
        self.pay(1)
        self.depth += 1
        if self.depth > DEEPEST:
            raise IntrinsicError(f"the expression is evaluated more than {DEEPEST} levels deep: it may never end")

    def _leave(self, _expression: Any, _input: Any, _environment: Any, result: Any) -> None:
        self.depth -= 1
        if isinstance(result, str):
            if len(result) > LONGEST_TEXT:
                raise too_long()
            self.pay(len(result) // _CHARACTERS_COPIED_A_UNIT)
        elif isinstance(result, list):
            if len(result) > LONGEST_ARRAY:
                raise IntrinsicError(f"the expression makes an array of more than {LONGEST_ARRAY} items")
            self.pay(len(result) // self.items_a_unit)


def size(values: Iterable[Any], most: int) -> int:
    """How many values there are in some values, at all depths; it stops to count beyond `most`.

    Long strings count for more than one. A value that stands in several places counts in each: whoever walks the whole
    meets it as often.
    """
    todo: list[Any] = [list(values)]
    count = len(todo[0])
    while todo and count <= most:
        whole = todo.pop()
        for item in whole.values() if isinstance(whole, dict) else whole:
            if isinstance(item, str):
                count += len(item) // _CHARACTERS_A_VALUE
            elif isinstance(item, dict | list):
                count += len(item)
                todo.append(item)
    return count


def too_long() -> IntrinsicError:
    """The refusal of a string that is, or would be, beyond `LONGEST_TEXT`."""
    return IntrinsicError(f"the expression makes a string of more than {LONGEST_TEXT} characters")
