"""How fast S3 is written to, on a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from opsctl.aws.pace import Pace


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def begun_at_once(pace: Pace, count: int) -> int:
    """How many of so many requests are sent without waiting for an answer."""
    begun = 0

    async def request() -> None:
        nonlocal begun
        async with pace.turn():
            begun += 1
            await asyncio.sleep(3600)

    tasks = [asyncio.ensure_future(request()) for _ in range(count)]
    for _ in range(20):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return begun


def test_the_window_grows_with_the_answers_and_no_further_than_it_may() -> None:
    pace = Pace(4, 10, Clock())
    assert asyncio.run(begun_at_once(pace, 20)) == 4
    for _ in range(6):
        pace.accepted()
    assert asyncio.run(begun_at_once(pace, 20)) == 7
    for _ in range(100):
        pace.accepted()
    assert asyncio.run(begun_at_once(pace, 20)) == 10


def test_a_request_that_waits_gets_its_turn_when_another_ends() -> None:
    async def all_of(count: int) -> int:
        pace, done = Pace(2, 2), 0

        async def request() -> None:
            nonlocal done
            async with pace.turn():
                await asyncio.sleep(0)
                done += 1

        await asyncio.gather(*(request() for _ in range(count)))
        return done

    assert asyncio.run(all_of(50)) == 50


def rate(pace: Pace) -> float | None:
    return pace.rate and round(pace.rate)


def test_no_rate_until_a_slow_down_and_then_just_below_what_aws_documents() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    assert rate(pace) is None
    for _ in range(200):
        pace.accepted()
    pace.refused()
    assert rate(pace) == 3325
    pace.refused()  # the same moment
    assert rate(pace) == 3325
    clock.now += 20
    assert rate(pace) == 3425
    pace.refused()
    assert rate(pace) == 3075


def test_a_store_that_has_borne_more_is_given_more() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    for _ in range(10):
        clock.now += 1
        pace.accepted(10_000)
    pace.refused()
    assert rate(pace) == 9000


def test_a_store_that_bears_much_less_is_found_out_fast() -> None:
    clock = Clock()
    pace = Pace(100, 100, clock)
    refusals = 0
    for _ in range(2000):  # a store that bears 500 a second, asked as often as the pace allows
        asked = min(pace.rate or 10_000, 10_000) / 10
        clock.now += 0.1
        for _ in range(int(min(asked, 50))):
            pace.accepted()
        if asked > 50:
            refusals += 1
            pace.refused()
    assert refusals < 100
    assert pace.rate == pytest.approx(475, abs=60)
