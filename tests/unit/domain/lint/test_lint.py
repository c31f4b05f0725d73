"""Lint as a whole: markers, placeholders, remedies, and that no definition makes it raise."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsctl.domain.lint import SUMMARIES, check
from tests.unit.domain.lint.building import TELLS, TO_NOTIFY, job, over_items, parallel, scope, task, training

SILENT = "SILENT_FAILURE"


def codes(states, **fields):
    return [(found.code, found.location) for found in check({**scope(states), **fields})]


def test_a_marker_silences_its_state_and_what_lies_inside():
    comment = "Because. lint: allow SILENT_FAILURE it is cheap"
    assert codes({"A": task(Comment=comment, Next="B"), "B": task()}) == [(SILENT, "/States/B")]
    assert codes({"A": task(Next="B"), "B": task()}, Comment=comment) == []
    inside = {"T": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "L"}]), "L": {"Type": "Pass", "End": True}}
    allowed = "lint: allow SILENT_FAILURE, GREEN_FAILURE nobody needs it"
    assert codes({"P": parallel(inside, Comment=allowed)}) == []


def test_several_markers_may_follow_one_another():
    comment = "lint: allow SILENT_FAILURE the rule alerts. lint: allow SYNC_WITHOUT_TIMEOUT the queue has one"
    endless = job(Comment=comment)
    del endless["TimeoutSeconds"]
    assert codes({"J": endless}) == []


@pytest.mark.parametrize(
    ("comment", "code"),
    [
        ("lint: allow SILENT_FAILURE", "BAD_ALLOW"),
        ("lint: allow SILENT_FAILURE .", "BAD_ALLOW"),
        ("lint: allow", "BAD_ALLOW"),
        ("lint: allow everything please", "BAD_ALLOW"),
        ("lint: allow SILENT_FAILUR it is cheap", "BAD_ALLOW"),
        ("lint: allow PAID_RETRY it is cheap", "UNUSED_ALLOW"),
    ],
)
def test_a_marker_must_be_right_and_needed(comment, code):
    found = codes({"A": task(Catch=TO_NOTIFY), **TELLS}, Comment=comment)
    assert found == [(code, "/Comment")]


def test_an_error_cannot_be_allowed():
    found = codes({"A": {"Type": "Pass"}}, Comment="lint: allow SCHEMA_VALIDATION_FAILED I know better")
    assert ("SCHEMA_VALIDATION_FAILED", "/States/A") in found


def test_a_name_that_begins_like_another_is_not_covered():
    allowed = task(Comment="lint: allow SILENT_FAILURE it is cheap", Next="AB")
    assert codes({"A": allowed, "AB": task()}) == [(SILENT, "/States/AB")]


@pytest.mark.parametrize("resource", ["${Function}", {"Fn::GetAtt": ["F", "Arn"]}, {"Ref": "F"}])
def test_placeholders_pass_for_the_value_they_stand_for(resource):
    states = {"a/b[0]": task(Resource=resource, TimeoutSeconds="${Limit}", Catch=TO_NOTIFY), **TELLS}
    assert codes(states) == []


def test_placeholders_stand_in_expressions_too():
    states = {"A": {"Type": "Pass", "InputPath": "${Path}", "Parameters": {"a.$": "${Path}.a"}, "End": True}}
    assert codes(states) == []
    assert codes({"A": {"Type": "Pass", "Output": ["{% ${Limit} * 2 %}"], "End": True}}, QueryLanguage="JSONata") == []
    wrong = {"A": {"Type": "Pass", "Parameters": {"b": "${Path}", "a.$": "a"}, "Output": "{% 2 * %}", "End": True}}
    found = [("SCHEMA_VALIDATION_FAILED", "/States/A"), ("SCHEMA_VALIDATION_FAILED", "/States/A/Output")]
    assert codes(wrong, QueryLanguage="JSONata") == found


def test_a_placeholder_for_a_whole_state_is_an_error():
    found = check({"StartAt": "A", "States": {"A": "{% ${State} + %}"}})
    assert ("Value must be an object.", "/States/A") in [(one.message, one.location) for one in found]


def test_a_state_that_is_called_like_a_field_is_no_placeholder():
    found = codes({"A": task(Next="Resource"), "Resource": {"Ref": "x"}})
    assert ("SCHEMA_VALIDATION_FAILED", "/States/Resource") in found
    assert codes({"A": task(Retry=[{"ErrorEquals": ["E"], "MaxAttempts": "${Most}"}])}, TimeoutSeconds="${Limit}") == [
        (SILENT, "/States/A")
    ]


def test_other_values_of_the_wrong_kind_stay_errors():
    assert codes({"A": task(Resource={"Other": "x"})}) == [("SCHEMA_VALIDATION_FAILED", "/States/A/Resource")]
    assert codes({"A": task(TimeoutSeconds="ten")}) == [("SCHEMA_VALIDATION_FAILED", "/States/A/TimeoutSeconds")]


@pytest.mark.parametrize(
    ("states", "remedy"),
    [
        ({"A": {"Type": "Pass", "Nxt": "B"}}, "Remove the field; did you mean 'Next'?"),
        ({"A": {"Type": "Pass"}}, "Add Next or End."),
        ({"Train": {"Type": "Pass", "Next": "Tran"}}, "Name a state of the same scope; did you mean 'Train'?"),
        ({"A": {"Type": "Pass", "Next": "A", "End": True}}, "Keep one of Next, End."),
        ({"A": {"Type": "Wait", "Timestamp": "noon", "End": True}}, "Write it as 2026-11-21T08:30:00Z."),
        (
            {"A": {"Type": "Pass", "Parameters": {"a": {"b.$": "States.UUID(1)"}}, "End": True}},
            "Correct it: States.UUID takes 0 arguments, not 1.",
        ),
        (
            {"A": {"Type": "Pass", "Parameters": {"b.$": "States.Uuid()"}, "End": True}},
            "Correct it: there is no intrinsic function 'States.Uuid'.",
        ),
        (
            {"A": {"Type": "Pass", "Parameters": {"b.$": 1}, "End": True}},
            "Write a path (`$.name`) or a call (`States.Format('{}', $.name)`), as a string.",
        ),
        ({"A": {"Type": "Pass", "Output": 1, "End": True}}, 'Remove the field, or set "QueryLanguage": "JSONata".'),
    ],
)
def test_every_error_comes_with_a_remedy(states, remedy):
    assert remedy in [found.remedy for found in check(scope(states))]


WHOLE = scope({
    "C": {"Type": "Choice", "Default": "M",
          "Choices": [{"And": [{"Variable": "$.x", "IsPresent": True}], "Next": "P"}]},
    "P": parallel({"T": training({"TrainingJobName.$": "$.n"}, Retry=[{"ErrorEquals": ["States.ALL"]}])}, {"J": job()},
                  Next="M", Catch=TO_NOTIFY),
    "M": over_items({"I": task(Comment="lint: allow X y")}, MaxConcurrency=2, Catch=TO_NOTIFY, Next="D"),
    "D": {"Type": "Succeed"}, **TELLS,
})  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["P", "D", "$.a", "{% 1 %}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value, path=()):
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_spoilt_definition_makes_it_raise(data):
    spoilt = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([place for place in places(spoilt) if place]))
        holder = spoilt
        for key in way:
            holder = holder[key]
        holder[last] = data.draw(JSON)
    assert {found.code for found in check(spoilt)} <= SUMMARIES.keys()


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_every_code_of_the_validator_is_known(language):
    broken = {"QueryLanguage": language, "StartAt": "X", "States": {"A": {"Type": "Pass"}, "": {"Type": "Nope"}}}
    assert {found.code for found in check(broken)} <= SUMMARIES.keys()
