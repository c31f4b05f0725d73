"""Snapshots come whole, one at a time and of one moment, or not at all; a content goes when no snapshot names it."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from opsctl.sandbox.state import changes
from opsctl.sandbox.state.contents import Contents
from opsctl.sandbox.state.directory import StateDirectory
from opsctl.sandbox.state.files import written
from opsctl.sandbox.state.gate import Gate
from opsctl.sandbox.state.writer import Writer

CHANGE = {"REQUEST_METHOD": "PUT"}


@contextmanager
def standing() -> Iterator[None]:
    yield


@contextmanager
def standing_too_long() -> Iterator[None]:
    yield
    raise TimeoutError


@contextmanager
def never_standing() -> Iterator[None]:
    raise TimeoutError
    yield


class Kept:
    """A state's directory, and writers of it."""

    def __init__(self, root: Path) -> None:
        self.place = StateDirectory(root)
        self.place.create()
        self.contents = Contents(self.place.objects)
        self.lock = (root / "writing.lock").open("ab")

    def writer(self, dump: Callable[[], bytes], hold: Callable[..., object]) -> Writer:
        return Writer(self.place, self.contents, {}, dump, hold, self.lock.fileno())  # type: ignore[arg-type]

    def write(self, dump: Callable[[], bytes], hold: Callable[..., object] = standing) -> bool:
        return self.writer(dump, hold).write()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.place.objects.iterdir())


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "state")


def test_the_last_whole_snapshot_is_there(kept: Kept) -> None:
    assert kept.write(lambda: b"one") is True
    assert kept.place.read() == b"one"

    def fails() -> bytes:
        raise ValueError("cannot be pickled")

    assert kept.write(fails) is False
    assert kept.place.read() == b"one"
    assert kept.place.unwritten.exists()
    assert kept.write(lambda: b"two") is True
    assert kept.place.read() == b"two"
    assert not kept.place.unwritten.exists()


@pytest.mark.parametrize("hold", [standing_too_long, never_standing])
def test_a_snapshot_of_no_one_moment_is_dropped(kept: Kept, hold: Callable[..., object]) -> None:
    kept.write(lambda: b"one")

    def slow() -> bytes:
        time.sleep(30)
        return b"two"

    assert kept.write(slow, hold) is False
    assert kept.place.read() == b"one"
    assert not kept.place.is_up_to_date()


def test_the_last_snapshot_waits_for_a_world_that_does_not_come_to_a_stand_at_once(kept: Kept) -> None:
    stands: list[bool] = []

    @contextmanager
    def standing_later() -> Iterator[None]:
        if not stands:
            stands.append(False)
            raise TimeoutError
        stands.append(True)
        yield

    assert kept.writer(lambda: repr(stands).encode(), standing_later).write_last() is True
    assert kept.place.read() == b"[False, True]"


def test_a_content_goes_when_no_snapshot_names_it(kept: Kept) -> None:
    name = kept.contents.keep(b"page")
    kept.write(lambda: b"names it")
    kept.contents.forget(name)

    def fails() -> bytes:
        raise ValueError

    kept.write(fails)
    assert (kept.files(), kept.contents.read(name)) == ([name], b"page")
    kept.write(lambda: b"does not")
    assert kept.files() == []


def test_what_no_copy_could_be_made_for_is_in_the_next_snapshot(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    name = kept.contents.keep(b"page")
    kept.contents.forget(name)

    def full() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as machine:
        machine.setattr("os.fork", full)
        assert kept.write(lambda: b"one") is False
    assert (changes.wait(0), kept.place.is_up_to_date(), kept.files()) == (True, False, [name])
    assert kept.write(lambda: b"two") is True
    assert (changes.wait(0), kept.place.is_up_to_date(), kept.files()) == (False, True, [])


def test_what_the_disk_has_no_room_for_takes_none(tmp_path: Path) -> None:
    with suppress(OSError), written(tmp_path / "draft", "wb") as file:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_taken_away_is_at_rest_and_not_up_to_date(kept: Kept, tmp_path: Path) -> None:
    assert (kept.place.rests(), kept.place.is_up_to_date()) == (True, True)
    kept.place.root.rename(tmp_path / "elsewhere")
    assert (kept.place.rests(), kept.place.is_up_to_date()) == (True, False)


def test_who_changes_something_waits_at_the_gate() -> None:
    gate, passed, within, go_on = Gate(), threading.Event(), threading.Event(), threading.Event()

    def change(last: bool) -> None:
        with gate.passing(CHANGE, b""):
            if last:
                passed.set()
            else:
                within.set()
                go_on.wait()

    first = threading.Thread(target=change, args=(False,))
    first.start()
    within.wait()
    shut = threading.Event()
    opened = threading.Event()

    def snapshot() -> None:
        with gate.shut():
            shut.set()
            opened.wait()

    writer = threading.Thread(target=snapshot)
    writer.start()
    go_on.set()
    shut.wait()
    first.join()
    with gate.passing({"REQUEST_METHOD": "GET"}, b""):
        pass  # who only reads does not wait
    second = threading.Thread(target=change, args=(True,))
    second.start()
    assert not passed.wait(0.2)
    opened.set()
    assert passed.wait(60)
    for thread in (second, writer):
        thread.join()
