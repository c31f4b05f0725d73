"""What an execution waits for while it is open: what the engine and the integrations share about it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opsctl.asl.effects import Outcome, ScheduleTask, StartMapRun

if TYPE_CHECKING:
    from opsctl.sandbox.runs import Run


class OpenTask:
    """`tell` reports an outcome; `on_abandon` says how to end what was started for it.

    When it is kept over a restart of the server, `take_up` says whom it tells from then on.
    """

    token: str | None = None

    def __init__(self, run: Run, number: int, tell: Callable[[OpenTask, Outcome], None]) -> None:
        self.run = run
        self.number = number
        self._tell = tell
        self._lock = threading.Lock()
        self._abandoned = False
        self.leaving = False
        """Whether it is to be abandoned; the engine's."""
        self._cancel: Callable[[], None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_tell", "_lock", "_cancel")}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self._lock = threading.Lock()
        self._cancel = None

    def take_up(self, tell: Callable[[OpenTask, Outcome], None]) -> None:
        """Go on with a task that was kept."""
        self._tell = tell

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
    """One attempt of a Task state. `key` names its requests: one that is made again after a restart of the server is
    known by it, and answered as before."""

    def __init__(self, run: Run, effect: ScheduleTask, tell: Callable[[OpenTask, Outcome], None]) -> None:
        super().__init__(run, effect.task, tell)
        self.effect = effect
        self.token = effect.token
        self.key = uuid.uuid4().hex
        self.started = False
        self.accepted: str | None = None
        """What a `.sync` or `.waitForTaskToken` request was answered, once that is told."""
        # The engine's: an answer by token may come before the request that handed the token out has returned.
        self.submitted = not effect.resource.endswith(".waitForTaskToken")
        self.early: Outcome | None = None


class MapTask(OpenTask):
    """One Map Run of a distributed Map state, or a redrive of one."""

    def __init__(self, run: Run, effect: StartMapRun, tell: Callable[[OpenTask, Outcome], None]) -> None:
        super().__init__(run, effect.task, tell)
        self.effect = effect
