"""What a step by an activity says of itself, from its first event on."""

from __future__ import annotations

from typing import Any

from opsctl.asl.history import read_history
from opsctl.domain.steps import steps_of

ARN = "arn:aws:states:us-east-1:123456789012:activity:gpu"


def event(number: int, kind: str, **details: Any) -> dict[str, Any]:
    """One event a second, each behind the one before."""
    key = {"TaskStateEntered": "stateEntered"}.get(kind, kind[:1].lower() + kind[1:])
    return {
        "id": number, "previousEventId": max(number - 1, 0), "timestamp": float(number), "type": kind,
        f"{key}EventDetails": details,
    }  # fmt: skip


def test_a_task_that_no_worker_has_taken_says_whom_it_waits_for() -> None:
    events = [
        event(1, "ExecutionStarted", input="{}"),
        event(2, "TaskStateEntered", name="Train Image Model", input="{}"),
        event(3, "ActivityScheduled", resource=ARN, input='{"TrainingJobName": "nightly-7-train-image-model-d0r0"}'),
    ]
    (waiting,) = steps_of(read_history(events), None, {}, 63.0)
    assert (waiting.status, waiting.seconds, waiting.job, waiting.note) == (
        "RUNNING", 60.0, "nightly-7-train-image-model-d0r0", "waits for a worker of the activity gpu",
    )  # fmt: skip
    (taken,) = steps_of(read_history([*events, event(4, "ActivityStarted", workerName="desk")]), None, {}, 63.0)
    assert (taken.status, taken.note) == ("RUNNING", None)
