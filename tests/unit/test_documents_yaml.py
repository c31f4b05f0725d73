"""YAML as JSON values that know their lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsctl.errors import UsageError
from opsctl.operations.documents_yaml import load

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    assert load(json.dumps(value), "x").value == value


@given(JSON)
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

NOT = "this is not YAML"
SPECIAL = 'special characters are not allowed in "<unicode string>", position 0'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "x:2: the key 'a' stands here twice"),
        ("a: &a [*a]", "x:1: an anchor contains itself"),
        (BOMB, "x:6: its aliases unfold to more than 1000000 values"),
        ("a: [1", "x:1: this is not YAML: while parsing a flow sequence: expected ',' or ']', but got '<stream end>'"),
        ("a: *b", "x:1: this is not YAML: found undefined alias 'b'"),
        ("a: !python/object:os.system x", "x:1: the tag !python/object:os.system means nothing here"),
        ("a: !!int x", "x:1: 'x' is no int"),
        ("a: !!int " + "9" * 5000, f"x:1: '{'9' * 5000}' is no int"),
        ("a: 1e999", "x:1: '1e999' is no float"),
        ("? [a]\n: 1", "x:1: a key must be a word"),
        ("a:\n  <<: 3", "x:2: << takes a mapping, or a list of mappings"),
        ("a: 1\n---\nb: 1", f"x:2: {NOT}: expected a single document in the stream: but found another document"),
        ("[" * 5000, "x: the document is nested too deeply"),
        ("\x00", f"x: {NOT}: unacceptable character #x0000: {SPECIAL}"),
        ('a: "\\ud800"', "x:1: half a character: a surrogate stands alone"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load(text, "x")
    assert error.value.message == message


def test_a_question_mark_in_brackets_is_explained() -> None:
    with pytest.raises(UsageError) as error:
        load("path: [Skip It?, Work]", "x")
    assert error.value.hint == "quote words with a ? inside [...] or {...}"
