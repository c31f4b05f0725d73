"""What the demo needs besides the commands it types: commands followed to their end, Terraform, and the figures."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl import terraform
from opsctl.domain.objects import Place
from opsctl.errors import OpsError
from opsctl.operations.connection import Connection
from opsctl.operations.metrics import read_metrics
from opsctl.operations.runs import resolve

INTERRUPT_GRACE_SECONDS = 60.0  # who cannot wait interrupts once more
SEQUENCE = "sequence"
COMBINED = ("average", SEQUENCE)
EVALUATE = "evaluate"


@dataclass(frozen=True)
class Accuracy:
    """Share of held-out pages, 0 to 1, that each model puts into the right class."""

    pages: int
    by_model: Mapping[str, float]

    @property
    def rows(self) -> list[tuple[str, float]]:
        """The base models, the best first, then what is made of them: their average and the sequence model."""
        combined = [model for model in COMBINED if model in self.by_model]
        base = sorted(self.by_model.keys() - set(COMBINED), key=lambda model: -self.by_model[model])
        return [(model, self.by_model[model]) for model in (*base, *combined)]

    @property
    def sequence_wins(self) -> bool:
        """Whether the sequence model beats every other row."""
        others = [share for model, share in self.by_model.items() if model != SEQUENCE]
        return self.by_model[SEQUENCE] > max(others)


def follow(command: Sequence[str]) -> int:
    """Run one command to its end and return its exit code.

    An interrupt is handed on and waited for, so that nothing outlives the caller.
    """
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except BaseException:
        end(process)
        raise


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process, and kill it if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(INTERRUPT_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def opsctl(*arguments: str) -> list[str]:
    """The command line of `opsctl` in this interpreter's environment."""
    return [sys.executable, "-m", "opsctl", *arguments]


def run_terraform(workspace: terraform.Workspace, command: str, on_line: Callable[[str], None]) -> bool:
    """`init`, `apply` or `plan` in the workspace; True if a plan found something to change. Raises TerraformError."""
    if command == "plan":
        return terraform.plan(workspace, on_line)
    {"init": terraform.init, "apply": terraform.apply}[command](workspace, on_line)
    return False


def outputs(workspace: terraform.Workspace) -> dict[str, Any]:
    """The workspace's output object `opsctl`. Raises ConfigurationError before the first apply."""
    value: dict[str, Any] = terraform.state_outputs(workspace.directory / "terraform.tfstate")["opsctl"]
    return value


def newest_message(mailbox: Path) -> Path:
    """The newest message in the sandbox's mailbox. Raises OpsError if it is empty."""
    messages = sorted(mailbox.glob("*.txt"))
    if not messages:
        raise OpsError(f"no message in {mailbox}", "look at the run: opsctl status")
    return messages[-1]


def latest_accuracy(connection: Connection) -> tuple[Accuracy, str]:
    """The figures of the latest run's Evaluate job, and the address of the artifact that they come from."""
    run = resolve(connection)
    prefix = connection.prefix(run.name, EVALUATE)
    for item in connection.storage.list(prefix):
        if item.key.endswith("/output/model.tar.gz"):
            artifact = connection.storage.read(Place(prefix.bucket, prefix.key + item.key))
            return read_accuracy(artifact or b""), prefix.uri + item.key
    raise OpsError(f"no model.tar.gz below {prefix.uri}", f"look at the run: opsctl status {run.name}")


def read_accuracy(artifact: bytes) -> Accuracy:
    """The held-out page accuracies in the artifact (model.tar.gz) of an Evaluate job. Raises OpsError."""
    metrics = read_metrics(artifact)
    try:
        return Accuracy(pages=metrics["held_out"]["pages"], by_model=metrics["page_accuracy"])
    except (KeyError, TypeError) as error:
        raise OpsError(f"the Evaluate job's artifact holds no metrics that can be read: {error}") from error
