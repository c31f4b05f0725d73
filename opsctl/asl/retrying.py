"""Whether a state that failed is tried again, and when."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from opsctl.asl.definition import Guarded, Retrier
from opsctl.asl.failures import matches
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.stopping import drop_children

if TYPE_CHECKING:
    from opsctl.asl.walk import Walk

LONGEST_DELAY = 31_622_400
"""Seconds; the most that MaxDelaySeconds may be, and what a delay beyond all numbers comes to."""


def delay_before(retrier: Retrier, used: int, random: Random) -> float:
    """Seconds before the next attempt, after `used` retries by the same retrier."""
    try:
        delay = min(retrier.interval * float(retrier.backoff) ** used, LONGEST_DELAY)
    except OverflowError:
        delay = LONGEST_DELAY
    if retrier.max_delay is not None:
        delay = min(delay, retrier.max_delay)
    return random.uniform(0, delay) if retrier.full_jitter else delay


def wait_to_retry(walk: Walk, frame: Frame, state: Guarded, error: str | None, *, heartbeat: bool) -> bool:
    """Let the state wait for its next attempt; False if no retrier of its own has one left for this error."""
    for position, retrier in enumerate(state.retriers):
        if not matches(error, retrier.errors, heartbeat=heartbeat):
            continue
        used = frame.retries.get(position, 0)
        if used >= retrier.attempts:
            return False
        delay = delay_before(retrier, used, walk.random)
        frame.retries[position] = used + 1
        drop_children(walk, frame)
        frame.phase = Phase.RETRY
        walk.timers.set(frame, "retry", walk.now + delay)
        return True
    return False
