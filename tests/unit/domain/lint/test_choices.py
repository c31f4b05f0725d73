"""Choices, guards, and states that nothing reaches."""

import pytest

from tests.unit.domain.lint.building import TELLS, TO_NOTIFY, findings, task

DEFAULT, GUARD, UNREACHED = "CHOICE_WITHOUT_DEFAULT", "GUARD_WITHOUT_EFFECT", "UNREACHABLE_STATE"
ENDS = {"A": {"Type": "Wait", "Seconds": 1, "Next": "B"}, "B": {"Type": "Succeed"}}
PRESENT = {"Variable": "$.x", "IsPresent": True}
IS_TRUE = {"Variable": "$.x", "BooleanEquals": True}
TRUE = {"And": [PRESENT, IS_TRUE]}
FAILED = {"ErrorEquals": ["States.TaskFailed"], "Next": "Notify"}


def choice(*rules, **fields):
    return {"Type": "Choice", "Choices": [dict(rule) for rule in rules], **fields}


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([{**PRESENT, "Next": "A"}], True),
        ([{**PRESENT, "Next": "A"}, {"Variable": "$.x", "IsPresent": False, "Next": "B"}], False),
        ([{**IS_TRUE, "Next": "A"}, {"Variable": "$.x", "BooleanEquals": False, "Next": "B"}], True),
        ([{**TRUE, "Next": "A"}, {"Not": TRUE, "Next": "B"}], False),
        ([{"Variable": "$.x", "StringEquals": "a", "Next": "A"},
          {"Not": {"Variable": "$.x", "StringEquals": "a"}, "Next": "B"}], True),
    ],
)  # fmt: skip
def test_a_choice_needs_a_default_unless_its_rules_cover_everything(rules, found):
    assert findings({"C": choice(*rules), **ENDS}, DEFAULT) == (["/States/C"] if found else [])
    assert findings({"C": choice(*rules, Default="B"), **ENDS}, DEFAULT) == []


def test_a_jsonata_choice_may_end_with_true():
    rules = [{"Condition": "{% $states.input.x %}", "Next": "A"}]
    assert findings({"C": choice(*rules), **ENDS}, DEFAULT, QueryLanguage="JSONata") == ["/States/C"]
    for always in (True, "{% true %}"):
        covered = choice(*rules, {"Condition": always, "Next": "B"})
        assert findings({"C": covered, **ENDS}, DEFAULT, QueryLanguage="JSONata") == []


def test_a_guard_whose_bypass_leads_into_its_step_guards_nothing():
    passed = {"P": {"Type": "Pass", "Next": "A"}}
    assert findings({"C": choice({**TRUE, "Next": "A"}, Default="A"), **ENDS}, GUARD) == ["/States/C"]
    assert findings({"C": choice({**TRUE, "Next": "P"}, Default="A"), **passed, **ENDS}, GUARD) == ["/States/C"]
    assert findings({"C": choice({**TRUE, "Next": "B"}, Default="A"), **ENDS}, GUARD) == []


def test_outcomes_that_hand_on_different_data_are_no_guard():
    sets = {"P": {"Type": "Pass", "Result": {"size": "large"}, "Next": "A"}}
    assert findings({"C": choice({**TRUE, "Next": "P"}, Default="A"), **sets, **ENDS}, GUARD) == []
    assert findings({"C": choice({**TRUE, "Next": "A", "Assign": {"y": 1}}, Default="A"), **ENDS}, GUARD) == []
    assert findings({"Skip A?": choice({**TRUE, "Next": "P"}, Default="A"), **sets, **ENDS}, GUARD) == [
        "/States/Skip A?"
    ]


def test_passes_in_a_circle_end_the_search():
    circle = {"P": {"Type": "Pass", "Next": "Q"}, "Q": {"Type": "Pass", "Next": "P"}}
    states = {"C": choice({**TRUE, "Next": "P"}, Default="B"), **circle, "B": {"Type": "Succeed"}}
    assert findings(states, GUARD) == []


@pytest.mark.parametrize(
    ("catch", "found"),
    [
        ([{"ErrorEquals": ["States.Runtime"], "Next": "X"}, *TO_NOTIFY], True),
        ([{"ErrorEquals": ["Mine"], "Next": "X"}, *TO_NOTIFY], False),
        ([{"ErrorEquals": ["Mine"], "Next": "Notify"}, {"ErrorEquals": ["Mine"], "Next": "X"}, *TO_NOTIFY], True),
        ([FAILED, {"ErrorEquals": ["Mine"], "Next": "X"}], True),
        ([FAILED, {"ErrorEquals": ["States.Timeout"], "Next": "X"}], False),
        ([FAILED, {"ErrorEquals": ["States.ALL"], "Next": "X"}], False),
    ],
)  # fmt: skip
def test_a_catch_that_never_fires_reaches_nothing(catch, found):
    states = {"T": task(Catch=catch), "X": {"Type": "Pass", "Next": "Notify"}, **TELLS}
    assert findings(states, UNREACHED) == (["/States/X"] if found else [])


def test_what_lies_behind_an_unreached_state_is_unreached_too():
    catch = [{"ErrorEquals": ["States.Runtime"], "Next": "X"}, *TO_NOTIFY]
    states = {"T": task(Catch=catch), "X": {"Type": "Pass", "Next": "Y"}, "Y": {"Type": "Succeed"}, **TELLS}
    assert findings(states, UNREACHED) == ["/States/X", "/States/Y"]


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([{**TRUE, "Next": "B"}, {**TRUE, "Next": "X"}], ["/States/X"]),
        ([{**TRUE, "Next": "B"}, {**PRESENT, "Next": "X"}], []),
        ([{**PRESENT, "Next": "B"}, {"Variable": "$.x", "IsPresent": False, "Next": "X"}], ["/States/D"]),
    ],
)
def test_a_rule_or_default_that_is_never_taken(rules, found):
    states = {"C": choice(*rules, Default="D"), "X": {"Type": "Succeed"}, "D": {"Type": "Succeed"}, **ENDS}
    states["D"] = {"Type": "Wait", "Seconds": 1, "Next": "A"}
    expected = [*found, "/States/A"] if "/States/D" in found else found
    assert findings(states, UNREACHED) == expected
