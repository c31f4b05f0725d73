"""Lists of prices: the shipped one, and one's own over it."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.domain.prices import SHIPPED, own_prices, shipped
from opsctl.errors import UsageError


def test_prices_of_another_region_are_not_guessed() -> None:
    assert shipped("us-east-1") == SHIPPED
    other = shipped("eu-west-1")
    assert (other.training, other.fargate, other.functions, other.publish) == ({}, {}, {}, None)


def test_one_s_own_prices_go_before_the_others() -> None:
    own = {
        "region": "eu-west-1", "date": "2026-11-01", "source": "our contract", "training": {"ml.g5.xlarge": 1},
        "lambda": {"request": 0}, "sns": {"publish": 0.25}, "transitions": {"transition": 0.5},
    }  # fmt: skip
    found = own_prices(own, SHIPPED)
    assert (found.region, found.date, found.source) == ("eu-west-1", "2026-11-01", "our contract")
    assert (found.training["ml.g5.xlarge"], found.training["ml.m5.large"]) == (1.0, SHIPPED.training["ml.m5.large"])
    assert found.functions == {"gb_second": SHIPPED.functions["gb_second"], "request": 0.0}
    assert (found.publish, found.transition, found.fargate) == (0.25, 0.5, SHIPPED.fargate)
    assert own_prices({}, SHIPPED).training == SHIPPED.training


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"trainings": {}}, "the prices have no 'trainings'"),
        ({"lambda": {"hour": 1}}, "the prices have no 'lambda.hour'"),
        ({"training": ["ml.g5.xlarge"]}, 'the prices of training are no object of USD, such as {"ml.g5.xlarge": 1.5}'),
        ({"training": {"ml.g5.xlarge": "1.5"}}, "the prices of training are no object of USD"),
        ({"training": {"ml.g5.xlarge": -1}}, "the prices of training are no object of USD"),
        ({"training": {"ml.g5.xlarge": float("nan")}}, "the prices of training are no object of USD"),
        ({"fargate": {"vcpu": True}}, 'the prices of fargate are no object of USD, such as {"vcpu": 1.5}'),
        ({"date": 2026}, "date of the prices is no text"),
        ({"region": ""}, "region of the prices is no text"),
    ],
)
def test_what_is_no_list_of_prices_is_refused(own: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        own_prices(own, SHIPPED)
    assert caught.value.message.startswith(message)
