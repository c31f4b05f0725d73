"""Documents that are nested so deeply that no reader of JSON gets to their end: one line, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.functional.pipeline_world import BUCKET, MACHINE, Bench

DEEP = "[" * 100_000
QUERY = "[" * 5_000


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("start", "--input", "deep.json"), 2),
        (("start", "--set", f"hyperparameters.text_model.epochs={DEEP}"), 2),
        (("rerun", "nightly-7", "--from", "evaluate", "--input", "deep.json"), 2),
        (("cost", "nightly-7", "--prices", "deep.json"), 2),
        (("list", "--query", QUERY), 2),
        (("status", "--history", "deep.json"), 2),
        (("approve", "nightly-7", "--answer", DEEP), 2),
        (("data", "list"), 0),
        (("cleanup", "--older-than", "1s", "--dry-run"), 0),
        (("lineage", "nightly-8"), 0),
        (("rerun", "nightly-7", "--from", "evaluate", "--name", "nightly-8", "--yes"), 3),
        (("status", "odd"), 0),
        (("status", "odd", "--verbose"), 0),
        (("watch", "odd"), 1),
        (("report", "odd", "--out", "-"), 0),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else str(value),
)
def test_it_is_said_in_a_line(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.json").write_text(DEEP)
    bench.opsctl("start", "--name", "nightly-7")
    bench.states.start(MACHINE, "odd", json.dumps({"hyperparameters": {"text_model": {"epochs": DEEP}}}))
    for record in ("plan.json", "code.json"):
        bench.world.s3.put_object(Bucket=BUCKET, Key=f"runs/nightly-8/{record}", Body=DEEP.encode())
    answer = bench.opsctl(*words)
    assert answer.exit_code == code, answer.output[:2000]
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
