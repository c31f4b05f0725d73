"""Fetching a data set between local directories: what is checked, the split, and running again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fetch
import pytest
from fetch import FetchError, LocalFolder, split

RECORD = {"page": 1, "text": "Deed of Trust", "label": "deed", "document": 1, "document_page": 1}


def put_stack(root: Path, name: str, *records: dict[str, object]) -> None:
    (root / name).mkdir(parents=True)
    lines = [json.dumps(record) for record in records or (RECORD, {**RECORD, "page": 2, "document_page": 2})]
    (root / name / "pages.jsonl").write_text("\n".join(lines) + "\n")
    (root / name / "pages.tif").write_bytes(b"II*\0" + name.encode())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("stack-1", "stack-2", "stack-3", "stack-4"):
        put_stack(tmp_path / "source", name)
    return tmp_path / "source"


def fetched(source: Path) -> dict[str, object]:
    return fetch.fetch(LocalFolder(source), LocalFolder(source.parent / "copy"))


def refusal(source: Path) -> str:
    with pytest.raises(FetchError) as refused:
        fetched(source)
    return str(refused.value)


def test_the_copy_is_whole_and_described(source: Path) -> None:
    (source / "README.txt").write_text("not part of any stack")
    manifest = fetched(source)
    copy = source.parent / "copy"
    assert json.loads((copy / "manifest.json").read_text()) == manifest
    assert {path.name for path in copy.iterdir()} == {"manifest.json", "stack-1", "stack-2", "stack-3", "stack-4"}
    assert (copy / "stack-3" / "pages.tif").read_bytes() == (source / "stack-3" / "pages.tif").read_bytes()
    assert manifest["classes"] == ["deed"]
    assert [(stack["name"], stack["pages"], stack["documents"]) for stack in manifest["stacks"]] == [
        (f"stack-{number}", 2, 1) for number in (1, 2, 3, 4)
    ]


def test_running_again_gives_the_same_copy(source: Path) -> None:
    first = fetched(source)
    (source.parent / "copy" / "stack-2" / "pages.tif").write_bytes(b"cut sho")
    assert fetched(source) == first
    assert (source.parent / "copy" / "stack-2" / "pages.tif").read_bytes() == b"II*\0stack-2"


def test_other_data_has_another_fingerprint(source: Path) -> None:
    first = fetched(source)
    text = (source / "stack-1" / "pages.jsonl").read_text()
    (source / "stack-1" / "pages.jsonl").write_text(text.replace("Deed", "Need"))
    assert fetched(source)["fingerprint"] != first["fingerprint"]


def test_a_copy_of_something_else_is_refused(source: Path) -> None:
    (source.parent / "copy" / "stack-9").mkdir(parents=True)
    (source.parent / "copy" / "stack-9" / "pages.tif").write_bytes(b"")
    assert refusal(source) == "1 objects at OUTPUT_PATH belong to no stack, such as stack-9/pages.tif: empty it"


def test_bad_data_sets_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").startswith("no stacks found: expected <stack>/pages.tif")
    (source / "stack-4" / "pages.tif").unlink()
    assert refusal(source) == "stack stack-4 has no pages.tif"
    (source / "stack-4" / "pages.jsonl").unlink()
    (source / "deep" / "stack-5").mkdir(parents=True)
    (source / "deep" / "stack-5" / "pages.tif").write_bytes(b"x")
    assert refusal(source) == "deep/stack-5/pages.tif: expected <stack>/pages.tif, directly below the data set"
    (source / "deep" / "stack-5" / "pages.tif").unlink()
    for file in (source / "stack-1").iterdir():
        file.unlink()
    assert refusal(source) == "2 stacks are too few: training, validation and held-out data need one each"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "is no JSON object"),
        (json.dumps({**RECORD, "label": None}), "has no label of type str"),
        (json.dumps({**RECORD, "page": "2"}), "has no page of type int"),
        (json.dumps(RECORD), "is page 1: pages must be numbered 1, 2, ... in the order of scanning"),
    ],
)
def test_bad_records_are_refused_by_line(source: Path, line: str, message: str) -> None:
    (source / "stack-2" / "pages.jsonl").write_text(json.dumps(RECORD) + "\n" + line + "\n")
    assert refusal(source) == f"stack-2/pages.jsonl line 2 {message}"
    assert not (source.parent / "copy" / "manifest.json").exists()


def test_empty_files_are_refused(source: Path) -> None:
    (source / "stack-2" / "pages.jsonl").write_text("")
    assert refusal(source) == "stack-2/pages.jsonl holds no pages"
    put_stack(source, "stack-5")
    (source / "stack-5" / "pages.tif").write_bytes(b"")
    (source / "stack-2" / "pages.jsonl").write_text(json.dumps(RECORD))
    assert refusal(source) == "stack-5/pages.tif is empty"


def test_unicode_line_separators_within_text_end_no_line(source: Path) -> None:
    record = {**RECORD, "text": "line\u2028separator\x85"}
    (source / "stack-1" / "pages.jsonl").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    assert fetched(source)["stacks"][0]["pages"] == 1


def test_the_split_depends_on_names_alone() -> None:
    names = [f"stack-{number:04d}" for number in range(1, 401)]
    whole = split(names)
    shares = {kind: count / 400 for kind, count in Counter(whole.values()).items()}
    assert shares["held_out"] == pytest.approx(0.2, abs=0.05)
    assert shares["validation"] == pytest.approx(0.1, abs=0.04)
    assert split(reversed(names)) == whole
    half = split(names[:200])
    assert all(whole[name] == kind for name, kind in half.items()), "a held-out stack stays held out as data grows"


@pytest.mark.parametrize("count", [3, 4, 5, 8, 13])
def test_no_split_is_empty(count: int) -> None:
    for prefix in "abcdef":
        kinds = split(f"{prefix}{number}" for number in range(count)).values()
        assert set(kinds) == {"train", "validation", "held_out"}


def test_by_hand_and_by_environment(source: Path, tmp_path: Path) -> None:
    def script(**environment: str) -> tuple[int, str]:
        result = subprocess.run([sys.executable, fetch.__file__], env=environment, capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    code, output = script(DATA_INPUT_PATH=str(source), OUTPUT_PATH=str(tmp_path / "out"))
    assert code == 0, output
    assert f"copied 8 objects to {tmp_path / 'out'}" in output
    assert script(OUTPUT_PATH="x") == (
        1,
        "error: set DATA_INPUT_PATH and OUTPUT_PATH in the environment (DATA_INPUT_PATH=, OUTPUT_PATH=x)\n",
    )
    assert "must both be s3:// prefixes" in script(DATA_INPUT_PATH="s3://b/p", OUTPUT_PATH="x")[1]
    assert "DATA_INPUT_PATH is no directory" in script(DATA_INPUT_PATH="/nowhere", OUTPUT_PATH="x")[1]
