"""What jobs print, as CloudWatch Logs events."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import LogGroup, LogsBackend, logs_backends

# moto's backends have no locks of their own, and every job writes from a thread of its own.
_writing = threading.Lock()


class LogStream:
    """One stream of one group, both made with the first line."""

    def __init__(self, account: str, region: str, group: str, name: str) -> None:
        self.group = group
        self.name = name
        self._backend: LogsBackend = logs_backends[account][region]
        self._made = False

    def write(self, line: str) -> None:
        """Append one line, now."""
        event: dict[str, Any] = {"timestamp": int(time.time() * 1000), "message": line or " "}
        with _writing:
            self._make()
            # Somebody may have deleted the group or the stream meanwhile (`terraform destroy`): then nobody reads it.
            group: LogGroup | None = self._backend.groups.get(self.group)
            if group is not None and self.name in group.streams:
                group.put_log_events(self.name, [event])

    def _make(self) -> None:
        if self._made:
            return
        self._made = True
        self._backend.ensure_log_group(self.group)
        with contextlib.suppress(ResourceAlreadyExistsException):
            self._backend.create_log_stream(self.group, self.name)
