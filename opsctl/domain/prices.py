"""What AWS's services cost: a list of prices with a date and a source, which holds for one region.

Prices are never guessed from another region's, from another instance type's, or from a service's free tier: what is not
on the list is unknown, and said to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opsctl.errors import UsageError

USD_PER_TRANSITION = 0.025 / 1000
FREE_TRANSITIONS = 4000  # a month and account, for ever: https://aws.amazon.com/step-functions/pricing/
KINDS = ("training", "transform", "fargate", "lambda", "sns", "transitions")


@dataclass(frozen=True)
class PriceList:
    """USD, on demand, in one region. `training` and `transform` for an hour of one SageMaker instance, by its type;
    `fargate` for an hour of a `vcpu` and of a `gb`; `functions` (Lambda) for a `gb_second` and a `request`; `publish`
    for one message to an SNS topic; `transition` for one of a Standard state machine. `memory` is that of functions in
    MB, by name, since their price depends on it."""

    region: str
    date: str
    source: str
    training: Mapping[str, float] = field(default_factory=dict)
    transform: Mapping[str, float] = field(default_factory=dict)
    fargate: Mapping[str, float] = field(default_factory=dict)
    functions: Mapping[str, float] = field(default_factory=dict)
    publish: float | None = None
    transition: float = USD_PER_TRANSITION
    memory: Mapping[str, int] = field(default_factory=dict)


UNKNOWN = PriceList("", "", "")

# Collected on 2026-11-22 from public code and documentation that quote AWS's pages (sagemaker, fargate, lambda and sns
# under https://aws.amazon.com/<service>/pricing/), each from two or more sources that agree (on p4d they do not: it is
# left out); not read from AWS itself. Fargate's and Lambda's are those of x86.
SHIPPED = PriceList(
    region="us-east-1",
    date="2026-11-22",
    source="public quotations of the pricing pages of AWS",
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
    fargate={"vcpu": 0.04048, "gb": 0.004445},
    functions={"gb_second": 0.0000166667, "request": 0.2 / 1e6},
    publish=0.5 / 1e6,
)


def shipped(region: str) -> PriceList:
    """The prices that are known of a region: none for most."""
    return SHIPPED if region == SHIPPED.region else PriceList(region, SHIPPED.date, SHIPPED.source)


def own_prices(document: Mapping[str, Any], others: PriceList) -> PriceList:
    """A list of one's own, laid over the others: what it names counts, such as
    `{"date": "2026-11-01", "source": "our contract", "training": {"ml.g5.xlarge": 1.1}, "sns": {"publish": 0}}`.

    Raises UsageError for what is no such list.
    """
    _refuse_unknown(document)
    tables = {kind: _table(document, kind) for kind in KINDS}
    return replace(
        others,
        region=_word(document, "region", others.region),
        date=_word(document, "date", "a date that it does not tell"),
        source=_word(document, "source", "a file of one's own"),
        training={**others.training, **tables["training"]},
        transform={**others.transform, **tables["transform"]},
        fargate={**others.fargate, **tables["fargate"]},
        functions={**others.functions, **tables["lambda"]},
        publish=tables["sns"].get("publish", others.publish),
        transition=tables["transitions"].get("transition", others.transition),
    )


def _refuse_unknown(document: Mapping[str, Any]) -> None:
    words = {"fargate": {"vcpu", "gb"}, "lambda": {"gb_second", "request"}, "sns": {"publish"}}
    words["transitions"] = {"transition"}
    unknown = sorted(document.keys() - {"region", "date", "source", *KINDS})
    for kind, known in words.items():
        unknown += sorted(f"{kind}.{name}" for name in _table(document, kind).keys() - known)
    if unknown:
        raise UsageError(f"the prices have no {unknown[0]!r}", f"there are region, date, source, {', '.join(KINDS)}")


def _table(document: Mapping[str, Any], kind: str) -> dict[str, float]:
    """USD by name."""
    found = document.get(kind, {})
    if not isinstance(found, dict) or not all(map(_is_price, found.values())):
        raise UsageError(f'the prices of {kind} are no object of USD, such as {{"{_example(kind)}": 1.5}}')
    return {name: float(value) for name, value in found.items()}


def _example(kind: str) -> str:
    return {"fargate": "vcpu", "lambda": "gb_second", "sns": "publish", "transitions": "transition"}.get(
        kind, "ml.g5.xlarge"
    )


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _word(document: Mapping[str, Any], name: str, otherwise: str) -> str:
    value = document.get(name, otherwise)
    if not isinstance(value, str) or not value:
        raise UsageError(f"{name} of the prices is no text")
    return value
