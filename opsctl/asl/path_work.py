"""The work of evaluating one JSONPath, counted in steps so that none goes on for ever: `$..*..*..*` could.

The count belongs to the context that evaluates: an evaluation begins and ends within one call.
"""

from __future__ import annotations

from contextvars import ContextVar

from opsctl.asl.failures import runtime_failure

MOST_STEPS = 1_000_000
"""About a second; a payload of 256 KiB has at most 131,000 values."""


_left: ContextVar[int] = ContextVar("steps left", default=MOST_STEPS)


def begin() -> None:
    """Begin to evaluate a path."""
    _left.set(MOST_STEPS)


def pay(steps: int) -> None:
    """Take steps from what is left. Raises `StateError` (States.Runtime) beyond that."""
    left = _left.get() - steps
    _left.set(left)
    if left < 0:
        raise runtime_failure(f"The path takes more than {MOST_STEPS} steps: it may never end")
