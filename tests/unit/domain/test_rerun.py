"""Rerun plans as values, for our own machine and for others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.history import Attempt, RunHistory, Scope, StateRun
from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.documents import Change
from opsctl.domain.guards import read_pipeline
from opsctl.domain.objects import Stored
from opsctl.domain.rerun import Request, RerunPlan, Result, Source, group_of, place_of, plan_rerun
from opsctl.errors import RefusedError, UsageError

ROOT = Path(__file__).resolve().parents[3]
OURS = read_pipeline(json.loads((ROOT / "tests/golden/training.asl.json").read_text()))
STORED = ["fetch-preprocessed-data", "train-image-model", "train-text-model", "train-sequence-model", "evaluate"]
DEFAULTS = {"text_model": {"epochs": "6", "max_lr": "0.02"}, "image_model": {"epochs": "8"}, "sequence_model": {}}
FETCH, IMAGE, TEXT = "Fetch Preprocessed Data", "Train Image Model", "Train Text Model"
SEQUENCE, EVALUATE = "Train Sequence Model", "Evaluate"
FIND, COMPARE, START = "Find Champion", "Compare With Champion", "Start Deployment"
DECIDED = (
    "its guard 'Better Than Champion?' reads $.gate.deploy, which 'Compare With Champion' (a Task) decides, and the "
    "history does not show that it comes from the run's input"
)
ALL = {
    "Prepare Run": 1, FETCH: 12, IMAGE: 60, TEXT: 30, SEQUENCE: 40, FIND: 1, EVALUATE: 5, COMPARE: 1,
    START: 1, "Notify Success": 1,
}  # fmt: skip
PLACED = f"{TEXT} (branch 2 of Base Model Training), {IMAGE} (branch 1 of Base Model Training)"
PLACED_IN_ORDER = f"{IMAGE} (branch 1 of Base Model Training), {TEXT} (branch 2 of Base Model Training)"
JOB = "sagemaker:createTrainingJob.sync"


def ran(name: str, seconds: float, status: str = "SUCCEEDED", job: str = "Completed", **more: Any) -> StateRun:
    output = json.dumps({"TrainingJobStatus": job})
    attempt = Attempt(JOB, None, 0.0, 0.0, seconds, status, output, None, None, 0)
    state = StateRun(name, "Task", status, 0.0, seconds, None, None, None, None, (attempt,), 0, 1)
    return replace(state, **more)


def history(*states: StateRun, status: str = "FAILED", setup: dict[str, Any] | None = None) -> RunHistory:
    if setup is not None:
        output = json.dumps({"run": setup})
        states = tuple(replace(s, output=output) if s.name == "Prepare Run" else s for s in states)
    return RunHistory(status, 0.0, 100.0, "{}", None, None, None, 0, states)


def completed(*names: str, **more: Any) -> RunHistory:
    return history(*(ran(name, ALL[name]) for name in names), **more)


def results(run: str, *without: str) -> dict[str, Result]:
    return {
        step: Result(f"s3://b/runs/{run}/{step}/", *((0, 0, False) if step in without else (2, 100, True)))
        for step in STORED
    }


def source(read: RunHistory, run: str = "nightly-7", **more: Any) -> Source:
    document, earlier = more.pop("input", {}), more.pop("histories", {})
    return Source(run, document, OURS, {run: read, **earlier}, results(run), defaults=DEFAULTS, **more)


def actions(plan: RerunPlan) -> dict[str, str]:
    return {step.name: step.action for step in plan.steps}


BEFORE_SEQUENCE = ("Prepare Run", FETCH, IMAGE, TEXT)
FAILED_AT_SEQUENCE = history(*(ran(name, ALL[name]) for name in BEFORE_SEQUENCE), ran(SEQUENCE, 8, "CAUGHT"))


def test_from_the_step_that_failed_everything_before_is_reused() -> None:
    plan = plan_rerun(
        source(FAILED_AT_SEQUENCE),
        Request((SEQUENCE,), (Setting(("hyperparameters", "sequence_model", "max_lr"), 0.01),)),
    )
    assert [(step.name, step.action, step.reason, step.seconds) for step in plan.steps] == [
        ("Prepare Run", "ALWAYS", "has no guard in the definition", 1),
        (FETCH, "REUSE", "made by nightly-7", 12),
        (IMAGE, "REUSE", "made by nightly-7", 60),
        (TEXT, "REUSE", "made by nightly-7", 30),
        (SEQUENCE, "RUN", "named by --from", None),
        (FIND, "ALWAYS", "has no guard in the definition", None),
        (EVALUATE, "RUN", f"comes after {SEQUENCE}", None),
        (COMPARE, "ALWAYS", "has no guard in the definition", None),
        (START, "ALWAYS", DECIDED, None),
        ("Notify Success", "ALWAYS", "has no guard in the definition", None),
    ]
    assert plan.input == {
        "hyperparameters": {"sequence_model": {"max_lr": 0.01}},
        "skip": {"fetch_preprocessed_data": True, "train_image_model": True, "train_text_model": True},
        "rerun": {"from": [SEQUENCE], "of": "nightly-7", "root": "nightly-7"},
    }
    assert plan.input_for("s3://b/runs/nightly-7-r1/")["reuse"] == {
        step: {"run": "nightly-7", "uri": f"s3://b/runs/nightly-7-r1/{step}/"}
        for step in ("fetch-preprocessed-data", "train-image-model", "train-text-model")
    }
    assert plan.changes == (Change("hyperparameters.sequence_model.max_lr", ABSENT, 0.01),)
    assert (plan.warnings, plan.seconds_saved, plan.root) == ((), 102, "nightly-7")


def test_a_rerun_of_a_rerun_reuses_what_earlier_runs_made() -> None:
    document = plan_rerun(source(FAILED_AT_SEQUENCE), Request((SEQUENCE,))).input_for("s3://b/runs/nightly-7-r1/")
    second = source(
        completed("Prepare Run", SEQUENCE, EVALUATE, "Notify Success", status="SUCCEEDED"),
        "nightly-7-r1",
        input=document,
        histories={"nightly-7": FAILED_AT_SEQUENCE},
    )
    plan = plan_rerun(second, Request(("evaluate",)))
    assert [(step.name, step.made_by, step.seconds) for step in plan.steps if step.action == "REUSE"] == [
        (FETCH, "nightly-7", 12), (IMAGE, "nightly-7", 60), (TEXT, "nightly-7", 30), (SEQUENCE, "nightly-7-r1", 40),
    ]  # fmt: skip
    assert plan.input["rerun"] == {"from": [EVALUATE], "of": "nightly-7-r1", "root": "nightly-7"}
    assert plan.input["skip"]["train_sequence_model"] is True
    forgotten = replace(second, histories={"nightly-7-r1": second.histories["nightly-7-r1"]})
    assert [step.seconds for step in plan_rerun(forgotten, Request(("evaluate",))).reused] == [None, None, None, 40]


def test_from_inside_a_parallel_only_that_branch_runs_again() -> None:
    plan = plan_rerun(source(completed(*ALL, status="SUCCEEDED")), Request(("train-image-model",)))
    assert actions(plan) == {
        "Prepare Run": "ALWAYS", FETCH: "REUSE", IMAGE: "RUN", TEXT: "REUSE", SEQUENCE: "RUN", FIND: "ALWAYS",
        EVALUATE: "RUN", COMPARE: "ALWAYS", START: "ALWAYS", "Notify Success": "ALWAYS",
    }  # fmt: skip


def test_a_sibling_that_never_completed_runs_as_well() -> None:
    read = history(ran("Prepare Run", 1), ran(FETCH, 12), ran(IMAGE, 5, "CAUGHT"), ran(TEXT, 30, job="Stopped"))
    plan = plan_rerun(source(read), Request((IMAGE,)))
    assert actions(plan)[TEXT] == "RUN"
    assert plan.steps[3].reason == "no result to reuse: its job ended Stopped"


def test_a_needed_step_without_a_result_is_refused_and_named() -> None:
    read = history(ran("Prepare Run", 1), ran(FETCH, 12), ran(IMAGE, 5, "CAUGHT"), ran(TEXT, 9, "ABORTED"))
    with pytest.raises(RefusedError) as caught:
        plan_rerun(source(read), Request((SEQUENCE,)))
    assert caught.value.message == (
        "Train Sequence Model needs steps that have no result: "
        "Train Image Model (it failed); Train Text Model (it ended ABORTED)"
    )
    assert caught.value.hint == 'start earlier: --from "Train Image Model" --from "Train Text Model"'
    plan = plan_rerun(source(read), Request((IMAGE, TEXT)))
    assert plan.input["rerun"]["from"] == [IMAGE, TEXT]
    with pytest.raises(RefusedError, match=r"Fetch Preprocessed Data \(it did not run\)"):
        plan_rerun(source(completed("Prepare Run")), Request((TEXT,)))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result("s3://b/t/", 0, 0, False), "nothing is left of it under s3://b/t/"),
        (Result("s3://b/t/", 3, 10, False), "there is no model under s3://b/t/"),
    ],
)
def test_a_result_that_is_gone_from_s3_is_none(result: Result, reason: str) -> None:
    read = source(completed(*ALL))
    read = replace(read, results={**read.results, "train-text-model": result})
    plan = plan_rerun(read, Request((IMAGE,)))
    assert (plan.steps[3].action, plan.steps[3].reason) == ("RUN", f"no result to reuse: {reason}")


def test_what_the_source_skipped_stays_skipped_unless_it_is_needed() -> None:
    read = source(completed("Prepare Run", FETCH, IMAGE, TEXT, SEQUENCE), input={"skip": {"evaluate": True}})
    plan = plan_rerun(replace(read, input={"skip": {"evaluate": True, "train_text_model": True}}), Request((IMAGE,)))
    assert (actions(plan)[TEXT], actions(plan)[EVALUATE]) == ("SKIP", "RUN")
    assert plan.input["skip"] == {"fetch_preprocessed_data": True, "train_text_model": True}
    assert "reuse" in plan.input_for("s3://b/n/")
    with pytest.raises(RefusedError, match="it was skipped, and nothing was reused"):
        plan_rerun(replace(read, input={"skip": {"train_text_model": True}}), Request((SEQUENCE,)))


def test_warnings_say_what_a_reused_result_was_made_with() -> None:
    setup = {
        "hyperparameters": {"text_model": {"epochs": "6", "max_lr": "0.020"}, "image_model": {"epochs": "8"}},
        "data": {"source": "s3://b/datasets/june/"},
        "code": {"sha256": "aaa"},
    }
    read = source(
        history(*(ran(name, ALL[name]) for name in ALL), setup=setup),
        changed=frozenset({IMAGE, "Fail"}),
        default_data_source="s3://b/datasets/sample/",
        code="bbb",
    )
    settings = (
        Setting(("hyperparameters", "text_model", "epochs"), 9),
        Setting(("hyperparameters", "image_model", "epochs"), 8),
    )
    plan = plan_rerun(read, Request((SEQUENCE,), settings))
    reused = f"{FETCH}, {IMAGE}, {TEXT}"
    assert plan.warnings == (
        f"{reused}: reused, though made with other code than the new run takes",
        f"{reused}: reused, though made from s3://b/datasets/june/, not s3://b/datasets/sample/",
        f"{IMAGE}: reused, though its definition has changed",
        f"{TEXT}: reused, though made with epochs=6, not 9",
        "the definition has changed since nightly-7: the new run walks the current one",
    )
    same = replace(read, changed=frozenset(), code="aaa")
    document = {"data": {"source": "s3://b/datasets/june"}}
    assert plan_rerun(same, Request((SEQUENCE,), merge=document)).warnings == ()
    text = (Setting(("hyperparameters", "text_model", "max_lr"), "high"),)
    assert plan_rerun(same, Request((SEQUENCE,), text, document)).warnings == (
        f"{TEXT}: reused, though made with max_lr=0.020, not high",
    )


def test_a_setup_step_that_tells_little_warns_of_nothing() -> None:
    read = source(history(*(ran(name, ALL[name]) for name in ALL), setup={"hyperparameters": {}}), code="bbb")
    assert plan_rerun(read, Request((SEQUENCE,), merge={"hyperparameters": 3})).warnings == ()


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        ("Train Sequnce Model", "no step 'Train Sequnce Model'", f"did you mean Train Sequence Model, {PLACED}"),
        ("xyz", "no step 'xyz'", f"the steps are: {', '.join(ALL)}".replace(f"{IMAGE}, {TEXT}", PLACED_IN_ORDER)),
        ("notify-failure", "'Notify Failure' is there for failures only, not a step to rerun from", None),
        ("Skip Evaluate?", "'Skip Evaluate?' is a Choice state, not a step to rerun from", None),
    ],
)
def test_unknown_steps(wanted: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        plan_rerun(source(completed(*ALL)), Request((EVALUATE, wanted)))
    assert caught.value.message == message
    assert hint in (None, caught.value.hint)


@pytest.mark.parametrize(
    "request_",
    [
        Request((EVALUATE,), (Setting(("skip", "evaluate"), True),)),
        Request((EVALUATE,), merge={"reuse": {"evaluate": {"run": "x"}}}),
        Request((EVALUATE,), merge={"rerun": {"of": "me"}}),
    ],
)
def test_what_the_plan_decides_cannot_be_set(request_: Request) -> None:
    with pytest.raises(UsageError, match="is decided by the plan"):
        plan_rerun(source(completed(*ALL)), request_)


def test_the_hash_is_of_what_happens_and_not_of_names_or_times() -> None:
    read = source(completed(*ALL))
    plan = plan_rerun(read, Request((EVALUATE,)))
    slower = plan_rerun(source(history(*(ran(name, 99) for name in ALL))), Request(("evaluate",)))
    assert plan.hash == slower.hash
    assert len(plan.hash) == 64
    others = [
        plan_rerun(read, Request((SEQUENCE,))),
        plan_rerun(read, Request((EVALUATE,), (Setting(("data", "source"), "s3://b/x/"),))),
        plan_rerun(
            replace(read, results={**read.results, STORED[0]: Result("s3://b/", 9, 9, True)}), Request((EVALUATE,))
        ),
    ]
    assert len({plan.hash, *(other.hash for other in others)}) == 4


def test_other_machines_guards_share_a_choice_and_keep_nothing_in_s3() -> None:
    def task(then: str) -> dict[str, Any]:
        return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "ResultPath": None, "Next": then}

    rule = {"Variable": "$.short", "BooleanEquals": True, "Next": "Last?"}
    last = {"Variable": "$.last", "BooleanEquals": False, "Next": "End"}
    states = {
        "Short?": {"Type": "Choice", "Choices": [rule], "Default": "One"}, "One": task("Two"), "Two": task("Last?"),
        "Last?": {"Type": "Choice", "Choices": [last], "Default": "Last"}, "Last": task("End"),
        "End": {"Type": "Succeed"},
    }  # fmt: skip
    pipeline = read_pipeline({"StartAt": "Short?", "States": states})
    read = Source("r", {"short": False}, pipeline, {"r": history(ran("One", 1), ran("Two", 2), ran("Last", 3))}, {})
    plan = plan_rerun(read, Request(("Two",)))
    assert [(s.name, s.action, s.reason) for s in plan.steps] == [
        ("One", "RUN", "its guard would bypass Two as well"),
        ("Two", "RUN", "named by --from"),
        ("Last", "RUN", "comes after Two"),
    ]
    plan = plan_rerun(read, Request(("Last",)))
    assert [(s.action, s.result) for s in plan.steps] == [("REUSE", None), ("REUSE", None), ("RUN", None)]
    assert plan.input == {"short": True, "last": True, "rerun": {"from": ["Last"], "of": "r", "root": "r"}}
    assert plan.input_for("s3://b/n/") == plan.input
    assert plan.reused == ()


def test_of_several_entries_the_latest_of_each_place_counts() -> None:
    scope = Scope("Base Model Training", 2, None)
    read = history(
        *(ran(name, ALL[name]) for name in ALL if name != TEXT),
        ran(TEXT, 1, "FAILED", scopes=(scope,)),
        ran(TEXT, 2, scopes=(scope,)),
    )
    assert actions(plan_rerun(source(read), Request((EVALUATE,))))[TEXT] == "REUSE"


def test_words() -> None:
    assert place_of((("Outer", 0), ("Inner", 2))) == "branch 1 of Outer, branch 3 of Inner"
    assert [group_of(slug) for slug in ("train-text-model", "evaluate")] == ["text_model", "evaluate"]


def test_the_word_failed_means_every_step_that_failed() -> None:
    read = history(ran("Prepare Run", 1), ran(FETCH, 12), ran(IMAGE, 5, "ABORTED"), ran(TEXT, 30, job="Stopped"))
    plan = plan_rerun(source(read), Request(("failed",)))
    assert plan.input["rerun"]["from"] == [IMAGE, TEXT]
    with pytest.raises(RefusedError, match="no step of nightly-7 failed"):
        plan_rerun(source(completed(*ALL)), Request(("failed",)))


def talk() -> Source:
    """The talk's shape: a setting of the run input bypasses each training; nothing is known of S3 and of needs."""

    def train(then: str) -> dict[str, Any]:
        return {"Type": "Task", "Resource": f"arn:aws:states:::{JOB}", "ResultPath": None, "Next": then}

    def guard(variable: str, into: str, around: str) -> dict[str, Any]:
        rule = {"Variable": variable, "BooleanEquals": False, "Next": around}
        return {"Type": "Choice", "Choices": [rule], "Default": into}

    states = {
        "Text?": guard("$.train_text", "Text", "Image?"), "Text": train("Image?"),
        "Image?": guard("$.train_image", "Image", "Done"), "Image": train("Done"), "Done": {"Type": "Succeed"},
    }  # fmt: skip
    read = history(ran("Text", 1), ran("Image", 2, "FAILED"))
    document = {"train_text": True, "train_image": True}
    definition = {"StartAt": "Text?", "States": states}
    return Source("r", document, read_pipeline(definition), {"r": read}, {}, linked=False, definition=definition)


def test_a_machine_that_is_not_ours_gets_its_guards_set_and_nothing_else() -> None:
    plan = plan_rerun(talk(), Request(("failed",)))
    assert actions(plan) == {"Text": "REUSE", "Image": "RUN"}
    assert (plan.input, plan.root, plan.reused) == ({"train_text": False, "train_image": True}, "r", ())
    with pytest.raises(UsageError, match="train_text is decided by the plan"):
        plan_rerun(talk(), Request(("image",), (Setting(("train_text",), True),)))


def test_there_a_step_may_be_skipped_that_never_completed() -> None:
    read = history(ran("Text", 1, "FAILED"))
    plan = plan_rerun(replace(talk(), histories={"r": read}), Request(("image",), skip=("text",)))
    assert actions(plan) == {"Text": "SKIP", "Image": "RUN"}
    assert plan.warnings == ("Text: skipped, though Image comes after it: it runs without its result",)


def test_there_what_an_earlier_run_of_the_lineage_made_counts() -> None:
    document = {"train_text": False, "train_image": True}
    earlier = {"r": history(ran("Text", 7), ran("Image", 2, "FAILED")), "r-r1": history(ran("Image", 2, "FAILED"))}
    second = replace(talk(), run="r-r1", input=document, histories=earlier, earlier=("r",), root="r")
    plan = plan_rerun(second, Request(("image",)))
    assert [(step.action, step.made_by, step.seconds) for step in plan.steps] == [
        ("REUSE", "r", 7),
        ("RUN", None, None),
    ]
    assert plan.root == "r"
    forgotten = replace(second, histories={"r-r1": earlier["r-r1"]}, earlier=())
    assert actions(plan_rerun(forgotten, Request(("image",)))) == {"Text": "SKIP", "Image": "RUN"}


def test_an_input_that_is_no_object_stays_as_it_is_or_is_refused() -> None:
    listed = replace(talk(), input=[1], histories={"r": history(ran("Text", 1, "FAILED"))})
    assert plan_rerun(listed, Request(("text",))).input_for("s3://b/n/") == [1]
    with pytest.raises(RefusedError, match="the input of r is no object: nothing can be set in it"):
        plan_rerun(listed, Request(("text",), (Setting(("train_text",), True),)))


def test_steps_that_share_a_guard_run_or_rest_together() -> None:
    rule = {"Variable": "$.both", "BooleanEquals": False, "Next": "Done"}
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{JOB}", "ResultPath": None}
    states = {
        "Both?": {"Type": "Choice", "Choices": [rule], "Default": "One"}, "One": {**task, "Next": "Two"},
        "Two": {**task, "Next": "Done"}, "Done": {"Type": "Succeed"},
    }  # fmt: skip
    pipeline = read_pipeline({"StartAt": "Both?", "States": states})
    read = history(ran("One", 1), ran("Two", 2))
    machine = Source("r", {}, pipeline, {"r": read}, {}, linked=False)
    for request, how, word in (
        (Request(only=("two",)), "left out", "only"),
        (Request(("two",), skip=("one",)), "skipped", "from"),
    ):
        with pytest.raises(RefusedError) as caught:
            plan_rerun(machine, request)
        assert caught.value.message == f"One cannot be {how}: 'Both?' would bypass Two as well"
        assert caught.value.hint == f'let it run too: --{word} "One"'


def test_what_a_machine_needs_says_what_may_be_skipped() -> None:
    failed_text = history(*(ran(name, ALL[name]) for name in (*BEFORE_SEQUENCE[:3],)), ran(TEXT, 3, "CAUGHT"))
    needs = {"train-sequence-model": ("train-image-model", "train-text-model")}
    read = replace(source(failed_text), needs=needs)
    with pytest.raises(RefusedError) as caught:
        plan_rerun(read, Request((SEQUENCE,), skip=(TEXT,)))
    assert caught.value.message == (
        f"{SEQUENCE} needs the result of {TEXT}, which would not run (--skip), and has none: it failed"
    )
    relaxed = replace(read, needs={"train-sequence-model": ("train-image-model",)})
    assert actions(plan_rerun(relaxed, Request((SEQUENCE,), skip=(TEXT,))))[TEXT] == "SKIP"


def test_the_model_that_the_job_named_must_be_there() -> None:
    job = {"TrainingJobStatus": "Completed", "ModelArtifacts": {"S3ModelArtifacts": "s3://b/x/t/output/model.tar.gz"}}
    states = [ran(name, ALL[name]) for name in ALL]
    made = replace(states[3].attempts[0], output=json.dumps(job))
    read = source(history(*states[:3], replace(states[3], attempts=(made,)), *states[4:]))
    for key, action in (("t/output/model.tar.gz", "REUSE"), ("u/output/model.tar.gz", "RUN")):
        there = Result("s3://b/x/", 1, 5, True, (Stored(key, 5, "e"),))
        plan = plan_rerun(replace(read, results={**read.results, "train-text-model": there}), Request((IMAGE,)))
        assert actions(plan)[TEXT] == action


@pytest.mark.parametrize(
    ("key", "modified", "action"),
    [("t/output/model.tar.gz", 30.5, "REUSE"), ("t/output/model.tar.gz", 32.0, "RUN"), ("t/profile", 99.0, "REUSE")],
)
def test_a_model_that_is_younger_than_its_job_is_not_what_the_job_left(key: str, modified: float, action: str) -> None:
    read = source(completed(*ALL))
    there = Result("s3://b/x/", 1, 5, True, (Stored(key, 5, "e", modified),))
    plan = plan_rerun(replace(read, results={**read.results, "train-text-model": there}), Request((IMAGE,)))
    assert actions(plan)[TEXT] == action
