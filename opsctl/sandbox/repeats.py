"""Requests that are asked again because their answer was lost on the way: carried out once, answered each time.

AWS's SDKs give every call an id (`amz-sdk-invocation-id`), which is the same for all its attempts (`amz-sdk-request:
attempt=2`). On a busy machine an answer may be lost between two processes. AWS may well have carried out such a call,
too, and then the second attempt of a CreateRole says that the role exists already; here that would be a fault of the
sandbox, not of what is tried in it. Answers that are lost on purpose (`opsctl sandbox fault … --drop answer`) do not
come by here.

What the sandbox itself has to do exactly once, a state's request or a delivery, bears a name of its own (`once` in
clients.py). When a server takes up the work of one that was killed, it makes such a call again, not knowing whether it
was answered, and is answered here if it was.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from opsctl.sandbox.clients import ONCE

KEPT = 256
"""Answers; the oldest go first."""
OWN = 512
"""Answers to the sandbox's own calls: many more than it makes at a time."""
SECONDS = 120.0
"""How long a second attempt waits for the first one, which is still at work."""
LARGEST = 65_536
_ATTEMPT = re.compile(r"attempt=(\d+)")
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Given:
    """An answer that went well."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Repeats:
    """The answers of late to calls that change something. Safe to use from any thread.

    The sandbox's `own` calls are made again only by a server that takes up the work of one before it.
    """

    def __init__(self, *, own: bool = True) -> None:
        self._knows_own = own
        self._given: OrderedDict[str, Future[Given | None]] = OrderedDict()
        self._own: OrderedDict[str, Future[Given | None]] = OrderedDict()
        self._lock = threading.Lock()

    def kept(self) -> dict[str, Future[Given | None]]:
        """What is to outlive the server: the answers that were given, by call; those to come do not."""
        return {**self._given, **self._own}

    def restore(self, kept: dict[str, Future[Given | None]]) -> None:
        """Have what a server before this one kept."""
        for call, answer in kept.items():
            if answer.done():
                self._keep(call).set_result(answer.result())

    def answered(self, key: str) -> bool:
        """Whether the first of the sandbox's own calls of this key was answered well."""
        with self._lock:
            futures = [future for call, future in self._own.items() if call.startswith(f"{ONCE}{key}-1-")]
        return any(future.done() and future.result() is not None for future in futures)

    def once(self, application: Application, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer, unless it has answered an earlier attempt at the same call, and well."""
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        # S3's calls may be repeated by their nature.
        if not call or "/s3/" in environ.get("HTTP_AUTHORIZATION", "") or self._ignores(call):
            return application(environ, start_response)
        before = self._before(call, environ)
        if before is not None:
            logger.info("%s: asked again, and answered as before", environ.get("PATH_INFO"))
            start_response(before.status, before.headers)
            return [before.body]
        return self._answered(call, application, environ, start_response)

    def _ignores(self, call: str) -> bool:
        return call.startswith(ONCE) and not self._knows_own

    def _before(self, call: str, environ: Environ) -> Given | None:
        attempt = _ATTEMPT.search(environ.get("HTTP_AMZ_SDK_REQUEST", ""))
        with self._lock:
            known = self._given.get(call) or self._own.get(call)
        again = call.startswith(ONCE) or (attempt is not None and int(attempt[1]) > 1)
        if known is None or not again:
            return None
        try:
            return known.result(SECONDS)
        except TimeoutError:
            return None

    def _answered(
        self, call: str, application: Application, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer = self._keep(call)
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def hear(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            told.append((status, headers))
            return start_response(status, headers, *more)

        given = None
        try:
            body = b"".join(application(environ, hear))
            if told and told[0][0].startswith("2") and len(body) <= LARGEST:
                given = Given(*told[0], body)
        finally:
            answer.set_result(given)
        return [body]

    def _keep(self, call: str) -> Future[Given | None]:
        """The place of an answer to come."""
        kept, most = (self._own, OWN) if call.startswith(ONCE) else (self._given, KEPT)
        answer: Future[Given | None] = Future()
        with self._lock:
            kept[call] = answer
            while len(kept) > most:
                kept.popitem(last=False)
        return answer
