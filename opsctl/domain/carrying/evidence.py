"""What histories tell of what a Task does with the run's input."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.asl.run_history import RunHistory
from opsctl.domain.carrying.values import From


class Evidence:
    """Of the runs of some histories."""

    def __init__(self, histories: Sequence[RunHistory]) -> None:
        self._histories = histories

    def translate(self, leaf: From) -> From:
        """The part of the run's input that a part of a Task's result is; the leaf itself where that is not shown."""
        return leaf
