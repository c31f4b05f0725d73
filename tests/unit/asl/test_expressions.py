"""Intrinsic functions and payload templates, seen through Pass states."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from opsctl.asl.environment import Environment
from opsctl.asl.expressions import parse_expression
from opsctl.asl.templates import compile_template
from tests.unit.asl.walking import cause_of, output_of

ENTERED = "An error occurred while executing the state 'P' (entered at the event id #2). "
INPUT = {
    "name": "world",
    "items": [1, 2, 3, 4, 5, 3],
    "one": 1,
    "text": "a,b;c",
    "obj": {"a": 1, "b": 2},
    "json": '{"k": [1]}',
}


def value(expression: str) -> Any:
    text = output_of({"P": {"Type": "Pass", "Parameters": {"v.$": expression}}}, json.dumps(INPUT))
    return json.loads(text or "")["v"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("States.Array('a', 1, $.name, null, true)", ["a", 1, "world", None, True]),
        ("States.Array()", []),
        ("States.ArrayPartition($.items, 4)", [[1, 2, 3, 4], [5, 3]]),
        ("States.ArrayContains($.items, 5)", True),
        ("States.ArrayContains($.items, '5')", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayGetItem($.items, 4)", 5),
        ("States.ArrayLength($.items)", 6),
        ("States.ArrayUnique($.items)", [1, 2, 3, 4, 5]),
        ("States.Base64Encode('Hello')", "SGVsbG8="),
        ("States.Base64Decode('SGVsbG8=')", "Hello"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.obj, States.StringToJson('\\{\"b\":3\\}'), false)", {"a": 1, "b": 3}),
        ("States.StringToJson($.json)", {"k": [1]}),
        ("States.JsonToString($.obj)", '{"a":1,"b":2}'),
        ("States.MathAdd(111, -1)", 110),
        ("States.MathAdd(1.5, -1.5)", 1),
        ("States.StringSplit($.text, ',;')", ["a", "b", "c"]),
        (
            "States.Format('Hello, {}: {} {} {}', $.name, 1, $.obj, States.Array(1, 'x'))",
            "Hello, world: 1 {a=1, b=2} [1, x]",
        ),
        ("States.Format('C:\\\\{}', 1)", "C:\\1"),
        ("States.Format('it\\'s \\{\\}')", "it's {}"),
        ("States.ArrayGetItem(States.StringSplit('a-b', '-'), $.one)", "b"),
        ("$.items[0]", 1),
        ("$$.Execution.Name", "nightly-7"),
        ("$$.State.Name", "P"),
    ],
)
def test_an_expression_has_a_value(expression: str, expected: Any) -> None:
    assert value(expression) == expected


def test_what_is_random_comes_from_the_execution_alone() -> None:
    assert value("States.UUID()") == value("States.UUID()")
    assert 1 <= value("States.MathRandom(1, 10)") < 10
    assert value("States.MathRandom(1, 1000, 7)") == Random(7).randrange(1, 1000)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("States.ArrayGetItem($.items, 9)", "the index 9 is out of range"),
        ("States.ArrayRange(1, 2000, 1)", "more than 1000 items"),
        ("States.ArrayRange(1, 2, 0)", "the step must not be 0"),
        ("States.ArrayPartition($.items, 0)", "positive"),
        ("States.ArrayLength($.name)", 'an array is expected, not "world"'),
        ("States.MathAdd($.name, 1)", 'a number is expected, not "world"'),
        ("States.MathRandom(2, 1)", "the start must be smaller"),
        ("States.Base64Decode('*')", "no Base64"),
        ("States.StringToJson('{')", "no JSON"),
        ("States.Hash('x', 'CRC')", "the algorithm must be one of"),
        ("States.JsonMerge($.obj, $.items, false)", "must be JSON objects"),
        ("States.JsonMerge($.obj, $.obj, true)", "shallow"),
        ("States.Format('{} {}', 1)", "2 placeholders for 1 values"),
        ("States.StringSplit(1, ',')", "a string is expected, not 1"),
    ],
)
def test_a_function_refuses_what_does_not_fit(expression: str, words: str) -> None:
    error, cause = cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": expression}}}, json.dumps(INPUT))
    assert error == "States.IntrinsicFailure"
    assert f"The function '{expression}' had the following error: " in (cause or "")
    assert words in (cause or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "States.Nothing()",
        "States.Array(",
        "States.Array(1",
        "States.Array(1 2)",
        "States.Array('x)",
        "States.Array(1) x",
        " States.Array(1)",
        "States.UUID(1)",
        "States.MathAdd(1)",
        "States.Format('say \\\"hi\\\"')",
        "States.Array(" * 11 + ")" * 11,
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_expression(text)


def test_computed_fields_follow_plain_ones_in_the_order_of_a_hash_map() -> None:
    template = {
        "StateMachineArn.$": "$.a",
        "Input.$": "$.b",
        "Name.$": "$.c",
        "ReturnValues": 1,
        "Nested": [{"x.$": "$.a"}],
    }
    environment = Environment(dict, dict[str, Any]().__getitem__, Random(1), data={"a": 1, "b": 2, "c": 3})
    made = compile_template(template)(environment)
    assert list(made.items()) == [
        ("ReturnValues", 1),
        ("Nested", [{"x": 1}]),
        ("Input", 2),
        ("StateMachineArn", 1),
        ("Name", 3),
    ]


def test_a_missing_path_names_the_field_and_the_input() -> None:
    assert cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": "$.no"}}}, '{"a": 1}') == (
        "States.Runtime",
        ENTERED + "The JSONPath '$.no' specified for the field 'v.$' could not be found in the input '{\"a\":1}'",
    )
    _, cause = cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": "States.ArrayLength($.no)"}}})
    assert "The JsonPath argument for the field '$.no' could not be found in the input '{}'" in (cause or "")


def test_data_runs_through_the_five_fields() -> None:
    state = {
        "Type": "Pass",
        "InputPath": "$.in",
        "Parameters": {"got.$": "$", "all.$": "$$.Execution.Input.other"},
        "ResultPath": "$.out[0].made",
        "OutputPath": "$.out",
    }
    assert output_of({"P": state}, '{"in": {"x": 1.50}, "other": 2, "out": [{}, 7]}') == (
        '[{"made":{"all":2,"got":{"x":1.5}}},7]'
    )
    assert output_of({"P": {"Type": "Pass", "Result": 1, "ResultPath": None}}, '{"kept": [1, 2]}') == '{"kept": [1, 2]}'
    assert output_of({"P": {"Type": "Pass", "InputPath": None}}, "[1]") == "{}"


def test_a_result_path_needs_room() -> None:
    error, cause = cause_of({"P": {"Type": "Pass", "Result": 1, "ResultPath": "$.a.b"}}, '{"a": "text"}')
    assert error == "States.ResultPathMatchFailure"
    assert "Unable to apply ReferencePath $.a.b to input" in (cause or "")


def test_a_state_that_repeats_its_input_too_often_is_refused_without_writing_it() -> None:
    repeated = f"States.Array({','.join(['$'] * 2000)})"
    error, _ = cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": repeated}}}, json.dumps(["text"] * 20_000))
    assert error == "States.DataLimitExceeded"


def test_numbers_beyond_what_can_be_represented_are_refused() -> None:
    error, cause = cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": "States.MathAdd(1, 1e999)"}}})
    assert (error, "the number is too large" in (cause or "")) == ("States.IntrinsicFailure", True)
    error, cause = cause_of({"P": {"Type": "Pass", "Parameters": {"v.$": "States.StringToJson('1e999')"}}})
    assert (error, "the number 1e999 is too large" in (cause or "")) == ("States.IntrinsicFailure", True)
