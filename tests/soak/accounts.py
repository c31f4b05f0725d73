"""The end of a soak: everything comes to rest, and what is found is held against what must be there."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl import sandbox
from opsctl.cli.render import table
from tests.functional.sandbox.cloud import wait_for
from tests.functional.sandbox.test_stress import children
from tests.soak.operations import OPEN, BrokenError, Operator
from tests.soak.world import PARTS, UNSUCCESSFUL, World, answer_of

SECONDS = 400.0
MOST_THREADS = 200  # the server's pools when all are in use, and one for each connection that lasts


@dataclass(frozen=True)
class Usage:
    """What the server's process uses; memory in MiB."""

    memory: float
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Now."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return cls(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(os.listdir(f"/proc/{pid}/fd")))


def settle(operator: Operator) -> None:
    """Fine weather, and an end for every run."""
    world = operator.world
    operator.clear_up()
    for run, status in world.statuses().items():
        if status == OPEN:
            world.opsctl("stop", run, "--yes")
    wait_for(lambda: OPEN not in world.statuses().values(), "all runs to end", SECONDS)


def account(operator: Operator) -> str:
    """The table of what must be there and what is. Raises BrokenError if they differ, or something is left over."""
    found, left = accounts(operator), leaks(operator.world)
    done = ", ".join(f"{name} {count}" for name, count in sorted(operator.ledger.done.items()))
    shown = f"{done}\n\n{table(['', 'EXPECTED', 'FOUND'], [[name, *counts] for name, counts in found.items()])}"
    if left or any(expected != there for expected, there in found.values()):
        raise BrokenError(f"{shown}\nleft over: {', '.join(left) or 'nothing'}")
    return shown


def accounts(operator: Operator) -> dict[str, tuple[int, int]]:
    """Of objects, alerts, approvals and runs, how many must be there, and how many are."""
    world, ledger = operator.world, operator.ledger
    histories = {run: world.events(run) for run in world.statuses()}
    due = Counter({run: _bad_ends(events) for run, events in histories.items() if _bad_ends(events)})
    try:
        wait_for(lambda: world.alerts_sent() == due, "the alerts", SECONDS)
    except AssertionError:
        print(f"alerts that are missing: {due - world.alerts_sent()}, too many: {world.alerts_sent() - due}")
    objects = [f"{run}/{part}" for run in _with_data(operator, list(histories)) for part in PARTS]
    objects += [f"{run}/.hold" for run in ledger.held]
    found = {f"{run}/{key}" for run in histories for key in world.kept(run)}
    answers = {run: answer_of(events) for run, events in histories.items()}
    sent, told = world.alerts_sent(), sum(due.values())
    wrong = sum(((sent - due) + (due - sent)).values())
    return {
        "runs": (len(ledger.started), len(set(ledger.started) & set(histories))),
        "objects": (len(objects), len(found & set(objects))),
        "alerts": (told, told - wrong if wrong else sum(sent.values())),
        "approvals": (len(ledger.answers), sum(reason in answers[run] for run, reason in ledger.answers)),
    }


def leaks(world: World) -> list[str]:
    """What is left over, once nothing runs."""
    pid, place = world.cloud.server["pid"], world.cloud.directory
    wait_for(lambda: sandbox.jobs(place) == [], "the jobs to end", SECONDS)
    wait_for(lambda: len(children(pid)) <= 1, "the server's processes to end, but for the one that functions come of")
    wait_for(lambda: Usage.of(pid).threads < MOST_THREADS, "the server's threads to end")
    with contextlib.suppress(AssertionError):  # a directory goes after the note in it
        wait_for(lambda: list((place / "jobs").iterdir()) == [], "their directories to go", SECONDS)
    return [f"jobs/{path.name}" for path in (place / "jobs").iterdir()]


def _with_data(operator: Operator, runs: list[str]) -> set[str]:
    """The runs that have fetched, or were given data, and that no cleanup was let have."""
    fetched = {run for run in runs if operator.world.has_fetched(run)}
    return (fetched | operator.ledger.data) - operator.ledger.cleaned


def _bad_ends(events: list[dict[str, Any]]) -> int:
    return sum(event["type"] in UNSUCCESSFUL for event in events)
