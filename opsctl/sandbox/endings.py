"""Ends what was started for tasks that nobody waits for any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from opsctl.sandbox.tasks import OpenTask

ENDERS = 8
logger = logging.getLogger(__name__)


class Endings:
    """Has threads of its own, so that ending jobs never waits behind requests that take long."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(ENDERS, thread_name_prefix="ending")
        self._leaving: set[OpenTask] = set()
        """Tasks whose jobs are not yet told."""

    def begin(self, task: OpenTask) -> None:
        """Nobody waits for the task any more. Returns at once."""
        task.leaving = True
        self._leaving.add(task)
        self.end(task)

    def end(self, task: OpenTask) -> None:
        """Tell the job of a task that is leaving. Returns at once."""
        self._pool.submit(self._end, task)

    def kept(self) -> list[OpenTask]:
        """What is to outlive the server: the tasks that are leaving."""
        return list(self._leaving)

    def restore(self, leaving: Iterable[OpenTask]) -> None:
        """Have what a server before this one kept; `end` goes on with each."""
        self._leaving = set(leaving)

    def _end(self, task: OpenTask) -> None:
        try:
            task.abandon()
        except Exception:
            logger.exception("what %s had started could not be ended", task.run.arn)
        finally:
            self._leaving.discard(task)
