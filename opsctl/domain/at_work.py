"""Cleanups at work: what each writes down before it looks who needs what it is about to delete.

`audit/at-work/<cleanup>.json` names the runs. Whoever is to read a run's results where they lie says so first, and then
looks here: opsctl before it starts a rerun (`opsctl.operations.intents`), each run in its first step (`cleanups.py` in
`functions/shared/`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

FOLDER = "audit/at-work/"
LASTS = 86400.0  # seconds
_INTENT = re.compile(r"cleanup-[A-Za-z0-9-]{1,72}\.json")


def cleanup_of(name: str) -> str | None:
    """The cleanup whose intent an object in the folder is, by its name there; None for anything else."""
    return name.removesuffix(".json") if _INTENT.fullmatch(name) else None


def runs_going(content: bytes) -> frozenset[str]:
    """The runs that an intent names. Raises ValueError for one that names none."""
    try:
        runs = json.loads(content)["runs"]
        return frozenset(str(run) for run in runs)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError("it does not say which runs a cleanup deletes") from error


def going(found: Iterable[tuple[str, float]], read: Callable[[str], bytes | None]) -> dict[str, str]:
    """By run, the cleanup that is deleting what it keeps. `found` are the folder's objects, by key and age in seconds;
    `read` reads one, None where it is gone. Raises ValueError for an intent that says nothing."""
    runs: dict[str, str] = {}
    for key, age in found:
        cleanup = cleanup_of(key.removeprefix(FOLDER))
        if cleanup is None or age >= LASTS:
            continue
        content = read(key)
        runs |= dict.fromkeys(runs_going(content), cleanup) if content is not None else {}
    return runs
