"""What the runs of a live drill ask somebody to approve: each has to be there to be answered, and to take one answer.

What a run itself waits for is approved, or it would wait for ever. What the executions that it started wait for, such
as a deployment of its model, is turned down. Safe to use from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsctl.domain.approvals import CALLBACK
from opsctl.domain.graph import success_path
from opsctl.domain.guards import all_states
from opsctl.domain.runs import Run
from opsctl.errors import RefusedError
from opsctl.operations import approvals
from opsctl.operations.approvals import DEEPEST, Verdict
from opsctl.operations.connection import Connection

REASON = "opsctl drill --live"
LOOKS = 20  # at an execution that a run has started, until it asks
PUBLISH = f"sns:publish{CALLBACK}"


class Approvals:
    """The answers to the runs of one drill."""

    def __init__(self, connection: Connection, definition: Mapping[str, Any]) -> None:
        self.twice: list[str] = []
        self._connection = connection
        self._asks = bool(_questions(definition))
        self._asked: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def counts(self) -> tuple[int, int]:
        """How many were asked for, and how many of these took one answer."""
        return sum(self._asked.values()), sum(self._answered.values())

    def approve(self, run: Run) -> None:
        """Approve what a run waits for, if it does."""
        if self._asks and not run.ended:
            self._answer(run, Verdict(approved=True, reason=REASON))

    def turn_down(self, arn: str, pause: Callable[[], None]) -> bool:
        """Turn down what an execution waits for, when it does; whether it has ended, or will by itself. One that asks
        nothing, or is past asking, is left as it is."""
        states = self._connection.states
        definition = states.definition_of_run(arn)
        order = list(success_path(definition).order)
        asking = [order.index(name) for name in _questions(definition) if name in order]
        if not asking:
            return False
        later = set(order[min(asking) + 1 :])
        for _ in range(LOOKS):
            run = states.describe(arn)
            if run.ended or self._answer(run, Verdict(approved=False, reason=REASON)):
                return True
            if any(_entered(event) in later for event in states.history(arn)):
                return False
            pause()
        return False

    def note(self, arn: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Count what a run has asked for, by its history."""
        handed = (event.get("taskSubmittedEventDetails", {}) for event in events)
        asked = sum(
            details.get("resourceType") == "sns" and str(details.get("resource")).endswith(CALLBACK)
            for details in handed
        )
        with self._lock:
            self._asked[arn] = asked

    def _answer(self, run: Run, verdict: Verdict) -> bool:
        """Answer each gate that is open, twice: the second time it must be refused. Before its message is out, nobody
        could."""
        self.note(run.arn, list(self._connection.states.history(run.arn)))
        if self._asked[run.arn] <= self._answered.get(run.arn, 0):
            return False
        answered = False
        for owner, gate in approvals.open_in(self._connection, run, DEEPEST):
            if gate.token is None or not gate.resource.endswith(PUBLISH):
                continue
            answer = approvals.answer_to(self._connection, owner, gate, verdict)
            try:
                approvals.execute(self._connection, answer)
            except RefusedError:  # its time was over, or the run's
                continue
            answered = True
            with self._lock:
                self._answered[run.arn] = self._answered.get(run.arn, 0) + 1
            try:
                approvals.execute(self._connection, answer)
            except RefusedError:
                continue
            self.twice.append(f"{gate.name} of {run.name} takes an answer twice")
        return answered


def _questions(definition: Mapping[str, Any]) -> list[str]:
    """The states that ask somebody by a message, and wait for the answer."""
    return [name for name, state in all_states(definition) if str(state.get("Resource")).endswith(PUBLISH)]


def _entered(event: Mapping[str, Any]) -> str:
    return str(event.get("stateEnteredEventDetails", {}).get("name", ""))
