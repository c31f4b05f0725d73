"""The names of runs, steps and machines, for a shell to complete: from a cache, or asked for when that is old.

Whoever presses the tab key waits: a cache younger than a minute is taken as it is; otherwise the newest runs are asked
for, for two seconds (or OPSCTL_COMPLETION_SECONDS) at the most, and an older cache is better than nothing. A cache that
cannot be read or written, or is of another version, is none: names come all the same, and an error never shows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from opsctl.config import Options, choose_context

VERSION = 1
FRESH_SECONDS = 60.0
PATIENCE = "OPSCTL_COMPLETION_SECONDS"
PATIENCE_SECONDS = 2.0
RUNS = 100


@dataclass(frozen=True, slots=True)
class Words:
    """Names of runs, the newest first; of steps, as slugs in the machine's order; of machines."""

    runs: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


def words(options: Options) -> Words:
    """What can be completed; empty where nothing is known and nobody answers in time."""
    with contextlib.suppress(Exception):  # no tab key is to be answered by an error
        place = cache_directory() / f"words-{_key(options)}.json"
        kept, age = _read(place)
        if kept is not None and 0 <= age < FRESH_SECONDS:
            return kept
        found = _asked(options)
        if found is not None:
            _write(place, found)
        return found or kept or Words()
    return Words()


def cache_directory() -> Path:
    """Where the user's caches are (https://specifications.freedesktop.org/basedir-spec/latest/)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "opsctl"


def _key(options: Options) -> str:
    """Of a context and machine: another account's runs are no answer."""
    context = choose_context(options)
    told = [context.kind, context.url, context.region, context.profile, os.environ.get("AWS_PROFILE")]
    told += [str(context.outputs.resolve()), context.role, options.machine]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:20]


def _read(place: Path) -> tuple[Words | None, float]:
    """What the cache holds, and its age in seconds."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        document = json.loads(place.read_bytes())
        lists = [document[name] for name in ("runs", "steps", "machines")]
        sound = all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists)
        if document["version"] == VERSION and sound:
            return Words(*map(tuple, lists)), time.time() - float(document["at"])
    return None, 0.0


def _write(place: Path, found: Words) -> None:
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, suffix=".part", delete=False) as file:
            json.dump({"version": VERSION, "at": time.time(), **asdict(found)}, file)
        os.replace(file.name, place)


def _asked(options: Options) -> Words | None:
    """From AWS, as long as it does not take too long: whoever still asks then ends with the program."""
    answers: list[Words] = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # no credentials, no network, no deployment: no answer
            answers.append(_answer(options))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_patience())
    return answers[0] if answers else None


def _patience() -> float:
    with contextlib.suppress(ValueError):
        return min(max(float(os.environ.get(PATIENCE, "")), 0.0), 600.0)
    return PATIENCE_SECONDS


def _answer(options: Options) -> Words:
    from itertools import islice

    from opsctl.operations.connection import connect

    connection = connect(options)
    machine = connection.machine
    runs = tuple(run.name for run in islice(connection.states.runs(machine.arn, None, RUNS), RUNS))
    steps = machine.steps
    if not steps:
        from opsctl.domain.guards import read_pipeline

        steps = tuple(step.slug for step in read_pipeline(connection.states.definition(machine.arn)).steps)
    return Words(runs, steps, tuple(connection.deployment.machines))
