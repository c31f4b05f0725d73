"""The work of evaluating one JSONPath, counted in steps so that none goes on for ever: `$..*..*..*` could.

The count belongs to the thread: an evaluation begins and ends within one call.
"""

from __future__ import annotations

import threading

from opsctl.asl.failures import runtime_failure

MOST_STEPS = 1_000_000
"""About a second; a payload of 256 KiB has at most 131,000 values."""


class _Left(threading.local):
    steps = 0


_left = _Left()


def begin() -> None:
    """Begin to evaluate a path."""
    _left.steps = MOST_STEPS


def pay(steps: int) -> None:
    """Take steps from what is left. Raises `StateError` (States.Runtime) beyond that."""
    _left.steps -= steps
    if _left.steps < 0:
        raise runtime_failure(f"The path takes more than {MOST_STEPS} steps: it may never end")
