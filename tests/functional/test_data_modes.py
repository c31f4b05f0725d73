"""`--data reuse`: nothing is copied, and what is read lies where it was, out of the reach of every cleanup."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.aws.bulk import Bulk
from opsctl.aws.stepfunctions import execution_arn
from opsctl.domain.objects import Place
from tests.functional.pipeline_world import BUCKET, EVALUATED, MACHINE, Bench

DAY = 86400.0
SEQUENCE, EVALUATE = "Train Sequence Model", "Evaluate"
READ = ("fetch-preprocessed-data", "train-image-model", "train-text-model")
IN_PLACE = ("--data", "reuse")
TAKEN_OVER = """\
copies nothing: reads 5 objects (381 B) of nightly-7, which no cleanup deletes before this run; \
--data copy would copy them: 0.0001 USD in requests, 0.00 USD a month
plan """
VERIFIED = [
    f"verified Fetch Preprocessed Data: 3 objects, 300 bytes, in s3://{BUCKET}/runs/nightly-7/fetch-preprocessed-data/",
    f"verified Train Image Model: 1 object, 41 bytes, in s3://{BUCKET}/runs/nightly-7/train-image-model/",
    f"verified Train Text Model: 1 object, 40 bytes, in s3://{BUCKET}/runs/nightly-7/train-text-model/",
]


def address(run: str, step: str) -> str:
    return f"s3://{BUCKET}/runs/{run}/{step}/"


def folders(bench: Bench, run: str) -> set[str]:
    return {key.split("/")[2] for key in bench.world.keys(f"runs/{run}/")}


def addresses(bench: Bench, run: str) -> dict[str, str]:
    return {step: entry["uri"] for step, entry in bench.input_of(run)["reuse"].items()}


def kept(bench: Bench, *words: str) -> dict[str, str]:
    """Why each run stays, or "" where it goes, once nothing can be redriven any more."""
    bench.world.now += 40 * DAY
    answer = bench.opsctl("cleanup", *words, "--dry-run", "-o", "json")
    assert answer.exit_code == 0, answer.output
    return {run["run"]: run["reason"] or "" for run in json.loads(answer.stdout)["runs"]}


def test_nothing_is_copied_and_the_new_run_reads_where_it_lies(failed: Bench) -> None:
    plan = json.loads(failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--dry-run", "-o", "json").stdout)
    assert plan["copies"] == {"objects": 0, "bytes": 0}
    assert plan["data"] | {"prices": None} == {
        "mode": "reuse", "objects": 5, "bytes": 381, "reads_of": ["nightly-7"],
        "copy": {"objects": 5, "bytes": 381, "requests": 17, "request_usd": 8.5e-05, "usd_a_month": 0.0},
        "reuse": {"objects": 0, "bytes": 0, "requests": 3, "request_usd": 1.5e-05, "usd_a_month": 0.0},
        "prices": None,
    }  # fmt: skip
    result = failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--yes", "--wait")
    assert (result.exit_code, result.stderr.splitlines()[:3]) == (0, VERIFIED)
    assert TAKEN_OVER in result.stdout
    assert failed.world.entered() == ["Prepare Run", SEQUENCE, *EVALUATED]
    assert folders(failed, "nightly-7-r1") == {"code", "code.json", "evaluate", "plan.json", "train-sequence-model"}
    assert failed.input_of("nightly-7-r1") == plan["input"]
    assert plan["input"]["reuse"] == {step: {"run": "nightly-7", "uri": address("nightly-7", step)} for step in READ}


def test_a_rerun_of_it_points_at_what_holds_the_objects_and_cleanup_keeps_all_of_that(failed: Bench) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--yes")
    assert kept(failed, "--run", "nightly-7") == {"nightly-7": "read", "nightly-7-r1": "unnamed"}
    failed.opsctl("rerun", "nightly-7-r1", "--from", EVALUATE, *IN_PLACE, "--yes")
    held = {step: address("nightly-7", step) for step in READ}
    assert addresses(failed, "nightly-7-r2") == held | {
        "train-sequence-model": address("nightly-7-r1", "train-sequence-model")
    }
    assert kept(failed, "--keep-last", "1") == {"nightly-7": "read", "nightly-7-r1": "read", "nightly-7-r2": "recent"}
    failed.opsctl("rerun", "nightly-7-r1", "--from", SEQUENCE, *IN_PLACE, "--yes")
    assert addresses(failed, "nightly-7-r3") == held
    names = ("--run", "nightly-7", "--run", "nightly-7-r1", "--run", "nightly-7-r2")
    assert kept(failed, *names) == {
        "nightly-7": "read", "nightly-7-r1": "", "nightly-7-r2": "", "nightly-7-r3": "unnamed",
    }  # fmt: skip
    failed.opsctl("rerun", "nightly-7-r1", "--from", EVALUATE, "--yes")  # a copy stands alone
    assert set(addresses(failed, "nightly-7-r4")) == {*READ, "train-sequence-model"}
    assert all(f"/runs/nightly-7-r4/{step}/" in uri for step, uri in addresses(failed, "nightly-7-r4").items())
    assert kept(failed, "--keep-last", "1") == {
        "nightly-7": "", "nightly-7-r1": "", "nightly-7-r2": "", "nightly-7-r3": "", "nightly-7-r4": "recent",
    }  # fmt: skip


class CrashError(Exception):
    """The process dies here."""


def test_what_it_reads_is_safe_from_the_claim_on(failed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*arguments: Any) -> str:
        raise CrashError

    words = ("rerun", "nightly-7", "--from", SEQUENCE, *IN_PLACE, "--yes")
    with monkeypatch.context() as patched:
        patched.setattr(failed.states, "start", die)
        assert isinstance(failed.opsctl(*words).exception, CrashError)
    assert folders(failed, "nightly-7-r1") == {"plan.json"}
    assert kept(failed, "--run", "nightly-7")["nightly-7"] == "read"
    again = failed.opsctl(*words, "--wait")
    assert (again.exit_code, again.stdout.splitlines()[-1].split(" after ")[0]) == (0, "nightly-7-r1 SUCCEEDED")


def test_a_source_that_is_gone_is_named_with_the_way_to_bring_it_back(failed: Bench) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--yes")
    for key in failed.world.keys("runs/nightly-7/train-text-model/"):
        failed.world.s3.delete_object(Bucket=BUCKET, Key=key)
    for mode in ("copy", "reuse"):
        result = failed.opsctl("rerun", "nightly-7-r1", "--from", EVALUATE, "--data", mode, "--yes")
        assert (result.exit_code, result.stderr.splitlines()) == (3, [
            ("error: Evaluate needs steps that have no result: Train Text Model (nightly-7-r1 read it from nightly-7, "
             f"whose data is gone: nothing is left under {address('nightly-7', 'train-text-model')})"),
            ('hint: start earlier: --from "Train Text Model"; what a cleanup deleted may come back: '
             "opsctl cleanup --undo --run nightly-7"),
        ])  # fmt: skip
    assert "nightly-7-r2" not in {run.name for run in failed.states.runs("")}


def test_a_source_that_is_not_what_it_was_is_not_reused_unasked(failed: Bench) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--yes")
    failed.world.put(f"{address('nightly-7', 'fetch-preprocessed-data')}stack-9/pages.jsonl", "more")
    result = failed.opsctl("rerun", "nightly-7-r1", "--from", EVALUATE, *IN_PLACE, "--yes")
    assert result.exit_code == 3
    assert (
        f"3 objects (300 bytes) lay in {address('nightly-7', 'fetch-preprocessed-data')}, which has "
        "4 objects (304 bytes) now" in result.stderr
    )


def test_the_way_is_part_of_the_plan_and_of_its_hash(failed: Bench) -> None:
    words = ("rerun", "nightly-7", "--from", SEQUENCE)
    hashes = [
        json.loads(failed.opsctl(*words, "--data", mode, "--dry-run", "-o", "json").stdout)["hash"]
        for mode in ("copy", "reuse")
    ]
    assert hashes[0] != hashes[1]
    result = failed.opsctl(*words, *IN_PLACE, "--plan-hash", hashes[0], "--yes")
    assert (result.exit_code, "the world has changed since that plan was shown" in result.stderr) == (3, True)
    failed.world.open_steps = {SEQUENCE}
    assert failed.opsctl(*words, *IN_PLACE, "--plan-hash", hashes[1], "--strict", "--yes").exit_code == 0
    result = failed.opsctl(*words, "--name", "nightly-7-r1", "--yes")
    assert result.stderr.splitlines()[0] == (
        "error: the name nightly-7-r1 is taken by another rerun: --data is reuse there and copy here"
    )


def test_start_and_redrive_know_it_too(failed: Bench) -> None:
    words = ("--skip", "fetch-preprocessed-data", "--skip", "train-text-model", *IN_PLACE, "--yes")
    result = failed.opsctl("start", "--name", "july", "--reuse-from", "nightly-7", *words)
    assert (result.exit_code, result.stderr.splitlines()[:2]) == (0, [VERIFIED[0], VERIFIED[2]])
    taken = {step: address("nightly-7", step) for step in READ if "image" not in step}
    assert addresses(failed, "july") == taken
    result = failed.opsctl("redrive", "nightly-7", *IN_PLACE, "--yes", "--wait")
    assert (result.exit_code, TAKEN_OVER in result.stdout) == (0, True)
    assert addresses(failed, "nightly-7-r1") == {step: address("nightly-7", step) for step in READ}
    del failed.states.executions[execution_arn(MACHINE, "july")]  # AWS forgets it: its claim still says what it read
    result = failed.opsctl("start", "--name", "august", "--reuse-from", "july", *words)
    assert (result.exit_code, addresses(failed, "august")) == (0, taken), result.stderr


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("start", *IN_PLACE), "--data reuse is about reused results, and none are reused",
         "name a run with --reuse-from"),
        (("redrive", "nightly-7", "--native", *IN_PLACE),
         "a native redrive copies nothing, and --data reuse is for a rerun", "leave out one of them"),
    ],
)  # fmt: skip
def test_where_it_means_nothing_it_is_refused(bench: Bench, words: tuple[str, ...], message: str, hint: str) -> None:
    result = bench.opsctl(*words, "--yes")
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\nhint: {hint}\n")


@pytest.mark.parametrize(
    ("words", "engine", "said"),
    [
        ((), "local", "copied from this machine: 5 objects, not more than 2,000,000"),
        (("--map-above", "4"), "map", "copied by the distributed Map of the machine bulk: 5 objects, more than 4"),
        (("--engine", "map"), "map", "copied by the distributed Map of the machine bulk: as --engine says"),
    ],
)
def test_the_plan_says_which_way_it_copies_and_why(
    failed: Bench, words: tuple[str, ...], engine: str, said: str
) -> None:
    wanted = ("rerun", "--from", SEQUENCE, "--dry-run", *words)
    assert said in failed.opsctl(*wanted).stdout.splitlines()
    plan = json.loads(failed.opsctl(*wanted, "-o", "json").stdout)
    assert plan["engine"] == {"name": engine, "why": said.partition(": ")[2]}
    assert plan["hash"] == json.loads(failed.opsctl(*wanted[:4], "-o", "json").stdout)["hash"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rerun", "--from", SEQUENCE, *IN_PLACE), "error: --engine map says how to copy, and nothing is copied"),
        (("start",), "error: --engine map is about reused results, and none are reused"),
    ],
)
def test_an_engine_for_nothing_is_refused(failed: Bench, words: tuple[str, ...], said: str) -> None:
    answer = failed.opsctl(*words, "--engine", "map", "--yes")
    assert (answer.exit_code, answer.stderr.splitlines()) == (2, [said, "hint: leave it out"])


def test_what_comes_into_use_while_a_cleanup_is_looked_at_keeps_what_it_reads(
    failed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, *IN_PLACE, "--yes")
    failed.world.now += 40 * DAY
    upload = Bulk.upload

    def upload_and_hold(self: Bulk, place: Place, path: Any) -> None:
        upload(self, place, path)
        failed.opsctl("data", "hold", "nightly-7-r1")

    monkeypatch.setattr(Bulk, "upload", upload_and_hold)
    answer = failed.opsctl("cleanup", "--older-than", "1d", "--yes", "--query", "result.[objects, kept]")
    assert json.loads(answer.stdout) == [0, {"nightly-7": "read", "nightly-7-r1": "held"}]


def test_a_run_that_is_held_before_its_turn_comes_stays(failed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    failed.world.now += 40 * DAY
    objects, before = Bulk.objects, len(failed.world.keys("runs/nightly-7-r1/"))

    def list_and_hold(self: Bulk, place: Place) -> Any:
        if place.key == "runs/nightly-7/" and failed.world.keys("audit/"):
            failed.opsctl("data", "hold", "nightly-7-r1")
        return objects(self, place)

    monkeypatch.setattr(Bulk, "objects", list_and_hold)
    answer = failed.opsctl("cleanup", "--older-than", "1d", "--yes", "--query", "result.[objects, kept]")
    assert json.loads(answer.stdout) == [10, {"nightly-7-r1": "held"}]
    assert len(failed.world.keys("runs/nightly-7-r1/")) == before + 1
