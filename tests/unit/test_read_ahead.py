"""Pages that are read ahead of the one that is dealt with."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from opsctl.aws.ahead import read_ahead


def test_the_items_come_in_their_order() -> None:
    assert list(read_ahead([])) == []
    assert list(read_ahead(range(1000))) == list(range(1000))


def test_one_item_is_read_while_one_is_dealt_with_and_no_more() -> None:
    read, second = [], threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            if number == 1:
                second.set()
            yield number

    reader = read_ahead(items())
    assert next(reader) == 0
    assert second.wait(60), "the second was not read"
    assert next(reader) == 1
    assert max(read) <= 2


def test_what_reading_raises_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise PermissionError("no")

    reader = read_ahead(items())
    assert [next(reader), next(reader)] == [1, 2]
    with pytest.raises(PermissionError, match="no"):
        next(reader)
