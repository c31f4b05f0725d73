"""Files that commands work on offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsctl.errors import UsageError
from opsctl.operations.saved import load_definition, load_history

EVENT = {"id": 1, "type": "ExecutionStarted", "timestamp": "2026-11-21T10:00:00.123000+00:00", "previousEventId": 0}
DEFINITION = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}


@pytest.mark.parametrize("saved", [[EVENT], {"events": [EVENT]}, {"events": [EVENT], "NextToken": "x"}])
def test_a_history_as_aws_prints_it_or_a_list(tmp_path: Path, saved: object) -> None:
    (tmp_path / "h.json").write_text(json.dumps(saved))
    assert load_history(tmp_path / "h.json") == [EVENT]


def test_a_definition_alone_or_in_aws_answer(tmp_path: Path) -> None:
    for value in (DEFINITION, {"name": "m", "definition": json.dumps(DEFINITION)}):
        (tmp_path / "d.json").write_text(json.dumps(value))
        assert load_definition(tmp_path / "d.json") == DEFINITION


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: it is empty; Expecting value: line 1 column 1 (char 0)"),
        ('{"events": [{"id": 1', "is not JSON: Expecting ',' delimiter: line 1 column 21 (char 20)"),
        ("[" * 100_000, "is nested too deeply to be read"),
        ("[]", "is no execution history"),
        ('{"events": 7}', "is no execution history"),
        ('[{"id": "1", "type": "x"}]', "is no execution history"),
        ('{"StartAt": "End", "States": {}}', "is no execution history"),
        ("7", "is no execution history"),
    ],
)
def test_files_that_are_no_history(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "h.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_history(path)
    assert caught.value.message == f"{path} {message}"


def test_files_that_are_no_definition(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    for text in ("[]", '{"events": []}', '{"StartAt": "x", "States": []}', '{"definition": "[1]"}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no state machine definition"):
            load_definition(path)
    path.write_text('{"definition": "{"}')
    with pytest.raises(UsageError, match=r"the definition in .* is not JSON"):
        load_definition(path)
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        load_definition(path)
    with pytest.raises(UsageError, match="no file"):
        load_definition(tmp_path / "missing.json")
