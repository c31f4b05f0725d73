"""What the function that measures days without a success counts from. On the sandbox: tests/e2e/recovery."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

HANDLER = Path(__file__).resolve().parents[2] / "functions/days_without_success/handler.py"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class StepFunctions:
    """A machine made so many days ago, and the ends of its successful runs, those that began last first."""

    def __init__(self, made: float, *ends: float) -> None:
        self.made, self.ends = made, ends

    def list_executions(self, **request: object) -> dict[str, list[dict[str, datetime]]]:
        assert request == {"stateMachineArn": MACHINE, "statusFilter": "SUCCEEDED", "maxResults": 100}
        return {"executions": [{"stopDate": ago(end)} for end in self.ends]}

    def describe_state_machine(self, **request: object) -> dict[str, datetime]:
        assert request == {"stateMachineArn": MACHINE}
        return {"creationDate": ago(self.made)}


@pytest.mark.parametrize(
    ("states", "days"),
    [
        (StepFunctions(200, 3, 2.5, 40), 2.5),  # one that began earlier ended last
        (StepFunctions(12), 12),  # a new machine
        (StepFunctions(400), 90),  # what it did before is forgotten
    ],
)
def test_days_since_the_last_success(states: StepFunctions, days: float) -> None:
    spec = importlib.util.spec_from_file_location("days_without_success", HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module._last_success(states, MACHINE, NOW) == ago(days)
