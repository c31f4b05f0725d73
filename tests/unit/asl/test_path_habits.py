"""Spellings of paths that the field uses and that published definitions hold."""

import pytest

from opsctl.asl.paths import parse_path

ROWS = [{"name": "a", "size": 1}, {"name": "b-2", "size": 2}]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$[?(@.name == a)].size", [1]),
        ("$[?(@.name==b-2)].size", [2]),
        ("$[?(@.name == a || @.name == b-2)].size", [1, 2]),
        ("$[?(@.name == nobody)].size", []),
        ("$[(@.length-1)].name", "b-2"),
        ("$[( @.length - 2 )].name", "a"),
    ],
)
def test_bare_words_and_counting_from_the_end(path, found):
    assert parse_path(path).find(ROWS) == found


@pytest.mark.parametrize(
    "path", ["$[(@.length)]", "$[(@.length-0)]", "$[(1+1)]", "$[?(@.name == a b)]", "$[?(@.name == )]"]
)
def test_what_is_no_path_stays_none(path):
    with pytest.raises(ValueError, match=r"path|filter|missing|expression|unexpected"):
        parse_path(path)
