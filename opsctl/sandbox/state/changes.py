"""That something in the sandbox has changed: whoever changes what is to last says so here, and the writer waits for it.

Without `--state` nobody waits, and this costs nothing.
"""

from __future__ import annotations

import threading

_happened = threading.Event()


def note() -> None:
    """Something has changed. From any thread; returns at once."""
    if not _happened.is_set():
        _happened.set()


def wait(seconds: float | None = None) -> bool:
    """Whether something has changed since the last `forget`, or does within so many seconds."""
    return _happened.wait(seconds)


def forget() -> None:
    """What has changed until now is being written."""
    _happened.clear()
