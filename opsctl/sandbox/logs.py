"""What jobs print, as CloudWatch Logs events."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import LogGroup, LogsBackend, logs_backends

from opsctl.sandbox.access import Need
from opsctl.sandbox.state import changes

# moto's backends have no locks of their own, and every job writes from a thread of its own.
LOGS_LOCK = threading.Lock()


class LogStream:
    """One stream of one group, both made with the first line. Whoever may not (`may`) writes nothing, and goes on."""

    def __init__(
        self, account: str, region: str, group: str, name: str, may: Callable[[Need], bool] = lambda _: True
    ) -> None:
        self.group = group
        self.name = name
        self._backend: LogsBackend = logs_backends[account][region]
        self._made = False
        self._may = may
        self._arn = f"arn:aws:logs:{region}:{account}:log-group:{group}"

    def write(self, line: str) -> None:
        """Append one line, now."""
        event: dict[str, Any] = {"timestamp": int(time.time() * 1000), "message": line or " "}
        with LOGS_LOCK:
            self._make()
            # Somebody may have deleted the group or the stream meanwhile (`terraform destroy`): then nobody reads it.
            group: LogGroup | None = self._backend.groups.get(self.group)
            if group is not None and self.name in group.streams:
                group.put_log_events(self.name, [event])
        changes.note()

    def _make(self) -> None:
        if self._made:
            return
        self._made = True
        actions = ("CreateLogStream", "PutLogEvents")
        needs = [Need(f"logs:{action}", (f"{self._arn}:log-stream:{self.name}",)) for action in actions]
        if self.group not in self._backend.groups:
            needs.insert(0, Need("logs:CreateLogGroup", (self._arn, f"{self._arn}:log-stream:")))
        if not all(self._may(need) for need in needs):
            return
        self._backend.ensure_log_group(self.group)
        with contextlib.suppress(ResourceAlreadyExistsException):
            self._backend.create_log_stream(self.group, self.name)
