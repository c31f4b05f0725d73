"""docs/lint.md: every example is run through lint, and every code that lint knows is documented."""

import json
import re
from pathlib import Path

import pytest

from opsctl.domain.lint import SUMMARIES, check
from opsctl.domain.lint.catalogue import LESSONS
from opsctl.operations.lint import lint_text

PAGE = (Path(__file__).parents[2] / "docs/lint.md").read_text()
SECTIONS = dict(re.findall(r"^### ([A-Z_]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def example(code: str, label: str) -> dict:
    """The definition below `Bad:` or `Good:`."""
    return json.loads(re.search(rf"^{label}:\n\n```json\n(.*?)^```", SECTIONS[code], re.MULTILINE | re.DOTALL)[1])


@pytest.mark.parametrize("code", SECTIONS)
def test_the_bad_example_has_exactly_its_code(code):
    assert {found.code for found in check(example(code, "Bad"))} == {code}


@pytest.mark.parametrize("code", SECTIONS)
def test_the_good_example_has_none(code):
    assert check(example(code, "Good")) == ()


ROWS = re.findall(r"^\| `([A-Z_]+)` \| `(.+)` \| `(.+)` \|$", PAGE, re.MULTILINE)


def codes_of(states: str) -> set[str]:
    """The codes of a machine of these states (JSON, or one in YAML) that starts with the first."""
    if not states.startswith("{"):
        found = lint_text("example.yaml", f"StartAt: {states.partition(':')[0]}\nStates:\n  {states}")
    else:
        start = json.dumps(re.findall(r'"([^"]*)"', states)[0])
        found = lint_text("example.json", f'{{"StartAt": {start}, "States": {states}}}')
    return {one.code for one in found} - {"SILENT_FAILURE"}


@pytest.mark.parametrize(("code", "bad", "good"), [row for row in ROWS if row[0] != "TEMPLATE_NOT_RENDERED"])
def test_the_other_codes_have_a_bad_and_a_good_one(code, bad, good):
    assert code in codes_of(bad)
    assert codes_of(good) == set()


def test_the_example_of_a_marker_has_none():
    marked = re.search(r"## Silencing.*?```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert check(json.loads(marked[1])) == ()


def test_every_lesson_has_a_section_and_every_other_code_a_row():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (error|warning) \|", PAGE, re.MULTILINE))
    assert list(SECTIONS) == [lesson.code for lesson in LESSONS]
    assert rows.keys() | SECTIONS.keys() == SUMMARIES.keys()
    assert set(re.findall(r"^\| `([A-Z_]+)` \| (?!error|warning)", PAGE, re.MULTILINE)) == rows.keys()
    assert not rows.keys() & SECTIONS.keys()
