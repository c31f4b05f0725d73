"""What a claim to tell of an end says to another call for the same end."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.domain.alert_claims import claim, claim_key, given_up, told, verdict

MINE = claim("one", until=100.0)


@pytest.mark.parametrize(
    ("found", "caller", "now", "said"),
    [
        (MINE, "two", 99.0, "held"),
        (MINE, "two", 100.0, "free"),  # its call cannot live any more
        (MINE, "one", 99.0, "free"),  # the same call, tried again
        (given_up(MINE), "two", 99.0, "free"),
        (told(MINE), "two", 99.0, "told"),
        (told(MINE), "one", 200.0, "told"),
        ({**MINE, "told": "yes"}, "two", 99.0, "held"),
        ({**MINE, "until": "later"}, "two", 99.0, "free"),
        ([], "two", 99.0, "free"),
        (None, "two", 99.0, "free"),
    ],
)
def test_who_may_tell(found: Any, caller: str, now: float, said: str) -> None:
    assert verdict(found, caller, now) == said


def test_each_end_has_a_claim_of_its_own() -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:documents-training:nightly-7"
    assert claim_key(arn, 2) == "audit/alerts/documents-training/nightly-7/2.json"
