"""When steps waited and worked."""

from __future__ import annotations

import json

import pytest

from opsctl.asl.history import Attempt, RunHistory, StateRun
from opsctl.domain.steps import StepStatus
from opsctl.domain.timeline import Span, timeline

JOB = "sagemaker:createTrainingJob.sync"


def attempt(
    begin: float, end: float | None, status: str = "SUCCEEDED", *, resource: str = JOB, output: object = None,
    cause: object = None, started: float | None = 1.0, generation: int = 0,
) -> Attempt:  # fmt: skip
    told = [None if value is None else json.dumps(value) for value in (output, cause)]
    at = None if started is None else begin + started
    return Attempt(resource, "{}", begin, at, end, status, told[0], None, told[1], generation)


def step(name: str, status: str = "SUCCEEDED", note: str | None = None) -> StepStatus:
    return StepStatus(name, status, 1, None, None, None, None, (), note)


def history(*attempts: Attempt, stopped: float | None = 100.0) -> RunHistory:
    state = StateRun("Train", "Task", "SUCCEEDED", 0.0, 90.0, None, None, None, None, attempts, 0, 2)
    return RunHistory("SUCCEEDED", 0.0, stopped, None, None, None, None, 0, (state,))


@pytest.mark.parametrize(
    ("tried", "spans"),
    [
        (attempt(10, 60), (Span("waiting", 10, 11), Span("working", 11, 60))),
        (attempt(10, 60, output={"TrainingStartTime": 30}), (Span("waiting", 10, 30), Span("working", 30, 60))),
        (attempt(10, 60, output={"StartedAt": "1970-01-01T00:00:20Z"}),
         (Span("waiting", 10, 20), Span("working", 20, 60))),
        (attempt(10, 60, "FAILED", cause={"TrainingStartTime": 25}),
         (Span("waiting", 10, 25), Span("working", 25, 60))),
        (attempt(10, 60, output={"TrainingStartTime": 1e9}), (Span("waiting", 10, 60),)),
        (attempt(10, 60, output={"TrainingStartTime": True}), (Span("waiting", 10, 11), Span("working", 11, 60))),
        (attempt(10, 60, output={"StartedAt": "soon"}, started=0.0), (Span("working", 10, 60),)),
        (attempt(10, 60, output=["odd"], started=None), (Span("working", 10, 60),)),
        (attempt(10, None, "RUNNING", started=None), (Span("waiting", 10, 100),)),
        (attempt(10, None, "RUNNING"), (Span("waiting", 10, 11), Span("working", 11, 100))),
        (attempt(10, 60, resource="sqs:sendMessage.waitForTaskToken"), (Span("waiting", 10, 60),)),
        (attempt(10, 10, started=0.0), (Span("working", 10, 10),)),
        (attempt(60, 10), (Span("working", 60, 60),)),
    ],
)  # fmt: skip
def test_an_attempt_waits_until_its_job_begins(tried: Attempt, spans: tuple[Span, ...]) -> None:
    ((bar,),) = [row.bars for row in timeline(history(tried), (step("Train"),), 100.0).rows]
    assert bar.spans == spans


def test_milliseconds_are_known_by_their_size() -> None:
    tried = attempt(1.7e9, 1.7e9 + 50, output={"StartedAt": (1.7e9 + 20) * 1000})
    ((bar,),) = [row.bars for row in timeline(history(tried, stopped=1.7e9 + 60), (step("Train"),), 0.0).rows]
    assert (bar.seconds_of("waiting"), bar.seconds_of("working"), bar.seconds) == (20, 30, 50)


def test_attempts_are_numbered_and_steps_without_any_have_none() -> None:
    tried = (attempt(30, 40, generation=1), attempt(10, 20, "FAILED"))
    line = timeline(history(*tried), (step("Train"), step("Fetch", "REUSED", "from nightly-6")), 100.0)
    assert [(row.step, row.status, row.note, len(row.bars)) for row in line.rows] == [
        ("Train", "SUCCEEDED", None, 2), ("Fetch", "REUSED", "from nightly-6", 0),
    ]  # fmt: skip
    assert [(bar.number, bar.total, bar.status, bar.begin, bar.generation) for bar in line.rows[0].bars] == [
        (1, 2, "FAILED", 10, 0), (2, 2, "SUCCEEDED", 30, 1),
    ]  # fmt: skip
    assert (line.begin, line.end) == (0.0, 100.0)
