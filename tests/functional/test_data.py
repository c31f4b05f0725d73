"""`opsctl data`: what each run and each step keeps, what it costs, who reads it, and holds."""

from __future__ import annotations

import json
import re

import pytest

from opsctl.aws.stepfunctions import execution_arn
from tests.functional.pipeline_world import BUCKET, DIVERGED, MACHINE, Bench, training_failure

AGE = re.compile(r"\d+ (d|h|min|s)\b")  # the objects were written just now, the runs on the clock of the world
STEPS = """\
FOLDER                   KIND   AGE   OBJECTS  SIZE   USD/MONTH  CLASS     READ BY
fetch-preprocessed-data  data   AGE  3        300 B  0.00       STANDARD  nightly-7-r1, nightly-7-r2
records                  other  AGE  1        261 B  0.00       STANDARD
train-image-model        model  AGE  2        51 B   0.00       STANDARD  nightly-7-r1, nightly-7-r2
train-text-model         model  AGE  2        50 B   0.00       STANDARD  nightly-7-r1, nightly-7-r2
code                     other  AGE  2        21 B   0.00       STANDARD
total                                 10       683 B  0.00       STANDARD
"""


@pytest.fixture
def reread(bench: Bench) -> Bench:
    """nightly-7 failed; nightly-7-r1 reads it in place, and so does nightly-7-r2, which reads nightly-7-r1 as well."""
    bench.world.script["Train Sequence Model"] = [training_failure(DIVERGED)]
    bench.opsctl("start", "--name", "nightly-7")
    for source, step in (("nightly-7", "train-sequence-model"), ("nightly-7-r1", "evaluate")):
        assert bench.opsctl("rerun", source, "--from", step, "--data", "reuse", "--yes").exit_code == 0
    return bench


def names(bench: Bench, *words: str) -> list[str]:
    answer = bench.opsctl("data", "list", *words, "--query", "[].run")
    assert answer.exit_code == 0, answer.output
    found: list[str] = json.loads(answer.stdout)
    return found


def test_the_steps_of_a_run_their_age_and_who_reads_them(reread: Bench) -> None:
    answer = reread.opsctl("data", "list", "nightly-7")
    lines = [line.split() for line in AGE.sub("AGE", answer.stdout).splitlines()]
    document = json.loads(reread.opsctl("data", "list", "nightly-7-r1", "-o", "json", "--sort", "name").stdout)
    read = {folder["folder"]: folder["read_by"] for folder in document["folders"]}
    assert read == {
        "": [], "code": [], "evaluate": [], "train-sequence-model": ["nightly-7-r2"],
    }  # fmt: skip
    assert (document["read_by"], document["reads"]) == (["nightly-7-r2"], ["nightly-7"])
    assert lines == [line.split() for line in STEPS.splitlines()]


def test_a_run_is_named_as_everywhere(reread: Bench) -> None:
    arn = execution_arn(MACHINE, "nightly-7")
    for wanted, name in (("nightly-7-r2", "nightly-7-r2"), ("@latest", "nightly-7-r2"), ("@failed", "nightly-7"),
                         (arn, "nightly-7")):  # fmt: skip
        assert json.loads(reread.opsctl("data", "list", wanted, "--query", "run").stdout) == name
    reread.world.put(f"s3://{BUCKET}/runs/orphan/data/page", "x")
    assert json.loads(reread.opsctl("data", "list", "orp", "--query", "[run, status]").stdout) == ["orphan", None]
    answer = reread.opsctl("data", "list", "night")
    assert (answer.exit_code, answer.stderr) == (2, (
        "error: 3 runs begin with 'night'\nhint: say which one: nightly-7, nightly-7-r1, nightly-7-r2\n"
    ))  # fmt: skip


def test_in_the_order_that_is_asked_for(reread: Bench) -> None:
    reread.world.put(f"s3://{BUCKET}/runs/an-orphan/data/page", "x" * 5000)
    assert names(reread)[0] == "an-orphan"
    assert names(reread, "--sort", "name") == ["an-orphan", "nightly-7", "nightly-7-r1", "nightly-7-r2"]
    assert names(reread, "--sort", "objects")[-1] == "an-orphan"
    assert names(reread, "--sort", "usd")[0] == "an-orphan"
    by_age = [name for name in names(reread, "--sort", "age") if name != "an-orphan"]
    assert by_age == ["nightly-7", "nightly-7-r1", "nightly-7-r2"]


def test_holds_are_told_as_json_too_and_all_or_none_are_set(reread: Bench) -> None:
    words = ("nightly-7-r1", "@latest", "nightly-7-r1")
    held = [{"run": name, "held": True, "changed": True} for name in ("nightly-7-r1", "nightly-7-r2")]
    assert json.loads(reread.opsctl("data", "hold", *words, "-o", "json").stdout) == held
    answer = reread.opsctl("data", "release", "nightly-7-r1", "nightly-8")
    assert (answer.exit_code, answer.stdout, answer.stderr.splitlines()[0]) == (
        2, "", "error: no data of a run 'nightly-8'",
    )  # fmt: skip
    answer = reread.opsctl("data", "release", "nightly-7", "nightly-7-r1", "-o", "json")
    assert json.loads(answer.stdout) == [
        {"run": "nightly-7", "held": False, "changed": False}, {"run": "nightly-7-r1", "held": False, "changed": True},
    ]  # fmt: skip


def test_what_a_champion_needs_is_told_and_a_record_that_cannot_be_read_is_no_error(reread: Bench) -> None:
    promotion = {"run": "nightly-7-r2", "previous": {"run": "nightly-7-r1", "previous": None}}
    reread.world.put(f"s3://{BUCKET}/champions/training.json", json.dumps(promotion))
    answer = reread.opsctl("data", "list", "--query", "[?champion].run")
    assert (sorted(json.loads(answer.stdout)), answer.stderr) == (["nightly-7-r1", "nightly-7-r2"], "")
    assert json.loads(reread.opsctl("data", "list", "nightly-7-r1", "--query", "champion").stdout) is True
    reread.opsctl("data", "hold", "nightly-7-r1")
    assert reread.opsctl("data", "list", "nightly-7-r1").stdout.endswith("  held, champion\n")
    reread.world.put(f"s3://{BUCKET}/champions/training.json", "{")
    for words in ((), ("nightly-7-r1",)):
        answer = reread.opsctl("data", "list", *words, "--query", "[].champion | [?@]")
        assert answer.exit_code == 0
        assert answer.stderr.splitlines()[0] == (
            f"warning: s3://{BUCKET}/champions/training.json does not say which run the champion comes from"
        )
