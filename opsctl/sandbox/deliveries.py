"""Deliveries of EventBridge and SNS that a fault makes late, repeats, or hands over in another order.

AWS promises that each comes at least once, and in no order. Here, each comes once and at once, unless a fault for
`events:delivery` or `sns:delivery` says otherwise: a delivery is one event for one target of a rule, or one message
for one subscriber.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any

from opsctl.sandbox.faults import Fault, Faults

LONGEST_HOLD = 10.0
"""Seconds that a delivery waits to be overtaken, unless the fault's delay says so."""
Begin = Callable[[], "Future[None] | None"]
logger = logging.getLogger(__name__)


class Deliveries:
    """Those of one service. Safe to use from any thread."""

    def __init__(self, service: str, faults: Faults) -> None:
        self._action = f"{service}:delivery"
        self._faults = faults
        self._held: dict[int, list[Begin]] = {}
        self._lock = threading.Lock()
        self._numbers = count()
        self._back: dict[int, Begin] = {}
        self._taken_over: list[Begin] = []

    def kept(self) -> list[Begin]:
        """What is to outlive the server: what faults hold back. They themselves do not."""
        return list(self._back.values())

    def restore(self, kept: list[Begin]) -> None:
        """Have what a server before this one kept."""
        self._taken_over = kept

    def resume(self) -> None:
        """Begin it: nothing holds it back any more."""
        for begin in self._taken_over:
            _begun(begin)
        self._taken_over = []

    def hand_over(self, text: str, begin: Begin) -> None:
        """Begin a delivery, now or when a fault lets it. `text` is what a fault may ask for: whereto, and what.

        `begin` returns a future of the first attempt where it does not wait for that itself.
        """
        fault = None if self._faults.none else self._faults.take(self._action, text)
        if fault is None:
            begin()
        elif fault.reorder:
            self._hold(fault, [self._held_back(begin) for _ in range(1 + fault.duplicate)])
        else:
            _apart(_one_by_one, [self._held_back(begin) for _ in range(1 + fault.duplicate)], fault)

    def _held_back(self, begin: Begin) -> Begin:
        """The delivery, which is known of until it has begun."""
        number = next(self._numbers)
        self._back[number] = begin

        def let_go() -> Future[None] | None:
            try:
                return begin()
            finally:
                del self._back[number]

        return let_go

    def _hold(self, fault: Fault, begins: list[Begin]) -> None:
        """Keep it back until enough have come, and hand all over last first; or when nobody overtakes it for long."""
        with self._lock:
            held = self._held.setdefault(fault.id, [])
            held.extend(begins)
            complete = self._held.pop(fault.id) if len(held) >= fault.reorder else None
        if complete is None:
            _apart(self._let_go, fault, held)
        else:
            _apart(_one_by_one, complete[::-1])

    def _let_go(self, fault: Fault, held: list[Begin]) -> None:
        fault.lifted.wait(fault.delay or LONGEST_HOLD)
        with self._lock:
            waits = self._held.get(fault.id) is held
            if waits:
                del self._held[fault.id]
        if waits:
            _one_by_one(held[::-1])


def _one_by_one(begins: list[Begin], fault: Fault | None = None) -> None:
    """Each after the first attempt at the one before it has come to an end, well or not."""
    if fault is not None:
        fault.lifted.wait(fault.delay)
    for begin in begins:
        attempt = _begun(begin)
        if attempt is not None:
            attempt.exception()


def _begun(begin: Begin) -> Future[None] | None:
    """A delivery that was held back. Nobody asks for it any more, and others wait behind it: one that fails is told of
    in the log."""
    try:
        return begin()
    except Exception:
        logger.exception("a delivery ended in a fault of the sandbox")
        return None


def _apart(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, name="delivery", daemon=True).start()
