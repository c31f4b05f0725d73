"""Plans walked through definitions: what is proven, what is refused, and what only a run will tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from opsctl.asl.effects import Failed
from opsctl.domain.driving import bypassed
from opsctl.domain.guards import read_pipeline
from opsctl.domain.proof import Proof, prove
from tests.unit.domain.machines import (
    DONE,
    EVERYTHING,
    FAILURE,
    LAMBDA,
    TALK,
    asks,
    choice,
    machine,
    parallel,
    passing,
    planned,
    ran,
    task,
)

ROOT = Path(__file__).resolve().parents[3]
OURS = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
DATA = {"source": "s3://bucket/mortgages/"}


def entered(definition: Mapping[str, Any], document: Any, running: Sequence[str]) -> list[str]:
    _, proof = planned(definition, document, running)
    assert (proof.problem, proof.doubt) == (None, None)
    return sorted(proof.entered)


# The talk's examples


def test_the_talks_pipeline_is_driven_through_its_setup_function() -> None:
    """The setup function hands the input on, as the failed run shows: so nothing is trained twice."""
    document = {"data": DATA, **EVERYTHING}
    failed = ran(TALK, document, {"Setup": {**document, "bucket": "b"}, "Train Sequence Model": Failed("Boom")})
    assert failed.status == "FAILED"
    new, proof = planned(TALK, document, ["Train Sequence Model"], [failed])
    assert new == {
        "data": DATA, "fetch_preprocessed_data": False, "train_image_model": False, "train_text_model": False,
        "train_sequence_model": True,
    }  # fmt: skip
    assert (proof.problem, proof.doubt) == (None, None)
    assert proof.entered == {"Setup", "Train Sequence Model", "Notify Success"}
    new, proof = planned(TALK, document, ["Train Image Model", "Train Sequence Model"], [failed])
    assert (proof.problem, proof.doubt) == (None, None)
    assert proof.entered == {"Setup", "Train Image Model", "Train Sequence Model", "Notify Success"}


def test_without_a_history_the_talks_guards_cannot_be_driven() -> None:
    pipeline = read_pipeline(TALK)
    reasons = {step.name: step.undrivable for step in pipeline.steps if step.undrivable}
    assert reasons["Train Image Model"] == (
        "its guard 'Skip Train Image Model?' reads $.train_image_model, which 'Setup' (a Task) decides, "
        "and the history does not show that it comes from the run's input"
    )
    assert sorted(reasons) == [
        "Fetch Preprocessed Data", "Train Image Model", "Train Sequence Model", "Train Text Model",
    ]  # fmt: skip


def test_a_guard_with_parallel_and_catch_as_the_talk_shows_them() -> None:
    branches = [
        (f"Skip {name}?", {f"Skip {name}?": choice(f"$.{name}", False, f"{name} done", name),
                           name: task(f"{name} done"), f"{name} done": passing()})
        for name in ("train_image_model", "train_text_model")
    ]  # fmt: skip
    definition = machine("Train", {
        "Train": parallel(*branches, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Notify Failure"}],
                          ResultPath=None, then="Skip sequence?"),
        "Skip sequence?": choice("$.sequence", False, "Done", "sequence"),
        "sequence": task("Done"), **DONE, **FAILURE,
    })  # fmt: skip
    document = {"train_image_model": True, "train_text_model": True, "sequence": True}
    assert entered(definition, document, ["train_text_model"]) == ["train_text_model"]
    assert entered(definition, document, ["train_image_model", "sequence"]) == ["sequence", "train_image_model"]


# JSONata, variables, Pass states


JSONATA = machine(
    "Defaults",
    {
        "Defaults": passing(
            "Skip A?",
            Assign={"flags": "{% $merge([{'a': true, 'b': true, 'c': false}, $states.input.flags]) %}"},
            Output="{% $merge([$states.input, {'made': true}]) %}",
        ),
        "Skip A?": asks("$flags.a", "A", "Skip B?"),
        "A": {"Type": "Task", "Resource": LAMBDA, "Next": "Skip B?",
              "Output": "{% $merge([$states.input, {'a': $states.result}]) %}"},
        "Skip B?": asks("$not($flags.b) or $states.context.Execution.Input.quick = true", "C?", "B"),
        "B": {"Type": "Task", "Resource": LAMBDA, "Next": "C?", "Output": "{% $states.input %}"},
        "C?": asks("$exists($states.input.c) and $states.input.c != 'no'", "C", "Done"),
        "C": task("Done") | {"ResultPath": None},
        **DONE,
    },
    QueryLanguage="JSONata",
)  # fmt: skip
del JSONATA["States"]["C"]["ResultPath"]


@pytest.mark.parametrize("running", [[], ["A"], ["B"], ["C"], ["A", "C"], ["A", "B", "C"]])
@pytest.mark.parametrize("document", [{}, {"flags": {"a": False}}, {"quick": True, "c": "yes"}])
def test_a_machine_in_jsonata(running: list[str], document: dict[str, Any]) -> None:
    assert entered(JSONATA, document, running) == running


def test_only_what_has_to_change_is_changed() -> None:
    assert planned(JSONATA, {"flags": {"a": True}}, ["A", "B"])[0] == {"flags": {"a": True}}
    assert planned(JSONATA, {"flags": {"a": True}}, ["A"])[0] == {"flags": {"a": True, "b": False}}
    assert planned(JSONATA, {"flags": {"a": True}}, ["B"])[0] == {"flags": {"a": False}}


def test_values_that_pass_states_move_about() -> None:
    definition = machine("Take", {
        "Take": passing("More", Parameters={"flags.$": "$.switches", "name.$": "States.Format('run-{}', $.name)"}),
        "More": passing("A?", InputPath="$.flags.first", ResultPath="$.own.first",
                        Assign={"second.$": "$$.Execution.Input.switches.second"}),
        "A?": choice("$.own.first", True, "A", "B?"), "A": task("B?", ResultPath="$.a"),
        "B?": choice("$second", "yes", "B", "Many", "StringEquals"), "B": task("Many", ResultPath="$.b"),
        "Many": parallel(("C?", {"C?": choice("$.third", 3, "No C", "C", "NumericLessThan"), "C": task(),
                                 "No C": passing()}), Parameters={"third.$": "$.flags.third"}),
    })  # fmt: skip
    document = {"name": "n", "switches": {"first": True, "second": "no", "third": 1}}
    assert entered(definition, document, ["A"]) == ["A"]
    new, proof = planned(definition, document, ["B", "C"])
    assert new == {"name": "n", "switches": {"first": False, "second": "yes", "third": 3}}
    assert sorted(proof.entered) == ["B", "C"]


def test_flags_made_by_intrinsic_functions_and_by_the_rules_of_a_choice() -> None:
    definition = machine("Take", {
        "Take": passing("How?", Parameters={
            "quick.$": "$.mode", "no_a.$": "States.ArrayContains($.skip, 'a')",
            "all.$": "States.JsonMerge(States.StringToJson('{\"b\": true, \"c\": true}'), $.flags, false)"}),
        "How?": {"Type": "Choice", "Default": "A?", "Assign": {"c": "run"}, "Choices": [
            {"Variable": "$.quick", "StringEquals": "quick", "Next": "A?", "Assign": {"c": "skip"}}]},
        "A?": choice("$.no_a", True, "B?", "A"), "A": task("B?"),
        "B?": choice("$.all.b", False, "C?", "B"), "B": task("C?"),
        "C?": choice("$c", "skip", "Done", "C", "StringEquals"), "C": task("Done"), **DONE,
    })  # fmt: skip
    document = {"mode": "full", "skip": [], "flags": {"other": 1}}
    assert entered(definition, document, ["A", "B", "C"]) == ["A", "B", "C"]
    new, proof = planned(definition, document, ["C"])
    assert new == {"mode": "full", "skip": ["a"], "flags": {"other": 1, "b": False}}
    assert proof.entered == {"C"}


def test_flags_in_what_a_parallel_makes() -> None:
    definition = machine("Both", {
        "Both": parallel(("L", {"L": passing(Parameters={"x.$": "$.left"})}), ("R", {"R": task()}), then="X?"),
        "X?": choice("$[0].x", False, "Done", "X"), "X": task("Done", ResultPath="$[1].x"), **DONE,
    })  # fmt: skip
    assert entered(definition, {"left": False}, ["X"]) == ["R", "X"]
    assert entered(definition, {"left": True}, []) == ["R"]


# Shapes of machines


def test_nested_guards_and_a_guard_over_several_steps() -> None:
    definition = machine("All?", {
        "All?": choice("$.all", False, "Done", "A?"),
        "A?": choice("$.a", False, "B?", "A"), "A": task("B?"),
        "B?": choice("$.b", False, "Done", "B"), "B": task("B2"), "B2": task("Done"), **DONE,
    })  # fmt: skip
    off = {"all": False, "a": False, "b": False}
    assert bypassed(definition, read_pipeline(definition), {**off, "a": True}) == {"A", "B", "B2"}
    assert planned(definition, {**off, "a": True}, ["A"])[0] == {"all": True, "a": True, "b": False}
    assert entered(definition, off, ["A"]) == ["A"]
    assert entered(definition, off, ["B", "B2"]) == ["B", "B2"]
    assert entered(definition, off, []) == []


def test_one_choice_that_says_where_to_begin() -> None:
    rules = [{"Variable": "$.from", "StringEquals": name, "Next": name} for name in ("Evaluate", "Train")]
    definition = machine("Where?", {
        "Where?": {"Type": "Choice", "Choices": rules, "Default": "Fetch"},
        "Fetch": task("Train"), "Train": task("Evaluate"), "Evaluate": task(),
    })  # fmt: skip
    assert planned(definition, {"from": "Fetch"}, ["Train"])[0] == {"from": "Train"}
    assert entered(definition, {"from": "Fetch"}, ["Train"]) == ["Evaluate", "Train"]
    assert entered(definition, {"from": "Fetch"}, []) == ["Evaluate"]
    assert entered(definition, {"from": "Train"}, ["Fetch", "Train"]) == ["Evaluate", "Fetch", "Train"]


def test_alternatives_exclude_each_other() -> None:
    definition = machine("Gpu?", {
        "Gpu?": choice("$.gpu", True, "On GPU", "On CPU"), "On GPU": task("Done"), "On CPU": task("Done"), **DONE,
    })  # fmt: skip
    assert entered(definition, {"gpu": True}, ["On CPU"]) == ["On CPU"]
    _, proof = planned(definition, {"gpu": True}, ["On CPU", "On GPU"])
    assert proof.problem == "with this input the machine never comes to On CPU, which the plan runs"
    _, proof = planned(definition, {"gpu": True}, [])
    assert proof.problem == "with this input the machine enters On GPU, which the plan does not run"


def test_two_guards_that_read_the_same_flag_against_each_other() -> None:
    definition = machine("A?", {
        "A?": choice("$.x", True, "B?", "A"), "A": task("B?"),
        "B?": choice("$.x", False, "Done", "B"), "B": task("Done"), **DONE,
    })  # fmt: skip
    assert entered(definition, {"x": True}, ["A"]) == ["A"]
    assert entered(definition, {"x": False}, ["B"]) == ["B"]
    _, proof = planned(definition, {"x": True}, ["A", "B"])
    assert proof.problem is not None


def test_a_guard_around_and_one_inside_of_a_parallel() -> None:
    inner = ("In?", {"In?": choice("$.inner", False, "Out", "In"), "In": task("Out"), "Out": passing()})
    definition = machine("Both?", {
        "Both?": choice("$.both", False, "Done", "Both"),
        "Both": parallel(inner, ("Always", {"Always": task()}), then="Done"), **DONE,
    })  # fmt: skip
    on = {"both": True, "inner": True}
    assert entered(definition, on, ["Always"]) == ["Always"]
    assert entered(definition, on, []) == []
    assert entered(definition, {"both": False, "inner": False}, ["In", "Always"]) == ["Always", "In"]


def test_a_machine_without_guards_runs_whole() -> None:
    definition = machine("A", {"A": task("Wait"), "Wait": {"Type": "Wait", "Seconds": 86400, "Next": "B"}, "B": task()})
    assert entered(definition, {}, []) == ["A", "B"]


# Maps


def each(**more: Any) -> dict[str, Any]:
    inner = machine("Item?", {
        "Item?": choice("$$.Execution.Input.items_too", True, "Item", "No item", ),
        "Item": task(Parameters={"id.$": "$.id"}), "No item": passing(),
    })  # fmt: skip
    return {"Type": "Map", "ItemProcessor": inner, "End": True, **more}


def test_a_step_inside_a_map() -> None:
    definition = machine("Each", {"Each": each(ItemsPath="$.items")})
    document = {"items": [{"id": number} for number in range(500)], "items_too": False}
    assert entered(definition, document, ["Item"]) == ["Item"]
    assert entered(definition, document, []) == []
    _, proof = planned(definition, {**document, "items": []}, ["Item"])
    assert proof.doubt == "whether Item runs is decided in the run: by the items of Each"


def test_a_distributed_map_is_walked_for_a_few_items_only() -> None:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    inner = machine("Item", {"Item": task(Parameters={"id.$": "$.id"})}, **config)
    document = {"items": [{"id": number} for number in range(20_000)]}
    given = machine("Each", {"Each": each(ItemsPath="$.items", ItemProcessor=inner)})
    assert planned(given, document, [])[1] == Proof(frozenset({"Item"}), None, None, 3)
    reader = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "b"}}
    read = machine("Each", {"Each": each(ItemReader=reader, ItemProcessor=inner)})
    assert planned(read, {}, [])[1] == Proof(frozenset({"Item"}), None, None, 2)


def test_the_input_of_a_distributed_maps_children_is_not_the_runs() -> None:
    processor = {**each()["ItemProcessor"], "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    definition = machine("Each", {"Each": each(ItemsPath="$.items", ItemProcessor=processor)})
    (step,) = read_pipeline(definition).steps
    assert step.undrivable == ("its guard 'Item?' reads $$.Execution.Input.items_too, which the items of 'Each' decide")


# Our own machine


def test_our_own_plan_is_proven_with_and_without_a_history() -> None:
    running = ["Train Sequence Model", "Evaluate"]
    new, proof = planned(OURS, {}, running)
    assert new == {"skip": {"fetch_preprocessed_data": True, "train_image_model": True, "train_text_model": True}}
    assert (proof.problem, proof.doubt) == (None, None)
    assert proof.entered == {
        "Prepare Run",
        "Find Champion",
        *running,
        "Compare With Champion",
        "Start Deployment",
        "Notify Success",
    }
    skipped_needlessly = {"skip": {**new["skip"], "evaluate": True}}
    wrong = prove(OURS, skipped_needlessly, [*proof.entered])
    assert wrong.problem == "with this input the machine never comes to Evaluate, which the plan runs"
