"""Variables and `$states`: which names a scope may take, and where a state's result and error are to be had."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.asl.validate import validate
from tests.unit.asl.walking import INVOKE, machine_of

TASK = {"Type": "Task", "Resource": INVOKE}
ANY = ["States.ALL"]


def errors(states: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(one.message, one.location) for one in validate(machine_of(states, **more)) if one.severity == "ERROR"]


def over_items(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": machine_of(states), **fields}


def taken(name: str, location: str) -> tuple[str, str]:
    return f"Variable '{name}' is already assigned in an outer scope: names must differ", location


@pytest.mark.parametrize(
    ("states", "location"),
    [
        (
            {
                "A": {"Type": "Pass", "Assign": {"x": 1}, "Next": "B"},
                "B": {"Type": "Parallel", "Branches": [machine_of({"C": {"Type": "Pass", "Assign": {"x.$": "$"}}})]},
            },
            "/States/B/Branches[0]/States/C/Assign/x.$",
        ),
        (  # also where the outer one comes later, in a Catch, and the inner one two levels down in a rule
            {
                "M": over_items(
                    {
                        "P": {
                            "Type": "Parallel",
                            "Branches": [
                                machine_of(
                                    {
                                        "C": {
                                            "Type": "Choice",
                                            "Choices": [
                                                {
                                                    "Variable": "$.y",
                                                    "IsNull": True,
                                                    "Assign": {"x": 1},
                                                    "Next": "D",
                                                }
                                            ],
                                            "Default": "D",
                                        },
                                        "D": {"Type": "Pass"},
                                    }
                                )
                            ],
                        }
                    },
                    Catch=[{"ErrorEquals": ANY, "Assign": {"x": 2}, "Next": "E"}],
                    Next="E",
                ),
                "E": {"Type": "Pass"},
            },
            "/States/M/ItemProcessor/States/P/Branches[0]/States/C/Choices[0]/Assign/x",
        ),
    ],
)
def test_an_inner_scope_does_not_take_an_outer_name(states: dict[str, Any], location: str) -> None:
    assert errors(states) == [taken("x", location)]


def test_scopes_beside_each_other_may_use_the_same_name() -> None:
    one, other = (machine_of({name: {"Type": "Pass", "Assign": {"x": 1}}}) for name in "BC")
    assert errors({"P": {"Type": "Parallel", "Branches": [one, other], "Assign": {"y": 1}}}) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x.y", "'x.y' is no variable name"),
        ("x[2]", "'x[2]' is no variable name"),
        ("2x", "'2x' is no variable name"),
        ("$x", "'$x' is no variable name"),
        ("", "1 to 80 characters"),
        ("x" * 81, "1 to 80 characters"),
        ("states", "'states' is reserved"),
    ],
)
def test_what_is_no_name(name: str, words: str) -> None:
    ((message, location),) = errors({"A": {"Type": "Pass", "Assign": {name: 1}}})
    assert words in message
    assert location == "/States/A/Assign"


@pytest.mark.parametrize("name", ["x" * 80, "größe", "x_1", "with-hyphen"])
def test_what_is_a_name(name: str) -> None:
    assert errors({"A": {"Type": "Pass", "Assign": {name: 1}}}) == []


RESULT, ERROR = "{% $states.result.a %}", "{% { 'why': $states . errorOutput.Cause } %}"
HANDLER = {"ErrorEquals": ANY, "Next": "Z"}
END = {"Z": {"Type": "Succeed"}}


def not_there(name: str, location: str) -> tuple[str, str]:
    return f"'$states.{name}' is not accessible in this field", location


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({**TASK, "Output": RESULT, "Assign": {"a": RESULT}}, []),
        ({**TASK, "Catch": [{**HANDLER, "Output": ERROR, "Assign": {"a": [ERROR]}}]}, []),
        (over_items({"I": {"Type": "Pass"}}, Output=RESULT), []),
        ({"Type": "Parallel", "Branches": [machine_of({"I": {"Type": "Pass"}})], "Assign": {"a": RESULT}}, []),
        ({**TASK, "Arguments": {"b": [RESULT]}}, [not_there("result", "/Arguments/b[0]")]),
        ({**TASK, "TimeoutSeconds": RESULT}, [not_there("result", "/TimeoutSeconds")]),
        ({**TASK, "Output": ERROR}, [not_there("errorOutput", "/Output")]),
        ({**TASK, "Catch": [{**HANDLER, "Output": RESULT}]}, [not_there("result", "/Catch[0]/Output")]),
        ({"Type": "Pass", "Output": RESULT}, [not_there("result", "/Output")]),
        ({"Type": "Wait", "Seconds": RESULT}, [not_there("result", "/Seconds")]),
        (over_items({"I": {"Type": "Pass"}}, Items=RESULT), [not_there("result", "/Items")]),
        ({"Type": "Pass", "Output": "{% '$states.result' & $states.input.result /* $states.result */ %}"}, []),
        ({"Type": "Pass", "Comment": RESULT}, []),
    ],
)
def test_a_result_and_an_error_are_where_they_are(state: dict[str, Any], found: list[tuple[str, str]]) -> None:
    said = errors({"A": {**state, "Next": "Z"}, **END}, QueryLanguage="JSONata")
    assert said == [(message, f"/States/A{where}") for message, where in found]


@pytest.mark.parametrize("text", ["/*", "1 /", "'\\", "! :", "$states.input.x)", "$x + ", "", "a b"])
def test_an_expression_that_does_not_parse_is_a_finding(text: str) -> None:
    assert len(errors({"A": {"Type": "Pass", "Output": f"{{%{text}%}}"}}, QueryLanguage="JSONata")) == 1
