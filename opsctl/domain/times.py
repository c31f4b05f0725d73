"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """`4.2 s`, `1 min 3 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def whole_duration(seconds: float) -> str:
    """The same to the second: `42 s`, `1 min 3 s`, `2 h 05 min`."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(round(seconds))


def moment(seconds: float) -> str:
    """`2026-11-21 21:30:45 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
