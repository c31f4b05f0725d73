"""`opsctl champion`: the model in production, those before it, and how others compare."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from typing import Any

import pytest

from opsctl.domain.champions import (
    Champion,
    Model,
    Source,
    document,
    history_key,
    pointer_key,
    record_text,
    succession,
)
from tests.functional.pipeline_world import BUCKET, Bench

MACHINE = "documents-training"
RUNS = f"s3://{BUCKET}/runs"
SHOWN = f"""\
RUN       nightly-7
MACHINE   documents-training
MODEL     {RUNS}/nightly-7/train-sequence-model/x/output/model.tar.gz
ENDPOINT  documents
PROMOTED  2026-11-22 07:00:00 UTC
BY        nightly-7-deployment
REASON    gate
APPROVED  arn:aws:iam::123456789012:user/ann
HELD OUT  {RUNS}/nightly-7/fetch-preprocessed-data/ (sha256 d7d7d7d7d7d7)
CODE      {RUNS}/nightly-7/code/ (sha256 c7c7c7c7c7c7)
PREVIOUS  nightly-6, promoted 2026-11-21 07:00:00 UTC

METRIC         FIGURE
log_loss       0.25
page_accuracy  0.93
"""
HISTORY = """\
PROMOTED                 RUN        REASON  APPROVED BY                         DEPLOYMENT            CHAMPION
2026-11-22 07:00:00 UTC  nightly-7  gate    arn:aws:iam::123456789012:user/ann  nightly-7-deployment  now
2026-11-21 07:00:00 UTC  nightly-6  gate    nobody was asked                    nightly-6-deployment
"""
HINT = (
    "hint: a training run whose model passes the gate, and is deployed, makes one; opsctl champion history shows those "
    "that there were"
)
NO_RECORD = "warning: champions/documents-training.json is no record of a champion, and counts as none: "
DIFFERENT = "warning: the two were measured on different held-out sets: their figures do not compare like with like\n"


def one(number: int, **fields: Any) -> Champion:
    run = f"nightly-{number}"
    made = Champion(
        machine=MACHINE, run=run, model=Model(f"{RUNS}/{run}/train-sequence-model/x/output/model.tar.gz", "e"),
        metrics={"page_accuracy": 0.91}, held_out=Source(f"{RUNS}/{run}/fetch-preprocessed-data/", f"d{number}" * 32),
        code=Source(f"{RUNS}/{run}/code/", f"c{number}" * 32), promoted_at=f"2026-11-{15 + number}T07:00:00Z",
        approved_by=None, reason="gate", deployment=f"{run}-deployment", endpoint="documents",
    )  # fmt: skip
    return replace(made, **fields)


OLD = one(6)
NEW = succession(
    one(7, metrics={"page_accuracy": 0.93, "log_loss": 0.25}, approved_by="arn:aws:iam::123456789012:user/ann"), OLD
)


@pytest.fixture
def promoted(bench: Bench) -> Bench:
    """nightly-6 was champion, and nightly-7 is."""
    for champion in (OLD, NEW):
        promote(bench, champion)
        bench.world.now += 86_400
    return bench


def promote(bench: Bench, champion: Champion) -> None:
    for key in (history_key(MACHINE, champion.deployment), pointer_key(MACHINE)):
        bench.world.put(f"s3://{BUCKET}/{key}", record_text(champion))


def evaluated(bench: Bench, run: str, metrics: dict[str, Any]) -> None:
    buffer, content = io.BytesIO(), json.dumps(metrics).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("metrics.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    key = f"runs/{run}/evaluate/{run}-evaluate-d1r0/output/model.tar.gz"
    bench.world.s3.put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())


def test_the_champion_is_shown(promoted: Bench) -> None:
    for words in (("champion",), ("champion", "show")):
        answer = promoted.opsctl(*words)
        assert (answer.exit_code, answer.stdout, answer.stderr) == (0, SHOWN, "")
    assert json.loads(promoted.opsctl("champion", "show", "-o", "json").stdout) == document(NEW)


def test_the_promotions_are_listed_newest_first(promoted: Bench) -> None:
    answer = promoted.opsctl("champion", "history")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, HISTORY, "")
    assert json.loads(promoted.opsctl("champion", "history", "-o", "json").stdout) == [
        document(NEW) | {"champion": True}, document(OLD) | {"champion": False},
    ]  # fmt: skip
    assert json.loads(promoted.opsctl("champion", "history", "--limit", "1", "--query", "[].run").stdout) == [
        "nightly-7"
    ]


def test_without_a_champion_there_is_nothing_to_show(bench: Bench) -> None:
    for words in (("champion",), ("champion", "diff"), ("champion", "diff", "@latest")):
        answer = bench.opsctl(*words)
        assert (answer.exit_code, answer.stdout, answer.stderr.splitlines()) == (3, "", [
            "error: documents-training has no champion",
            HINT,
        ])  # fmt: skip
    answer = bench.opsctl("champion", "history", "-o", "json")
    assert (answer.exit_code, json.loads(answer.stdout), answer.stderr) == (0, [], "no model was promoted yet\n")


def test_a_corrupt_record_counts_as_none_with_a_warning(promoted: Bench) -> None:
    promoted.world.put(f"s3://{BUCKET}/{pointer_key(MACHINE)}", '{"version": 1}')
    promoted.world.put(f"s3://{BUCKET}/{history_key(MACHINE, 'cut-off')}", "{")
    warning = f"{NO_RECORD}promoted_at is no text"
    answer = promoted.opsctl("champion")
    assert (answer.exit_code, answer.stderr.splitlines()[:2]) == (
        3, [warning, "error: documents-training has no champion"],
    )  # fmt: skip
    answer = promoted.opsctl("champion", "history", "--query", "[].[run, champion]")
    assert json.loads(answer.stdout) == [["nightly-7", False], ["nightly-6", False]]
    assert answer.stderr.splitlines() == [
        warning, "warning: champions/documents-training/cut-off.json is no record of a champion: it is not JSON",
    ]  # fmt: skip


def test_a_deleted_record_leaves_the_history(promoted: Bench) -> None:
    promoted.world.s3.delete_object(Bucket=BUCKET, Key=pointer_key(MACHINE))
    assert promoted.opsctl("champion").exit_code == 3
    answer = promoted.opsctl("champion", "history")
    assert (answer.exit_code, answer.stdout) == (
        0,
        HISTORY.replace("nightly-7-deployment  now", "nightly-7-deployment"),
    )


def test_the_champion_beside_the_one_before(promoted: Bench) -> None:
    answer = promoted.opsctl("champion", "diff")
    assert (answer.exit_code, answer.stderr) == (0, DIFFERENT)
    assert answer.stdout == (
        "METRIC         nightly-6  nightly-7  CHANGE\n"
        "log_loss                  0.25\n"
        "page_accuracy  0.91       0.93       +0.02\n"
    )  # fmt: skip


def test_a_run_beside_the_champion_as_its_evaluate_measured_both(promoted: Bench) -> None:
    promoted.opsctl("start", "--name", "nightly-8")
    evaluated(promoted, "nightly-8", {
        "page_accuracy": {"sequence": 0.9, "champion": 0.92}, "champion": {"run": "nightly-7", "warning": None},
        "held_out": {"sha256": "d8"},
    })  # fmt: skip
    answer = promoted.opsctl("champion", "diff", "nightly-8")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (
        0, "METRIC         nightly-7  nightly-8  CHANGE\npage_accuracy  0.92       0.9        -0.02\n", "",
    )  # fmt: skip
    found = json.loads(promoted.opsctl("champion", "diff", "@latest", "-o", "json").stdout)
    assert found == {
        "before": {"run": "nightly-7", "held_out": "d8", "metrics": {"page_accuracy": 0.92}},
        "after": {"run": "nightly-8", "held_out": "d8", "metrics": {"page_accuracy": 0.9}},
        "same_held_out": True,
        "changes": [{"metric": "page_accuracy", "before": 0.92, "after": 0.9, "change": pytest.approx(-0.02)}],
    }


def test_a_run_that_was_measured_beside_another_champion_is_compared_with_the_record(promoted: Bench) -> None:
    promoted.opsctl("start", "--name", "nightly-8")
    evaluated(
        promoted, "nightly-8", {"page_accuracy": {"sequence": 0.9}, "champion": None, "held_out": {"sha256": "d8"}}
    )
    answer = promoted.opsctl("champion", "diff", "nightly-8", "--query", "changes[?metric=='page_accuracy'].before")
    assert (json.loads(answer.stdout), answer.stderr) == ([0.93], DIFFERENT)


def test_two_that_were_promoted(promoted: Bench) -> None:
    answer = promoted.opsctl("champion", "diff", "nightly-7-deployment", "nightly-6", "--query", "changes[1].change")
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, pytest.approx(-0.02))
    answer = promoted.opsctl("champion", "diff", "nightly-7", "nightly-5")
    assert (answer.exit_code, answer.stderr) == (
        2, "error: nightly-5 never was champion\nhint: those that were: nightly-7, nightly-6\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nightly-8",), 3, "is not a whole model.tar.gz"),
        (("no-such",), 2, "no run 'no-such'"),
        (("a", "b", "c"), 2, "two RUNs are the most that can be compared"),
    ],
)
def test_what_cannot_be_compared(promoted: Bench, words: tuple[str, ...], code: int, said: str) -> None:
    promoted.opsctl("start", "--name", "nightly-8")  # whose Evaluate left what is no archive
    answer = promoted.opsctl("champion", "diff", *words)
    assert (answer.exit_code, answer.stdout) == (code, "")
    assert said in answer.stderr


def test_a_run_in_which_nothing_was_measured(promoted: Bench) -> None:
    promoted.opsctl("start", "--name", "nightly-8", "--set", "skip.evaluate=true")
    answer = promoted.opsctl("champion", "diff", "nightly-8")
    assert (answer.exit_code, answer.stderr.splitlines()) == (3, [
        f"error: nothing was measured in nightly-8: there is no model.tar.gz below {RUNS}/nightly-8/evaluate/",
        "hint: opsctl status nightly-8 shows what became of Evaluate",
    ])  # fmt: skip


def test_the_first_champion_has_nobody_before_it(bench: Bench) -> None:
    promote(bench, OLD)
    answer = bench.opsctl("champion", "diff")
    assert (answer.exit_code, answer.stderr) == (
        3, "error: nightly-6 is the first champion: there is none before it\nhint: name a run to compare it with\n",
    )  # fmt: skip
