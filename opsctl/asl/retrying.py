"""When a retrier tries again."""

from __future__ import annotations

from random import Random

from opsctl.asl.definition import Retrier

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
