"""The picture of a definition."""

from __future__ import annotations

from typing import Any

from opsctl.domain.picture import Picture, RunTold, lane_of
from opsctl.errors import UsageError


def drawn(
    title: str, definition: Any, told: RunTold | None = None, facts: tuple[str, ...] = (), status: str | None = None
) -> Picture:
    """The picture of a definition, and of a run of it. Raises UsageError for one that is nested too deeply."""
    try:
        return Picture(title, lane_of(definition, told), status, facts)
    except RecursionError:
        raise UsageError(f"{title} is nested too deeply to be drawn") from None
