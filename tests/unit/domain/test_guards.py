"""Steps and guards read from definitions: ours as Terraform renders it, and others written another way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.guards import Guard, Pipeline, read_pipeline

ROOT = Path(__file__).resolve().parents[3]
OURS = read_pipeline(json.loads((ROOT / "tests/golden/training.asl.json").read_text()))


def test_the_redrivable_definition_has_the_same_steps_under_the_same_guards() -> None:
    redrivable = read_pipeline(json.loads((ROOT / "tests/golden/training-redrivable.asl.json").read_text()))
    told = {"Describe Failure", "Notify Failure"}
    assert [(step.name, step.guard) for step in redrivable.steps] == [
        (step.name, step.guard) for step in OURS.steps if step.name not in told
    ]


def task(then: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "arn:aws:states:::x:y", "ResultPath": None, **_next(then), **more}


def skip(variable: str, value: bool, target: str, default: str) -> dict[str, Any]:
    rule = {"Variable": variable, "BooleanEquals": value, "Next": target}
    return {"Type": "Choice", "Choices": [rule], "Default": default}


def _next(then: str | None) -> dict[str, Any]:
    return {"Next": then} if then else {"End": True}


def read(start: str, **states: Any) -> Pipeline:
    return read_pipeline({"StartAt": start, "States": states})


def guard_of(pipeline: Pipeline, name: str) -> Guard | None:
    step = pipeline.step(name)
    assert step
    return step.guard


def test_our_own_machine_has_ten_steps_in_order() -> None:
    assert [(step.name, step.branch) for step in OURS.steps] == [
        ("Prepare Run", ()),
        ("Fetch Preprocessed Data", ()),
        ("Train Image Model", (("Base Model Training", 0),)),
        ("Train Text Model", (("Base Model Training", 1),)),
        ("Train Sequence Model", ()),
        ("Find Champion", ()),
        ("Evaluate", ()),
        ("Compare With Champion", ()),
        ("Start Deployment", ()),
        ("Notify Success", ()),
    ]
    assert [name for name, kind in OURS.others.items() if kind == "Task"] == ["Describe Failure", "Notify Failure"]


def test_our_own_guards() -> None:
    keys = {step.name: step.slug.replace("-", "_") for step in OURS.steps}
    for name in (
        "Fetch Preprocessed Data",
        "Train Image Model",
        "Train Text Model",
        "Train Sequence Model",
        "Evaluate",
    ):
        path = ("skip", keys[name])
        assert guard_of(OURS, name) == Guard(
            f"Skip {name}?", (Setting(path, True),), (Setting(path, ABSENT),), frozenset({name})
        )
    for name in ("Prepare Run", "Find Champion", "Compare With Champion", "Start Deployment", "Notify Success"):
        assert guard_of(OURS, name) is None


def test_our_own_ancestors() -> None:
    text, sequence = OURS.step("train-text-model"), OURS.step("Train Sequence Model")
    assert text
    assert sequence
    assert text.ancestors == {"Prepare Run", "Fetch Preprocessed Data"}
    assert sequence.ancestors == text.ancestors | {"Train Image Model", "Train Text Model"}
    assert OURS.step("Train Video Model") is None


def test_the_talks_guards_read_the_states_input() -> None:
    pipeline = read(
        "Train Image?",
        **{"Train Image?": skip("$.train_image_model", False, "Train Text?", "Image"), "Image": task("Train Text?")},
        **{"Train Text?": skip("$.train_text_model", False, "Done", "Text"), "Text": task("Done"), "Done": task()},
    )
    path = ("train_image_model",)
    assert guard_of(pipeline, "Image") == Guard(
        "Train Image?", (Setting(path, False),), (Setting(path, True),), frozenset({"Image"})
    )
    assert guard_of(pipeline, "Text") is not None
    assert guard_of(pipeline, "Done") is None


def test_a_guard_whose_default_is_to_skip() -> None:
    pipeline = read(
        "Train?",
        **{"Train?": skip("$$.Execution.Input.train", True, "Train", "Deploy"), "Train": task("Deploy")},
        Deploy=task(),
    )
    assert guard_of(pipeline, "Train") == Guard(
        "Train?", (Setting(("train",), False),), (Setting(("train",), True),), frozenset({"Train"})
    )


@pytest.mark.parametrize(
    ("between", "driven_by"),
    [
        ({"Type": "Pass"}, "train"),
        ({"Type": "Pass", "Result": 1, "ResultPath": "$.other.deep"}, "train"),
        ({"Type": "Pass", "Parameters": {}}, None),
        ({"Type": "Pass", "Parameters": {"train.$": "$.flags['train it']"}}, "flags.train it"),
        ({"Type": "Pass", "Parameters": {"train.$": "$$.Execution.Input.on"}, "ResultPath": "$"}, "on"),
        ({"Type": "Pass", "Parameters": {"train": True}}, None),
        ({"Type": "Pass", "Result": {}, "ResultPath": "$.train"}, None),
        ({"Type": "Pass", "InputPath": "$.flag", "ResultPath": "$.train"}, "flag"),
        ({"Type": "Pass", "OutputPath": "$.x"}, "x.train"),
        ({"Type": "Wait", "Seconds": 1}, "train"),
        ({"Type": "Wait", "Seconds": 1, "InputPath": "$.x"}, "x.train"),
        ({"Type": "Wait", "Seconds": 1, "InputPath": None}, None),
        (task(), "train"),
        (task(ResultPath="$.run"), "train"),
        (task(ResultPath="$"), None),
        (task(ResultPath="$.train"), None),
        (task(ResultPath="$['run']"), "train"),
    ],
)
def test_a_guard_reads_what_the_states_before_it_carry_on_of_the_runs_input(
    between: dict[str, Any], driven_by: str | None
) -> None:
    first = {key: value for key, value in between.items() if key != "End"} | {"Next": "Train?"}
    pipeline = read(
        "First",
        First=first,
        **{"Train?": skip("$.train", False, "End", "Train"), "Train": task("End"), "End": {"Type": "Succeed"}},
    )
    guard = guard_of(pipeline, "Train")
    assert (guard and [(s.dotted, s.value) for s in guard.bypass]) == (driven_by and [(driven_by, False)])


def test_two_ways_to_a_guard_one_of_which_changed_the_input() -> None:
    pipeline = read(
        "Which?",
        **{"Which?": skip("$.x", True, "Change", "Train?"), "Change": {"Type": "Pass", "Result": {}, "Next": "Train?"}},
        **{"Train?": skip("$.train", False, "End", "Train"), "Train": task("End"), "End": {"Type": "Succeed"}},
    )
    assert guard_of(pipeline, "Train") is None


def test_a_step_in_a_branch_is_guarded_by_what_guards_its_parallel() -> None:
    inner = {"StartAt": "Right?", "States": {
        "Right?": skip("$.right", False, "No", "Right"), "Right": task("No"), "No": {"Type": "Succeed"},
    }}  # fmt: skip
    both = {"Type": "Parallel", "Branches": [{"StartAt": "Left", "States": {"Left": task()}}, inner], "End": True}
    pipeline = read(
        "Both?", **{"Both?": skip("$.both", False, "End", "Both"), "Both": both, "End": {"Type": "Succeed"}}
    )
    left, right = guard_of(pipeline, "Left"), guard_of(pipeline, "Right")
    assert left
    assert right
    assert (left.choice, left.covers) == ("Both?", {"Left", "Right"})
    assert (right.choice, right.covers) == ("Right?", {"Right"})
    changed = {**both, "Parameters": {"right": False}}
    pipeline = read("Both", Both=changed)
    assert guard_of(pipeline, "Right") is None


def test_one_guard_for_two_steps_and_a_nearer_one_for_the_second() -> None:
    pipeline = read(
        "All?",
        **{"All?": skip("$.all", False, "End", "One"), "One": task("Two?")},
        **{"Two?": skip("$.two", False, "End", "Two"), "Two": task("End"), "End": {"Type": "Succeed"}},
    )
    one, two = guard_of(pipeline, "One"), guard_of(pipeline, "Two")
    assert one
    assert two
    assert (one.choice, one.covers) == ("All?", {"One", "Two"})
    assert (two.choice, two.covers) == ("Two?", {"Two"})


def test_a_map_is_entered_and_a_loop_is_not_followed_for_ever() -> None:
    each = {"StartAt": "Item", "States": {"Item": task()}}
    pipeline = read(
        "Work",
        Work=task("Each"),
        Each={"Type": "Map", "ItemProcessor": each, "ResultPath": None, "Next": "Again?"},
        **{"Again?": skip("$.again", True, "Work", "Done"), "Done": task()},
    )
    assert [(step.name, step.branch, sorted(step.ancestors)) for step in pipeline.steps] == [
        ("Work", (), []),
        ("Item", (("Each", 0),), ["Work"]),
        ("Done", (), ["Item", "Work"]),
    ]
    old = read("Each", Each={"Type": "Map", "Iterator": each, "End": True})
    assert [step.name for step in old.steps] == ["Item"]


def test_a_machine_that_can_only_fail_has_no_steps() -> None:
    pipeline = read("Work", Work=task("Fail"), Fail={"Type": "Fail"})
    assert pipeline == Pipeline((), {"Work": "Task", "Fail": "Fail"})


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.x", "StringStartsWith": "a"},
        {"Condition": "{% $states.input.( %}"},
        {"Variable": "$.x..", "IsPresent": True},
    ],
)
def test_words_that_only_aws_knows_make_a_guard_undrivable(rule: dict[str, Any]) -> None:
    pipeline = read(
        "Take",
        Take={"Type": "Pass", "Parameters": {"x.$": "States.New($.x)"}, "Next": "Train?"},
        **{"Train?": {"Type": "Choice", "Choices": [{**rule, "Next": "Train"}], "Default": "End"}},
        Train=task("End"),
        End={"Type": "Succeed"},
    )
    step = pipeline.step("Train")
    assert step
    assert step.guard is None
    assert step.undrivable
    assert step.undrivable.startswith(("its guard 'Train?' reads $.x", "no run input was found that drives its guard"))
