"""What it takes to reuse results: copied into the new run's prefix, or read where they lie.

A copy costs requests once and storage every month, and the new run then stands alone. Reading in place costs a listing,
and binds the new run to the runs whose prefixes it reads: no cleanup deletes those before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opsctl.domain.inventory import owner_of
from opsctl.domain.objects import Stored
from opsctl.domain.plan import RerunPlan, Result
from opsctl.domain.storage_prices import STANDARD, usd_a_month, usd_for_requests

LISTED = 1000  # keys in the answer to one LIST request
LARGEST_SINGLE_COPY = 5 * 2**30  # CopyObject's limit; what is larger is copied in parts
PART = 256 * 2**20
MOST_PARTS = 10_000
LISTINGS_OF_A_COPY = 4  # of the source and of the target, each before and after


@dataclass(frozen=True)
class Expense:
    """What is copied, the COPY, PUT and LIST requests for it and for verifying, and USD: once for the requests, and a
    month for what is stored. None where no price is known."""

    objects: int
    bytes: int
    requests: int
    request_usd: float | None
    usd_a_month: float | None


def copying(plan: RerunPlan) -> Expense:
    """Of `--data copy`. Copies are of the class STANDARD; to read objects of another class costs extra, which is not
    known here."""
    region, results = plan.prices.region, _results(plan)
    items = [item for result in results for item in result.items]
    requests = sum(_writes(item) for item in items) + LISTINGS_OF_A_COPY * _lists(results)
    plain = all(item.storage_class == STANDARD for item in items)
    monthly = usd_a_month({STANDARD: plan.reused_bytes}, region)
    usd = usd_for_requests(requests, region) if plain else None
    return Expense(plan.reused_objects, plan.reused_bytes, requests, usd, monthly)


def reading_in_place(plan: RerunPlan) -> Expense:
    """Of `--data reuse`."""
    region, requests = plan.prices.region, _lists(_results(plan))
    return Expense(0, 0, requests, usd_for_requests(requests, region), usd_a_month({}, region))


def lenders(plan: RerunPlan) -> tuple[str, ...]:
    """The runs in whose prefixes the reused results lie."""
    owners = (owner_of(result.uri) for result in _results(plan))
    return tuple(sorted({owner for owner in owners if owner is not None}))


def _results(plan: RerunPlan) -> list[Result]:
    return [step.result for step in plan.reused if step.result]


def _writes(item: Stored) -> int:
    """One CopyObject; or the beginning, the parts and the end of a copy in parts."""
    if item.size <= LARGEST_SINGLE_COPY:
        return 1
    return 2 + -(-item.size // max(PART, -(-item.size // MOST_PARTS)))


def _lists(results: Iterable[Result]) -> int:
    """The requests to list the results once."""
    return sum(max(1, -(-result.objects // LISTED)) for result in results)
