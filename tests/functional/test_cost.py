"""`opsctl cost`: what runs cost, by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.effects import Failed, Succeeded
from opsctl.aws.stepfunctions import execution_arn
from tests.functional.pipeline_world import BUCKET, MACHINE, Bench, training_failure

SEQUENCE = "Train Sequence Model"
FETCHED = {
    "JobName": "fetch", "Status": "SUCCEEDED", "PlatformCapabilities": ["FARGATE"],
    "StartedAt": 1_000, "StoppedAt": 121_000,
    "Container": {"ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "2048"}]},
}  # fmt: skip


@pytest.fixture
def spent(bench: Bench) -> Bench:
    """A run whose last training failed."""
    bench.world.script = {
        "Fetch Preprocessed Data": [Succeeded(json.dumps(FETCHED))],
        SEQUENCE: [training_failure("killed")],
    }
    bench.world.put(f"s3://{BUCKET}/runs/nightly-7/fetch-preprocessed-data/stack-0/pages.jsonl", "x" * 100)
    bench.opsctl("start", "--name", "nightly-7")
    return bench


def test_every_step_with_what_it_took_and_cost(spent: Bench) -> None:
    result = spent.opsctl("cost")
    assert result.stdout == (
        "RUN      nightly-7\n"
        "MACHINE  documents-training\n"
        "STATUS   FAILED\n"
        "PRICES   us-east-1, on demand, as of 2026-11-22 (public quotations of the pricing pages of AWS)\n"
        "\n"
        "STEP                     ATTEMPTS  BILLED      USD      OF WHAT\n"
        "Prepare Run              1         1.0 s       <0.0001  Lambda, 256 MB\n"
        "Fetch Preprocessed Data  1         2 min 0 s   0.0016   Fargate, 1 vCPU, 2 GB\n"
        "Train Image Model        1         1 min 0 s   0.0235   1 x ml.g5.xlarge\n"
        "Train Text Model         1         30.0 s      0.0019   1 x ml.m5.xlarge\n"
        "Train Sequence Model     1         40.0 s      0.0156   1 x ml.g5.xlarge\n"
        "Describe Failure         1         1.0 s       <0.0001  Lambda, 256 MB\n"
        "Notify Failure           1         0.0 s       <0.0001  SNS\n"
        "state transitions        18                    0.0005\n"
        "total                              4 min 12 s  0.0431\n"
        "\n"
        "keeps 8 objects (483 B) for <0.0001 USD a month; writing them took at least 8 requests, for <0.0001 USD\n"
    )
    assert (result.exit_code, result.stderr) == (0, "note: a sandbox has no price list of AWS's\n")


def test_a_failed_attempt_has_been_paid_for_too(spent: Bench) -> None:
    spent.opsctl("redrive", "nightly-7", "--yes")
    steps = json.loads(spent.opsctl("cost", "nightly-7", "--query", "steps[].[step, attempts, usd]").stdout)
    told = {step: (attempts, usd) for step, attempts, usd in steps}
    assert told[SEQUENCE] == (1, pytest.approx(40 * 1.408 / 3600, abs=1e-6))


def test_a_step_costs_at_least_what_is_known_of_its_attempts(bench: Bench) -> None:
    """A job that was never placed tells of no platform, and the one after it does."""
    unplaced = Failed("Batch.ServerException", "x")
    bench.world.script = {"Fetch Preprocessed Data": [unplaced, Succeeded(json.dumps(FETCHED))]}
    bench.opsctl("start", "--name", "nightly-7")
    found = json.loads(bench.opsctl("cost", "nightly-7", "-o", "json").stdout)
    row = next(row for row in found["steps"] if row["step"] == "Fetch Preprocessed Data")
    why = "1 of 2 attempts: it is a Batch job which recorded no platform"
    assert (row["attempts"], row["usd"], row["unknown"]) == (2, pytest.approx(0.0016457, abs=1e-6), why)
    assert found["price_unknown"] == ["Fetch Preprocessed Data"]
    lines = bench.opsctl("cost", "nightly-7").stdout.splitlines()
    assert next(line for line in lines if line.startswith("Fetch")).endswith(
        f"at least 0.0016  Batch, Fargate, 1 vCPU, 2 GB; {why}"
    )
    assert "at least; price unknown: Fetch Preprocessed Data" in lines[-3]


def test_what_reuse_saved_stands_below_and_in_the_sum_of_many(spent: Bench) -> None:
    spent.opsctl("rerun", "nightly-7", "--from", SEQUENCE, "--yes")
    told = spent.opsctl("cost", "nightly-7-r1").stdout.splitlines()
    assert told[-5:] == [
        "reused Fetch Preprocessed Data of nightly-7: 12.0 s, 0.0016 USD",
        "reused Train Image Model of nightly-7: 1 min 0 s, 0.0235 USD",
        "reused Train Text Model of nightly-7: 30.0 s, 0.0019 USD",
        "reuse saved 1 min 42 s and 0.0270 USD",
        told[-1],
    ]
    result = spent.opsctl("cost", "--since", "30d", "--machine", "training")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[0] for row in rows if row][1:5] == ["RUN", "nightly-7-r1", "nightly-7", "total"]
    assert rows[-3][-2:] == ["0.0593", "0.0270"]
    assert "are in it at list price; the first 4,000 a month of an account are free" in result.stdout
    many = json.loads(spent.opsctl("cost", "--since", "30d", "-o", "json").stdout)
    assert many["usd"] == pytest.approx(sum(run["usd"] for run in many["runs"]))
    assert many["transitions"] == {"count": sum(run["transitions"]["count"] for run in many["runs"]), "beyond_free": 0}


def test_what_reuse_saved_is_not_known_once_the_maker_is_forgotten(spent: Bench) -> None:
    spent.opsctl("rerun", "nightly-7", "--from", SEQUENCE, "--yes")
    del spent.states.executions[execution_arn(MACHINE, "nightly-7")]
    found = json.loads(spent.opsctl("cost", "@latest", "-o", "json").stdout)["saved"]
    assert (found["usd"], found["steps"][0]) == (
        0.0,
        {"step": "fetch-preprocessed-data", "run": "nightly-7", "seconds": None, "usd": None,
         "unknown": "AWS no longer knows what became of it in nightly-7"},
    )  # fmt: skip


def test_one_s_own_prices_go_first_and_are_named(spent: Bench, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    own: dict[str, Any] = {"date": "2026-11-01", "source": "our contract", "training": {"ml.g5.xlarge": 360.0}}
    file.write_text(json.dumps(own))
    found = json.loads(spent.opsctl("cost", "--prices", str(file), "-o", "json").stdout)
    assert found["prices"] == {"region": "us-east-1", "date": "2026-11-01", "source": "our contract"}
    assert {row["step"]: row["usd"] for row in found["steps"]}["Train Image Model"] == 6.0
    file.write_text('{"training": {"ml.g5.xlarge": "cheap"}}')
    refused = spent.opsctl("cost", "--prices", str(file))
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (
        2, 'error: the prices of training are no object of USD, such as {"ml.g5.xlarge": 1.5}'
    )  # fmt: skip


def test_a_saved_history_has_its_price_without_aws(spent: Bench, tmp_path: Path) -> None:
    saved = tmp_path / "history.json"
    saved.write_text(json.dumps({"events": list(spent.states.history(execution_arn(MACHINE, "nightly-7")))}))
    result = spent.opsctl("cost", "--history", str(saved))
    assert result.stdout.splitlines()[0] == f"HISTORY  {saved}"
    assert "Train Image Model        1         1 min 0 s   0.0235   1 x ml.g5.xlarge" in result.stdout
    assert "the memory of the function documents-prepare-run is not known" in result.stdout
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_saved_history_that_is_not_whole_is_said_to_be(spent: Bench, tmp_path: Path) -> None:
    saved = tmp_path / "half.json"
    saved.write_text(json.dumps({"events": list(spent.states.history(execution_arn(MACHINE, "nightly-7")))[:9]}))
    result = spent.opsctl("cost", "--history", str(saved), "--query", "transitions.count")
    told = f"warning: {saved}: the history has no end: the run went on when it was saved, or it is not whole\n"
    assert (result.exit_code, result.stderr) == (0, told)


def test_a_run_that_goes_on_is_billed_until_now(bench: Bench) -> None:
    bench.world.open_steps = {SEQUENCE}
    bench.opsctl("start", "--name", "nightly-7")
    bench.world.now += 3600
    steps = json.loads(bench.opsctl("cost", "--query", "steps[].[step, seconds]").stdout)
    assert dict(steps)[SEQUENCE] == 3600.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nightly-7", "--since", "30d"), "--since does not go with a RUN"),
        (("nightly-7", "--history", "x.json"), "--history does not go with a RUN"),
        (("--history", "x.json", "--since", "30d"), "--history is one run's, and --since sums up many"),
        (("--since", "yesterday"), "'yesterday' is not a duration such as 90, 90s, 15m, 2h or 7d"),
        (("nobody",), "no run"),
    ],
)
def test_bad_words_are_refused_in_one_line(spent: Bench, words: tuple[str, ...], message: str) -> None:
    result = spent.opsctl("cost", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_prices_that_are_no_object_are_shown_how_to_be_written(spent: Bench, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("[1.5]")
    result = spent.opsctl("cost", "--prices", str(tmp_path / "prices.json"))
    assert (result.exit_code, result.stderr) == (2, (
        f"error: {tmp_path / 'prices.json'} holds no JSON object\n"
        'hint: write it as {"training": {"ml.g5.xlarge": 1.5}}\n'
    ))  # fmt: skip


def test_nothing_since_then_is_no_error(bench: Bench) -> None:
    result = bench.opsctl("cost", "--since", "30d")
    assert result.exit_code == 0
    assert (
        "no run of documents-bulk, documents-deployment, documents-inference, documents-training since then"
        in result.stderr
    )
