"""Talk to a running sandbox about its faults: what `opsctl sandbox fault` and tests call."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opsctl.errors import ConfigurationError, OpsError, UsageError
from opsctl.sandbox.lifecycle import status

PATH = "/_sandbox/faults"
ACCESS_PATH = "/_sandbox/access"
SECONDS = 10.0


def add_fault(directory: Path, fault: Mapping[str, Any]) -> dict[str, Any]:
    """Add a fault to the sandbox of this directory and return it, with its id.

    Raises UsageError for what is no fault, ConfigurationError if no sandbox is up.
    """
    wanted = {name: value for name, value in fault.items() if value is not None}
    answer: dict[str, Any] = _ask(directory, "POST", wanted)
    return answer


def list_faults(directory: Path) -> list[dict[str, Any]]:
    """Its faults, with the number of requests that each has met so far. Raises ConfigurationError."""
    answer: list[dict[str, Any]] = _ask(directory, "GET")
    return answer


def clear_faults(directory: Path, ids: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Remove these faults, or all, and return what was removed. Raises ConfigurationError."""
    answer: list[dict[str, Any]] = _ask(directory, "DELETE", {"ids": list(ids)} if ids else {})
    return answer


def statements_used(directory: Path) -> list[dict[str, Any]]:
    """Which statement of which policy has allowed or denied what so far, where IAM is enforced: owner, policy, sid, the
    actions that it decided `alone` and how often, and how often others said the same. Raises ConfigurationError."""
    answer: list[dict[str, Any]] = _ask(directory, "GET", path=ACCESS_PATH)
    return answer


def _ask(directory: Path, method: str, body: Mapping[str, Any] | None = None, path: str = PATH) -> Any:
    server = status(directory)
    if server is None:
        raise ConfigurationError(f"no sandbox is up in {directory}", "start one: opsctl sandbox up")
    request = urllib.request.Request(
        server["url"] + path, json.dumps(body or {}).encode(), {"Content-Type": "application/json"}, method=method
    )
    # Loopback: no proxy of the user's has anything to do with it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise OpsError(f"the sandbox failed: {error}", f"see {directory / 'server.log'}") from error
        raise UsageError(json.load(error)["message"], "opsctl sandbox fault add --help shows how") from error
    except OSError as error:
        raise OpsError(f"the sandbox does not answer: {error}", f"see {directory / 'server.log'}") from error
