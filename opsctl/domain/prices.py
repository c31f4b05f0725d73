"""What steps cost: durations times the prices of a list, and an honest "unknown" for everything that is not on it.

A list has a date and a source, and holds for one region: prices are never guessed from another region's, from another
instance type's, or from a service's free tier. SageMaker bills a training job by the second of every instance, so the
job's own `BillableTimeInSeconds` counts where the history recorded it, and the attempt's duration otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.history import Attempt
from opsctl.domain.results import StepResult

USD_PER_TRANSITION = 0.025 / 1000
HOUR = 3600.0
TRAINING_JOB = "createTrainingJob"


@dataclass(frozen=True)
class PriceList:
    """USD for an hour of one instance, by instance type: SageMaker training, on demand, in one region."""

    region: str
    date: str
    source: str
    training: Mapping[str, float] = field(default_factory=dict)


UNKNOWN = PriceList("", "", "")

# On-demand prices of SageMaker training. Collected on 2026-11-22 from public code and documentation that quote AWS's
# page https://aws.amazon.com/sagemaker/pricing/, each from two or more sources that agree (on p4d they do not: it is
# left out); not read from AWS itself.
SHIPPED = PriceList(
    region="us-east-1",
    date="2026-11-22",
    source="public quotations of https://aws.amazon.com/sagemaker/pricing/",
    training={
        "ml.m5.large": 0.115,
        "ml.m5.xlarge": 0.23,
        "ml.c5.xlarge": 0.204,
        "ml.c5.2xlarge": 0.408,
        "ml.p3.2xlarge": 3.825,
        "ml.p3.8xlarge": 14.688,
        "ml.p3.16xlarge": 28.152,
        "ml.g4dn.xlarge": 0.7364,
        "ml.g4dn.4xlarge": 1.505,
        "ml.g4dn.8xlarge": 2.72,
        "ml.g5.xlarge": 1.408,
        "ml.g5.2xlarge": 1.515,
        "ml.g5.4xlarge": 2.03,
        "ml.g5.12xlarge": 7.09,
    },
)


def shipped(region: str) -> PriceList:
    """The prices that are known of a region: none for most."""
    return SHIPPED if region == SHIPPED.region else PriceList(region, SHIPPED.date, SHIPPED.source)


@dataclass(frozen=True)
class Cost:
    """USD, or None and the reason why nobody knows; both None where there was nothing to pay for."""

    usd: float | None = None
    unknown: str | None = None


@dataclass(frozen=True)
class Estimate:
    """Sums over steps. `untimed` and `unpriced` name the steps that are not in them, since nothing is known."""

    seconds: float
    usd: float
    untimed: tuple[str, ...]
    unpriced: tuple[str, ...]


def step_cost(result: StepResult, prices: PriceList) -> Cost:
    """What the attempts that made a step's result cost."""
    costs = [_attempt_cost(run.attempts[-1], prices) for run in result.runs if run.attempts]
    unknown = next((cost.unknown for cost in costs if cost.unknown), None)
    return Cost(None, unknown) if unknown or not costs else Cost(sum(cost.usd or 0.0 for cost in costs))


def total(rows: Iterable[tuple[str, float | None, Cost]], transitions: int = 0) -> Estimate:
    """The sums over (step, seconds, cost), and the price of state transitions on top."""
    listed = list(rows)
    return Estimate(
        sum(seconds or 0.0 for _, seconds, _ in listed),
        sum(cost.usd or 0.0 for _, _, cost in listed) + transitions * USD_PER_TRANSITION,
        tuple(name for name, seconds, _ in listed if seconds is None),
        tuple(name for name, seconds, cost in listed if seconds is not None and cost.usd is None),
    )


def _attempt_cost(attempt: Attempt, prices: PriceList) -> Cost:
    service, _, action = attempt.resource.partition(":")
    if not action.startswith(TRAINING_JOB):
        return Cost(None, f"no price of {'Lambda' if service == 'arn' else service} is shipped")
    resources = _object(_object(attempt.parameters).get("ResourceConfig"))
    kind, count = resources.get("InstanceType"), resources.get("InstanceCount", 1)
    price = prices.training.get(str(kind))
    if not isinstance(kind, str) or not isinstance(count, int | float):
        return Cost(None, "its instances are not recorded")
    if price is None:
        return Cost(None, f"no price of {kind} in {prices.region or 'this region'} is shipped")
    return Cost(_billed_seconds(attempt) * price * count / HOUR)


def _billed_seconds(attempt: Attempt) -> float:
    recorded = _object(attempt.output).get("BillableTimeInSeconds")
    if isinstance(recorded, int | float) and not isinstance(recorded, bool):
        return float(recorded)
    return max((attempt.ended or attempt.scheduled) - attempt.scheduled, 0.0)


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
