"""The one graph of objects that a state is: moto's tables, and what our own parts keep besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import moto.s3.models
from moto.backends import get_backend
from moto.core.base_backend import BackendDict

NOT_KEPT = frozenset({"moto_api", "batch_simple"})


class Keeper(Protocol):
    """A part of the server that keeps something besides moto's tables."""

    def kept(self) -> Any:
        """What is to last: plain data, objects of moto's tables, and what pickle can follow. Waits for no lock."""

    def restore(self, kept: Any) -> None:
        """Take it again. Nothing may begin yet: other parts may still be without theirs."""


def collect(keepers: Mapping[str, Keeper]) -> dict[str, Any]:
    """The graph as it is now."""
    services: Any = BackendDict
    return {
        "moto": {
            backends.service_name: {account: dict(regions) for account, regions in dict.items(backends)}
            for backends in list(services._instances)
            if backends.service_name not in NOT_KEPT
        },
        "s3 accounts": dict(_accounts()),
        "own": {name: keeper.kept() for name, keeper in keepers.items()},
    }


def put_back(graph: Mapping[str, Any], keepers: Mapping[str, Keeper]) -> None:
    """Let the server have the graph. Before it serves."""
    for service, accounts in graph["moto"].items():
        backends: Any = get_backend(service)
        for account, regions in accounts.items():
            backends[account].update(regions)
    _accounts().update(graph["s3 accounts"])
    for name, keeper in keepers.items():
        if name in graph["own"]:
            keeper.restore(graph["own"][name])


def _accounts() -> dict[str, Any]:
    """moto's table of which account a bucket belongs to."""
    backends: Any = moto.s3.models.s3_backends
    found: dict[str, Any] = backends.bucket_accounts
    return found
