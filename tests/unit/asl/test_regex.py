"""Regular expressions: as Python's `re` finds them, and with an end."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.regex import Pattern, RegexLimitError

_ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\b", "^", "$", "c?"])
_TEXTS = st.text(alphabet="abc \n", max_size=12)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # An expression that may be empty is not repeated: there Perl, Java, JavaScript and Python differ among themselves.
    repeated = st.tuples(
        st.sampled_from(["a", "[bc]", "(ab)", "(?:a|bc)"]), st.sampled_from(["*", "+?", "{1,2}", "{2}"])
    )
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("(?:{})".format),
        inner.map("({})".format),
        repeated.map("".join),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(_ATOMS, _combined, max_leaves=6), _TEXTS)
def test_it_finds_what_python_finds(pattern: str, text: str) -> None:
    theirs = [(found.span(), found.groups()) for found in re.finditer(pattern, text)]
    ours = [((found.start(), found.end()), found.groups()) for found in Pattern(pattern).finditer(text)]
    assert ours == theirs
    assert (Pattern(pattern).fullmatch(text) is None) is (re.fullmatch(pattern, text) is None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(\d{4})-(\d\d)", "on 2026-11 and 2025-10"),
        (r"(?=a)\w+(?!x)", "ab ax"),
        (r"[\]\-x]+", "a]-x"),
        (r"\x41\u0042", "xABx"),
        (r"a{0}b{2,}c{0,1}?", "bbbcb"),
        (r"(a)|(b)", "ab"),
        (r"^.", "one\ntwo"),
        ("", "ab"),
        (r"\$\{([^}]*)\}", "a ${b} ${}"),
    ],
)
def test_what_it_understands(pattern: str, text: str) -> None:
    for flags in (0, re.MULTILINE | re.IGNORECASE):
        theirs = [found.groups() for found in re.finditer(pattern, text, flags)]
        ours = [
            found.groups() for found in Pattern(pattern, ignore_case=bool(flags), multiline=bool(flags)).finditer(text)
        ]
        assert ours == theirs


def test_replacing_and_splitting() -> None:
    assert Pattern("(a)(x)?").sub(r"<\g<1>\g<2>>", "bab") == "b<a>b"
    assert Pattern("b").sub(lambda found: (found.group() or "").upper(), "abab", 1) == "aBab"
    assert Pattern("(,) *").split("a, b,c", 1) == ["a", ",", "b,c"]
    with pytest.raises(re.error, match="invalid group reference 3 at position 3"):
        Pattern("a").sub(r"\g<3>", "a")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*)*x", "a*a*a*a*a*b"])
def test_patterns_that_explode_elsewhere_end_here(pattern: str) -> None:
    assert Pattern(f"^{pattern}").search("a" * 1000 + "!") is None  # others would not live to see it


def test_too_much_work_is_an_error() -> None:
    with pytest.raises(RegexLimitError, match="takes too many steps"):
        Pattern("(a?){200}b").search("a" * 100_000)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a)\1", "back references are not supported"),
        ("(?<=a)b", "only (?:…), (?=…) and (?!…) are supported"),
        ("(", "missing )"),
        ("(a{1000}){1000}", "it repeats too much"),
    ],
)
def test_what_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match="cannot be used") as refusal:
        Pattern(pattern)
    assert reason in str(refusal.value)
