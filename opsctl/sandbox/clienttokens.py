"""Client tokens of RedriveExecution: the same intent told twice, as a client does that got no answer, counts once."""

from __future__ import annotations

REMEMBERED = 10
SECONDS = 15 * 60


class ClientTokens:
    """The last tokens that were accepted for one execution, each with the moment of its redrive in seconds."""

    def __init__(self) -> None:
        self._accepted: dict[str, float] = {}

    def seen(self, token: str | None, now: float) -> float | None:
        """When the token was accepted, if that still counts: AWS remembers ten of them, for fifteen minutes each."""
        accepted = self._accepted.get(token) if token else None
        return accepted if accepted is not None and now - accepted < SECONDS else None

    def accept(self, token: str | None, now: float) -> None:
        """Remember a token whose redrive has begun."""
        if not token:
            return
        self._accepted.pop(token, None)
        self._accepted[token] = now
        while len(self._accepted) > REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
