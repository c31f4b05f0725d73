"""Settings of run input that drive a Choice, checked by walking the Choice with the interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.asl import Execution, parse
from opsctl.domain.conditions import ABSENT, Setting, rule_settings
from opsctl.domain.documents import with_settings

SKIP = "$$.Execution.Input.skip"


def choice(*rules: dict[str, Any], default: str | None = "Default") -> dict[str, Any]:
    return {"Type": "Choice", "Choices": list(rules), **({"Default": default} if default else {})}


def outcomes(state: dict[str, Any], changed: frozenset[str] | None = frozenset()) -> dict[str, list[tuple[str, Any]]]:
    return {target: [(s.dotted, s.value) for s in settings] for target, settings in rule_settings(state, changed)}


@pytest.mark.parametrize(
    ("rule", "fires", "otherwise"),
    [
        ({"Variable": SKIP, "BooleanEquals": True}, True, False),
        ({"Variable": SKIP, "BooleanEquals": False}, False, True),
        ({"Variable": SKIP, "IsPresent": True}, True, ABSENT),
        ({"Variable": SKIP, "IsPresent": False}, ABSENT, True),
        ({"Variable": SKIP, "IsNull": True}, None, True),
        ({"Variable": SKIP, "IsNull": False}, True, None),
        ({"Variable": SKIP, "StringEquals": "yes"}, "yes", "not yes"),
        ({"Variable": SKIP, "NumericEquals": 3}, 3, 4),
        ({"Not": {"Variable": SKIP, "BooleanEquals": True}}, False, True),
        ({"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "BooleanEquals": True}]}, True, ABSENT),
        ({"Or": [{"Variable": SKIP, "IsPresent": False}, {"Variable": SKIP, "BooleanEquals": False}]}, ABSENT, True),
        ({"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "IsNull": True}]}, None, ABSENT),
        ({"And": [{"Variable": SKIP, "IsNull": False}, {"Variable": SKIP, "StringEquals": "x"}]}, "x", None),
    ],
)
def test_each_comparison_is_solved_both_ways(rule: dict[str, Any], fires: Any, otherwise: Any) -> None:
    assert outcomes(choice({**rule, "Next": "Yes"})) == {"Yes": [("skip", fires)], "Default": [("skip", otherwise)]}


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


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": SKIP, "NumericGreaterThan": 3},  # more than equality
        {"Variable": SKIP, "StringEqualsPath": "$.other"},  # no constant
        {"Variable": "$.run.status", "StringEquals": "Completed"},  # made by a step
        {"Variable": "$failures[0]", "IsPresent": True},  # a variable
        {"Variable": "$.list[0]", "IsPresent": True},  # no plain path
        {"Variable": "$$.Execution.Name", "StringEquals": "x"},  # not the input
        {"Condition": "{% $x %}"},
        {"And": [{"Variable": SKIP, "IsPresent": True}, {"Variable": SKIP, "IsPresent": False}]},  # never
        {"And": [{"Variable": SKIP, "BooleanEquals": True}, {"Variable": SKIP, "NumericEquals": 1}]},  # True is not 1
        {"And": [{"Variable": SKIP, "IsNull": False}, {"Variable": SKIP, "IsNull": True}]},
    ],
)
def test_what_run_input_cannot_bring_about_has_no_outcome(rule: dict[str, Any]) -> None:
    assert "Yes" not in outcomes(choice({**rule, "Next": "Yes"}), frozenset({"run"}))


def test_the_states_own_input_counts_only_while_it_is_the_runs() -> None:
    rule = {"Variable": "$.train", "BooleanEquals": False, "Next": "Skip"}
    assert outcomes(choice(rule), frozenset({"run"})) == {"Skip": [("train", False)], "Default": [("train", True)]}
    assert outcomes(choice(rule), frozenset({"train"})) == {}
    assert outcomes(choice(rule), None) == {}
    assert outcomes(choice(rule, default=None), frozenset()) == {"Skip": [("train", False)]}


_ATOMS = st.builds(
    lambda path, test: {"Variable": f"$$.Execution.Input.{path}", **test},
    st.sampled_from(["a", "b", "skip.c"]),
    st.sampled_from([
        {"BooleanEquals": True}, {"BooleanEquals": False}, {"IsPresent": True}, {"IsPresent": False},
        {"IsNull": True}, {"StringEquals": "x"}, {"NumericEquals": 1},
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


@given(st.lists(_CONDITIONS, min_size=1, max_size=3))
def test_settings_lead_where_they_say(conditions: list[dict[str, Any]]) -> None:
    state = choice(*({**condition, "Next": f"Way {n}"} for n, condition in enumerate(conditions)))
    targets = [f"Way {n}" for n in range(len(conditions))] + ["Default"]
    ends = {target: {"Type": "Pass", "Result": target, "End": True} for target in targets}
    machine = parse({"StartAt": "Where?", "States": {"Where?": state, **ends}})
    everything = {"a": "other", "b": "other", "skip": {"c": "other"}}  # comparing what is absent is an error on AWS
    for target, settings in rule_settings(state, None):
        execution = Execution(machine, json.dumps(with_settings(everything, settings)))
        execution.start(0.0)
        absent = any(setting.value is ABSENT for setting in settings)
        assert execution.output == json.dumps(target) or (absent and execution.error == "States.Runtime")


def test_a_setting_shows_its_path() -> None:
    assert Setting(("skip", "train_text_model"), True).dotted == "skip.train_text_model"
    assert repr(ABSENT) == "ABSENT"
