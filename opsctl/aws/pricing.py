"""AWS's own prices, from the Price List Query API (GetProducts).

An instance of SageMaker's is found by the attribute `instanceName`; what it is used for shows in the product's
`usagetype` (`USE1-Train:ml.g5.xlarge`, `EU-Tsform:ml.m5.large`). Prices in tiers fall with the amount: the highest is
that of the first unit which is not free.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opsctl.aws.session import Aws
from opsctl.domain.prices import PriceList

REGION = "us-east-1"  # where the API has its endpoint, whatever region is asked about
SOURCE = "the AWS Price List API"
ACTION = "pricing:GetProducts"
MOST_PAGES = 5
THREADS = 8


@dataclass(frozen=True)
class _Wanted:
    """Products of a service with an attribute of this value, and the one whose usage type ends in `usage`."""

    service: str
    field: str
    value: str
    usage: str


ONE_PRICE = {
    ("fargate", "vcpu"): _Wanted("AmazonECS", "cputype", "perCPU", "Fargate-vCPU-Hours:perCPU"),
    ("fargate", "gb"): _Wanted("AmazonECS", "memorytype", "perGB", "Fargate-GB-Hours"),
    ("functions", "gb_second"): _Wanted("AWSLambda", "group", "AWS-Lambda-Duration", "Lambda-GB-Second"),
    ("functions", "request"): _Wanted("AWSLambda", "group", "AWS-Lambda-Requests", "Request"),
    ("", "transition"): _Wanted("AmazonStates", "servicecode", "AmazonStates", "StateTransition"),
}


def fetch(aws: Aws, others: PriceList, types: Iterable[str]) -> PriceList:
    """The list with AWS's prices of today in place of the others', for these instance types and for all else.

    Raises what `aws.errors` makes of AWS's errors, within seconds where there is no way to the API.
    """
    asked = {("training", kind): _Wanted("AmazonSageMaker", "instanceName", kind, f"Train:{kind}") for kind in types}
    asked |= {("transform", kind): replace(want, usage=f"Tsform:{kind}") for (_, kind), want in asked.items()}
    asked |= ONE_PRICE
    client, region = replace(aws, region=REGION).client("pricing"), others.region
    with aws.explained(ACTION, "*"), ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(asked, pool.map(lambda want: _usd(client, want, region), asked.values()), strict=True))
    tables: dict[str, dict[str, float]] = {name: {} for name, _ in asked}
    for (table, name), usd in found.items():
        if usd is not None:
            tables[table][name] = usd
    return replace(
        others,
        date=f"{datetime.fromtimestamp(aws.now(), UTC):%Y-%m-%d}",
        source=SOURCE,
        training={**others.training, **tables.get("training", {})},
        transform={**others.transform, **tables.get("transform", {})},
        fargate={**others.fargate, **tables["fargate"]},
        functions={**others.functions, **tables["functions"]},
        transition=tables[""].get("transition", others.transition),
    )


def _usd(client: Any, want: _Wanted, region: str) -> float | None:
    """USD for a unit; None where the list has no such product."""
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value}
        for name, value in ((want.field, want.value), ("regionCode", region))
    ]
    usd: list[float] = []
    token: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = client.get_products(ServiceCode=want.service, FormatVersion="aws_v1", Filters=filters, **token)
        for text in page.get("PriceList", ()):
            usd += _of_product(json.loads(text), want.usage)
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    return max(usd, default=None)


def _of_product(product: Mapping[str, Any], usage: str) -> Iterator[float]:
    """Its prices on demand, if it is the one that is meant: `Request`, but not `…-Request-ARM`."""
    told = str(product.get("product", {}).get("attributes", {}).get("usagetype", ""))
    if told != usage and not told.endswith((f"-{usage}", f"-{usage}s")):
        return
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            try:
                yield float(dimension["pricePerUnit"]["USD"])
            except (KeyError, TypeError, ValueError):
                continue
