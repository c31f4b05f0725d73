"""Deliveries that are tried again, and given up: what EventBridge, SNS and Lambda's asynchronous calls have in common.

An attempt that fails raises `Undelivered`, which says whether another one may help. When none may (any more), what
became of it is handed to `lost`, which keeps a dead letter or does not. The pauses grow as AWS's do, but are shorter:
AWS's are minutes and hours, and nobody waits that long in a sandbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from opsctl.sandbox.access import DeniedError

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
THROTTLED = 429
SERVER_ERRORS = 500
logger = logging.getLogger(__name__)


class Undelivered(Exception):  # noqa: N818  what an attempt came to, no fault of the sandbox
    """An attempt failed; `passing` is whether another one may succeed."""

    def __init__(self, code: str, message: str, *, passing: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.passing = passing


@dataclass(frozen=True)
class Patience:
    """How often a delivery is tried again, and for how many seconds since it was first due."""

    retries: int
    seconds: float


@dataclass(frozen=True)
class Loss:
    """A delivery that was given up. `exhausted` names what ran out: `retries` or `seconds`, None if neither did."""

    reason: Undelivered
    retries: int
    exhausted: str | None


class Courier:
    """Makes deliveries in worker threads."""

    def __init__(self, name: str, workers: int = 8) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)

    def send(self, attempt: Callable[[], None], patience: Patience, lost: Callable[[Loss], None]) -> Future[None]:
        """Begin a delivery; returns at once. The future is done after the first attempt, whatever that came to."""
        return self._pool.submit(self._try, attempt, patience, lost, 0, time.monotonic() + patience.seconds)

    def _try(
        self,
        attempt: Callable[[], None],
        patience: Patience,
        lost: Callable[[Loss], None],
        retries: int,
        deadline: float,
    ) -> None:
        try:
            attempt()
        except Undelivered as reason:
            pause = min(FIRST_PAUSE * 2**retries, LONGEST_PAUSE)
            exhausted = _exhausted(patience, retries, time.monotonic() + pause > deadline)
            if reason.passing and exhausted is None:
                again = threading.Timer(
                    pause, self._pool.submit, [self._try, attempt, patience, lost, retries + 1, deadline]
                )
                again.daemon = True
                again.start()
                return
            self._give_up(lost, Loss(reason, retries, exhausted if reason.passing else None))
        except Exception:
            logger.exception("a delivery ended in a fault of the sandbox")

    def _give_up(self, lost: Callable[[Loss], None], loss: Loss) -> None:
        try:
            lost(loss)
        except (ClientError, BotoCoreError, DeniedError) as error:
            logger.warning("a dead letter was lost: %s", error)


def _exhausted(patience: Patience, retries: int, late: bool) -> str | None:
    if retries >= patience.retries:
        return "retries"
    return "seconds" if late else None


def refusal(error: ClientError | BotoCoreError) -> Undelivered:
    """What a client's error means for a delivery: throttling and what is the service's own fault pass."""
    if not isinstance(error, ClientError):
        return Undelivered("CONNECTION_FAILURE", str(error), passing=True)
    code = str(error.response["Error"].get("Code", "Unknown"))
    message = str(error.response["Error"].get("Message", ""))
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    throttled = status == THROTTLED or "Throttl" in code or "TooManyRequests" in code or code == "SlowDown"
    return Undelivered(code, message, passing=throttled or status >= SERVER_ERRORS)
