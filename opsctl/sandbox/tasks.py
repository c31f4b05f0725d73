"""What an execution waits for while it is open: what the engine and the integrations share about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from opsctl.asl.effects import Outcome, ScheduleTask, StartMapRun

if TYPE_CHECKING:
    from opsctl.sandbox.runs import Run


class OpenTask:
    """`tell` reports an outcome; `on_abandon` says how to end what was started for it."""

    token: str | None = None

    def __init__(self, run: Run, number: int, tell: Callable[[OpenTask, Outcome], None]) -> None:
        self.run = run
        self.number = number
        self._tell = tell
        self._lock = threading.Lock()
        self._abandoned = False
        self._cancel: Callable[[], None] | None = None

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._abandoned

    def tell(self, outcome: Outcome) -> None:
        """Report an outcome to the execution. Ignored there if the task is closed."""
        self._tell(self, outcome)

    def on_abandon(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when nobody waits any more; at once if that is already so."""
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


class Task(OpenTask):
    """One attempt of a Task state."""

    def __init__(self, run: Run, effect: ScheduleTask, tell: Callable[[OpenTask, Outcome], None]) -> None:
        super().__init__(run, effect.task, tell)
        self.effect = effect
        self.token = effect.token
        # The engine's: an answer by token may come before the request that handed the token out has returned.
        self.submitted = not effect.resource.endswith(".waitForTaskToken")
        self.early: Outcome | None = None


class MapTask(OpenTask):
    """One Map Run of a distributed Map state, or a redrive of one."""

    def __init__(self, run: Run, effect: StartMapRun, tell: Callable[[OpenTask, Outcome], None]) -> None:
        super().__init__(run, effect.task, tell)
        self.effect = effect
