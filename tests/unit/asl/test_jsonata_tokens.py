"""What the words of an expression tell: the same verdict as the parser's, and which variables are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.jsonata import check_expression
from opsctl.asl.jsonata_tokens import LONGEST, check_syntax, words_of

WORDS = (
    "$states.input", "$x", "a", "b1", "1", "2.5", "01", "'s'", '"t"', "(", ")", "[", "]", "{", "}", ",", ";", ":", "?",
    ":=", "and", "or", "in", "function", "($x)", "|", "^", "~>", "/", "*", "/*", "%", "@", "#", "`", "\\", "λ", "<s>",
    "..", "!", "=", "!=", "&", "-", "$", "$$", "null", "é", ".", " ",
)  # fmt: skip


def passes(check: Callable[[str], None], text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), st.sampled_from(["", " "]))
def test_the_shape_tells_what_the_parser_tells(words: list[str], between: str) -> None:
    text = between.join(words)
    assert passes(check_syntax, text) == passes(check_expression, text)


@pytest.mark.parametrize("text", ["1in$x", "'s'or$x", "$2.5", "$$2.5", "01", "a and$x", "* in$x", "$x /* note */"])
def test_words_that_only_the_parser_can_tell_apart(text: str) -> None:
    assert passes(check_syntax, text) == passes(check_expression, text)


@pytest.mark.parametrize(
    ("text", "variables", "states"),
    [
        ("$sum($order.items.(price * $rate))", ["order", "rate"], set()),
        ("($x := 1; $x + $y)", ["y"], set()),
        ("$map($list, function($v, $i) { $v & $k })", ["list", "k"], set()),
        ("$exists($maybe) ? $maybe : $other", ["other"], set()),
        ("$rows@$r#$n.$r.name", ["rows"], set()),
        ("$contains($text, /a$foo\\/$bar/) and $q / $r", ["text", "q", "r"], set()),
        ("'$no' & \"$no\" & `$no` /* $no */", [], set()),
        ("$states.input.a & $states . `result` & $states.'errorOutput'", [], {"input", "result", "errorOutput"}),
        ("$$.a[$.b > 1]", [], set()),
    ],
)
def test_what_an_expression_reads(text: str, variables: list[str], states: set[str]) -> None:
    words = words_of(text)
    assert (list(words.variables), words.states) == (variables, states)


def test_an_expression_is_only_so_long() -> None:
    check_syntax(f"'{'a' * (LONGEST - 2)}'")
    with pytest.raises(ValueError, match="longer than 16384 characters"):
        check_syntax(f"'{'a' * (LONGEST - 1)}'")
