"""Eventual consistency on purpose: a question that was asked before is answered as it was then."""

from __future__ import annotations

import threading
import time
from typing import Any

from opsctl.sandbox.repeats import Application, Environ, Given, StartResponse

Asked = tuple[int, str, str]


class PastAnswers:
    """What questions were answered of late, refusals too. Safe to use from any thread."""

    def __init__(self) -> None:
        self._given: dict[Asked, tuple[float, Given]] = {}
        self._lock = threading.Lock()

    def answer(
        self, asked: Asked, seconds: float, serve: Application, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        """As the same question was answered up to `seconds` ago; what was not asked in that time is answered anew."""
        now = time.monotonic()
        with self._lock:
            self._given = {key: told for key, told in self._given.items() if now < told[0]}
            _, past = self._given.get(asked, (0.0, None))
        if past is None:
            past = _told(serve, environ)
            with self._lock:
                self._given[asked] = (now + seconds, past)
        start_response(past.status, past.headers)
        return [past.body]


def _told(serve: Application, environ: Environ) -> Given:
    heard: list[tuple[str, list[tuple[str, str]]]] = []

    def hear(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        heard.append((status, headers))

    body = b"".join(serve(environ, hear))
    return Given(*heard[-1], body)
