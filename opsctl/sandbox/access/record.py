"""Which statements allowed or denied what: what a test of least privilege asks for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from opsctl.sandbox.access.statements import Policy, Statement

Source = tuple[Policy, Statement]


@dataclass
class Used:
    """How often a statement decided: `together` with others that said the same, and `alone`, by action."""

    together: int = 0
    alone: dict[str, int] = field(default_factory=dict)


class Record:
    """The statements that decided so far, by owner, policy and sid. Safe to use from any thread."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str, str], Used] = {}
        self._lock = threading.Lock()

    def note(self, action: str, sources: list[Source]) -> None:
        """One decision, and every statement that would have brought it about."""
        with self._lock:
            for policy, statement in sources:
                used = self._used.setdefault((policy.owner, policy.name, statement.sid), Used())
                if len(sources) == 1:
                    used.alone[action] = used.alone.get(action, 0) + 1
                else:
                    used.together += 1

    def documents(self) -> list[dict[str, Any]]:
        """As the sandbox's control path shows it."""
        with self._lock:
            return [
                {"owner": owner, "policy": policy, "sid": sid, "alone": dict(used.alone), "together": used.together}
                for (owner, policy, sid), used in sorted(self._used.items())
            ]
