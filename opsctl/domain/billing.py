"""What an attempt's work is billed for, by service, and an honest "unknown" for what has no price or is not recorded.

SageMaker bills a job by the second of every instance: the job's own `BillableTimeInSeconds` counts where the history
recorded it (of a Spot job it is less than it took, so the price on demand holds), else the attempt's duration. Fargate
bills a job's container from its start to its end, a minute at least; Lambda and SNS as they are asked. What waits for
somebody to answer costs nothing but its transition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import Attempt
from opsctl.domain.prices import PriceList
from opsctl.domain.results import StepResult

HOUR = 3600.0
MINUTE = 60.0
MIB_PER_GB = 1024.0
CALLBACK = ".waitForTaskToken"
SAGEMAKER = {"createTrainingJob": "ResourceConfig", "createTransformJob": "TransformResources"}


@dataclass(frozen=True)
class Cost:
    """USD, or None and the reason why nobody knows; both None where there was nothing to pay for. With both, it is that
    much at least, and `unknown` says what is not in it."""

    usd: float | None = None
    unknown: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether `usd` is all of it."""
        return self.usd is not None and self.unknown is None


@dataclass(frozen=True)
class Bill:
    """What one attempt took: of `what` (`2 x ml.g5.xlarge`), for how many seconds, for how much."""

    what: str | None
    seconds: float
    cost: Cost


@dataclass(frozen=True)
class Estimate:
    """Sums over steps. `untimed` and `unpriced` name the steps that are not in them, or not wholly, since nothing, or
    not all, is known."""

    seconds: float
    usd: float
    untimed: tuple[str, ...]
    unpriced: tuple[str, ...]


def step_cost(result: StepResult, prices: PriceList) -> Cost:
    """What the attempts that made a step's result cost."""
    return together(bill(run.attempts[-1], prices).cost for run in result.runs if run.attempts)


def together(costs: Iterable[Cost]) -> Cost:
    """The sum of what is known of several attempts, and why the rest is not."""
    listed = list(costs)
    if not listed:
        return Cost()
    gaps = [cost.unknown for cost in listed if cost.unknown]
    known = sum(cost.usd or 0.0 for cost in listed)
    if not gaps:
        return Cost(known)
    reasons = "; ".join(dict.fromkeys(gaps))
    whole = len(gaps) == len(listed)
    return Cost(known or None, reasons if whole else f"{len(gaps):,} of {len(listed):,} attempts: {reasons}")


def total(rows: Iterable[tuple[str, float | None, Cost]], besides: float = 0.0) -> Estimate:
    """The sums over (step, seconds, cost), and USD for what no step stands for, as state transitions."""
    listed = list(rows)
    return Estimate(
        sum(seconds or 0.0 for _, seconds, _ in listed),
        sum(cost.usd or 0.0 for _, _, cost in listed) + besides,
        tuple(name for name, seconds, _ in listed if seconds is None),
        tuple(name for name, seconds, cost in listed if seconds is not None and not cost.is_whole),
    )


def bill(attempt: Attempt, prices: PriceList, now: float | None = None) -> Bill:
    """What the attempt's work is billed for; of one that goes on, until `now` (seconds since the epoch)."""
    seconds = max((attempt.ended or now or attempt.scheduled) - attempt.scheduled, 0.0)
    service, _, action = attempt.resource.partition(":")
    verb = action.partition(".")[0]
    if (attempt.resource.endswith(CALLBACK) and service != "sns") or ":activity:" in attempt.resource:
        return Bill(None, 0.0, Cost(0.0))
    if service == "sagemaker" and verb in SAGEMAKER:
        return _instances(attempt, prices, verb, seconds)
    if service == "batch" and verb == "submitJob":
        return _container(attempt, prices, seconds)
    if verb == "invoke" or ":function:" in attempt.resource:
        return _function(attempt, prices, seconds)
    if service == "sns":
        known = prices.publish is not None
        return Bill("SNS", 0.0, Cost(prices.publish, None if known else _no_price("SNS", prices)))
    if service == "states":
        return Bill(None, 0.0, Cost(0.0))  # its own transitions and steps are those of another run
    return Bill(None, seconds, Cost(None, _no_price("Lambda" if service == "arn" else service, prices)))


def _instances(attempt: Attempt, prices: PriceList, verb: str, seconds: float) -> Bill:
    resources = _object(_object(attempt.parameters).get(SAGEMAKER[verb]))
    kind, count = resources.get("InstanceType"), resources.get("InstanceCount", 1)
    if not isinstance(kind, str) or not isinstance(count, int | float):
        return Bill(None, seconds, Cost(None, "its instances are not recorded"))
    billed = _billed(attempt, seconds)
    price = (prices.training if verb == "createTrainingJob" else prices.transform).get(kind)
    cost = Cost(None, _no_price(kind, prices)) if price is None else Cost(billed * price * count / HOUR)
    return Bill(f"{count:g} x {kind}", billed, cost)


def _billed(attempt: Attempt, seconds: float) -> float:
    for document in (_object(attempt.output), _object(attempt.cause)):
        recorded = document.get("BillableTimeInSeconds")
        if isinstance(recorded, int | float) and not isinstance(recorded, bool):
            return float(recorded)
    return seconds


def _container(attempt: Attempt, prices: PriceList, seconds: float) -> Bill:
    job = _object(attempt.output) or _object(attempt.cause)
    if "FARGATE" not in (job.get("PlatformCapabilities") or ()):
        reason = "whose instances are not recorded" if job.get("PlatformCapabilities") else "which recorded no platform"
        return Bill("Batch", seconds, Cost(None, f"it is a Batch job {reason}"))
    asked = dict(_requirements(job))
    vcpu, mib = asked.get("VCPU"), asked.get("MEMORY")
    if vcpu is None or mib is None or not prices.fargate.keys() >= {"vcpu", "gb"}:
        return Bill("Fargate", seconds, Cost(None, _no_price("Fargate", prices)))
    began, ended = job.get("StartedAt"), job.get("StoppedAt")
    known = isinstance(began, int | float) and isinstance(ended, int | float)
    billed = max((ended - began) / 1000 if known else seconds, MINUTE)  # type: ignore[operator]
    gb = mib / MIB_PER_GB
    usd = billed / HOUR * (vcpu * prices.fargate["vcpu"] + gb * prices.fargate["gb"])
    return Bill(f"Fargate, {vcpu:g} vCPU, {gb:g} GB", billed, Cost(usd))


def _requirements(job: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for item in _object(job.get("Container")).get("ResourceRequirements") or ():
        try:
            yield str(_object(item).get("Type")), float(str(_object(item).get("Value")))
        except ValueError:
            continue


def _function(attempt: Attempt, prices: PriceList, seconds: float) -> Bill:
    name = attempt.job.name or ""
    memory = prices.memory.get(name)
    if not prices.functions.keys() >= {"gb_second", "request"}:
        return Bill("Lambda", seconds, Cost(None, _no_price("Lambda", prices)))
    if memory is None:
        return Bill("Lambda", seconds, Cost(None, f"the memory of the function {name} is not known"))
    usd = seconds * memory / MIB_PER_GB * prices.functions["gb_second"] + prices.functions["request"]
    return Bill(f"Lambda, {memory} MB", seconds, Cost(usd))


def _no_price(what: str, prices: PriceList) -> str:
    return f"no price of {what} in {prices.region or 'this region'} is known"


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
