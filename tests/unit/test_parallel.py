"""Many requests in flight, few items in memory."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from opsctl.aws.parallel import in_parallel


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_parallel(doubled, range(1000), 7)) == [2 * number for number in range(1000)]
    assert list(in_parallel(doubled, [], 7)) == []


def test_items_are_read_only_a_little_ahead() -> None:
    numbers = itertools.count(1)
    results = in_parallel(doubled, numbers, 10)
    assert [next(results) for _ in range(5)] == [2, 4, 6, 8, 10]
    assert next(numbers) <= 17
    results.close()


def test_what_goes_on_is_cancelled_when_the_reader_stops_or_the_work_fails() -> None:
    before = threading.active_count()

    async def work(number: int) -> int:
        if number == 3:
            raise ValueError("no")
        await asyncio.sleep(3600 if number > 3 else 0)
        return number

    with pytest.raises(ValueError, match="no"):
        list(in_parallel(work, itertools.count(), 10))
    results = in_parallel(work, range(2), 10)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_blocking_calls_run_beside_the_rest() -> None:
    async def work(number: int) -> int:
        return await asyncio.to_thread(lambda: number + 1)

    assert list(in_parallel(work, range(5), 5)) == [1, 2, 3, 4, 5]
