"""YAML as JSON values that know their lines."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import UsageError
from opsctl.operations.documents_yaml import load


def json_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=15,
    )


TEXTS = st.text(max_size=8)
# PyYAML writes YAML 1.1, in which 0E0 and 09 are words that need no quotes.
WORDS = TEXTS.filter(lambda text: not re.match(r"[-+.]*[0-9]", text))


@given(json_of(TEXTS))
def test_json_is_yaml(value: Any) -> None:
    assert load(json.dumps(value), "x").value == value


@given(json_of(WORDS))
def test_what_a_writer_of_yaml_writes_is_read(value: Any) -> None:
    assert load(yaml.safe_dump(value, allow_unicode=False), "x").value == value


def test_types_are_those_of_the_core_schema() -> None:
    text = "[on, no, 2026-11-21, 12:30, '1', 1, -2, 0x10, 0o10, 1e3, .5, ~, null, true, False, !!str 1, =, .inf]"
    assert load(text, "x").value == [
        "on", "no", "2026-11-21", "12:30", "1", 1, -2, 16, 8, 1000.0, 0.5, None, None, True, False, "1", "=", ".inf",
    ]  # fmt: skip
    assert load("{1: a, true: b, ~: c}", "x").value == {"1": "a", "true": "b", "~": "c"}
    assert load("", "x").value is None


def test_anchors_and_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc:\n  <<: [*a, {y: 9, z: 4}]\n"
    assert load(text, "x").value == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2, "z": 4}}


def test_values_know_their_places() -> None:
    source = load("a: 1\nb:\n  - c\n  - d: &x {e: 1}\nf:\n  <<: *x\n", "x")
    places = {path: (source.line(path), source.column(path)) for path in [
        (), ("a",), ("b",), ("b", 0), ("b", 1, "d"), ("b", 1, "d", "e"), ("b", 7), ("f", "e"), ("zz", "y"),
    ]}  # fmt: skip
    assert places == {
        (): (1, 1), ("a",): (1, 1), ("b",): (2, 1), ("b", 0): (3, 5), ("b", 1, "d"): (4, 5),
        ("b", 1, "d", "e"): (4, 12), ("b", 7): (2, 1), ("f", "e"): (5, 1), ("zz", "y"): (1, 1),
    }  # fmt: skip
    assert load("", "x").line(("a",)) == 1


BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 30)
)

DEEP = "a0: &a0 [1]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 900))
ALIAS = "stands for nothing, or for what it stands in"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "x:2: the field 'a' is there twice in the same object"),
        ("a: &a [*a]", f"x:1: the alias *a {ALIAS}"),
        (BOMB, "x:6: with its aliases written out it holds more than 500,000 values"),
        ("a: [1", "x:1: this is no YAML: did not find expected ',' or ']'"),
        ("a: *b", f"x:1: the alias *b {ALIAS}"),
        ("a: !python/object:os.system x", "x:1: the tag !python/object:os.system has no counterpart in JSON"),
        ("a: !!int x", "x:1: 'x' is no int"),
        ("a: !!int " + "9" * 5000, f"x:1: '{'9' * 5000}' is no int"),
        ("a: 1e999", "x:1: '1e999' is no float"),
        ("? [a]\n: 1", "x:1: a field's name must be text"),
        ("a:\n  <<: 3", "x:2: << takes a mapping, or a list of mappings"),
        ("a: 1\n---\nb: 1", "x:2: there is more than one document in it"),
        ("\n" + "[" * 5000, "x:2: the document is nested more than 200 levels deep"),
        (DEEP, "x:200: the document is nested more than 200 levels deep"),
        ("a: &a [1]\nb: &a [*a]", f"x:2: the alias *a {ALIAS}"),
        ("a: 1\nb: \x00", "x:2: this is no YAML: it holds the character #x00"),
        ('a: "\\ud800"', "x:1: half a character: a surrogate stands alone"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load(text, "x")
    assert error.value.message == message


def test_what_unfolds_beyond_measure_comes_with_a_remedy() -> None:
    with pytest.raises(UsageError) as error:
        load(BOMB, "x")
    assert error.value.hint == "use fewer aliases"


@pytest.mark.parametrize("part", ["[", "{a: ", "- ", "? ", "[{a: ", '["\\ud83d\\ude00", '])
def test_five_megabytes_of_nesting_are_refused(part: str) -> None:
    text = part * (5_000_000 // len(part))
    with pytest.raises(UsageError):
        load(text, "x")


def test_names_with_a_question_mark_need_no_quotes_in_brackets() -> None:
    assert load("path: [Skip It?, Work]", "x").value == {"path": ["Skip It?", "Work"]}


def test_escapes_of_json_are_escapes_in_double_quotes_only() -> None:
    text = r"""["\ud83d\ude00", "\\ud83d", '\ud83d', \ud83d, "\ud83d\ude00": 1]"""
    assert load(text, "x").value == ["\U0001f600", r"\ud83d", r"\ud83d", r"\ud83d", {"\U0001f600": 1}]


def test_what_an_alias_names_is_where_it_is_written() -> None:
    source = load("a: &a\n  b: 1\nc: *a\n", "x")
    assert [source.line(path) for path in [("a", "b"), ("c",), ("c", "b")]] == [2, 3, 2]
    assert source.offsets() == {"": 0, "/a": 0, "/a/b": 8, "/c": 13}
