"""What a live drill stands on: the runs that it started, the faults that it added, the versions that it made, and the
end of all of them. Safe to use from any thread."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

from opsctl.asl.history import SUCCEEDED, RunHistory, read_history
from opsctl.aws import drilling
from opsctl.domain.approvals import started_by
from opsctl.domain.drill import live
from opsctl.domain.drill.live import Made
from opsctl.domain.drill.model import Kind
from opsctl.domain.runs import RUNNING, Run
from opsctl.errors import OpsError
from opsctl.operations.connection import Connection
from opsctl.operations.drill_live_approvals import Approvals
from opsctl.operations.sandbox_faults import SandboxFaults
from opsctl.operations.sandbox_mailbox import mailbox_of

LONGEST_SECONDS = 300.0  # that a run may take, and ten times what one without a fault took
TELLING_SECONDS = 30.0  # until somebody is told of a run that has ended
ERROR = "Drill"
CAUSE = "opsctl drill --live"


class Ground:
    """The sandbox as one drill uses it, for a machine with this definition."""

    def __init__(self, connection: Connection, definition: Mapping[str, Any]) -> None:
        self.connection = connection
        self.over = threading.Event()
        self.longest = math.inf  # seconds that a run may take
        self.approvals = Approvals(connection, definition)
        self.mailbox = mailbox_of(connection.context)
        self._definition = definition
        self._faults = SandboxFaults(connection.context.url or "")
        self._versions: dict[str, str] = {}
        self._added: set[int] = set()
        self._runs: set[str] = set()
        self._read: set[str] = set()
        self._lock = threading.Lock()

    # runs

    def arn(self, run: str) -> str:
        """The ARN of a run of this name."""
        return self.connection.machine.arn.replace(":stateMachine:", ":execution:", 1) + f":{run}"

    def note(self, arn: str) -> None:
        """Remember a run that was started, or redriven."""
        self._runs.add(arn)
        self._read.discard(arn)

    def status(self, arn: str) -> str:
        """AWS's word for a run."""
        return self.connection.states.describe(arn).status

    def ended(self, arn: str, redrives: int = 0) -> Run:
        """The run when it has ended, after so many redrives; one that does not is stopped, and given as RUNNING."""
        deadline = time.monotonic() + self.longest
        while True:
            run = self._looked_at(arn)
            if run.status != RUNNING and run.redrives >= redrives:
                return run
            if time.monotonic() > deadline:
                self.connection.states.stop(arn, ERROR, f"{CAUSE}: it took too long")
                return replace(run, status=RUNNING)
            self._pause()

    def _looked_at(self, arn: str) -> Run:
        """A run as it stands; what it waits for is approved."""
        run = self.connection.states.describe(arn)
        self.approvals.approve(run)
        return run

    def read(self, arn: str) -> tuple[Sequence[Mapping[str, Any]], RunHistory]:
        """The events of a run, and what they come to. What it has started and waits for no more asks for an approval
        that it does not get, or is stopped."""
        events = list(self.connection.states.history(arn))
        self.approvals.note(arn, events)
        history = read_history(events, self._definition)
        for child in started_by(history):
            if self.status(child) == RUNNING and not self._turned_down(child):
                self.connection.states.stop(child, ERROR, CAUSE)
        self._read.add(arn)
        return events, history

    def _turned_down(self, child: str) -> bool:
        return not self.over.is_set() and self.approvals.turn_down(child, self._pause)

    def objects(self, run: str) -> dict[str, str]:
        """ETags of what lies below a run's prefix, by key below it."""
        if self.connection.machine.foreign:
            return {}
        return {one.key: one.etag for one in self.connection.storage.list(self.connection.prefix(run))}

    def told(self, run: str, status: str) -> int:
        """How often somebody was told that a run did not succeed; what EventBridge tells takes a moment."""
        deadline = time.monotonic() + (0.0 if status == SUCCEEDED else TELLING_SECONDS)
        while not (count := self.mailbox.alerts_of(run)) and time.monotonic() < deadline:
            self._pause()
        return count

    # what is broken

    def version(self, made: Made) -> str | None:
        """The version of the machine that a fault's run walks, None for the machine as it is."""
        if not made.limited and made.fault.kind is not Kind.REFUSED:
            return None
        hangs = made.fault.state if made.limited else ""
        with self._lock:
            if hangs not in self._versions:
                changed = live.quickened(self._definition, hangs or None)
                self._versions[hangs] = drilling.publish(self.connection.aws, self.connection.machine.arn, changed)
            return self._versions[hangs]

    def add(self, made: Made, match: str) -> int:
        """Add the sandbox's fault for the requests that hold this text; returns its number."""
        number = self._faults.add({"action": made.action, "match": match, "times": made.times, **made.effect})
        with self._lock:
            self._added.add(number)
        return number

    def clear(self, numbers: Sequence[int]) -> dict[int, int]:
        """Clear these faults, and tell how many requests each has met."""
        met = self._faults.clear(numbers)
        with self._lock:
            self._added -= set(numbers)
        return met

    def stop(self, made: Made, arn: str, number: int) -> None:
        """Once the fault has met the state, stop the run, or the state's training job."""
        self._wait(
            lambda: self._faults.met(number) or self._looked_at(arn).status != RUNNING, f"{made.fault.state} to begin"
        )
        if made.stops == "run":
            self.connection.states.stop(arn, ERROR, CAUSE)
            return
        history = read_history(list(self.connection.states.history(arn)), self._definition)
        for one in history.states:
            if one.name == made.fault.state and one.attempts:
                name = json.loads(one.attempts[-1].parameters or "{}")["TrainingJobName"]
                drilling.stop_training(self.connection.aws, name)

    def end(self) -> None:
        """Clear the faults that are left, stop the runs that go on, delete the versions."""
        self.over.set()
        self._faults.clear(sorted(self._added))
        for arn in sorted(self._runs):
            if self.status(arn) == RUNNING:
                self.connection.states.stop(arn, ERROR, f"{CAUSE}: it is over")
            if arn not in self._read:
                self.read(arn)
        for version in self._versions.values():
            drilling.forget(self.connection.aws, version)

    def _wait(self, look: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + self.longest
        while not look():
            if time.monotonic() > deadline:
                raise OpsError(f"waited in vain for {what}")
            self._pause()

    def _pause(self) -> None:
        if self.over.wait(self.connection.aws.poll_seconds):
            raise CancelledError
