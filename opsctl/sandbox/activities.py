"""Activities: tasks wait in order until a worker asks for them, and workers wait for tasks."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from opsctl.asl.effects import Started
from opsctl.sandbox.tasks import Task


class Counter:
    """Where tasks are left and fetched, one line for each activity's ARN. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lines: defaultdict[str, deque[Task]] = defaultdict(deque)
        self._changed = threading.Condition()

    def kept(self) -> dict[str, list[Task]]:
        """What is to outlive the server: what waits, by ARN."""
        return {arn: list(line) for arn, line in list(self._lines.items())}

    def restore(self, kept: dict[str, list[Task]]) -> None:
        """Have what a server before this one kept."""
        with self._changed:
            self._lines = defaultdict(deque, {arn: deque(line) for arn, line in kept.items()})
            self._changed.notify_all()

    def has(self, task: Task) -> bool:
        """Whether a task waits here."""
        with self._changed:
            return task in self._lines.get(task.effect.resource, ())

    def offer(self, task: Task) -> None:
        """Leave a task for the next worker of its activity."""
        with self._changed:
            self._lines[task.effect.resource].append(task)
            self._changed.notify_all()

    def take(self, arn: str, worker: str | None, seconds: float) -> Task | None:
        """The next task of an activity, which has now started; None if none came within `seconds`.

        Each task is handed out once. Those that nobody waits for any more are passed over.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while (task := self._next(arn)) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    task = self._next(arn)
                    break
        if task is not None:
            task.tell(Started(worker))
        return task

    def _next(self, arn: str) -> Task | None:
        line = self._lines[arn]
        while line:
            task = line.popleft()
            if not task.abandoned and task.run.tasks.get(task.number) is task:
                return task
        del self._lines[arn]
        return None
