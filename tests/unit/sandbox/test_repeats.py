"""A call whose answer was lost is carried out once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from opsctl.sandbox.clients import ONCE
from opsctl.sandbox.repeats import Repeats


class Counting:
    """An application that numbers its answers."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status, self.count = status, 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.count += 1
        number = self.count
        assert self.go.wait(30)
        start_response(self.status, [("X-Number", str(number))])
        return [f"answer {number}".encode()]


def asked(call: str | None, attempt: int, service: str = "iam") -> dict[str, Any]:
    named = {"HTTP_AMZ_SDK_INVOCATION_ID": call} if call else {}
    scope = f"AWS4-HMAC-SHA256 Credential=x/20261122/us-east-1/{service}/aws4_request"
    return {**named, "HTTP_AMZ_SDK_REQUEST": f"attempt={attempt}; max=25", "HTTP_AUTHORIZATION": scope}


def answer(repeats: Repeats, application: Counting, environ: dict[str, Any]) -> tuple[str, str]:
    told: list[str] = []
    body = b"".join(repeats.once(application, environ, lambda status, headers: told.append(status)))
    return told[0], body.decode()


def test_a_second_attempt_is_answered_as_the_first() -> None:
    repeats, application = Repeats(), Counting()
    first = answer(repeats, application, asked("a", 1))
    assert answer(repeats, application, asked("a", 2)) == first == ("200 OK", "answer 1")
    assert answer(repeats, application, asked("b", 1)) == ("200 OK", "answer 2")
    assert application.count == 2


@pytest.mark.parametrize("status", ["503 Service Unavailable", "400 Bad Request"])
def test_what_did_not_go_well_is_tried_again(status: str) -> None:
    repeats, application = Repeats(), Counting(status)
    answer(repeats, application, asked("a", 1))
    assert answer(repeats, application, asked("a", 2)) == (status, "answer 2")


@pytest.mark.parametrize(("call", "service"), [(None, "iam"), ("a", "s3")])
def test_calls_without_an_id_and_those_of_s3_are_carried_out_each_time(call: str | None, service: str) -> None:
    repeats, application = Repeats(), Counting()
    answer(repeats, application, asked(call, 1, service))
    assert answer(repeats, application, asked(call, 2, service)) == ("200 OK", "answer 2")


def test_a_second_attempt_waits_for_the_first() -> None:
    repeats, application = Repeats(), Counting()
    application.go.clear()
    answers: list[tuple[str, str]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(answer(repeats, application, asked("a", n)))) for n in (1, 2)
    ]
    threads[0].start()
    while application.count == 0:
        threads[0].join(0.01)
    threads[1].start()
    application.go.set()
    for thread in threads:
        thread.join(30)
    assert answers == [("200 OK", "answer 1")] * 2


def test_an_application_that_raises_is_asked_again() -> None:
    repeats = Repeats()

    def broken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        repeats.once(broken, asked("a", 1), lambda *_: None)
    assert answer(repeats, Counting(), asked("a", 2)) == ("200 OK", "answer 1")


def test_a_server_knows_what_one_before_it_answered_to_the_sandboxs_own_calls() -> None:
    before, after, application = Repeats(), Repeats(), Counting()
    call = f"{ONCE}key-1-SubmitJob"
    assert answer(before, application, asked(call, 1)) == ("200 OK", "answer 1")
    after.restore(before.kept())
    assert (after.answered("key"), after.answered("ke")) == (True, False)
    assert answer(after, application, asked(call, 1)) == ("200 OK", "answer 1")
    assert answer(after, application, asked(f"{ONCE}key-2-SubmitJob", 1)) == ("200 OK", "answer 2")


def test_what_failed_is_carried_out_again() -> None:
    before, after = Repeats(), Repeats()
    call = f"{ONCE}key-1-SubmitJob"
    answer(before, Counting("400 Error"), asked(call, 1))
    after.restore(before.kept())
    assert answer(after, Counting(), asked(call, 1)) == ("200 OK", "answer 1")
    assert answer(Repeats(own=False), Counting(), asked(call, 1)) == ("200 OK", "answer 1")
