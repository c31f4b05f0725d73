"""How fast S3 is written to, on a clock of the test's own."""

from __future__ import annotations

import pytest

from opsctl.aws.pace import Pace


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_window_grows_with_the_answers_and_no_further_than_it_may() -> None:
    clock = Clock()
    pace = Pace(4, 10, clock)
    assert pace.window == 4
    for _ in range(6):
        pace.accepted(clock.now)
    assert pace.window == 7
    for _ in range(100):
        pace.accepted(clock.now)
    assert pace.window == 10


def test_a_large_window_grows_by_five_dozen_in_a_round_so_that_a_ceiling_is_not_overrun() -> None:
    clock = Clock()
    pace = Pace(200, 1000, clock)
    for _ in range(200):
        pace.accepted(clock.now)
    assert 250 <= pace.window <= 264


def test_the_window_stays_once_more_requests_only_take_longer() -> None:
    clock = Clock()
    pace = Pace(4, 300, clock)
    for _ in range(100):
        in_flight = pace.window
        for _ in range(10):  # by a store that answers 500 a second, and at the best after 30 ms
            clock.now += 1 / 500
            pace.accepted(clock.now - max(0.03, in_flight / 500))
    assert 30 <= in_flight <= 90


def test_late_answers_take_a_large_window_back_but_leave_enough_in_flight_for_large_objects() -> None:
    clock = Clock()
    pace = Pace(4, 300, clock)
    for _ in range(5000):
        pace.accepted(clock.now - 0.03)
    assert pace.window == 300
    for _ in range(300):
        pace.accepted(clock.now - 3)
    assert 210 < pace.window < 240
    for _ in range(20000):
        pace.accepted(clock.now - 3)
    assert 63 <= pace.window <= 65


def rate(pace: Pace) -> float | None:
    return pace.rate and round(pace.rate)


def test_no_rate_until_a_slow_down_and_then_just_below_what_aws_documents() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    assert rate(pace) is None
    for _ in range(200):
        pace.accepted(clock.now)
    pace.refused()
    assert rate(pace) == 3290
    pace.refused()  # the same moment
    assert rate(pace) == 3290


def test_a_rate_falls_by_a_tenth_comes_back_to_just_below_it_and_stays_there_for_a_while() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    pace.refused()
    clock.now += 60
    refused = pace.rate or 0
    pace.refused()
    found = []
    for seconds in (0, 20, 40, 60, 80, 120, 240):
        clock.now = 160 + seconds
        found.append(round((pace.rate or 0) / refused, 2))
    assert found == [0.90, 0.95, 0.97, 0.98, 0.98, 1.00, 1.87]


def test_a_store_that_has_borne_more_is_given_more() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    for _ in range(10):
        clock.now += 1
        pace.accepted(clock.now, 10_000)
    pace.refused()
    assert rate(pace) == 9000


def test_a_store_that_bears_much_less_is_found_out_fast() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    refusals = 0
    for _ in range(600):  # a store that bears 500 a second, asked as often as the pace allows
        asked = min(pace.rate or 10_000, 10_000) / 10
        clock.now += 0.1
        for _ in range(int(min(asked, 50))):
            pace.accepted(clock.now)
        if asked > 50:
            refusals += 1
            pace.refused()
    assert refusals < 100
    assert pace.rate == pytest.approx(475, abs=60)


@pytest.mark.parametrize(("writes", "minutes"), [(1, 0.5), (1, 2), (1000, 0.6), (1000, 1), (1000, 2), (1000, 30)])
def test_a_ceiling_is_used_and_seldom_met(writes: int, minutes: float) -> None:
    ceiling, clock = 3500, Clock()
    pace = Pace(100, 100, clock)
    most = max(ceiling / 10, writes)
    allowance, done, requests, refusals = most, 0, 0, 0
    while clock.now < 100 + minutes * 60:
        requests += 1
        if allowance < writes:
            refusals += 1
            pace.refused()
        else:
            allowance, done = allowance - writes, done + writes
            pace.accepted(clock.now, writes)
        passed = writes / (pace.rate or 20_000)
        clock.now += passed
        allowance = min(most, allowance + passed * ceiling)
    assert 0 < refusals < 0.01 * requests
    assert done > 0.93 * ceiling * minutes * 60
