"""Which prices count: AWS's own list where it answers, else the shipped one, and over both a list of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.aws.pricing import fetch
from opsctl.domain.prices import PriceList, own_prices, shipped
from opsctl.errors import OpsError
from opsctl.operations.connection import Connection


def shipped_prices(connection: Connection) -> PriceList:
    """Those that come with opsctl, without a question to AWS."""
    return replace(shipped(connection.aws.region), memory=connection.deployment.functions)


def prices_for(
    connection: Connection, types: Iterable[str], own: Mapping[str, Any] | None
) -> tuple[PriceList, str | None]:
    """Prices of these instance types and of what has one price for all, and why AWS's own list is not in them: None
    where it is. A sandbox has no such list. Raises UsageError for a list of one's own that is none."""
    prices, why = shipped_prices(connection), "a sandbox has no price list of AWS's"
    if not connection.context.is_sandbox:
        try:
            prices, why = fetch(connection.aws, prices, types), ""
        except OpsError as error:
            why = f"AWS's price list is out of reach ({error.message})"
    return (own_prices(own, prices) if own is not None else prices), why or None
