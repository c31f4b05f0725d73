"""How many of everything Step Functions lets an account have, and in which words it refuses one more.

The quotas that AWS can raise stand at their defaults. The number of open executions (1,000,000) is no matter here: this
machine's memory ends before it.
"""

from __future__ import annotations

from collections.abc import Sized

from opsctl.sandbox.api import ApiError

MACHINES = 100_000
ACTIVITIES = 100_000
VERSIONS = 1_000
"""Of one state machine, as are aliases."""
ALIASES = 100
TAGS = 50
"""Of one resource."""


def room_for_machine(known: Sized) -> None:
    """Raises ApiError (StateMachineLimitExceeded)."""
    if len(known) >= MACHINES:
        raise ApiError("StateMachineLimitExceeded", f"State Machine Limit Exceeded: '{MACHINES}'")


def room_for_activity(known: Sized) -> None:
    """Raises ApiError (ActivityLimitExceeded)."""
    if len(known) >= ACTIVITIES:
        raise ApiError("ActivityLimitExceeded", f"Activity Limit Exceeded: '{ACTIVITIES}'")


def room_for_version(known: Sized) -> None:
    """Raises ApiError (ServiceQuotaExceededException)."""
    if len(known) >= VERSIONS:
        raise _exceeded("versions", VERSIONS)


def room_for_alias(known: Sized) -> None:
    """Raises ApiError (ServiceQuotaExceededException)."""
    if len(known) >= ALIASES:
        raise _exceeded("aliases", ALIASES)


def check_tags(keys: set[str], arn: str) -> None:
    """Raises ApiError (TooManyTags)."""
    if len(keys) > TAGS:
        raise ApiError("TooManyTags", f"Too Many Tags: '{arn}' would have more than {TAGS}")


def _exceeded(what: str, most: int) -> ApiError:
    return ApiError("ServiceQuotaExceededException", f"A state machine can have at most {most:,} {what}.")
