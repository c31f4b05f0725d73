"""How far a copy or a cleanup is, on a terminal and elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from opsctl.cli.progress import Progress


class Terminal(io.StringIO):
    """A standard error that can be drawn on."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(
    clock: Clock, steps: list[tuple[float, int, int | None]], objects: int = 20_000, size: int = 4_000_000
) -> None:
    with Progress("deleted", objects, size, clock) as progress:
        for now, done, done_bytes in steps:
            clock.now = now
            progress(done, done_bytes)


STEPS = [(2, 4000, 800_000), (12, 12_000, 2_400_000), (13, 20_000, 4_000_000)]


def test_a_line_now_and_then_where_nothing_can_be_redrawn(capsys: pytest.CaptureFixture[str]) -> None:
    told(Clock(), STEPS)
    line = "deleted 12,000 of 20,000 objects, 2.4 MB of 4.0 MB, 1,000/s, 8.0 s left\n"
    assert capsys.readouterr().err == line


def test_a_line_that_is_redrawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    told(Clock(), STEPS)
    drawn = screen.getvalue().split("\r\033[K")[1:]
    assert drawn == [
        "deleted 4,000 of 20,000 objects, 800.0 kB of 4.0 MB, 2,000/s, 8.0 s left",
        "deleted 12,000 of 20,000 objects, 2.4 MB of 4.0 MB, 1,000/s, 8.0 s left",
        "deleted 20,000 of 20,000 objects, 4.0 MB of 4.0 MB, 1,538/s",
        "deleted 20,000 of 20,000 objects, 4.0 MB of 4.0 MB, 1,538/s\n",
    ]


def test_what_is_not_known_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    told(Clock(), [(5, 1000, None)], objects=0, size=0)
    assert screen.getvalue().endswith("\r\033[Kdeleted 1,000 objects, 200/s\n")
    told(Clock(), [(0, 1, 3000)], objects=0, size=0)
    assert screen.getvalue().endswith("\r\033[Kdeleted 1 object, 3.0 kB\n")


@pytest.mark.parametrize(
    ("verb", "whole", "line"),
    [("copied Fetch:", 10, "copied Fetch: 3 of 10 objects, 3 B of 10 B\n"), ("found", 0, "")],
)
def test_an_interrupt_leaves_the_last_line_of_a_known_way(
    verb: str, whole: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()

    def interrupted() -> None:
        with Progress(verb, whole, whole, clock) as progress:
            clock.now = 0.5
            progress(3, 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == line


def test_nothing_done_is_nothing_said(capsys: pytest.CaptureFixture[str]) -> None:
    told(Clock(), [])
    assert capsys.readouterr().err == ""
