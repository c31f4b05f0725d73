"""What steps cost, and what nobody knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.history import Attempt, StateRun
from opsctl.domain.prices import SHIPPED, Cost, PriceList, shipped, step_cost, total
from opsctl.domain.results import StepResult

PRICES = PriceList("us-east-1", "2026-11-22", "a test", {"ml.g5.xlarge": 3.6})
JOB = "sagemaker:createTrainingJob.sync"


def cost(resource: str = JOB, parameters: Any = None, output: Any = None, seconds: float = 100.0) -> Cost:
    given = (
        {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}} if parameters is None else parameters
    )
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (given, output or {})]
    attempt = Attempt(resource, texts[0], 0.0, 0.0, seconds, "SUCCEEDED", texts[1], None, None, 0)
    run = StateRun("Train", "Task", "SUCCEEDED", 0.0, seconds, None, None, None, None, (attempt,), 0, 1)
    return step_cost(StepResult("SUCCEEDED", None, seconds, (run,)), PRICES)


def test_a_training_job_by_its_instances_and_its_seconds() -> None:
    assert cost() == Cost(0.1)
    many = {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 3}}
    assert cost(parameters=many) == Cost(pytest.approx(0.3))
    assert cost(output={"BillableTimeInSeconds": 50}) == Cost(0.05)  # of a spot job, less than it took


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"resource": "batch:submitJob.sync"}, "no price of batch is shipped"),
        ({"resource": "arn:aws:lambda:us-east-1:1:function:x"}, "no price of Lambda is shipped"),
        ({"parameters": {"ResourceConfig": {"InstanceType": "ml.x9.huge", "InstanceCount": 1}}},
         "no price of ml.x9.huge in us-east-1 is shipped"),
        ({"parameters": {"ResourceConfig": {"InstanceGroups": []}}}, "its instances are not recorded"),
        ({"parameters": "cut off {"}, "its instances are not recorded"),
        ({"parameters": "[1]"}, "its instances are not recorded"),
    ],
)  # fmt: skip
def test_what_has_no_price_is_said_to_have_none(given: dict[str, Any], why: str) -> None:
    assert cost(**given) == Cost(None, why)


def test_a_step_without_attempts_costs_nothing_that_is_known() -> None:
    assert step_cost(StepResult("NOT RUN", "it did not run", None, ()), PRICES) == Cost(None, None)


def test_sums_leave_out_what_is_unknown_and_name_it() -> None:
    rows = [("A", 10.0, Cost(0.5)), ("B", None, Cost()), ("C", 5.0, Cost(None, "no price"))]
    sums = total(rows, transitions=2000)
    assert (sums.seconds, sums.usd, sums.untimed, sums.unpriced) == (15.0, pytest.approx(0.55), ("B",), ("C",))


def test_no_region_is_priced_like_another() -> None:
    assert shipped("us-east-1") == SHIPPED
    assert shipped("eu-west-1").training == {}
