"""Values against expectations, and paths against paths."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.cases.match import difference, same
from opsctl.domain.cases.model import Entry, Step
from opsctl.domain.cases.paths import as_document, expected_words, path_difference, taken_words

KEYS = st.text("abc .é$", max_size=3).filter(lambda key: not key.startswith("$"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def told(expected: Any, actual: Any, *, exact: bool = True) -> tuple[str, str | None, str | None] | None:
    found = difference(expected, actual, "output", exact=exact)
    return None if found is None else (found.what, found.expected, found.actual)


@given(JSON)
def test_every_value_is_itself(value: Any) -> None:
    copy = json.loads(json.dumps(value))
    assert told(value, copy) is None
    assert told(value, copy, exact=False) is None


@given(JSON, JSON)
def test_an_exact_difference_is_told_exactly_where_values_are_not_the_same(one: Any, other: Any) -> None:
    assert (told(one, other) is None) == same(one, other)


@given(JSON, st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_more_keys_are_no_difference_in_a_subset_and_one_in_a_whole(value: Any, more: dict[str, Any]) -> None:
    expected = {"own": value}
    assert told(expected, {**more, **expected}, exact=False) is None
    assert (told(expected, {**more, **expected}) is None) == (set(more) <= {"own"})


@given(JSON, JSON)
def test_a_subset_is_never_stricter_than_a_whole(one: Any, other: Any) -> None:
    assert told(one, other) is not None or told(one, other, exact=False) is None


@pytest.mark.parametrize(
    ("expected", "actual", "what"),
    [
        (1, 1.0, None),
        (True, 1, ("output", "true", "1")),
        ({"a": [1, {"b c": 2}]}, {"a": [1, {"b c": 3}]}, ('output.a[1]."b c"', "2", "3")),
        ({"a": 1}, {"b": 1}, ("output.a", "1", "nothing (there are: b)")),
        ({"a": 1}, {}, ("output.a", "1", "nothing (there are: no keys)")),
        ({}, {"a": 1}, ("output.a", "nothing", "1")),
        ([1], [1, 2], ("output", "1 item: [1]", "2 items: [1, 2]")),
        ([], {}, ("output", "[]", "{}")),
        ("x" * 400, "y", ("output", '"' + "x" * 149 + " … " + "x" * 149 + '"', '"y"')),
        ({"$matches": "^a.c$"}, "abc", None),
        ({"$matches": "^a.c$"}, "abcd", ("output", 'something that matches "^a.c$"', '"abcd"')),
        ({"$matches": "1"}, 1, ("output", 'something that matches "1"', "1")),
        ({"$contains": ["a", "c"]}, "abc", None),
        ({"$contains": ["a", "z"]}, "abc", ("output", 'something that contains ["a", "z"]', '"abc"')),
        ({"$contains": {"a": 1}}, [{"b": 1}, {"a": 1, "b": 2}], None),
        ({"$contains": "a"}, {"a": 1}, None),
        ({"$contains": 1}, 1, ("output", "something that contains 1", "1")),
        ({"a": {"$includes": {"b": 1}}}, {"a": {"b": 1, "c": 2}}, None),
        ({"$exactly": {"b": 1}}, {"b": 1, "c": 2}, ("output", 'exactly {"b": 1}', '{"b": 1, "c": 2}')),
        ({"$not": {"b": 1}}, {"b": 1, "c": 2}, ("output", 'anything but {"b": 1}', '{"b": 1, "c": 2}')),
        ({"$at_least": 1, "$at_most": 3}, 3, None),
        ({"$at_least": 1, "$at_most": 3}, 4, ("output", "at most 3", "4")),
        ({"$at_least": 0}, True, ("output", "at least 0", "true")),
        ({"$length": 2}, {"a": 1, "b": 2}, None),
        ({"$length": 2}, 2, ("output", "length 2", "2")),
        ({"a": {"$any": True}}, {"a": None}, None),
        ({"a": {"$any": True}}, {}, ("output.a", '{"$any": true}', "nothing (there are: no keys)")),
        ({"a": {"$absent": True}}, {}, None),
        ({"a": {"$absent": True}}, {"a": 1}, ("output.a", "nothing: $absent is true", "1")),
    ],
)
def test_the_first_difference(expected: Any, actual: Any, what: Any) -> None:
    assert told(expected, actual) == what


# paths

NAMES = st.sampled_from("ABC")


@given(st.lists(NAMES | st.just("..."), max_size=6), st.lists(NAMES, max_size=8))
def test_gaps_fit_as_a_regular_expression_says(expected: list[str], taken: list[str]) -> None:
    pattern = "".join(".*" if name == "..." else name for name in expected)
    path = tuple(None if name == "..." else Step(name) for name in expected)
    fits = path_difference(path, [Entry(name) for name in taken]) is None
    assert fits == (re.fullmatch(pattern, "".join(taken)) is not None)


def entry(name: str, *branches: list[str]) -> Entry:
    return Entry(name, branches={index: [Entry(inner) for inner in branch] for index, branch in enumerate(branches)})


TAKEN = [entry("A"), entry("P", ["B", "C"], ["D"]), entry("E")]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ([Step("A"), Step("P"), Step("E")], None),
        ([Step("A"), Step("E")], ("path, step 2", "A > E", "A > P > E")),
        ([Step("A"), Step("P")], ("path, step 3", "A > P", "A > P > E")),
        ([], ("path, step 1", "(no state)", "A > P > E")),
        ([None, Step("P"), Step("A")], ("path", "... > P > A", "A > P > E")),
        ([None, Step("P", {1: (Step("D"),)}), None], None),
        ([Step("A"), Step("P", {1: (Step("X"),)}), Step("E")], ("path, P[1], step 1", "X", "D")),
        ([Step("A"), Step("P", {0: (None, Step("C"))}), Step("E")], None),
        ([Step("A"), Step("P", {1: (Step("D"),)}, whole=True), Step("E")],
         ("path", "A > P [D] > E", "A > P [B > C | D] > E")),
        ([None, Step("P", {2: (Step("D"),)}), None], ("path", "... > P [D] > ...", "A > P [B > C | D] > E")),
        ([Step("A"), Step("P", {2: (Step("D"),)}), Step("E")], ("path, P[2], step 1", "D", "(no state)")),
    ],
)  # fmt: skip
def test_the_branch_that_differs_is_told(path: list[Step | None], what: Any) -> None:
    found = path_difference(tuple(path), TAKEN)
    assert (None if found is None else (found.what, found.expected, found.actual)) == what


def test_paths_in_words_and_as_json() -> None:
    assert taken_words(TAKEN) == "A > P [B > C | D] > E"
    assert expected_words((Step("A"), None, Step("P", {0: (Step("B"),), 1: ()}))) == "A > ... > P [B | (no state)]"
    assert as_document(TAKEN) == ["A", {"P": {"0": ["B", "C"], "1": ["D"]}}, "E"]


def test_a_pattern_that_could_be_tried_for_ever_is_soon_answered() -> None:
    text = "a" * 40 + "b"
    assert told({"$matches": "^(a+)+$"}, text) == ("output", 'something that matches "^(a+)+$"', json.dumps(text))
