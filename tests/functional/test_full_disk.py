"""Commands that write files where there is no room: they say so, leave what was there, and can be repeated."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsctl.contexts import contexts_file
from tests.functional.pipeline_world import ROOT, Bench

SAID = ["error: cannot write: File too large", "hint: make room, and run the command again"]
BEFORE = "what was there before"
CASES = str(ROOT / "definitions/training.test.yaml")


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process grows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "words",
    [
        ("report", "nightly-7", "--out", "kept"),
        ("graph", "nightly-7", "--out", "kept"),
        ("graph", "nightly-7", "-o", "svg", "--out", "kept"),
        ("test", CASES, "--junit", "kept"),
    ],
    ids=lambda words: " ".join(map(str, words[:-1])),
)
def test_a_file_is_written_whole_or_not_at_all(
    failed: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept").write_text(BEFORE)
    with no_room():
        full = failed.opsctl(*words)
    assert (full.exit_code, full.stderr.splitlines()[-2:]) == (1, SAID)
    assert (Path("kept").read_text(), [path.name for path in tmp_path.iterdir()]) == (BEFORE, ["kept"])
    assert failed.opsctl(*words).exit_code == 0
    assert BEFORE not in Path("kept").read_text()


def test_the_contexts_stay_as_they_were(bench: Bench, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text((ROOT / "tests/golden/opsctl-output.json").read_text())
    add = ("context", "add", "staging", "--outputs", str(outputs))
    assert bench.opsctl(*add).exit_code == 0
    before = contexts_file().read_text()
    for words in (("context", "use", "staging"), ("context", "remove", "staging"), (*add[:2], "other", *add[3:])):
        with no_room():
            full = bench.opsctl(*words)
        assert (full.exit_code, full.stderr.splitlines()) == (1, SAID)
        assert (contexts_file().read_text(), len(list(contexts_file().parent.iterdir()))) == (before, 1)
    assert bench.opsctl("context", "use", "staging").exit_code == 0
    assert json.loads(contexts_file().read_text())["current"] == "staging"
