"""The faults of the sandbox that a command works on, as anybody on this machine can reach them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.errors import OpsError

PATH = "/_sandbox/faults"
SECONDS = 30.0


@dataclass(frozen=True)
class SandboxFaults:
    """What makes faults in the sandbox at this address."""

    url: str

    def add(self, wanted: Mapping[str, Any]) -> int:
        """Add one; returns its number."""
        return int(self._ask("POST", {name: value for name, value in wanted.items() if value is not None})["id"])

    def met(self, number: int) -> int:
        """How many requests one has met."""
        return next((int(one["applied"]) for one in self._ask("GET") if one["id"] == number), 0)

    def clear(self, numbers: Sequence[int]) -> dict[int, int]:
        """Remove these, and tell how many requests each has met; late answers are given now."""
        gone = self._ask("DELETE", {"ids": list(numbers)}) if numbers else []
        return {int(one["id"]): int(one["applied"]) for one in gone}

    def _ask(self, method: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self.url + PATH, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback has no proxy
        try:
            with opener.open(request, timeout=SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise OpsError(f"the sandbox refuses a fault: {json.load(error)['message']}") from error
        except OSError as error:
            raise OpsError(f"the sandbox does not answer: {error}", "opsctl sandbox status") from error
