"""`opsctl rerun` with --only, --skip, --until, --strict and --plan-hash; and what it makes of results that changed."""

from __future__ import annotations

import copy
import json

import pytest

from opsctl.asl.effects import Failed
from tests.functional.pipeline_world import AROUND, BUCKET, Bench

FETCH, IMAGE, TEXT = "Fetch Preprocessed Data", "Train Image Model", "Train Text Model"
SEQUENCE, EVALUATE = "Train Sequence Model", "Evaluate"
MODEL = f"s3://{BUCKET}/runs/nightly-7/train-text-model/nightly-7-train-text-model-d0r0/output/model.tar.gz"


@pytest.fixture
def done(bench: Bench) -> Bench:
    """A bench on which nightly-7 has succeeded."""
    bench.opsctl("start", "--name", "nightly-7")
    bench.world.entered()
    return bench


def actions(bench: Bench, *words: str) -> dict[str, str]:
    """The plan's action for each step that has a guard."""
    result = bench.opsctl("rerun", "nightly-7", *words, "--dry-run", "-o", "json")
    assert result.exit_code == 0, result.output
    return {step["step"]: step["action"] for step in json.loads(result.stdout)["steps"] if step["action"] != "ALWAYS"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--from", SEQUENCE, "--until", SEQUENCE), "REUSE REUSE REUSE RUN SKIP"),
        (("--from", IMAGE, "--until", IMAGE, "--until", TEXT), "REUSE RUN REUSE SKIP SKIP"),
        (("--from", IMAGE, "--until", TEXT, "--until", SEQUENCE), "REUSE RUN REUSE RUN SKIP"),
        (("--only", TEXT), "REUSE REUSE RUN SKIP SKIP"),
        (("--only", EVALUATE), "REUSE REUSE REUSE REUSE RUN"),
        (("--only", TEXT, "--only", EVALUATE), "REUSE REUSE RUN REUSE RUN"),
        (("--from", TEXT, "--skip", SEQUENCE), "REUSE REUSE RUN REUSE RUN"),
        (("--from", SEQUENCE, "--skip", EVALUATE), "REUSE REUSE REUSE RUN REUSE"),
    ],
)
def test_what_runs_of_a_run_that_succeeded(done: Bench, words: tuple[str, ...], expected: str) -> None:
    assert list(actions(done, *words).values()) == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--from", "failed"), "REUSE REUSE REUSE RUN RUN"),
        (("--from", "failed", "--skip", EVALUATE), "REUSE REUSE REUSE RUN SKIP"),
        (("--skip", EVALUATE), "REUSE REUSE REUSE RUN SKIP"),
        (("--until", SEQUENCE), "REUSE REUSE REUSE RUN SKIP"),
        (("--only", "failed"), "REUSE REUSE REUSE RUN SKIP"),
        (("--only", TEXT), "REUSE REUSE RUN SKIP SKIP"),
    ],
)
def test_what_runs_of_a_run_that_failed(failed: Bench, words: tuple[str, ...], expected: str) -> None:
    assert list(actions(failed, *words).values()) == expected.split()


def test_the_machine_does_as_planned(failed: Bench) -> None:
    result = failed.opsctl("rerun", "--only", TEXT, "--yes", "--wait")
    assert (result.exit_code, failed.world.entered()) == (0, ["Prepare Run", TEXT, *AROUND, "Notify Success"])
    result = failed.opsctl("rerun", "nightly-7", "--from", "failed", "--until", SEQUENCE, "--yes", "--wait")
    assert (result.exit_code, failed.world.entered()) == (0, ["Prepare Run", SEQUENCE, *AROUND, "Notify Success"])


def test_a_result_made_from_what_runs_again_is_warned_of(done: Bench) -> None:
    words = ("rerun", "nightly-7", "--from", TEXT, "--skip", SEQUENCE, "--dry-run")
    warning = f"{SEQUENCE}: reused, though {TEXT}, which comes before it, runs again"
    assert f"warning: {warning}\n" in done.opsctl(*words).stdout
    result = done.opsctl(*words, "--strict")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: --strict: {warning}\nhint: run that step again too with --from, or leave --strict out\n",
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", TEXT, "--skip", TEXT), 2, f"--from {TEXT} and --skip {TEXT} contradict each other"),
        (("--only", TEXT, "--skip", TEXT), 2, f"--only {TEXT} and --skip {TEXT} contradict each other"),
        (("--until", TEXT, "--skip", TEXT), 2, f"--until {TEXT} and --skip {TEXT} contradict each other"),
        (("--only", TEXT, "--from", EVALUATE), 2, "--only says exactly which steps run, and so does --from"),
        (("--only", TEXT, "--until", EVALUATE), 2, "--only says exactly which steps run, and so does --until"),
        (("--from", EVALUATE, "--until", TEXT), 2, f"--from {EVALUATE} comes after --until {TEXT}"),
        (("--skip", "Prepare Run"), 3, "Prepare Run cannot be skipped: it has no guard in the definition"),
        (("--from", EVALUATE, "--skip", SEQUENCE), 3,
         f"{EVALUATE} needs the result of {SEQUENCE}, which would not run (--skip), and has none: it failed"),
        (("--from", "failed", "--skip", SEQUENCE), 3,
         f"every step of nightly-7 that failed is skipped: {SEQUENCE}"),
        (("--until", TEXT), 3, "nothing would run: every step of nightly-7 has a result or is skipped"),
        (("--only", EVALUATE), 3, f"{EVALUATE} needs steps that have no result: {SEQUENCE} (it failed)"),
        (("--from", "failed", "--plan-hash", "xyz"), 2,
         "Invalid value for '--plan-hash': 'xyz' is not a plan's hash, such as 3f6c1b2a9d04"),
    ],
)  # fmt: skip
def test_requests_that_contradict_themselves(failed: Bench, words: tuple[str, ...], code: int, message: str) -> None:
    before = failed.world.keys("")
    result = failed.opsctl("rerun", "nightly-7", *words, "--yes")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()[0]) == (code, "", f"error: {message}")
    assert (failed.world.keys(""), len(failed.states.executions)) == (before, 1)


def test_a_step_that_is_gone_from_the_definition(failed: Bench) -> None:
    current = copy.deepcopy(failed.states.current)
    current["States"]["Notify All"] = current["States"].pop("Notify Success")
    failed.states.current = json.loads(json.dumps(current).replace('"Notify Success"', '"Notify All"'))
    result = failed.opsctl("rerun", "--from", "notify-success")
    assert (result.exit_code, result.stderr) == (2, (
        "error: no step 'notify-success': the definition has changed since nightly-7, and it is gone\n"
        "hint: did you mean Notify All\n"
    ))  # fmt: skip


def test_failed_where_what_failed_is_gone_from_the_definition(failed: Bench) -> None:
    failed.states.current = json.loads(json.dumps(failed.states.current).replace(f'"{SEQUENCE}"', '"Train Page Model"'))
    result = failed.opsctl("rerun", "--from", "failed", "--yes")
    why = f"{SEQUENCE} is gone, the definition has changed since"
    assert (result.exit_code, result.stderr) == (
        3, f"error: no step of nightly-7 that failed is still there: {why}\nhint: name the steps to run with --from\n",
    )  # fmt: skip


def test_a_plan_is_started_only_while_it_is_the_same(failed: Bench) -> None:
    words = ("rerun", "nightly-7", "--from", SEQUENCE)
    shown = failed.opsctl(*words, "--dry-run").stdout.split()[-1]
    failed.world.s3.put_object(Bucket=BUCKET, Key=MODEL.partition("/runs/")[2].join(["runs/", ""]), Body=b"m" * 40)
    result = failed.opsctl(*words, "--plan-hash", shown, "--yes")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"error: the world has changed since that plan was shown: its hash was {shown}, ")
    assert len(failed.states.executions) == 1
    shown = failed.opsctl(*words, "--dry-run").stdout.split()[-1]
    failed.states.current = {**failed.states.current, "TimeoutSeconds": 86_000}
    assert failed.opsctl(*words, "--plan-hash", shown, "--yes").exit_code == 3
    shown = failed.opsctl(*words, "--dry-run").stdout.split()[-1]
    assert failed.opsctl(*words, "--plan-hash", shown.upper(), "--yes").exit_code == 0


def test_a_result_that_someone_has_changed_is_not_reused_unless_someone_says_so(failed: Bench) -> None:
    failed.world.put(MODEL, "another model")
    altered = f"{MODEL} was written after the step ended"
    result = failed.opsctl("rerun", "--from", SEQUENCE)
    assert (result.exit_code, result.stderr.splitlines()) == (3, [
        f"error: {SEQUENCE} needs steps that have no result: {TEXT} ({altered})",
        f'hint: start earlier: --from "{TEXT}"; or take it as it is now: --skip "{TEXT}"',
    ])  # fmt: skip
    assert actions(failed, "--from", IMAGE)[TEXT] == "RUN"
    result = failed.opsctl("rerun", "--from", SEQUENCE, "--skip", TEXT, "--yes", "--wait")
    assert (result.exit_code, f"warning: {TEXT}: reused, though {altered}\n" in result.stdout) == (0, True)


def test_a_copy_that_lost_an_object_is_not_reused(failed: Bench) -> None:
    failed.world.script[EVALUATE] = [Failed("States.TaskFailed", "no")]
    failed.opsctl("rerun", "--from", SEQUENCE, "--yes")
    lost = next(key for key in failed.world.keys("runs/nightly-7-r1/fetch") if key.endswith("stack-2/pages.jsonl"))
    failed.world.s3.delete_object(Bucket=BUCKET, Key=lost)
    result = failed.opsctl("rerun", "nightly-7-r1", "--from", EVALUATE)
    fetched = f"s3://{BUCKET}/runs/nightly-7-r1/fetch-preprocessed-data/"
    assert (result.exit_code, result.stderr.splitlines()[0]) == (3, (
        f"error: {EVALUATE} needs steps that have no result: {FETCH} "
        f"(3 objects (300 bytes) went to {fetched}, which has 2 objects (200 bytes) now)"
    ))  # fmt: skip


def test_another_image_than_the_one_a_model_was_made_with(failed: Bench) -> None:
    text = json.dumps(failed.states.current)
    failed.states.current = json.loads(text.replace("pytorch-training:gpu", "pytorch-training:2.8"))
    registry = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training"
    told = failed.opsctl("rerun", "--from", SEQUENCE, "--dry-run").stdout
    assert f"warning: {IMAGE}: reused, though made with the image {registry}:gpu, not {registry}:2.8\n" in told
