"""Which keys obstore may be given: those that it leaves as they are."""

from __future__ import annotations

import obstore
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from opsctl.aws.plain import is_plain, is_slow_down

PIECES = st.sampled_from(
    ["/", "//", ".", "..", "a", " ", "%2F", "%", "+", "ü", "\n", "\t", "\x7f", "~", "?", "\\", "*"]
)


@given(st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=12)))
def test_obstore_keeps_what_is_called_plain(key: str) -> None:
    if is_plain(key):
        store = MemoryStore()
        store.put(key, b"")
        assert [item["path"] for page in obstore.list(store) for item in page] == [key]


@pytest.mark.parametrize(
    "key", ["runs/a/model.tar.gz", "a b/ü", "...", "a/.hidden", "a.", "100%", "%2e%2e/x", "x" * 1024]
)
def test_ordinary_keys_are_plain(key: str) -> None:
    assert is_plain(key)


@pytest.mark.parametrize(
    "key", ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\nb", "\x00", "\ufffe"]
)
def test_odd_keys_are_not(key: str) -> None:
    assert not is_plain(key)


@pytest.mark.parametrize(
    ("message", "slow"),
    [
        ("Server returned non-2xx status code: 503 Slow Down: <Error><Code>SlowDown</Code>", True),
        ("Server returned non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code>", False),
        ("HTTP error: error sending request for runs/a/15030", False),
    ],
)
def test_a_slow_down_is_told_from_other_failures(message: str, slow: bool) -> None:
    assert is_slow_down(message) is slow
