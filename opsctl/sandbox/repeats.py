"""Requests that are asked again because their answer was lost on the way: carried out once, answered each time.

AWS's SDKs give every call an id (`amz-sdk-invocation-id`), which is the same for all its attempts (`amz-sdk-request:
attempt=2`). On a busy machine an answer may be lost between two processes. AWS may well have carried out such a call,
too, and then the second attempt of a CreateRole says that the role exists already; here that would be a fault of the
sandbox, not of what is tried in it. Answers that are lost on purpose (`opsctl sandbox fault … --drop answer`) do not
come by here.
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

KEPT = 256
"""Answers; the oldest go first."""
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
    """The answers of late to calls that change something. Safe to use from any thread."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, Future[Given | None]] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, application: Application, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let the application answer, unless it has answered an earlier attempt at the same call, and well."""
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if not call or "/s3/" in environ.get("HTTP_AUTHORIZATION", ""):  # S3's calls may be repeated by their nature
            return application(environ, start_response)
        before = self._before(call, environ)
        if before is not None:
            logger.info("%s: asked again, and answered as before", environ.get("PATH_INFO"))
            start_response(before.status, before.headers)
            return [before.body]
        return self._answered(call, application, environ, start_response)

    def _before(self, call: str, environ: Environ) -> Given | None:
        attempt = _ATTEMPT.search(environ.get("HTTP_AMZ_SDK_REQUEST", ""))
        with self._lock:
            known = self._given.get(call)
        if known is None or attempt is None or int(attempt[1]) < 2:
            return None
        try:
            return known.result(SECONDS)
        except TimeoutError:
            return None

    def _answered(
        self, call: str, application: Application, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer: Future[Given | None] = Future()
        with self._lock:
            self._given[call] = answer
            while len(self._given) > KEPT:
                self._given.popitem(last=False)
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
