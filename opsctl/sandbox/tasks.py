"""One attempt of a Task state while it is open: what the engine and the integrations share about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from opsctl.asl.effects import Outcome, ScheduleTask

if TYPE_CHECKING:
    from opsctl.sandbox.runs import Run


class Task:
    """An attempt. `tell` reports an outcome; `on_abandon` says how to end what was started for it."""

    def __init__(self, run: Run, effect: ScheduleTask, tell: Callable[[Task, Outcome], None]) -> None:
        self.run = run
        self.effect = effect
        self._tell = tell
        self._lock = threading.Lock()
        self._abandoned = False
        self._cancel: Callable[[], None] | None = None

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the attempt any more."""
        return self._abandoned

    def tell(self, outcome: Outcome) -> None:
        """Report an outcome to the execution. Ignored there if the attempt is closed."""
        self._tell(self, outcome)

    def on_abandon(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when nobody waits for the attempt any more; at once if that is already so."""
        with self._lock:
            self._cancel = cancel
            late = self._abandoned
        if late:
            cancel()

    def abandon(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._abandoned = True
            cancel = self._cancel
        if cancel:
            cancel()
