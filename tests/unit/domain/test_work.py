"""What a task is answered with."""

from __future__ import annotations

import pytest

from opsctl.domain.work import CAUSE_CHARACTERS, INTERRUPTED, OUTPUT_BYTES, Answer, Ended, answer


@pytest.mark.parametrize(
    ("stdout", "output"),
    [(b"", "{}"), (b" \n", "{}"), (b"[1, 2]\n", "[1, 2]"), (b"null", "null"), (b'"\xc3\xa9"', '"é"')],
)
def test_json_is_the_output(stdout: bytes, output: str) -> None:
    assert answer(Ended(0, stdout, "")) == Answer(output=output)


@pytest.mark.parametrize("stdout", [b"{", b"\xff", b"NaN", b"[" * 100_000, b"{} {}"])
def test_anything_else_is_none(stdout: bytes) -> None:
    assert answer(Ended(0, stdout, "")).error == "Worker.InvalidOutput"


def test_an_output_has_as_many_bytes_as_aws_takes() -> None:
    whole = b'"' + b"x" * (OUTPUT_BYTES - 2) + b'"'
    assert answer(Ended(0, whole, "")).output == whole.decode()
    assert answer(Ended(0, whole + b"\n", "")).error == "Worker.OutputTooLarge"


def test_a_cause_is_the_end_of_what_was_said_and_no_longer_than_aws_takes() -> None:
    found = answer(Ended(1, b"", "first words " + "x" * CAUSE_CHARACTERS + " last words"))
    assert (found.error, len(found.cause)) == ("Worker.CommandFailed", CAUSE_CHARACTERS)
    assert found.cause.startswith("exit code 1: xxx")
    assert found.cause.endswith("x last words")


def test_who_ended_it_comes_before_how_it_ended() -> None:
    ended = answer(Ended(-15, b"{}", "saving", INTERRUPTED))
    assert ended == Answer(error=INTERRUPTED, cause="the command was ended by the worker: saving")


def test_a_signal_without_a_name() -> None:
    assert answer(Ended(-63, b"", "")).cause == "signal 63 (unknown)"
