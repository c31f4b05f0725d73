"""Where values come from: what histories show of setup Tasks, and what expressions hand on."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.asl.effects import Failed
from opsctl.domain.carrying.evidence import Evidence
from opsctl.domain.carrying.expressions import Read, jsonata_reads, jsonata_words
from opsctl.domain.carrying.merging import constant, merged_parts, object_members
from opsctl.domain.carrying.values import From
from opsctl.domain.guards import read_pipeline
from opsctl.domain.proof import prove
from tests.unit.domain.machines import DONE, LAMBDA, asks, choice, machine, ran, task

SETUP = machine("Setup", {"Setup": task(ResultPath="$")})


def shown(*runs: tuple[Any, Any], path: str) -> str | None:
    """Where a path of Setup's result comes from, as these runs' inputs and results show."""
    histories = [ran(SETUP, document, {"Setup": result}) for document, result in runs]
    origin = Evidence(histories).translate(From("Setup", tuple(path.split("."))))
    return ".".join(map(str, origin.path)) if origin.source == "" else None


def test_the_same_value_under_the_same_key() -> None:
    assert shown(({"train": True}, {"train": True}), path="train") == "train"
    assert shown(({"train": False}, {"config": {"train": False, "bucket": "b"}}), path="config.train") == "train"
    assert shown(({"flags": {"train": "no"}}, {"Payload": {"train": "no"}}), path="Payload.train") == "flags.train"


def test_another_value_another_key_or_another_type_shows_nothing() -> None:
    assert shown(({"train": True}, {"train": False}), path="train") is None
    assert shown(({"train": True}, {"skip": True}), path="skip") is None
    assert shown(({"train": 1}, {"train": True}), path="train") is None
    assert shown(({}, {"train": True}), path="train") is None  # a default
    assert shown(({}, {}), path="train") is None
    assert shown(path="train") is None


def test_one_run_that_contradicts_is_enough() -> None:
    agree, other = ({"train": True}, {"train": True}), ({"train": False}, {"train": True})
    assert shown(agree, agree, path="train") == "train"
    assert shown(agree, other, path="train") is None
    assert shown(agree, ({}, {"train": True}), path="train") is None
    assert shown(agree, ({}, {}), path="train") == "train"


def test_an_object_that_is_copied_whole_carries_keys_that_no_run_had() -> None:
    document = {"data": "s3://b/d", "flags": {"a": True, "b": False}}
    assert shown((document, {**document, "bucket": "b"}), path="flags.c") == "flags.c"
    assert shown((document, {"input": document}), path="input.skip.c") == "skip.c"
    assert shown((document, {"flags": {"a": True, "b": False}}), path="flags.c") == "flags.c"
    assert shown((document, {"input": {"data": "s3://b/d"}}), path="input.skip.c") is None
    assert shown(({"a": True}, {"a": True}), path="c") is None  # a single flag is no evidence of more
    assert shown((document, {"switches": document["flags"]}), path="switches.c") is None  # under another key


def test_of_several_paths_the_one_that_agrees_most() -> None:
    document = {"train": True, "model": {"train": True}, "other": {"train": True}}
    assert shown((document, {"x": {"model": {"train": True}}}), path="x.model.train") == "model.train"
    assert shown(({"a": {"train": True}, "b": {"train": True}}, {"train": True}), path="train") is None


def test_a_failed_setup_shows_nothing() -> None:
    failed = ran(SETUP, {"train": True}, {"Setup": Failed("Boom")})
    assert Evidence([failed]).translate(From("Setup", ("train",))) == From("Setup", ("train",))


def test_a_guard_behind_a_setup_function_needs_a_run_that_shows_it() -> None:
    definition = machine("Setup", {
        "Setup": {"Type": "Task", "Resource": LAMBDA, "Next": "Train?", "ResultPath": "$.config",
                  "ResultSelector": {"skip.$": "$.Payload.skip", "bucket.$": "$.Payload.bucket"}},
        "Train?": choice("$.config.skip.train", True, "Done", "Train"), "Train": task("Done"), **DONE,
    })  # fmt: skip
    document = {"skip": {"train": False, "fetch": True}}
    telling = ran(definition, document, {"Setup": {"Payload": {"skip": document["skip"], "bucket": "b"}}})
    silent = ran(definition, {}, {"Setup": {"Payload": {"skip": {"train": False}, "bucket": "b"}}})
    step = read_pipeline(definition, [telling]).step("Train")
    assert step
    assert step.guard
    assert [(s.dotted, s.value) for s in step.guard.bypass] == [("skip.train", True)]
    skipping = {"skip": {"train": True, "fetch": True}}
    assert prove(definition, skipping, ["Setup"], [telling]).problem is None
    assert prove(definition, skipping, ["Setup", "Train"], [telling]).problem is not None
    step = read_pipeline(definition, [silent]).step("Train")
    assert step
    assert step.guard is None
    assert step.undrivable == (
        "its guard 'Train?' reads $.config.skip.train, which 'Setup' (a Task) decides, "
        "and the history does not show that it comes from the run's input"
    )


def test_a_result_merged_over_the_input_leaves_what_it_does_not_have() -> None:
    definition = machine("Setup", {
        "Setup": {"Type": "Task", "Resource": LAMBDA, "Next": "Train?",
                  "Output": "{% $merge([$states.input, $states.result.Payload]) %}"},
        "Train?": asks("$states.input.train = false", "Done", "Train"),
        "Train": {"Type": "Task", "Resource": LAMBDA, "Next": "Done"}, **DONE,
    }, QueryLanguage="JSONata")  # fmt: skip
    for answer, drivable in (({"bucket": "b"}, True), ({"bucket": "b", "train": True}, False)):
        history = ran(definition, {}, {"Setup": {"Payload": answer}})
        step = read_pipeline(definition, [history]).step("Train")
        assert step
        assert (step.guard is not None) is drivable
    unseen = read_pipeline(definition).step("Train")
    assert unseen
    assert unseen.guard is None


def test_what_jsonata_expressions_read() -> None:
    text = '$states.input.a.`b c` = $x.y[0] and $exists($states.context.Execution.Input."d") ? $f($states.result) : $z'
    assert jsonata_reads(text) == [
        Read("$", ("a", "b c")), Read("x", ("y",)), Read("$$", ("Execution", "Input", "d")), Read("$result", ()),
        Read("z", ()),
    ]  # fmt: skip
    assert jsonata_reads("$keys($states)") == [Read("$", ()), Read("$$", ()), Read("$result", ())]
    assert jsonata_words("$lookup($states.input.flags, 'train') = true") == {"flags", "train"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("$merge([$states.input, {'a': [1, 2]}])", ["$states.input", " {'a': [1, 2]}"]),
        ("$merge([a, ',]'])", ["a", " ',]'"]),
        ("$merge([a]), $merge([b])", None),
        ("$merge(a)", None),
        ("$sum([a, b])", None),
        (r"$merge([a, '\''])", None),
    ],
)
def test_merges_are_taken_apart(text: str, parts: list[str] | None) -> None:
    assert merged_parts(text) == parts


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("{'a': 1, \"b c\": $x{'y': 2}}", [("a", " 1"), ("b c", " $x{'y': 2}")]),
        ("{}", []),
        ("{$key: 1}", None),
        ("{'a': 1}.b{'c': 2}", None),
        ("[1]", None),
    ],
)
def test_objects_are_taken_apart(text: str, members: list[tuple[str, str]] | None) -> None:
    assert object_members(text) == members


def test_constants() -> None:
    assert [constant(text) for text in ("'a'", ' "b" ', "-3", "true", "false", "1.5", "x")] == [
        ("a",), ("b",), (-3,), (True,), (False,), None, None,
    ]  # fmt: skip
