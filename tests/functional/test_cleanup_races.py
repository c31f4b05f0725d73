"""A cleanup and a rerun that reads in place what it deletes, at the same time: one of the two always sees the other.

One command is stopped before one of its requests to S3, the other runs from beginning to end, and the first goes on;
and so before each request, one after the other.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from click.testing import Result

from opsctl.errors import RefusedError
from opsctl.operations import intents
from tests.functional.pipeline_world import BUCKET, DIVERGED, MACHINE, Bench, make_bench, training_failure

DAY = 86400.0
SOURCE = "nightly-7"
RERUN = ("rerun", SOURCE, "--from", "train-sequence-model", "--data", "reuse", "--yes")
CLEANUP = ("cleanup", "--run", SOURCE, "--yes")
INTENT = f"{intents.FOLDER}cleanup-20270101T000000Z-abcd.json"


def old_run(url: str) -> Bench:
    """A world of its own in which nightly-7 failed long ago."""
    requests.post(f"{url}/moto-api/reset", timeout=300)
    bench = make_bench(url)
    bench.world.script["Train Sequence Model"] = [training_failure(DIVERGED)]
    bench.opsctl("start", "--name", SOURCE)
    bench.world.now += 40 * DAY
    return bench


Other = tuple[str, ...] | Callable[[Bench], Result]


def meet(bench: Bench, one: tuple[str, ...], other: Other, begin: str, number: int) -> list[Result]:
    """Run `one`, and `other` before the request of that number, counted from the one that writes `begin`; what came of
    both, or of `one` alone if it makes fewer requests."""
    others: list[Result] = []
    seen = -1
    busy = False

    def before(params: dict[str, Any], **_: Any) -> None:
        nonlocal seen, busy
        if busy or (seen < 0 and begin not in params["url_path"]):
            return
        seen += 1
        if seen == number:
            busy = True
            others.append(other(bench) if callable(other) else bench.opsctl(*other))
            busy = False

    events = bench.connection.aws.client("s3").meta.events
    events.register("before-call.s3", before)
    try:
        return [bench.opsctl(*one), *others]
    finally:
        events.unregister("before-call.s3", before)


def meetings(url: str, one: tuple[str, ...], other: Other, begin: str) -> Iterator[tuple[Bench, list[Result]]]:
    """Every way in which they can meet."""
    for number in itertools.count():
        bench = old_run(url)
        made = meet(bench, one, other, begin, number)
        if len(made) == 1:
            return
        yield bench, made


def outcome(bench: Bench, rerun: Result, cleanup: Result) -> str:
    """Which of the two has won; never do both."""
    assert cleanup.exit_code == 0, cleanup.output
    assert rerun.exit_code in (0, 3), rerun.output
    if rerun.exit_code == 3:
        return "neither" if bench.world.keys(f"runs/{SOURCE}/") else "cleanup"
    for entry in bench.input_of(f"{SOURCE}-r1")["reuse"].values():
        assert bench.world.keys(entry["uri"].removeprefix(f"s3://{BUCKET}/")), entry
    assert f"kept after all: {SOURCE} (read)" in cleanup.stdout or "KEEP" in cleanup.stdout
    return "rerun"


def test_a_rerun_at_any_point_of_a_cleanup(moto: str) -> None:
    found = [outcome(bench, *reversed(made)) for bench, made in meetings(moto, CLEANUP, RERUN, "/audit/")]
    assert [who for who, _ in itertools.groupby(found)] == ["rerun", "neither", "cleanup"], found


def test_a_cleanup_at_any_point_of_a_rerun(moto: str) -> None:
    found = [outcome(bench, *made) for bench, made in meetings(moto, RERUN, CLEANUP, "/plan.json")]
    assert [who for who, _ in itertools.groupby(found)] == ["cleanup", "rerun"], found


def test_a_run_that_reads_in_place_and_was_started_from_the_console(moto: str) -> None:
    """It asks nobody before it starts; its first step sees the cleanup, or the cleanup sees it."""
    bench = old_run(moto)
    bench.opsctl(*RERUN)
    asked = json.dumps(bench.input_of(f"{SOURCE}-r1"))

    def start(bench: Bench) -> Result:
        bench.states.start(MACHINE, "console", asked)
        return bench.opsctl("status", "console", "-o", "json")

    found = []
    for bench, (cleanup, status) in meetings(moto, CLEANUP, start, "/audit/"):
        assert cleanup.exit_code == 0, cleanup.output
        ended, kept = json.loads(status.stdout)["status"], bool(bench.world.keys(f"runs/{SOURCE}/"))
        assert (ended == "FAILED") or kept, cleanup.output
        found.append((ended, kept))
    assert {("SUCCEEDED", True), ("FAILED", False)} <= set(found), found


def test_its_first_step_says_who_deletes_what(failed: Bench) -> None:
    failed.opsctl(*RERUN)
    asked = json.dumps(failed.input_of(f"{SOURCE}-r1"))
    for content, why in (
        (
            json.dumps({"runs": [SOURCE]}),
            f"cleanup-20270101T000000Z-abcd is deleting what {SOURCE} keeps: start the run ",
        ),
        (
            "{",
            f"a record below s3://{BUCKET}/{intents.FOLDER} is spoiled: it does not say which runs a cleanup deletes",
        ),
    ):
        failed.world.s3.put_object(Bucket=BUCKET, Key=INTENT, Body=content.encode())
        failed.states.start(MACHINE, f"console-{len(content)}", asked)
        assert why in failed.opsctl("status", f"console-{len(content)}").stdout


def test_the_refusal_says_who_deletes_what(failed: Bench) -> None:
    failed.world.s3.put_object(Bucket=BUCKET, Key=INTENT, Body=json.dumps({"runs": [SOURCE]}).encode())
    answer = failed.opsctl(*RERUN)
    assert (answer.exit_code, answer.stderr.splitlines()) == (3, [
        f"error: cleanup-20270101T000000Z-abcd is deleting what {SOURCE} keeps",
        f"hint: run the same command again when it has ended; if it was killed, delete s3://{BUCKET}/{INTENT}",
    ])  # fmt: skip
    assert "nightly-7-r1" not in {run.name for run in failed.states.runs("")}
    copied = failed.opsctl(*RERUN[:4], "--data", "copy", "--yes")
    assert (copied.exit_code, copied.stdout.splitlines()[-1].split()[0]) == (0, "nightly-7-r2"), copied.output
    failed.world.s3.delete_object(Bucket=BUCKET, Key=INTENT)
    assert failed.opsctl(*RERUN).exit_code == 0
    assert failed.world.keys(intents.FOLDER) == []


@pytest.mark.parametrize(("age", "refuses"), [(0.9 * DAY, True), (1.1 * DAY, False)])
def test_the_intent_of_a_killed_cleanup_lasts_a_day(failed: Bench, age: float, refuses: bool) -> None:
    failed.world.put(f"s3://{BUCKET}/{INTENT}", json.dumps({"runs": [SOURCE]}))
    failed.world.now += age
    assert refused(lambda: intents.demand_none(failed.connection, {SOURCE})) == refuses
    assert not refused(lambda: intents.demand_none(failed.connection, {"another"}))
    with intents.declared(failed.connection, "cleanup-x", {SOURCE}):
        kept = [INTENT] if refuses else []
        assert failed.world.keys(intents.FOLDER) == [*kept, f"{intents.FOLDER}cleanup-x.json"]
        assert refused(lambda: intents.demand_none(failed.connection, {SOURCE}))


def refused(call: Callable[[], None]) -> bool:
    try:
        call()
    except RefusedError:
        return True
    return False
