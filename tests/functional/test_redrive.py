"""`opsctl redrive`: which way it takes with a run, what it shows before, and what comes of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from opsctl.asl.effects import Failed
from opsctl.aws.stepfunctions import execution_arn
from opsctl.domain.runs import Run
from tests.functional.pipeline_world import DIVERGED, EVALUATED, MACHINE, Bench, training_failure

IMAGE, TEXT = "Train Image Model", "Train Text Model"
SEQUENCE, EVALUATE = "Train Sequence Model", "Evaluate"
ENDED_IN_FAIL = (
    f"the run ended in its Fail state 'Fail' ({SEQUENCE} failed and was caught): RedriveExecution enters that state "
    "again and fails with the same error"
)
RERUN = f"""\
A rerun, not a redrive: {ENDED_IN_FAIL}

Rerun of nightly-7 from Train Sequence Model, as nightly-7-r1

"""
NATIVE = """\
Redrive of nightly-7, the same run: the run was stopped at Train Text Model

ACTION  STEP                     TOOK       WHY
REUSE   Prepare Run              1.0 s      completed
REUSE   Fetch Preprocessed Data  12.0 s     completed
REUSE   Train Image Model        1 min 0 s  completed
RUN     Train Text Model         1 min 0 s  was aborted; starts from zero
RUN     Train Sequence Model                comes after
RUN     Find Champion                       comes after
RUN     Evaluate                            comes after
RUN     Compare With Champion               comes after
RUN     Notify Success                      comes after
OPEN    Start Deployment                    may come after: what is answered until then decides

1 min 0 s of work is done again, 1 min 13 s is kept
Retries count from zero, and time limits start anew; input, definition and name stay as they are.
"""


@pytest.fixture
def stopped(bench: Bench) -> Bench:
    """A bench on which nightly-7 was stopped while it trained the text model."""
    bench.world.open_steps = {TEXT}
    bench.opsctl("start", "--name", "nightly-7")
    bench.states.stop(arn(), "Stopped", "by hand")
    bench.world.open_steps = set()
    bench.world.entered()
    return bench


def arn(name: str = "nightly-7") -> str:
    return execution_arn(MACHINE, name)


def change(bench: Bench, step: str, **fields: Any) -> None:
    """From now on runs walk another definition: a step with these fields, those of None left out."""
    definition = copy.deepcopy(bench.states.current)
    state = {**definition["States"][step], **fields}
    definition["States"][step] = {name: value for name, value in state.items() if value is not None}
    bench.states.current = definition


def test_a_caught_failure_is_rerun(failed: Bench) -> None:
    shown = failed.opsctl("redrive", "--dry-run")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.startswith(RERUN)
    assert any(
        "named by --from" in line for line in shown.stdout.splitlines() if line.startswith(f"RUN     {SEQUENCE}")
    )
    assert len(failed.states.executions) == 1
    result = failed.opsctl("redrive", "--yes", "--wait")
    assert result.exit_code == 0
    assert result.stdout.startswith(RERUN)
    assert result.stdout.splitlines()[-1] == "nightly-7-r1 SUCCEEDED after 46.0 s"
    assert failed.world.entered() == ["Prepare Run", SEQUENCE, *EVALUATED]


def test_a_native_redrive_that_would_only_fail_again_is_refused(failed: Bench) -> None:
    result = failed.opsctl("redrive", "--native", "--yes")
    assert (result.exit_code, result.stdout, result.stderr.splitlines()) == (3, "", [
        f"error: a native redrive of nightly-7 is refused: {ENDED_IN_FAIL}",
        "hint: a rerun helps: opsctl redrive nightly-7 --rerun",
    ])  # fmt: skip
    assert failed.states.describe(arn()).redrives == 0


def test_a_stopped_run_is_redriven(stopped: Bench) -> None:
    shown = stopped.opsctl("redrive", "--dry-run")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, NATIVE, "")
    assert stopped.states.describe(arn()).status == "ABORTED"
    result = stopped.opsctl("redrive", "--yes", "--wait")
    assert result.exit_code == 0
    assert result.stdout.startswith(NATIVE)
    assert result.stdout.splitlines()[-1].startswith("nightly-7 SUCCEEDED after ")
    assert result.stderr.splitlines()[:3] == [
        "redriven: nightly-7 goes on", "following nightly-7", "08:01:13  Train Text Model  started again by redrive 1",
    ]  # fmt: skip
    assert stopped.world.entered() == [TEXT, SEQUENCE, *EVALUATED]


def test_as_json(stopped: Bench) -> None:
    plan = json.loads(stopped.opsctl("redrive", "--dry-run", "-o", "json").stdout)
    assert {key: plan[key] for key in plan if key != "steps"} == {
        "way": "native", "reason": "the run was stopped at Train Text Model", "run": "nightly-7", "of": "nightly-7",
        "warnings": [], "seconds_kept": 73.0, "seconds_again": 60.0,
    }  # fmt: skip
    assert plan["steps"][3] == {
        "step": TEXT, "action": "RUN", "reason": "was aborted; starts from zero", "seconds": 60.0,
    }  # fmt: skip
    result = stopped.opsctl("redrive", "--yes", "-o", "json")
    assert result.stderr.startswith(NATIVE)
    assert result.stderr.endswith("redriven: nightly-7 goes on; look at it: opsctl status nightly-7\n")
    document = json.loads(result.stdout)
    assert (document["way"], document["run"], document["arn"]) == ("native", "nightly-7", arn())
    rerun = json.loads(stopped.opsctl("start", "--name", "n", "-o", "json").stdout)
    assert rerun["run"] == "n"


def test_the_rerun_way_as_json(failed: Bench) -> None:
    plan = json.loads(failed.opsctl("redrive", "--dry-run", "-o", "json").stdout)
    assert (plan["way"], plan["reason"], plan["run"], plan["of"]) == (
        "rerun", ENDED_IN_FAIL, "nightly-7-r1", "nightly-7",
    )  # fmt: skip
    rerun = json.loads(failed.opsctl("rerun", "--from", "failed", "--dry-run", "-o", "json").stdout)
    assert plan["plan"]["hash"] == rerun["hash"]


def test_a_stopped_run_with_a_caught_failure_is_rerun(bench: Bench) -> None:
    bench.world.script[IMAGE] = [training_failure(DIVERGED)]
    bench.world.open_steps = {TEXT}
    bench.opsctl("start", "--name", "nightly-7")
    bench.states.stop(arn(), "Stopped", "by hand")
    bench.world.open_steps = set()
    bench.world.entered()
    reason = (
        "the run would only go on to 'Describe Failure' and end FAILED: a redrive keeps what happened before "
        "(Train Image Model failed and was caught)"
    )
    result = bench.opsctl("redrive", "--native", "--yes")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        3, f"error: a native redrive of nightly-7 is refused: {reason}",
    )  # fmt: skip
    result = bench.opsctl("redrive", "--yes", "--wait")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"A rerun, not a redrive: {reason}")
    assert bench.world.entered() == ["Prepare Run", IMAGE, TEXT, SEQUENCE, *EVALUATED]


def test_the_run_s_own_time_limit(bench: Bench) -> None:
    bench.states.current = {**bench.states.current, "TimeoutSeconds": 50}
    bench.opsctl("start", "--name", "nightly-7")
    bench.states.current = {**bench.states.current, "TimeoutSeconds": 5000}
    shown = bench.opsctl("redrive", "--dry-run").stdout
    assert shown.splitlines()[0] == (
        "Redrive of nightly-7, the same run: the run reached its time limit at Train Image Model, and a redrive starts "
        "that anew"
    )
    assert "RUN     Train Image Model        37.0 s  was cut off by the run's time limit; starts from zero" in shown
    assert (
        "warning: the definition has changed since nightly-7 was started: a redrive walks the old one (version 2)"
        in shown
    )


def test_changes_to_the_input_make_it_a_rerun(stopped: Bench) -> None:
    words = ["--set", "hyperparameters.text_model.epochs=3"]
    result = stopped.opsctl("redrive", *words, "--yes", "--wait")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        0, "A rerun, not a redrive: the input changes, and a redrive keeps it",
    )  # fmt: skip
    assert stopped.input_of("nightly-7-r1")["hyperparameters"] == {"text_model": {"epochs": 3}}
    result = stopped.opsctl("redrive", *words, "--native")
    assert (result.exit_code, result.stderr) == (2, (
        "error: a native redrive keeps the run's input\nhint: leave out --native, or --set and --input\n"
    ))  # fmt: skip


def test_to_insist_on_a_rerun(stopped: Bench) -> None:
    result = stopped.opsctl("redrive", "--rerun", "--yes", "--wait")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "A rerun, not a redrive: as --rerun says")
    assert stopped.world.entered() == ["Prepare Run", TEXT, SEQUENCE, *EVALUATED]


def test_what_is_worth_knowing_is_said(bench: Bench) -> None:
    bench.world.script[EVALUATE] = [Failed("States.TaskFailed", "no room")]
    change(bench, EVALUATE, Catch=None)
    bench.opsctl("start", "--name", "nightly-7")
    change(bench, EVALUATE, Comment="mended")
    bench.opsctl("rerun", "nightly-7", "--from", EVALUATE, "--yes")
    shown = bench.opsctl("redrive", "nightly-7", "--dry-run").stdout.splitlines()
    changed = "the definition has changed since nightly-7 was started (Evaluate): a redrive walks the old one"
    assert shown[0] == "Redrive of nightly-7, the same run: Evaluate failed and nothing caught it"
    assert [line for line in shown if line.startswith("warning: ")] == [
        "warning: the input stays as it is: if that made Evaluate fail, it fails again; --set makes it a rerun",
        f"warning: {changed} (version 2), without the change; a rerun takes the new one (version 3)",
        "warning: nightly-7-r1, a rerun of nightly-7, has SUCCEEDED since",
    ]


def test_a_rerun_that_is_going_on_is_resumed(failed: Bench) -> None:
    failed.world.open_steps = {SEQUENCE}
    assert failed.opsctl("redrive", "--yes").exit_code == 0
    result = failed.opsctl("redrive", "nightly-7", "--yes")
    assert result.exit_code == 0
    assert "warning: nightly-7-r1, a rerun of nightly-7, is RUNNING" in result.stdout
    assert "nightly-7-r1 is already running, with this very input" in result.stderr
    assert len(failed.states.executions) == 2


def test_two_people_at_once(stopped: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is quicker, by as much as it takes to read the plan."""
    describe = stopped.states.describe

    def as_it_was(wanted: str) -> Run:
        seen = describe(wanted)
        if stopped.states.describe is not describe and not seen.redrives:
            monkeypatch.setattr(stopped.states, "describe", describe)
            stopped.world.open_steps = {SEQUENCE}
            stopped.states.redrive(arn(), "other")
        return seen

    monkeypatch.setattr(stopped.states, "describe", as_it_was)
    result = stopped.opsctl("redrive", arn(), "--yes", "--timeout", "1s", "--wait")
    assert result.stdout == "nightly-7: somebody has redriven it just now, and it goes on\n"
    assert result.stderr.splitlines()[0] == "nightly-7 is being redriven already"
    assert stopped.states.describe(arn()).redrives == 1
    assert result.exit_code == 124
    again = stopped.opsctl("redrive", "nightly-7", "--yes")
    assert (again.exit_code, again.stdout, again.stderr) == (
        0, "nightly-7\n", "nightly-7 is being redriven already; look at it: opsctl status nightly-7\n",
    )  # fmt: skip
    assert stopped.states.describe(arn()).redrives == 1


def test_somebody_quicker_whose_redrive_has_succeeded_by_then(stopped: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    redrive = stopped.states.redrive

    def after_theirs(wanted: str, token: str) -> bool:
        redrive(wanted, "other")
        return redrive(wanted, token)

    monkeypatch.setattr(stopped.states, "redrive", after_theirs)
    result = stopped.opsctl("redrive", "--yes", "--wait")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (0, "nightly-7 has been redriven already")
    assert result.stdout.splitlines()[-1].startswith("nightly-7 SUCCEEDED")


def test_a_redrive_that_fails_again_is_told_as_such(stopped: Bench) -> None:
    stopped.world.script[TEXT] = [training_failure("killed")]
    result = stopped.opsctl("redrive", "--yes", "--wait")
    assert result.exit_code == 1
    assert f"nightly-7 FAILED after 1 min 45 s at {TEXT}" in result.stdout
    assert result.stderr.splitlines()[-1] == f'next: opsctl rerun nightly-7 --from "{TEXT}"'


@pytest.mark.parametrize(
    ("age", "reason"),
    [(13 * 86_400, None), (14 * 86_400, "AWS does not redrive it: Execution redrivable period exceeded")],
)
def test_an_old_run_is_rerun(stopped: Bench, age: float, reason: str | None) -> None:
    stopped.world.now += age
    headline = stopped.opsctl("redrive", "--dry-run").stdout.splitlines()[0]
    assert headline == (f"A rerun, not a redrive: {reason}" if reason else NATIVE.splitlines()[0])


def test_what_the_input_bypasses_does_not_come_after(bench: Bench) -> None:
    bench.world.open_steps = {TEXT}
    bench.opsctl("start", "--name", "nightly-7", "--set", "skip.evaluate=true")
    bench.opsctl("stop", "nightly-7", "--yes")
    steps = json.loads(bench.opsctl("redrive", "--dry-run", "-o", "json").stdout)["steps"]
    assert [(step["step"], step["action"]) for step in steps[4:]] == [
        (SEQUENCE, "RUN"), ("Find Champion", "RUN"), ("Compare With Champion", "RUN"), ("Notify Success", "RUN"),
        ("Start Deployment", "OPEN"),
    ]  # fmt: skip


def test_it_is_one_or_the_other(stopped: Bench) -> None:
    result = stopped.opsctl("redrive", "--native", "--rerun", "--dry-run")
    assert (result.exit_code, result.stderr.splitlines()) == (2, [
        "error: --native and --rerun exclude each other", "hint: leave out one of them, or both to have it chosen",
    ])  # fmt: skip


def test_runs_that_there_is_nothing_to_redrive_of(bench: Bench) -> None:
    bench.opsctl("start", "--name", "good")
    bench.world.open_steps = {SEQUENCE}
    bench.opsctl("start", "--name", "running")
    for run, message, hint in (
        ("good", "good has SUCCEEDED: there is nothing to redrive",
         'to run a step of it again: opsctl rerun good --from "STEP"'),
        ("running", "running is still running",
         "wait for its end (opsctl status running), or end it: opsctl stop running"),
        ("nowhere", "no run 'nowhere'", "the nearest names are: "),
    ):  # fmt: skip
        result = bench.opsctl("redrive", run, "--yes")
        first, second = result.stderr.splitlines()
        assert (result.exit_code in (2, 3), first, second.startswith(f"hint: {hint}")) == (
            True, f"error: {message}", True,
        )  # fmt: skip
    assert bench.opsctl("redrive").stderr.splitlines()[0] == "error: no run has failed"


def test_it_asks_and_takes_no_for_an_answer(stopped: Bench) -> None:
    result = stopped.opsctl("redrive")
    assert (result.exit_code, result.stdout, result.stderr) == (3, NATIVE, (
        "error: nothing was started: there is no terminal to ask on\nhint: add --yes to go ahead, or --dry-run\n"
    ))  # fmt: skip
    assert stopped.states.describe(arn()).redrives == 0
