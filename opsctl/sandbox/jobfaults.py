"""What goes wrong on purpose with a job that runs: its program, its host, its disk, or the model that it leaves.

A fault of a request that starts a job (opsctl/sandbox/faults.py) travels to the job's service in a header. What befalls
the program is the supervisor's work, who is its parent; what the service makes of it is the service's.
"""

from __future__ import annotations

import json
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEADER = "X-Sandbox-Job-Fault"
HOST = "host"
KILLED = "killed"
OUT_OF_MEMORY = "out-of-memory"
DISK_FULL = "disk-full"
HANGS = "hangs"
IGNORES_SIGTERM = "ignores-sigterm"
SPOT = "spot-interruption"
CORRUPT_MODEL = "corrupt-model"
EXIT_CODE = "exit-code"
KINDS = (KILLED, OUT_OF_MEMORY, DISK_FULL, HANGS, IGNORES_SIGTERM, SPOT, CORRUPT_MODEL)
OF_PROGRAM = frozenset({KILLED, OUT_OF_MEMORY, DISK_FULL, HANGS, IGNORES_SIGTERM})
NOTICE_SECONDS = 120.0  # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
CAN_FILL = hasattr(resource, "prlimit")  # Linux's way to limit another process
# As ECS says it: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
NO_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
# As SageMaker says it: https://github.com/huggingface/blog/issues/114
NO_SPACE = "ClientError: Artifact upload failed:Insufficient disk space"


@dataclass(frozen=True)
class JobFault:
    """One job's fault: it strikes `after` seconds of its program; a Spot interruption is told `notice` seconds before,
    by SIGTERM; `code` is what the program is said to have ended with."""

    kind: str
    after: float = 0.0
    notice: float | None = None
    code: int | None = None

    @property
    def takes_host(self) -> bool:
        """Whether the host is lost: then once only, and the service may go on elsewhere."""
        return self.kind in (HOST, SPOT)

    @property
    def text(self) -> str:
        """As the header has it."""
        return json.dumps(asdict(self))

    def grace(self, usual: float) -> float:
        """Seconds from SIGTERM to SIGKILL when the host goes."""
        return usual if self.notice is None else self.notice

    def order(self) -> dict[str, Any] | None:
        """What the supervisor does to the program, if anything."""
        return {"kind": self.kind, "after": self.after} if self.kind in OF_PROGRAM else None


def job_fault(header: str | None) -> JobFault | None:
    """The fault that a request came with."""
    return JobFault(**json.loads(header)) if header else None


def exit_code(fault: JobFault | None, code: int) -> int:
    """What a program is said to have ended with."""
    return fault.code if fault is not None and fault.code is not None else code


def damage(archive: Path) -> None:
    """Leave the first half of a file only, as an upload that broke off would."""
    with archive.open("rb+") as file:
        file.truncate(archive.stat().st_size // 2)
