"""What attempts are billed for, and what nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opsctl.asl.history import Attempt, StateRun
from opsctl.domain.billing import Bill, Cost, bill, step_cost, together, total
from opsctl.domain.prices import SHIPPED, PriceList
from opsctl.domain.results import StepResult

PRICES = PriceList("us-east-1", "2026-11-22", "a test", {"ml.g5.xlarge": 3.6}, {"ml.g5.xlarge": 7.2})
JOB = "sagemaker:createTrainingJob.sync"
BATCH = "batch:submitJob.sync"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:documents-prepare-run"
FARGATE = {
    "JobName": "fetch", "PlatformCapabilities": ["FARGATE"], "StartedAt": 1_000, "StoppedAt": 3_601_000,
    "Container": {"ResourceRequirements": [{"Type": "VCPU", "Value": "0.5"}, {"Type": "MEMORY", "Value": "2048"}]},
}  # fmt: skip


def attempt(
    resource: str = JOB, parameters: Any = None, output: Any = None, seconds: float | None = 100.0, **more: Any
) -> Attempt:
    given = (
        {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}} if parameters is None else parameters
    )
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (given, output or {})]
    found = Attempt(resource, texts[0], 0.0, 0.0, seconds, "SUCCEEDED", texts[1], None, None, 0)
    return replace(found, **more)


def cost(resource: str = JOB, parameters: Any = None, output: Any = None, seconds: float = 100.0) -> Cost:
    asked = attempt(resource, parameters, output, seconds)
    run = StateRun("Train", "Task", "SUCCEEDED", 0.0, seconds, None, None, None, None, (asked,), 0, 1)
    return step_cost(StepResult("SUCCEEDED", None, seconds, (run,)), PRICES)


def test_a_training_job_by_its_instances_and_its_seconds() -> None:
    assert cost() == Cost(0.1)
    many = {"ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 3}}
    assert cost(parameters=many) == Cost(pytest.approx(0.3))
    assert cost(output={"BillableTimeInSeconds": 50}) == Cost(0.05)  # of a spot job, less than it took


def test_a_failed_job_s_billable_seconds_stand_in_its_cause() -> None:
    failed = attempt(output="", cause=json.dumps({"TrainingJobStatus": "Failed", "BillableTimeInSeconds": 36}))
    assert bill(failed, PRICES) == Bill("1 x ml.g5.xlarge", 36.0, Cost(pytest.approx(0.036)))


def test_a_job_that_goes_on_is_billed_until_now() -> None:
    assert bill(attempt(seconds=None), PRICES, now=10.0).seconds == 10.0
    assert bill(attempt(seconds=None), PRICES).seconds == 0.0


def test_a_transform_job_has_a_price_of_its_own() -> None:
    asked = {"TransformResources": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}}
    found = bill(attempt("sagemaker:createTransformJob.sync", asked), PRICES)
    assert found == Bill("2 x ml.g5.xlarge", 100.0, Cost(pytest.approx(0.4)))


def test_a_container_on_fargate_by_its_size_and_a_minute_at_least() -> None:
    hour = bill(attempt(BATCH, {}, FARGATE), SHIPPED)
    assert hour == Bill("Fargate, 0.5 vCPU, 2 GB", 3600.0, Cost(pytest.approx(0.5 * 0.04048 + 2 * 0.004445)))
    assert bill(attempt(BATCH, {}, {**FARGATE, "StoppedAt": 2_000}), SHIPPED).seconds == 60.0
    assert bill(attempt(BATCH, {}, {**FARGATE, "StartedAt": None}), SHIPPED).seconds == 100.0
    assert bill(attempt(BATCH, {}, FARGATE), PRICES).cost.unknown == "no price of Fargate in us-east-1 is known"


@pytest.mark.parametrize("requirements", [None, [], [{"Type": "VCPU", "Value": "many"}], ["x"], [{"Type": "GPU"}]])
def test_a_container_of_unknown_size_has_no_price(requirements: Any) -> None:
    job = {**FARGATE, "Container": {"ResourceRequirements": requirements}}
    assert bill(attempt(BATCH, {}, job), SHIPPED).cost.usd is None


def test_a_function_by_its_memory() -> None:
    prices = replace(SHIPPED, memory={"documents-prepare-run": 512})
    found = bill(attempt(FUNCTION, {}, seconds=2.0), prices)
    assert found == Bill("Lambda, 512 MB", 2.0, Cost(pytest.approx(0.0000166667 + 0.0000002)))
    named = bill(attempt("lambda:invoke", {"FunctionName": FUNCTION}, seconds=2.0), prices)
    assert named == found
    assert bill(attempt("lambda:invoke", {"FunctionName": "other"}), prices).cost == Cost(
        None, "the memory of the function other is not known"
    )


@pytest.mark.parametrize(
    "resource",
    ["lambda:invoke.waitForTaskToken", "arn:aws:states:us-east-1:123456789012:activity:annotate",
     "states:startExecution.sync:2", "states:startExecution"],
)  # fmt: skip
def test_what_others_do_or_pay_for_costs_nothing_here(resource: str) -> None:
    assert bill(attempt(resource, {}), SHIPPED) == Bill(None, 0.0, Cost(0.0))


def test_a_message_costs_what_it_costs_though_it_waits_for_an_answer() -> None:
    assert bill(attempt("sns:publish.waitForTaskToken", {}), SHIPPED) == Bill("SNS", 0.0, Cost(0.5e-6))
    assert bill(attempt("sns:publish", {}), PRICES).cost.unknown == "no price of SNS in us-east-1 is known"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"resource": BATCH}, "it is a Batch job which recorded no platform"),
        ({"resource": BATCH, "output": {"PlatformCapabilities": ["EC2"]}},
         "it is a Batch job whose instances are not recorded"),
        ({"resource": FUNCTION}, "no price of Lambda in us-east-1 is known"),
        ({"resource": "glue:startJobRun.sync"}, "no price of glue in us-east-1 is known"),
        ({"parameters": {"ResourceConfig": {"InstanceType": "ml.x9.huge", "InstanceCount": 1}}},
         "no price of ml.x9.huge in us-east-1 is known"),
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
    sums = total(rows, 0.05)
    assert (sums.seconds, sums.usd, sums.untimed, sums.unpriced) == (15.0, pytest.approx(0.55), ("B",), ("C",))


def test_what_is_known_of_a_step_counts_though_one_attempt_has_no_price() -> None:
    unpriced = Cost(None, "no price of ml.x9.huge in us-east-1 is known")
    some = together([Cost(0.25), unpriced, Cost(0.5)])
    assert some == Cost(0.75, "1 of 3 attempts: no price of ml.x9.huge in us-east-1 is known")
    assert together([unpriced, unpriced]) == unpriced
    assert together([Cost(0.0), unpriced]).usd is None  # nothing that is worth to be said
    sums = total([("A", 10.0, some), ("B", 1.0, Cost(0.5))])
    assert (sums.usd, sums.unpriced) == (1.25, ("A",))
