"""What came to need a run since its cleanup was planned: the world goes on while somebody reads the plan, and while the
runs before it are deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from opsctl.domain.inventory import RunData
from opsctl.operations import inventory
from opsctl.operations.connection import Connection

LOOK_AGAIN = 60.0  # seconds


@dataclass
class Staying:
    """The runs of which something stays, and so all that they `read`, at any remove."""

    reads: Mapping[str, frozenset[str]]
    read: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, runs: Iterable[RunData]) -> Self:
        """None of these runs stays yet."""
        return cls({run.name: run.reads for run in runs})

    def add(self, names: Iterable[str]) -> None:
        """Of these runs, too, something stays."""
        waiting = list(names)
        while waiting:
            new = self.reads.get(waiting.pop(), frozenset()) - self.read
            self.read |= new
            waiting += new


def come_into_use(
    connection: Connection, going: frozenset[str], known: Collection[str], staying: Staying
) -> dict[str, str]:
    """Of the runs that are `going`, those that may not go any more, with the reason; they join those that are staying.

    What the runs that are `known` read was known when the cleanup was planned: all others are asked.
    """
    read, running = inventory.read_by_newcomers(connection, known), inventory.running(connection)
    with ThreadPoolExecutor(inventory.THREADS) as pool:
        names = sorted(going)
        held = dict(zip(names, pool.map(lambda name: inventory.is_held(connection, name), names), strict=True))
    kept = dict.fromkeys(going & read, "read")
    kept |= {name: word for name, word in inventory.in_use(connection).items() if name in going}
    kept |= dict.fromkeys(going & running, "running")
    kept |= {name: "held" for name in names if held[name]}
    staying.add(kept)
    return kept | dict.fromkeys(staying.read & going - kept.keys(), "read")


def asking_again(connection: Connection, staying: Staying) -> Callable[[str], str | None]:
    """Asks why a run may not go any more: None where it may. What serves and is champion is as it was a minute ago at
    most."""
    in_use: Mapping[str, str] = {}
    since = float("-inf")

    def reason(run: str) -> str | None:
        nonlocal in_use, since
        if connection.aws.steady() - since >= LOOK_AGAIN:
            in_use, since = inventory.in_use(connection), connection.aws.steady()
        if run in in_use:
            return in_use[run]
        if inventory.is_held(connection, run):
            return "held"
        if inventory.is_running(connection, run):
            return "running"
        return "read" if run in staying.read else None

    return reason
