"""Texts of definitions: where everything stands, and why some cannot be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.domain.lint.sources import DEEPEST, LONGEST, Lines, UnreadableError, read_json

TEXT = """{
  "StartAt": "Ä\\u0041",
  "States": {"Ä\\u0041": {"Type": "Choice", "Choices": [
    {"Next": "x"}, {"Next":
      "y"}]}}
}"""


def at(text, location):
    source = read_json(text)
    position = Lines(text).position(source.offset(location))
    return position.line, position.column


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("", (1, 1)), ("/", (1, 1)), ("/StartAt", (2, 3)), ("/States/ÄA", (3, 14)), ("/States/ÄA/Choices", (3, 44)),
        ("/States/ÄA/Choices[1]", (4, 20)), ("/States/ÄA/Choices[1]/Next", (4, 21)),
        ("/States/ÄA/Choices[1]/Missing", (4, 20)), ("/States/ÄA/Choices[7]/Missing", (3, 44)), ("/Nowhere", (1, 1)),
    ],
)  # fmt: skip
def test_where_a_location_stands(location, place):
    assert at(TEXT, location) == place


def test_lines_end_as_the_text_says():
    lines = Lines("a\r\nb\rc\nd")
    assert [(lines.position(index).line, lines.position(index).column) for index in (0, 3, 5, 7)] == [
        (1, 1), (2, 1), (3, 1), (4, 1),
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON), st.sampled_from([None, 2]), st.booleans())
def test_every_value_has_its_place(value, indent, escaped):
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    source = read_json(text)
    assert source.value == value
    for location, expected in _walk(value, ""):
        offset = source.offset(location)
        if location:
            found, _ = json.JSONDecoder().raw_decode(text, offset)
            assert found == expected
    assert source.offset("") == 0


def _walk(value, location):
    """Locations with what stands there: a field's name, an item's value. Those that two things share are left out."""
    seen = {}
    for place, found in _places(value, location):
        seen.setdefault(place, []).append(found)
    return [(place, found[0]) for place, found in seen.items() if len(found) == 1]


def _places(value, location):
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{location}/{key}", key
            yield from _places(item, f"{location}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield f"{location}[{index}]", item
            yield from _places(item, f"{location}[{index}]")


@pytest.mark.parametrize(
    ("text", "code", "message", "offset"),
    [
        ("", "MISSING_DESCRIPTION", "There is nothing in it.", 0),
        (" \n", "MISSING_DESCRIPTION", "There is nothing in it.", 0),
        ("  []", "INVALID_JSON_DESCRIPTION", "The definition is no JSON object.", 2),
        ('{"a": 1,, }', "INVALID_JSON_DESCRIPTION",
         "This is no JSON: Expecting property name enclosed in double quotes.", 8),
        ('{"States": {"A"', "INVALID_JSON_DESCRIPTION", "This is no JSON: Expecting ':' delimiter.", 15),
        ('{"a": {"b": 1, "b": 2}}', "INVALID_JSON_DESCRIPTION", "The field 'b' is there twice in the same object.", 15),
        ('{"a": NaN}', "INVALID_JSON_DESCRIPTION", "This is no JSON: NaN is no number that JSON has.", 6),
        ('{"a": -Infinity}', "INVALID_JSON_DESCRIPTION", "This is no JSON: -Infinity is no number that JSON has.", 6),
        ('{"a": ' + "9" * 5000 + "}", "INVALID_JSON_DESCRIPTION", "A number in it has more than 100 digits.", 6),
    ],
)  # fmt: skip
def test_what_cannot_be_read(text, code, message, offset):
    with pytest.raises(UnreadableError) as caught:
        read_json(text)
    finding = caught.value.finding
    assert (finding.code, finding.message, finding.severity, caught.value.offset) == (code, message, "ERROR", offset)
    assert finding.remedy


@pytest.mark.parametrize("bomb", ['{"a":' * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"a":' + "[" * 900_000])
def test_nesting_bombs_are_refused(bomb):
    with pytest.raises(UnreadableError, match=f"nested more than {DEEPEST} levels"):
        read_json(bomb)


def test_what_is_longer_than_aws_takes_is_not_even_parsed():
    with pytest.raises(UnreadableError, match="AWS takes at most 1,048,576"):
        read_json("[" * (LONGEST + 1))
