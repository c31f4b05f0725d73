"""Settings of run input that drive a Choice, checked by walking the Choice with the interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.carrying.expressions import Sight
from opsctl.domain.carrying.flow import at_start
from opsctl.domain.carrying.values import From, Over, Unknown
from opsctl.domain.choices import Decision
from opsctl.domain.conditions import ABSENT, Setting, candidates, jsonata_candidates
from opsctl.domain.documents import with_settings

SKIP = "$$.Execution.Input.skip"
START = at_start()
AFTER_A_TASK = Sight(Over(From(""), {"run": From("Setup")}), {"mine": Unknown("a variable")}, START.context)


def choice(*rules: dict[str, Any], default: str | None = "Default") -> dict[str, Any]:
    return {"Type": "Choice", "Choices": list(rules), **({"Default": default} if default else {})}


def outcomes(state: dict[str, Any], sight: Sight = START, *, jsonata: bool = False) -> dict[str, list[tuple[str, Any]]]:
    ways = Decision(state, sight, jsonata=jsonata).outcomes
    return {target: [(s.dotted, s.value) for s in found[0]] for target, found in ways.items()}


@pytest.mark.parametrize(
    ("rule", "fires", "otherwise"),
    [
        ({"Variable": SKIP, "BooleanEquals": True}, True, False),
        ({"Variable": SKIP, "IsPresent": True}, True, ABSENT),
        ({"Variable": SKIP, "IsPresent": False}, ABSENT, True),
        ({"Variable": SKIP, "IsNull": True}, None, True),
        ({"Variable": SKIP, "IsNull": False}, True, None),
        ({"Variable": SKIP, "IsBoolean": True}, True, "text"),
        ({"Variable": SKIP, "IsString": False}, True, "text"),
        ({"Variable": SKIP, "IsNumeric": True}, 1, "text"),
        ({"Variable": SKIP, "StringEquals": "yes"}, "yes", "not yes"),
        ({"Variable": SKIP, "StringMatches": "skip-*"}, "skip-", ""),
        ({"Variable": SKIP, "StringLessThan": "b"}, "", "b"),
        ({"Variable": SKIP, "NumericEquals": 3}, 3, 4),
        ({"Variable": SKIP, "NumericGreaterThan": 3}, 4, 3),
        ({"Variable": SKIP, "NumericLessThanEquals": 0.5}, 0.5, 1.5),
        (
            {"Variable": SKIP, "TimestampLessThan": "2026-01-01T00:00:00Z"},
            "1970-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
        ),
        ({"Not": {"Variable": SKIP, "BooleanEquals": True}}, False, True),
        ({"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "BooleanEquals": True}]}, True, ABSENT),
        ({"Or": [{"Variable": SKIP, "IsPresent": False}, {"Variable": SKIP, "BooleanEquals": False}]}, ABSENT, True),
        ({"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "IsNull": True}]}, None, ABSENT),
        ({"And": [{"Variable": SKIP, "IsNull": False}, {"Variable": SKIP, "StringEquals": "x"}]}, "x", None),
        ({"And": [{"Variable": "$['skip']", "IsString": True}, {"Variable": SKIP, "StringEquals": "x"}]}, "x", "text"),
    ],
)
def test_each_comparison_is_driven_both_ways(rule: dict[str, Any], fires: Any, otherwise: Any) -> None:
    assert outcomes(choice({**rule, "Next": "Yes"})) == {"Yes": [("skip", fires)], "Default": [("skip", otherwise)]}


def test_a_comparison_of_two_parts_of_the_run_input() -> None:
    rule = {"Variable": SKIP, "StringEqualsPath": "$.name", "Next": "Yes"}
    assert outcomes(choice(rule)) == {
        "Yes": [("name", "text"), ("skip", "text")],
        "Default": [("name", "text~"), ("skip", "text")],
    }


def test_a_later_rule_needs_the_earlier_ones_not_to_fire() -> None:
    state = choice(
        {"Variable": "$.mode", "StringEquals": "short", "Next": "Short"},
        {"Variable": "$.full", "BooleanEquals": True, "Next": "Full"},
    )
    assert outcomes(state) == {
        "Short": [("mode", "short")],
        "Full": [("full", True), ("mode", "not short")],
        "Default": [("full", False), ("mode", "not short")],
    }


def test_many_flags_in_one_condition() -> None:
    flags = [{"Variable": f"$.flags.f{n}", "BooleanEquals": True} for n in range(10)]
    assert outcomes(choice({"And": flags, "Next": "Yes"})) == {
        "Yes": [(f"flags.f{n}", True) for n in range(10)],
        "Default": [("flags.f0", False)],
    }
    assert outcomes(choice({"Or": flags, "Next": "Yes"})) == {
        "Yes": [("flags.f0", True)],
        "Default": [(f"flags.f{n}", False) for n in range(10)],
    }


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.run.status", "StringEquals": "Completed"},  # made by a step
        {"Variable": SKIP, "StringEqualsPath": "$.run.status"},
        {"Variable": "$mine", "IsPresent": True},
        {"Variable": "$$.Execution.Name", "StringEquals": "x"},  # not the input
        {"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": "$.run.x", "IsPresent": True}]},
        {"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "IsPresent": False}]},  # never
        {"And": [{"Variable": SKIP, "BooleanEquals": True}, {"Variable": SKIP, "NumericEquals": 1}]},  # True is not 1
        {"And": [{"Variable": SKIP, "IsNull": False}, {"Variable": SKIP, "IsNull": True}]},
    ],
)
def test_what_run_input_alone_cannot_bring_about_has_no_outcome(rule: dict[str, Any]) -> None:
    assert "Yes" not in outcomes(choice({**rule, "Next": "Yes"}), AFTER_A_TASK)


def test_run_input_may_decide_one_way_only() -> None:
    run = {"Variable": "$.run.full", "BooleanEquals": True}
    rule = {"Or": [{"Variable": SKIP, "BooleanEquals": True}, run], "Next": "Skip"}
    assert outcomes(choice(rule), AFTER_A_TASK) == {"Skip": [("skip", True)]}
    decision = Decision(choice(rule), AFTER_A_TASK, jsonata=False)
    assert decision.target({"skip": True}) == "Skip"
    assert decision.target({"skip": False}) is None
    blamed = decision.blamed()
    assert blamed
    assert (blamed[0].text, blamed[1]) == ("$.run.full", From("Setup", ("full",)))


def test_a_choice_without_a_default() -> None:
    rule = {"Variable": "$.train", "BooleanEquals": False, "Next": "Skip"}
    assert outcomes(choice(rule, default=None)) == {"Skip": [("train", False)]}


@pytest.mark.parametrize(
    ("condition", "fires", "otherwise"),
    [
        ("$states.input.skip.x = true", [("skip.x", True)], [("skip.x", ABSENT)]),
        ("$states.input.train_image_model != false", [("train_image_model", True)], [("train_image_model", ABSENT)]),
        ("$states.context.Execution.Input.skip", [("skip", True)], [("skip", False)]),
        ("true = $states.input.`skip it`", [("skip it", True)], [("skip it", ABSENT)]),
        ("$exists($states.input.skip)", [("skip", True)], [("skip", ABSENT)]),
        ("$not($states.input.train)", [("train", False)], [("train", True)]),
        ("$boolean($states.input.skip)", [("skip", True)], [("skip", False)]),
        ("'train' in $states.input.skip", [("skip", "train")], [("skip", ABSENT)]),
        ("$states.input.mode in ['a', 'b']", [("mode", "a")], [("mode", ABSENT)]),
        ("$states.input.n >= 3", [("n", 3)], [("n", 2)]),
        ("$lowercase($states.input.mode) = 'full'", [("mode", "full")], [("mode", ABSENT)]),
        ("$states.input.flags.x ? true : false", [("flags.x", True)], [("flags.x", ABSENT)]),
        ("$lookup($states.input.flags, 'x') = true", [("flags.x", True)], [("flags.x", ABSENT)]),
        ("($f := $states.input.flags; $f.x = true)", [("flags.x", True)], [("flags.x", ABSENT)]),
        (
            "$states.input.a = true and $states.input.b = true",
            [("a", True), ("b", True)],
            [("b", ABSENT)],
        ),
        ("$type($states.input.skip) = 'boolean' and $states.input.skip", [("skip", True)], [("skip", ABSENT)]),
    ],
)
def test_jsonata_conditions(condition: str, fires: Any, otherwise: Any) -> None:
    state = choice({"Condition": f"{{% {condition} %}}", "Next": "Yes"})
    assert outcomes(state, jsonata=True) == {"Yes": fires, "Default": otherwise}


@pytest.mark.parametrize(
    "condition",
    ["$states.input.run.status = 'x'", "$mine", "$states.context.Execution.Name = 'x'", "true", "$unknown = 1"],
)
def test_jsonata_conditions_on_anything_else(condition: str) -> None:
    state = choice({"Condition": f"{{% {condition} %}}", "Next": "Yes"})
    assert len(outcomes(state, AFTER_A_TASK, jsonata=True)) < 2


_ATOMS = st.builds(
    lambda path, test: {"Variable": f"$$.Execution.Input.{path}", **test},
    st.sampled_from(["a", "b", "skip.c"]),
    st.sampled_from([
        {"BooleanEquals": True}, {"BooleanEquals": False}, {"IsPresent": True}, {"IsPresent": False},
        {"IsNull": True}, {"StringEquals": "x"}, {"NumericEquals": 1}, {"NumericLessThan": 1}, {"StringMatches": "x*"},
        {"IsBoolean": True}, {"StringEqualsPath": "$.a"},
    ]),
)  # fmt: skip
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: (
        inner.map(lambda part: {"Not": part})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"And": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"Or": parts})
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.lists(_CONDITIONS, min_size=1, max_size=3))
def test_settings_lead_where_they_say(conditions: list[dict[str, Any]]) -> None:
    state = choice(*({**condition, "Next": f"Way {n}"} for n, condition in enumerate(conditions)))
    targets = [f"Way {n}" for n in range(len(conditions))] + ["Default"]
    ends = {target: {"Type": "Pass", "Result": target, "End": True} for target in targets}
    machine = parse({"StartAt": "Where?", "States": {"Where?": state, **ends}})
    for target, ways in Decision(state, START, jsonata=False).outcomes.items():
        for way in ways:
            execution = Execution(machine, json.dumps(with_settings({}, way)))
            execution.start(0.0)
            assert execution.output == json.dumps(target)


def test_candidates_are_few_and_tell_true_from_one() -> None:
    assert candidates([("NumericEquals", 1), ("BooleanEquals", True)]) == [ABSENT, 1, 2, 0, True, False]
    assert len(jsonata_candidates(["x in ['a', 'b', 'c', 'd', 'e', 'f', 'g']"])) == 12


def test_a_setting_shows_its_path() -> None:
    assert Setting(("skip", "train_text_model"), True).dotted == "skip.train_text_model"
    assert repr(ABSENT) == "ABSENT"
