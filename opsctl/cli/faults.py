"""The faults of the sandbox as a table."""

from __future__ import annotations

from typing import Any

from opsctl.cli.render import table


def faults_text(faults: list[dict[str, Any]]) -> str:
    """A row for each: what it does, when, and to how many requests it has."""
    rows = [
        [one["id"], one["action"], _effect(one), _limits(one), f"{one['applied']} of {one['seen']}", one["match"]]
        for one in faults
    ]
    return table(["FAULT", "ACTION", "WHAT", "WHEN", "MET", "REQUESTS WITH"], rows)


def _effect(one: dict[str, Any]) -> str:
    if one["drop"] == "host":
        return f"host lost after {one['delay']:g} s"
    if one["exit_code"] is not None:
        return f"exit code {one['exit_code']}"
    if one["job"]:
        notice = f", {one['notice']:g} s notice" if one["notice"] is not None else ""
        return f"{one['job'].replace('-', ' ')} after {one['delay']:g} s{notice}"
    late = f"{one['delay']:g} s late" if one["delay"] else None
    lost = f"{one['drop']} lost" if one["drop"] else None
    more = f"{one['duplicate']} times more" if one["duplicate"] else None
    stale = f"up to {one['stale']:g} s stale" if one["stale"] else None
    order = f"{one['reorder']} at a time, last first" if one["reorder"] else None
    return ", ".join(filter(None, (late, one["error"], lost, more, stale, order)))


def _limits(one: dict[str, Any]) -> str:
    times = f"{one['times']} times" if one["times"] else "until cleared"
    return times if one["rate"] == 1.0 else f"{one['rate']:.0%}, {times}"
