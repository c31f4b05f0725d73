"""Following a run: `opsctl watch`, and what `--wait` stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from opsctl.aws.stepfunctions import StepFunctions
from opsctl.domain.runs import Run
from opsctl.errors import ThrottledError
from opsctl.operations.connection import Connection
from opsctl.operations.waiting import Outcome, Progress, wait
from tests.functional.pipeline_world import DEPLOYMENT, EPOCH, MACHINE, shared_aws

RUN_ARN = MACHINE.replace(":stateMachine:", ":execution:") + ":nightly-7"


def event(number: int, kind: str, at: float, previous: int, **details: Any) -> dict[str, Any]:
    """An event of a history, its details under the key that AWS uses."""
    key = kind[0].lower() + kind[1:] + "EventDetails"
    if kind.endswith(("Entered", "Exited")):
        key = "stateEnteredEventDetails" if kind.endswith("Entered") else "stateExitedEventDetails"
    return {"id": number, "type": kind, "timestamp": EPOCH + at, "previousEventId": previous, key: details}


FIRST = [
    event(1, "ExecutionStarted", 0, 0, input="{}"),
    event(2, "TaskStateEntered", 0, 0, name="Train", input="{}"),
    event(3, "TaskScheduled", 0, 2, resourceType="sagemaker", resource="createTrainingJob.sync", parameters="{}"),
    event(4, "TaskFailed", 40, 3, error="States.TaskFailed", cause="no memory"),
    event(5, "ExecutionFailed", 40, 4, error="States.TaskFailed", cause="no memory"),
]
SECOND = [
    event(6, "ExecutionRedriven", 100, 5, redriveCount=1),
    event(7, "TaskScheduled", 100, 2, resourceType="sagemaker", resource="createTrainingJob.sync", parameters="{}"),
    event(8, "TaskSucceeded", 130, 7, output="{}"),
    event(9, "TaskStateExited", 130, 8, name="Train", output="{}"),
    event(10, "ExecutionSucceeded", 130, 9, output="{}"),
]


@dataclass
class Recorded:
    """A Step Functions that plays a recorded run: at any time it knows the events up to then, `lag` seconds late, and
    it throttles every request in `throttled` (counted from 0)."""

    events: list[dict[str, Any]]
    now: float = EPOCH
    lag: float = 0.0
    redrive_known: float = 0.0  # when the description begins to tell of the redrive
    throttled: frozenset[int] = frozenset()
    asked: list[float] = field(default_factory=list)

    def _known(self) -> list[dict[str, Any]]:
        return [item for item in self.events if item["timestamp"] <= self.now - self.lag]

    def events_after(self, arn: str, last: int) -> list[dict[str, Any]]:
        """As the real one."""
        assert arn == RUN_ARN
        self.asked.append(self.now)
        if len(self.asked) - 1 in self.throttled:
            raise ThrottledError("AWS throttles states:GetExecutionHistory and went on doing so: Rate exceeded")
        return [item for item in self._known() if item["id"] > last]

    def describe(self, arn: str) -> Run:
        """As the real one."""
        known = self._known()
        redrives = sum(item["type"] == "ExecutionRedriven" for item in known)
        ends = {"ExecutionFailed": "FAILED", "ExecutionSucceeded": "SUCCEEDED"}
        return run_of(ends.get(known[-1]["type"], "RUNNING"), redrives, arn)

    def history(self, arn: str) -> Iterator[dict[str, Any]]:
        """All events up to now."""
        del arn
        yield from self._known()


def run_of(status: str, redrives: int, arn: str = RUN_ARN) -> Run:
    """The run as a description would tell."""
    return Run("nightly-7", arn, MACHINE, status, EPOCH, redrives=redrives)


def connection_to(states: Recorded) -> Connection:
    """A connection on the recording's clock."""

    def sleep(seconds: float) -> None:
        states.now += seconds

    aws = replace(shared_aws("http://127.0.0.1:1"), sleep=sleep, now=lambda: states.now)
    machine = DEPLOYMENT.machine(None)
    return Connection(aws.context, DEPLOYMENT, machine, aws, cast("StepFunctions", states), cast("Any", None))


def waited(states: Recorded, run: Run) -> tuple[list[str], Outcome]:
    told: list[Progress] = []
    outcome = wait(connection_to(states), run, told.append)
    return [f"{line.at - EPOCH:.0f} {line.step} {line.text}" for line in told], outcome


@pytest.mark.parametrize("lag", [0.0, 8.0])
def test_a_redriven_run_ends_with_its_redrive_and_not_with_its_first_end(lag: float) -> None:
    states = Recorded(FIRST + SECOND, now=EPOCH + 101, lag=lag)
    lines, outcome = waited(states, run_of("RUNNING", redrives=1))
    assert lines == ["100 Train started again by redrive 1", "130 Train succeeded after 30 s"]
    assert (outcome.status, outcome.step, outcome.error) == ("SUCCEEDED", None, None)


def test_a_run_that_somebody_else_redrives_is_followed_on() -> None:
    states = Recorded(FIRST + SECOND, now=EPOCH + 115)
    lines, outcome = waited(states, run_of("FAILED", redrives=0))
    assert lines == [
        "0 Train started",
        "40 Train failed after 40 s: States.TaskFailed: no memory",
        "100 Train started again by redrive 1",
        "130 Train succeeded after 30 s",
    ]
    assert outcome.succeeded


def test_throttling_slows_a_follower_down_and_does_not_end_it() -> None:
    states = Recorded(FIRST, throttled=frozenset(range(1, 6)))
    _, outcome = waited(states, run_of("RUNNING", 0))
    assert outcome.status == "FAILED"
    gaps = [after - before for before, after in zip(states.asked, states.asked[1:], strict=False)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]


def test_an_hour_takes_less_than_a_request_in_two_seconds() -> None:
    kinds = ("PassStateEntered", "PassStateExited")
    busy = [event(number, kinds[number % 2], number, number - 1, name="Go on") for number in range(2, 3600)]
    ended = event(3600, "ExecutionSucceeded", 3600, 3599, output="{}")
    states = Recorded([FIRST[0], *busy, ended])
    waited(states, run_of("RUNNING", 0))
    assert len(states.asked) < 1800
    quiet = Recorded([FIRST[0], ended])
    waited(quiet, run_of("RUNNING", 0))
    assert len(quiet.asked) < 350
