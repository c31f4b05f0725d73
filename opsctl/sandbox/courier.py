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
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from opsctl.sandbox.access import DeniedError
from opsctl.sandbox.clients import once
from opsctl.sandbox.state import changes

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 60.0
THROTTLED = 429
SERVER_ERRORS = 500
logger = logging.getLogger(__name__)
_couriers: dict[str, Courier] = {}


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


@dataclass(eq=False)
class Delivery:
    """One that is under way. `attempt` and `lost` are methods and partials of them, so that a state can hold it;
    `deadline` is in seconds of the machine's own clock. `key` names its calls: what a server before this one has handed
    over already is not handed over again."""

    attempt: Callable[[], None]
    patience: Patience
    lost: Callable[[Loss], None]
    deadline: float
    retries: int = 0
    key: str = field(default_factory=lambda: uuid4().hex)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "deadline": time.time() + self.deadline - time.monotonic()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "deadline": time.monotonic() + state["deadline"] - time.time()})


class Courier:
    """Makes deliveries in worker threads. What has not come to an end outlives the server, where a state is kept: it is
    tried again by the next one, even if it was being delivered just then."""

    def __init__(self, name: str, workers: int = 8) -> None:
        _couriers[name] = self
        self._name = name
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=name)
        self._open: dict[int, Delivery] = {}
        self._taken_over: list[Delivery] = []

    def __reduce__(self) -> tuple[Callable[[str], Courier], tuple[str]]:
        """Whoever refers to it refers to the one of that name in any server."""
        return _named, (self._name,)

    def send(self, attempt: Callable[[], None], patience: Patience, lost: Callable[[Loss], None]) -> Future[None]:
        """Begin a delivery; returns at once. The future is done after the first attempt, whatever that came to."""
        delivery = Delivery(attempt, patience, lost, time.monotonic() + patience.seconds)
        self._open[id(delivery)] = delivery
        return self._pool.submit(self._try, delivery)

    def kept(self) -> list[Delivery]:
        """What is under way."""
        return list(self._open.values())

    def restore(self, kept: list[Delivery]) -> None:
        """Take over what was under way; `resume` begins it."""
        self._taken_over = kept
        self._open |= {id(delivery): delivery for delivery in kept}

    def resume(self) -> None:
        """Begin what was taken over."""
        for delivery in self._taken_over:
            self._pool.submit(self._try, delivery)
        self._taken_over = []

    def _try(self, delivery: Delivery) -> None:
        try:
            with once(delivery.key):
                ended = self._attempted(delivery)
            if ended:
                del self._open[id(delivery)]
                changes.note()
        except Exception:
            self._open.pop(id(delivery), None)
            logger.exception("a delivery ended in a fault of the sandbox")

    def _attempted(self, delivery: Delivery) -> bool:
        """Whether that was the end of it."""
        try:
            delivery.attempt()
        except Undelivered as reason:
            pause = min(FIRST_PAUSE * 2**delivery.retries, LONGEST_PAUSE)
            late = time.monotonic() + pause > delivery.deadline
            exhausted = _exhausted(delivery.patience, delivery.retries, late)
            if reason.passing and exhausted is None:
                delivery.retries += 1
                again = threading.Timer(pause, self._pool.submit, [self._try, delivery])
                again.daemon = True
                again.start()
                return False
            self._give_up(delivery.lost, Loss(reason, delivery.retries, exhausted if reason.passing else None))
        return True

    def _give_up(self, lost: Callable[[Loss], None], loss: Loss) -> None:
        try:
            lost(loss)
        except (ClientError, BotoCoreError, DeniedError) as error:
            logger.warning("a dead letter was lost: %s", error)


def _named(name: str) -> Courier:
    return _couriers[name]


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
