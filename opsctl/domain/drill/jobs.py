"""What is wrong with a machine's jobs even where nothing breaks: it shows in the runs without faults.

A job that is started and that nothing waits for: whatever becomes of it, the run goes on, and nobody is told. A machine
that asks for itself what became of a job does so in a loop, or by the service's own Describe call; where there is
either, nothing is said. And two jobs that write to the same place: a training job goes on from the checkpoints that it
finds, also from another's, and a transform job names its results after what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsctl.domain.drill.explore import Outcome
from opsctl.domain.drill.faults import STOPPABLE, service_of
from opsctl.domain.drill.model import Check, Refutation
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive

STARTING = frozenset((*STOPPABLE, "submitJob", "startJobRun", "runTask", "startBuild"))
WAITING = (".sync", ".sync:2", ".waitForTaskToken")
PLACES = {"CheckpointConfig": ("S3Uri", "checkpoints"), "TransformOutput": ("S3OutputPath", "results")}


def careless_jobs(subject: Subject, chosen: Sequence[Scenario]) -> Iterator[Outcome]:
    """For each such job the first run without faults in which it is asked for."""
    unwatched = set(_unwatched(subject))
    shared: set[str] = set()
    for scenario in chosen:
        drive = Drive(subject.machine, scenario).start().run()
        for name in dict.fromkeys(asked.state for asked in drive.asked if asked.state in unwatched):
            unwatched.remove(name)
            words = f"nothing waits for the job of {name}: if it fails, the run goes on, and nobody is told"
            yield Outcome((), scenario.name, drive.status, (Refutation(Check.RED, name, words),), drive)
        for found in _sharing(drive):
            if found.words not in shared:
                shared.add(found.words)
                yield Outcome((), scenario.name, drive.status, (found,), drive)


def _unwatched(subject: Subject) -> Iterator[str]:
    resources = {name: node.resource for name, node in subject.nodes.nodes.items()}
    if not subject.looping and not any(_asks(resource) for resource in resources.values()):
        yield from (name for name, resource in resources.items() if _starts(resource))


def _starts(resource: str) -> bool:
    return not resource.endswith(WAITING) and service_of(resource)[1] in STARTING


def _asks(resource: str) -> bool:
    return service_of(resource)[1].startswith(("describe", "get", "batchGet"))


def _sharing(drive: Drive) -> Iterator[Refutation]:
    owners: dict[tuple[str, str], str] = {}
    for asked in drive.asked:
        for field, (key, what) in PLACES.items():
            place = _text(asked.parameters, field, key).rstrip("/")
            owner = owners.setdefault((what, place), asked.state)
            if place and owner != asked.state:
                words = f"{owner} and {asked.state} have their {what} in the same place, {place}"
                yield Refutation(Check.NAMES, asked.state, words)


def _text(parameters: Any, field: str, key: str) -> str:
    inner = parameters.get(field) if isinstance(parameters, Mapping) else None
    value = inner.get(key) if isinstance(inner, Mapping) else None
    return value if isinstance(value, str) else ""
