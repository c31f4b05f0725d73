"""JSONPath: what is found, what is missing, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.asl.failures import StateError
from opsctl.asl.paths import PathMissingError, PathSyntaxError, parse_path

STORE: dict[str, Any] = {
    "models": [
        {"name": "text", "failed": False, "epochs": 6, "tags": ["cpu"]},
        {"name": "image", "failed": True, "epochs": 80, "cause": "CUDA out of memory", "tags": ["gpu", "bf16"]},
        {"name": "sequence", "failed": True, "epochs": 20, "tags": []},
    ],
    "a": {"b-c": {"d": [10, 20, 30]}, "it's": 1, "x.y": 2},
    "limit": 20,
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", STORE),
        ("$.limit", 20),
        ("$.none", None),
        ("$.a['b-c'].d[0]", 10),
        ("$.a['b-c'].d[-1]", 30),
        ('$["a"]["x.y"]', 2),
        ("$.a['it\\'s']", 1),
        ("$.a.b-c.d[1]", 20),
        ("$.models[*].name", ["text", "image", "sequence"]),
        ("$.models.*.epochs", [6, 80, 20]),
        ("$.models[0,2].name", ["text", "sequence"]),
        ("$.models[1:].name", ["image", "sequence"]),
        ("$.models[:-1].name", ["text", "image"]),
        ("$.models[0]['name','epochs']", ["text", 6]),
        ("$..d[0]", [10]),
        ("$..name", ["text", "image", "sequence"]),
        ("$.models[?(@.failed == true)].name", ["image", "sequence"]),
        ("$.models[?(@.failed)].name", ["text", "image", "sequence"]),
        ("$.models[?(@.cause)].name", ["image"]),
        ("$.models[?(!@.cause)].name", ["text", "sequence"]),
        ("$.models[?(@.epochs >= $.limit && @.name != 'image')].name", ["sequence"]),
        ("$.models[?(@.name == 'text' || (@.epochs > 50 && @.failed == true))].epochs", [6, 80]),
        ("$.models[?(@.name =~ /.*E.*/i)].name", ["text", "image", "sequence"]),
        ("$.models[?(@.name =~ /(\\w+)+-/)].name", []),
        ("$.models[?(@.name in ['text','other'])].epochs", [6]),
        ("$.models[?('gpu' in @.tags)].name", ["image"]),
        ("$.models[?(@.tags contains 'cpu')].name", ["text"]),
        ("$.models[?(@.tags size 2)].name", ["image"]),
        ("$.models[?(@.tags empty true)].name", ["sequence"]),
        ("$.models[?(@.epochs < 'a')]", []),
        ("$.nothing[*]", []),
    ],
)
def test_a_path_finds(path: str, value: Any) -> None:
    assert parse_path(path).find(STORE) == value


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$..*..*..*..*", json.loads("[" * 400 + "]" * 400)),
        ("$.a[?(@ in $.b)]", {"a": [-1] * 40_000, "b": list(range(40_000))}),
        ("$.a[?($.t =~ /(a?){50}b/)]", {"a": [1] * 1_000, "t": "a" * 30_000}),
    ],
)
def test_a_path_that_would_take_for_ever_is_refused(path: str, document: Any) -> None:
    with pytest.raises(StateError, match="more than 1000000 steps: it may never end"):
        parse_path(path).find(document)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("$.nope", "No results for path: $['nope']"),
        ("$.a.nope", "No results for path: $['a']['nope']"),
        ("$.nope.b", "Missing property in path $['nope']"),
        ("$.models[7]", "Index out of bounds when evaluating path $['models'][7]"),
        (
            "$.limit.b",
            "Expected to find an object with property ['b'] in path $['limit'] but found 'java.lang.Integer'.",
        ),
    ],
)
def test_a_definite_path_says_what_is_missing(path: str, words: str) -> None:
    with pytest.raises(PathMissingError) as missing:
        parse_path(path).find(STORE)
    assert str(missing.value) == words


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        ".guid",
        "..guid",
        "()",
        "$...",
        "$.",
        "$[",
        "$[]",
        "$['a'",
        "$.a[?(@.b == )]",
        "$.a b",
        "$$23",
        "$[1",
        "$.a[?(@.b",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_path(path)


def test_the_root_says_what_a_path_is_about() -> None:
    roots = {path: parse_path(path).root for path in ("$.a", "$$.State.Name", "$run.uri", "$_x1")}
    assert roots == {"$.a": "$", "$$.State.Name": "$$", "$run.uri": "run", "$_x1": "_x1"}
    assert [parse_path(path).definite for path in ("$.a[0]['b']", "$.a[*]", "$..a", "$.a[0:1]")] == [True] + [False] * 3


@given(st.text(alphabet="$.[]'\"ab01*?@()=&|,:-! /\\", max_size=30))
def test_any_text_is_a_path_or_a_syntax_error(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    try:
        path.find({"a": [{"b": 1}, "x"], "b": None})
    except PathMissingError:
        assert path.definite


@given(st.recursive(st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_a_spelled_out_path_leads_where_it_says(document: Any) -> None:
    for steps, value in leaves(document):
        spelled = "".join(f"[{step}]" if isinstance(step, int) else f"['{quoted(step)}']" for step in steps)
        assert parse_path("$" + spelled).find(document) == value


def quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


def leaves(value: Any) -> list[tuple[tuple[Any, ...], Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [((key, *steps), leaf) for key, member in members for steps, leaf in leaves(member)]
    return below or [((), value)]


def test_a_path_error_names_the_rest() -> None:
    with pytest.raises(PathSyntaxError, match=r"unexpected ' b' in '\$\.a b'"):
        parse_path("$.a b")
