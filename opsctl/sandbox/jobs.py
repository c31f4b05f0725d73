"""Where jobs run: a private directory each, below the sandbox's own, gone when the job has ended."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsctl.sandbox.environment import PROGRAMS, environment
from opsctl.sandbox.jobfaults import JobFault
from opsctl.sandbox.processes import Order, Process, Start, start_program
from opsctl.sandbox.world import World

NOWHERE = "http://127.0.0.1:9"  # discard: nobody listens
KEYS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


@dataclass(frozen=True)
class Room:
    """One job's private directory: `base` is its working tree, `home` and `tmp` are what its HOME and TMPDIR name.

    `role` is the ARN of the role that the job works as, which counts where IAM is enforced.
    """

    kind: str
    name: str
    root: Path
    world: World
    role: str | None = None

    @property
    def base(self) -> Path:
        """For a training job this stands for /opt/ml."""
        return self.root / "base"

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
        directory: Path | None = None,
        isolated: bool = False,
        start: Start = start_program,
        fault: JobFault | None = None,
    ) -> Process:
        """Start the job's process with `variables` on top of the sandbox's own environment.

        The sandbox's AWS variables win over the job's: a job cannot be led to a real account by its definition. One
        that is isolated is told of no AWS at all. `fault` befalls it on purpose.
        """
        keys = self.world.access.variables(self.role, re.sub(r"[^\w+=,.@-]", "-", self.name)[:64])
        own = environment({"url": NOWHERE if isolated else self.world.url, "region": self.world.region}, keys)
        order = Order(
            command,
            {
                **PROGRAMS,
                **{name: value for name, value in variables.items() if name not in KEYS},
                **own,
                "HOME": str(self.root / "home"),
                "TMPDIR": str(self.root / "tmp"),
            },
            directory or self.base,
            self.world.place.jobs_lock,
            fault.order() if fault else None,
        )
        process = Process(order, on_line, start)
        self._announce(process.pid())
        return process

    def _announce(self, pid: int | None) -> None:
        """Leave a note of who runs here, for `opsctl sandbox status`."""
        note = {"kind": self.kind, "name": self.name, "pid": pid, "started": time.time()}
        (self.root / "job.json").write_text(json.dumps(note))


@contextlib.contextmanager
def room(world: World, kind: str, name: str, role: str | None = None) -> Iterator[Room]:
    """A fresh directory for one job, removed with all its content afterwards."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", name)[:80]
    root = world.place.jobs / f"{kind}-{readable}-{uuid.uuid4().hex[:8]}"
    for path in (root / "base", root / "home", root / "tmp"):
        path.mkdir(parents=True, mode=0o700)
    try:
        yield Room(kind, name, root, world, role)
    finally:
        shutil.rmtree(root, ignore_errors=True)
