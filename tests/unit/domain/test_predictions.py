"""Requests within the endpoint's limits, and answers that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.predictions import MOST_BYTES, MOST_PAGES, MOST_STACKS, Stack, answers, requests, said
from opsctl.errors import AwsError, UsageError

stacks = st.lists(
    st.builds(
        lambda pages, size: Stack("s", ["x"] * pages, [b"\0" * size]), st.integers(1, 900), st.integers(0, 2_000_000)
    ),
    max_size=80,
)


@given(stacks)
def test_requests_hold_every_stack_once_in_order_within_the_limits(given_stacks: list[Stack]) -> None:
    found = list(requests(given_stacks))
    assert [stack for group, _ in found for stack in group] == given_stacks
    for group, body in found:
        assert len(body) <= MOST_BYTES
        assert len(group) <= MOST_STACKS
        assert sum(len(stack.texts) for stack in group) <= MOST_PAGES
        assert [len(stack["pages"]) for stack in json.loads(body)["stacks"]] == [len(stack.texts) for stack in group]


@pytest.mark.parametrize("stack", [Stack("big", ["x"], [b"\0" * 5_000_000]), Stack("big", ["x"] * 2001, [b""])])
def test_a_stack_that_no_request_holds(stack: Stack) -> None:
    with pytest.raises(UsageError, match="big is too large for one request"):
        list(requests([stack]))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"stacks": []}', b'{"stacks": [{"pages": [{}], "documents": []}]}', b"[1]"]
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(AwsError, match="the endpoint's answer is not one of the ensemble's"):
        answers(body, [Stack("s", ["x"], [b""])])


@pytest.mark.parametrize(
    ("message", "words"), [('{"error": "no page"}', "no page"), ("plain", "plain"), ("[1]", "[1]"), ("{}", "{}")]
)
def test_what_a_container_said(message: str, words: str) -> None:
    assert said(message) == words
