"""States in JSONata: expressions, AWS's functions, what an evaluation may fail with."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from opsctl.asl.effects import Failed, Succeeded
from opsctl.asl.validate import parse, validate
from tests.unit.asl.walking import INVOKE, asked, begin, machine_of, play, written

pytest.importorskip("jsonata")
UNEXPECTED = (
    "The JSONata expression '{}' specified for the field '{}' returned an unexpected result type. "
    "Expected '{}', but was '{}' for value: {}"
)
INPUT = '{"name":"text","epochs":[1,2,3],"none":null,"one":[7],"rate":0.5}'


def evaluated(expression: str) -> Any:
    execution = begin({"P": {"Type": "Pass", "Output": {"v": f"{{% {expression} %}}"}}}, INPUT, QueryLanguage="JSONata")
    assert execution.status == "SUCCEEDED", execution.cause
    return json.loads(execution.output or "")["v"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$states.input.name & '-model'", "text-model"),
        ("$sum($states.input.epochs) / 2", 3),
        ("$states.input.rate * 3", 1.5),
        ("$states.input.none", None),
        ("[$states.input.none, null]", [None, None]),
        ("$states.input.epochs[$ > 1]", [2, 3]),
        ("$states.input.epochs[$ > 2]", 3),
        ("$states.input.one", [7]),
        ("$exists($states.input.nothing)", False),
        ("$replace('a1b22', /[a-z](\\d+)/, '<$1>')", "<1><22>"),
        ("$split('a, b,c', /\\s*,\\s*/)", ["a", "b", "c"]),
        ("$match('abab', /A(b)/i).groups", ["b", "b"]),
        ("$contains('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /^(a+)+$/)", False),
        ("['ab', 'c'].$pad(3, '-')", ["ab-", "c--"]),
        ("$join(['a', 'b'], '/')", "a/b"),
        ("$states.context.Execution.Name", "nightly-7"),
        ("$states.context.State.Name", "P"),
        ("{'a': $states.input.name, 'b': [1..3]}", {"a": "text", "b": [1, 2, 3]}),
        ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(1, 10, 3)", [1, 4, 7, 10]),
        ("$hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("$parse('{\"k\": [1, null]}')", {"k": [1, None]}),
        ("$random(7) = $random(7)", True),
        ("$contains('hello$world', /^hello\\$/)", True),
        ("$now()", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_an_expression_has_a_value(expression: str, expected: Any) -> None:
    assert evaluated(expression) == expected


def test_chance_comes_from_the_execution_alone() -> None:
    assert evaluated("$uuid()") == evaluated("$uuid()")
    assert evaluated("$random()") == evaluated("$random()")


def test_only_a_whole_string_is_an_expression() -> None:
    states = {"P": {"Type": "Pass", "Output": {"a": " {% 1 %}", "b": "$states.input", "c.$": "$", "d": ["{% 1 %}"]}}}
    assert begin(states, QueryLanguage="JSONata").output == '{"a":" {% 1 %}","b":"$states.input","c.$":"$","d":[1]}'


def test_a_task_sends_arguments_and_makes_output_and_variables() -> None:
    execution = begin(
        {
            "Run": {
                "Type": "Task",
                "Resource": INVOKE,
                "Arguments": {"Payload": "{% $states.input %}"},
                "TimeoutSeconds": "{% 2 * 30 %}",
                "Assign": {"got": "{% $states.result.Payload %}", "was": "{% $states.input.name %}"},
                "Output": {"kept": "{% $states.result.Payload.k %}"},
                "Next": "Check",
            },
            "Check": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $got.k = 1 %}", "Output": "{% $was %}", "Next": "End"}],
                "Default": "End",
            },
            "End": {"Type": "Succeed", "Output": "{% [$states.input, $got] %}"},
        },
        '{"name": "n"}',
        QueryLanguage="JSONata",
    )
    (task,) = asked(execution)
    assert (task.parameters, task.timeout) == ({"Payload": {"name": "n"}}, 60)
    execution.resolve(task.task, Succeeded('{"Payload":{"k":1}}'), 1.0)
    assert execution.output == '["n",{"k":1}]'


def test_a_caught_error_is_seen_as_error_output() -> None:
    catch = {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"why": "{% $states.errorOutput.Cause %}"},
        "Output": {"error": "{% $states.errorOutput.Error & $string($states.input.n) %}"},
        "Next": "Told",
    }
    states = {
        "Run": {"Type": "Task", "Resource": INVOKE, "Catch": [catch]},
        "Told": {
            "Type": "Fail",
            "Error": "{% $states.input.error & $string($states.input.of) %}",
            "Cause": "{% $why %}",
        },
    }
    execution = play(begin(states, '{"n":1}', QueryLanguage="JSONata"), {"Run": [Failed("Broken", "because")]})
    assert (execution.status, execution.error, execution.cause) == ("FAILED", "Broken1", "because")


def test_a_map_in_jsonata() -> None:
    processor = machine_of({"Each": {"Type": "Pass", "Output": "{% $states.input.v * $factor %}"}})
    states = {
        "Set": {"Type": "Pass", "Assign": {"factor": 10}, "Next": "Map"},
        "Map": {
            "Type": "Map",
            "Items": "{% $states.input.items %}",
            "MaxConcurrency": "{% 1 %}",
            "ItemSelector": {"v": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": processor,
            "Output": "{% $sum($states.result) %}",
        },
    }
    assert begin(states, '{"items":[1,2]}', QueryLanguage="JSONata").output == "30"


def test_an_item_that_cannot_be_made_ends_the_iterations_that_run() -> None:
    states = {
        "Map": {
            "Type": "Map",
            "ItemSelector": "{% $states.context.Map.Item.Value.x %}",
            "ItemProcessor": machine_of({"Each": {"Type": "Task", "Resource": INVOKE}}),
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "caught", "Next": "Nap"}],
        },
        "Nap": {"Type": "Wait", "Seconds": 1},
    }
    execution = begin(states, '[{"x":1},{"x":2},{}]', QueryLanguage="JSONata")
    assert asked(execution) == []
    assert [event["type"] for event in execution.events[6:]] == [
        "EvaluationFailed",
        "MapStateFailed",
        "MapStateExited",
        "WaitStateEntered",
    ]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("$states.input.no", "returned nothing (undefined)."),
        ("$nope", "returned nothing (undefined)."),
        ("function($x) {$x}", "returned an unsupported result type."),
        ("'a' + 1", "threw an error during evaluation. T2001: "),
        ("$error('boo')", "threw an error during evaluation. D3137: boo"),
        ("1/0", "threw an error during evaluation. "),
        ("$parse('{')", "threw an error during evaluation. the argument of $parse is no JSON"),
        ("$range(1, 2, 0)", "threw an error during evaluation. the step must not be 0"),
        ("$eval('1')", "threw an error during evaluation. the function $eval is not supported"),
        (
            "($f := function($n) {1 + $f($n)}; $f(1))",
            "threw an error during evaluation. the expression is evaluated more than 600 levels deep",
        ),
        (
            "($f := function($n) {$n > 0 ? $f($n + 1) : 0}; $f(1))",
            "threw an error during evaluation. the expression takes more than 300000 units of work",
        ),
        (
            "$length($pad('x', 2000000000))",
            "threw an error during evaluation. the expression makes a string of more than 1048576 characters",
        ),
        (
            "$length($reduce([1..60], function($a, $b) {$a & $a}, 'x'))",
            "threw an error during evaluation. the expression makes a string of more than 1048576 characters",
        ),
        (
            "$contains($pad('', 40000, 'a'), /(a?){100}b/)",
            "threw an error during evaluation. the expression takes more than 300000 units of work",
        ),
    ],
)
def test_an_evaluation_that_fails_is_recorded_and_fails_the_state(expression: str, words: str) -> None:
    states = {"P": {"Type": "Pass", "Output": {"v": f"{{% {expression} %}}"}}}
    execution = begin(states, "{}", QueryLanguage="JSONata")
    types = [(event["id"], event["previousEventId"], event["type"]) for event in execution.events[2:]]
    assert types == [(3, 0, "EvaluationFailed"), (4, 3, "ExecutionFailed")]
    details = execution.events[2]["evaluationFailedEventDetails"]
    said = f"The JSONata expression '{expression}' specified for the field 'Output/v' {words}"
    assert details["cause"].startswith(
        f"An error occurred while executing the state 'P' (entered at the event id #2). {said}"
    )
    assert (details["error"], details["location"], details["state"]) == ("States.QueryEvaluationError", "Output/v", "P")
    assert (execution.error, execution.cause) == (details["error"], details["cause"])


NEVER_ENDING = {
    "a long range": "$sum([1..9000000])",
    "a product of ranges": "[1..3000].([1..3000])",
    "a join of ranges": "[1..3000]#$i.[1..3000]#$j",
    "a search in a range for each of a range": "$count([1..3000][$ in [1..3000]])",
    "a sort for each of a range": "$count([1..100].$sort([1..100000]))",
    "objects merged": "($o := $merge([1..2000].{$string($): 1}); $keys($merge([1..20000].$o)))",
    "an array that doubles": "$count($reduce([1..60], function($a) {$append($a, $a)}, [1, 2]))",
    "arrays one by one": "$reduce([1..100000], $append)",
    "a value that holds itself twice, as text": "$string($reduce([1..60], function($a) {[[$a], [$a]]}, [1]))",
    "… as the result": "$reduce([1..60], function($a) {{'a': $a, 'b': $a}}, {})",
    "… compared": "($d := function() {$reduce([1..60], function($a) {{'a': $a, 'b': $a}}, {})}; $d() = $d())",
    "… searched": "($d := function() {$reduce([1..60], function($a) {{'a': $a, 'b': $a}}, {})}; $d() in [$d()])",
    "… listed": "$count($reduce([1..60], function($a) {{'a': $a, 'b': $a}}, {}).**)",
    "… by a name": "$reduce([1..60], function($a) {[[$a], [$a]]}, [{'a': 1}]).a",
    "a text put in place of each letter": "$replace($pad('', 999999, 'a'), 'a', $pad('', 999999, 'b'))",
    "a picture that is an evil expression": "$toMillis($pad('', 900, 'a') & '!', '(a|aa)+b')",
    "a long picture": "$fromMillis(0, $pad('', 300000, '[Y]'))",
    "words for a number": "$map([1..100000], function() {$formatInteger(1e300, 'w')})",
    "a matching for each of a range": "$map([1..1000], function() {$match($pad('', 3000, 'a') & '!', /(a*)*(a*)*b/)})",
}


@pytest.mark.parametrize("expression", NEVER_ENDING.values(), ids=list(NEVER_ENDING))
def test_an_expression_that_would_take_for_ever_fails_soon(expression: str) -> None:
    execution = begin({"P": {"Type": "Pass", "Output": f"{{% {expression} %}}"}}, "{}", QueryLanguage="JSONata")
    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$count($map([1..10000], function($i) {{'a': $i, 'b': $string($i), 'c': [$i, $i]}}))", 10_000),
        ("$count($reduce([1..1500], function($a, $i) {$append($a, $i)}, []))", 1_500),
        ("$sum([1..200000])", 20_000_100_000),
        ("$count($distinct($map([1..30000], function($i) {$i % 1000})))", 1_000),
        ("($f := function($n) {$n < 2 ? 1 : $n + $f($n - 1)}; $f(90))", 4_095),
        ("$distinct([1, 1.0, true, '1', {'a': 1, 'b': 2}, {'b': 2, 'a': 1}])", [1, True, "1", {"a": 1, "b": 2}]),
        ("$spread([{'a': 1, 'b': 2}, {'a': 3}])", [{"a": 1}, {"b": 2}, {"a": 3}]),
        ("$toMillis('2024-03-01 12:00', '[Y0001]-[M01]-[D01] [H01]:[m01]')", 1_709_294_400_000),
        ("$sort($shuffle([3, 1, 2]))", [1, 2, 3]),
    ],
)
def test_an_expression_that_has_much_to_do_does_it(expression: str, expected: Any) -> None:
    assert evaluated(expression) == expected


def test_a_failed_evaluation_can_be_caught() -> None:
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Output": "caught", "Next": "End"}]
    states = {
        "T": {"Type": "Task", "Resource": INVOKE, "Arguments": "{% $nope %}", "Catch": catch},
        "End": {"Type": "Succeed"},
    }
    execution = begin(states, "{}", QueryLanguage="JSONata")
    assert [line.split()[:2] for line in written(execution)[2:4]] == [
        ["3<-0", "EvaluationFailed"],
        ["4<-3", "TaskStateExited"],
    ]
    assert execution.output == '"caught"'


@pytest.mark.parametrize(
    ("state", "words", "link"),
    [
        (
            {"Type": "Wait", "Timestamp": "{% 'late' %}"},
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: late",
            2,
        ),
        (
            {"Type": "Wait", "Seconds": "{% 'x' %}"},
            UNEXPECTED.format("'x'", "Seconds", "integer", "string", '"x"'),
            0,
        ),
        (
            {"Type": "Map", "Items": "{% true %}", "ItemProcessor": machine_of({"E": {"Type": "Pass"}})},
            UNEXPECTED.format("true", "Items", "array", "boolean", "true"),
            0,
        ),
        (
            {"Type": "Map", "ItemProcessor": machine_of({"E": {"Type": "Pass"}})},
            "Map state input must be an array but was: {}",
            0,
        ),
    ],
)
def test_a_value_of_the_wrong_kind(state: dict[str, Any], words: str, link: int) -> None:
    execution = begin({"S": state}, "{}", QueryLanguage="JSONata")
    failed = execution.events[2]
    assert (failed["type"], failed["previousEventId"]) == ("EvaluationFailed", link)
    assert failed["evaluationFailedEventDetails"]["cause"].endswith(words)


def test_languages_mix_by_state() -> None:
    states = {
        "A": {"Type": "Pass", "Parameters": {"x.$": "$.n"}, "Next": "B"},
        "B": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.x + 1 %}"},
    }
    assert begin(states, '{"n":1}').output == "2"


def test_the_validator_reads_expressions() -> None:
    states = {"P": {"Type": "Pass", "Output": ["{% 1 + %}"], "Assign": {"x": "{% $y[ %}"}}}
    found = {one.location: one.message for one in validate(machine_of(states, QueryLanguage="JSONata"))}
    assert set(found) == {"/States/P/Output[0]", "/States/P/Assign/x"}
    assert parse(machine_of({"P": {"Type": "Pass", "Output": "{% 1 %}"}}, QueryLanguage="JSONata")).timeout is None


def test_pythons_recursion_limit_stays_as_it_was() -> None:
    before = sys.getrecursionlimit()
    assert evaluated("($f := function($n) {$n = 0 ? 0 : 1 + $f($n - 1)}; $f(35))") == 35
    assert sys.getrecursionlimit() == before
