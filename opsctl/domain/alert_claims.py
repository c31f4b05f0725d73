"""Who tells of an end, when the status rule's event for it comes more than once.

Every call that wants to tell first writes a claim, and only one can: the write is conditional. The claim holds until
the moment at which the call must be over, whatever becomes of it. Once the message is out, the claim says so. Another
call for the same end tells nothing if it was told, waits while a claim holds, and takes over what nobody holds any
more.

So a message is lost by nothing: a call is done only if a message went out, its own or another's. It can still go out
twice, if a call dies between the message and the word that it went out; that it went out matters more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["told", "held", "free"]


def claim_key(arn: str, redrives: int) -> str:
    """Where the claim for one end of a run lies in the bucket, from the execution's ARN."""
    machine, run = arn.split(":")[6:8]
    return f"audit/alerts/{machine}/{run}/{redrives}.json"


def claim(caller: str, until: float) -> dict[str, Any]:
    """The claim of a call, by its request's id, that is over at `until` (seconds since the epoch)."""
    return {"version": 1, "by": caller, "until": until, "told": False}


def told(mine: Mapping[str, Any]) -> dict[str, Any]:
    """The same, once its message is out."""
    return {**mine, "told": True}


def given_up(mine: Mapping[str, Any]) -> dict[str, Any]:
    """The same, of a call that could not tell: the next one need not wait."""
    return {**mine, "until": 0}


def verdict(found: Any, caller: str, now: float) -> Verdict:
    """What a claim says to another call, or to the same one that is tried again (Lambda keeps a request's id then).
    What is no claim holds nobody back."""
    if not isinstance(found, Mapping):
        return "free"
    if found.get("told") is True:
        return "told"
    until = found.get("until")
    held = isinstance(until, int | float) and now < until and found.get("by") != caller
    return "held" if held else "free"
