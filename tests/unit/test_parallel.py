"""Many requests in flight, few items in memory."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest

from opsctl.aws.pace import Pace
from opsctl.aws.parallel import in_parallel


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_every_item_has_its_result() -> None:
    assert sorted(in_parallel(doubled, range(1000), Pace(3, 5), 70)) == [2 * number for number in range(1000)]
    assert list(in_parallel(doubled, [], Pace(3, 5), 7)) == []


def test_items_are_read_only_a_little_ahead() -> None:
    numbers = itertools.count(1)
    results = in_parallel(doubled, numbers, Pace(3, 3), 10)
    assert sorted(itertools.islice(results, 10)) == [2 * number for number in range(1, 11)]
    assert next(numbers) <= 21
    results.close()


def test_as_many_are_at_work_as_the_pace_has_in_flight() -> None:
    pace, at_work, most = Pace(4, 40), 0, []

    async def work(number: int) -> int:
        nonlocal at_work
        at_work += 1
        most.append(at_work)
        assert at_work <= pace.window
        await asyncio.sleep(0)
        at_work -= 1
        if number == 500:
            pace.refused()
        elif number < 500:
            pace.accepted(0.0)
        return pace.window

    windows = list(in_parallel(work, range(1000), pace, 100))
    assert max(windows) == 40
    assert windows[-1] == 20
    assert most[0] == 1
    assert max(most) == 40
    assert max(most[-100:]) == 20


def test_what_is_read_is_begun_and_told_of_while_the_next_is_awaited() -> None:
    begun = threading.Semaphore(0)

    async def work(number: int) -> int:
        begun.release()
        return number

    def numbers() -> Iterator[int]:
        for number in range(5):
            yield number
            assert begun.acquire(timeout=60)

    assert sorted(in_parallel(work, numbers(), Pace(2, 2), 100)) == [0, 1, 2, 3, 4]


def test_what_goes_on_is_cancelled_when_the_reader_stops_or_the_work_fails() -> None:
    before = set(threading.enumerate())

    async def work(number: int) -> int:
        if number == 3:
            raise ValueError("no")
        await asyncio.sleep(3600 if number > 3 else 0)
        return number

    with pytest.raises(ValueError, match="no"):
        list(in_parallel(work, itertools.count(), Pace(10, 10), 10))
    results = in_parallel(work, range(2), Pace(1, 1), 10)
    next(results)
    results.close()
    assert set(threading.enumerate()) <= before  # those of other tests may end meanwhile


def test_an_item_that_cannot_be_read_ends_it() -> None:
    before = set(threading.enumerate())

    def numbers() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(in_parallel(doubled, numbers(), Pace(1, 1), 10))
    assert set(threading.enumerate()) <= before


def test_blocking_calls_run_beside_the_rest() -> None:
    async def work(number: int) -> int:
        return await asyncio.to_thread(lambda: number + 1)

    assert sorted(in_parallel(work, range(5), Pace(5, 5), 5)) == [1, 2, 3, 4, 5]
