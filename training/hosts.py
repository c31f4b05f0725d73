"""The hosts that work on one job together, as input/config/resourceconfig.json names them; without that file, one.

(AWS, "How Amazon SageMaker AI Provides Training Information".)

The first host by name leads: it alone writes the model, metrics and checkpoints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from contract import Job, JobError

ALONE = "algo-1"


@dataclass(frozen=True)
class Hosts:
    """All hosts in order, which of them this is, and the network interface by which they reach each other."""

    names: tuple[str, ...]
    current: str
    interface: str | None = None

    @property
    def rank(self) -> int:
        return self.names.index(self.current)

    @property
    def leads(self) -> bool:
        return self.rank == 0


def read_hosts(job: Job) -> Hosts:
    """Raises JobError if the file does not say which of its hosts this is."""
    path = job.base / "input" / "config" / "resourceconfig.json"
    if not path.exists():
        return Hosts((ALONE,), ALONE)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        hosts = Hosts(
            tuple(sorted(set(document["hosts"]))), document["current_host"], document.get("network_interface_name")
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobError(f"{path} does not name the job's hosts: {type(error).__name__}: {error}") from None
    if hosts.current not in hosts.names:
        raise JobError(f"{path}: current_host {hosts.current!r} is none of hosts ({', '.join(hosts.names)})")
    return hosts
