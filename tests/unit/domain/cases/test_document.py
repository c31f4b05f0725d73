"""Files of cases that are wrong, and examples filled in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.domain.cases import CaseError, Suite, definition_of
from opsctl.domain.cases.document import CASE_KEYS, FILE_KEYS
from opsctl.domain.cases.expectations import KEYS
from opsctl.domain.cases.match import OPERATORS
from opsctl.domain.cases.mocks import ANSWER_KEYS
from tests.unit.domain.cases.suites import found, passing, run, scope, task

MACHINE = scope(
    Measure=task(Next="Enough?"),
    **{
        "Enough?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$", "IsNumeric": True, "Next": "Done"}],
            "Default": "Both",
        }
    },
    Both={"Type": "Parallel", "Branches": [scope(One=passing())], "Next": "Done"},
    Done=passing(),
)


def suite(document: Any) -> Suite:
    definition, _ = definition_of(document)
    return Suite(definition, document, "machine")


def document(**case: Any) -> dict[str, Any]:
    return {"definition": MACHINE, "cases": [{"name": "one", "expect": {"entered": []}, **case}]}


def refused(document: Any) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(CaseError) as error:
        suite(document)
    return error.value.location, error.value.message


IN_CASE = ("cases", 0)


@pytest.mark.parametrize(
    ("case", "location", "message"),
    [
        ({"mock": {}}, ("mock",), "unknown key 'mock' in a case; the nearest known is 'mocks'"),
        ({"name": ""}, ("name",), "a case's name must be a string"),
        ({"expect": {}}, ("expect",), f"expect must not be empty; there are: {', '.join(KEYS)}"),
        ({"expect": {"staus": "FAILED"}}, ("expect", "staus"),
         "unknown key 'staus' in expect; the nearest known is 'status'"),
        ({"expect": {"status": "FAILD"}}, ("expect", "status"),
         "unknown status 'FAILD'; the nearest known is 'FAILED'"),
        ({"expect": {"status": ["FAILED"]}}, ("expect", "status"),
         "unknown status ['FAILED']; the nearest known is 'FAILED'"),
        ({"expect": {"path": ["Mesure"]}}, ("expect", "path", 0),
         "unknown state 'Mesure'; the nearest known is 'Measure'"),
        ({"expect": {"path": [{"Both": [["On"]]}]}}, ("expect", "path", 0, "Both", 0, 0),
         "unknown state 'On'; the nearest known is 'One'"),
        ({"expect": {"path": [{"Both": {"x": []}}]}}, ("expect", "path", 0, "Both", "x"),
         "'x' is no branch: use its number, 0 for the first"),
        ({"expect": {"path": [{"Bth": []}]}}, ("expect", "path", 0, "Bth"),
         "unknown state 'Bth'; the nearest known is 'Both'"),
        ({"expect": {"path": [{"Both": [], "Done": []}]}}, ("expect", "path", 0),
         "a step with branches is one state and its branches: {Parallel State: [[…], […]]}"),
        ({"expect": {"path": "Measure"}}, ("expect", "path"), "a path must be a list"),
        ({"expect": {"not_entered": ["Zzz"]}}, ("expect", "not_entered", 0),
         "unknown state 'Zzz'; there are: Measure, Enough?, Both, One, Done"),
        ({"expect": {"attempts": {"Measure": "2"}}}, ("expect", "attempts", "Measure"),
         "attempts must be a whole number, at least 0"),
        ({"expect": {"parameters": {"Mesure": {}}}}, ("expect", "parameters", "Mesure"),
         "unknown state 'Mesure'; the nearest known is 'Measure'"),
        ({"expect": {"output": {"a": {"$match": "x"}}}}, ("expect", "output", "a", "$match"),
         "unknown operator '$match'; the nearest known is '$matches'"),
        ({"expect": {"output": [{"$matches": "("}]}}, ("expect", "output", 0, "$matches"),
         ("$matches takes a regular expression: the regular expression /(/ cannot be used: missing ), "
          "unterminated subpattern at position 0")),
        ({"expect": {"cause": {"$matches": 3}}}, ("expect", "cause", "$matches"),
         "$matches takes a regular expression"),
        ({"expect": {"output": {"$at_least": "3"}}}, ("expect", "output", "$at_least"), "$at_least takes a number"),
        ({"expect": {"output": {"$any": 1}}}, ("expect", "output", "$any"), "$any takes true"),
        ({"expect": {"published": {}}}, ("expect", "published"), "published must be a list"),
        ({"expect": {"duration": "soon"}}, ("expect", "duration"),
         "duration must be a duration such as 90, 90s, 15m, 2h or 1d"),
        ({"expect": {"duration": {"$matches": "1"}}}, ("expect", "duration", "$matches"),
         "unknown key '$matches' in duration; the nearest known is '$at_least'"),
        ({"expect": {"duration": 10**400}}, ("expect", "duration"), "duration must be at most 100000 days"),
        ({"expect": {"query": {"a[": 1}}}, ("expect", "query", "a["),
         "'a[' is no JMESPath expression that works here: Incomplete expression"),
        ({"mocks": {"Mesure": {"result": 1}}}, ("mocks", "Mesure"),
         "unknown state 'Mesure'; the nearest known is 'Measure'"),
        ({"mocks": {"X*": {"result": 1}}}, ("mocks", "X*"),
         "unknown state 'X*'; there are: Measure, Enough?, Both, One, Done"),
        ({"mocks": {"Measure": {"reslt": 1}}}, ("mocks", "Measure", "reslt"),
         "unknown key 'reslt' in an outcome; the nearest known is 'result'"),
        ({"mocks": {"Measure": {"result": 1, "error": "E"}}}, ("mocks", "Measure"),
         "an outcome has exactly one of: result, result_query, error, timeout, heartbeat, never, items"),
        ({"mocks": {"Measure": {"after": 1}}}, ("mocks", "Measure"),
         "an outcome has exactly one of: result, result_query, error, timeout, heartbeat, never, items"),
        ({"mocks": {"Measure": {"result": 1, "cause": "c"}}}, ("mocks", "Measure", "cause"),
         "cause goes with an error"),
        ({"mocks": {"Measure": {"timeout": True, "after": 1}}}, ("mocks", "Measure", "after"),
         "after goes with a result or an error: when a clock runs out, the state says"),
        ({"mocks": {"Measure": {"timeout": 60}}}, ("mocks", "Measure", "timeout"), "timeout must be true"),
        ({"mocks": {"Measure": {"heartbeat": 60}}}, ("mocks", "Measure", "heartbeat"),
         "unknown heartbeat 60; there are: missed"),
        ({"mocks": {"Measure": {"error": "E", "phase": "sumbit"}}}, ("mocks", "Measure", "phase"),
         "unknown phase 'sumbit'; the nearest known is 'submit'"),
        ({"mocks": {"Measure": {"items": 3}}}, ("mocks", "Measure", "items"),
         "items must be a list, or a mapping: what the ItemReader reads"),
        ({"mocks": {"Measure": {"error": 3}}}, ("mocks", "Measure", "error"), "error must be a string"),
        ({"mocks": {"Measure": {"result_query": "a["}}}, ("mocks", "Measure", "result_query"),
         "'a[' is no JMESPath expression that works here: Incomplete expression"),
        ({"mocks": {"Measure": {"result": 1, "times": 2}}}, ("mocks", "Measure", "times"),
         "times belongs in a list of outcomes: a single one answers every call"),
        ({"mocks": {"Measure": [{"result": 1, "times": 0}]}}, ("mocks", "Measure", 0, "times"),
         "times must be a whole number, at least 1"),
        ({"mocks": {"Measure": [{"result": 1, "times": 10**9}]}}, ("mocks", "Measure", 0, "times"),
         "times must be at most 10000"),
        ({"mocks": {"Measure": []}}, ("mocks", "Measure"),
         "a state's mock, where it is no mapping, must be a list with at least one element"),
        ({"mocks": {"Measure": {"iterations": {"first": {"result": 1}}}}}, ("mocks", "Measure", "iterations", "first"),
         "'first' is no iteration: it is the item's index from 0, or 2.0 inside nested Maps"),
        ({"mocks": {"Measure": {"iterations": {}, "result": 1}}}, ("mocks", "Measure", "result"),
         "unknown key 'result' in a mock with iterations; there are: iterations, otherwise"),
        ({"from": "Mesure"}, ("from",), "unknown state 'Mesure'; the nearest known is 'Measure'"),
        ({"from": {"input": 1}}, ("from",), "from has no 'state'"),
        ({"from": {"state": "Done", "variables": 1}}, ("from", "variables"), "variables must be a mapping"),
        ({"stop": {"error": "E"}}, ("stop",), "stop has no 'after'"),
        ({"start": "yesterday"}, ("start",), "start must be a moment such as 2026-01-01T00:00:00Z"),
        ({"redrives": True}, ("redrives",), "redrives must be a whole number, at least 0"),
        ({"context": {"Exection": {}}}, ("context", "Exection"),
         "unknown key 'Exection' in context; the nearest known is 'Execution'"),
        ({"context": {"Execution": {"RedriveCount": "1"}}}, ("context", "Execution", "RedriveCount"),
         "RedriveCount must be a whole number"),
        ({"examples": []}, ("examples",), "examples must be a list with at least one element"),
        ({"examples": [3]}, ("examples", 0), "an example must be a mapping"),
        ({"examples": [{"a": 1}]}, ("examples", 0, "a"), "the example's 'a' is not used: there is no <a> in the case"),
        ({"input": "<a>", "examples": [{"a": 1}, {"a": 2}]}, (), "two cases have the name 'one'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(case: Any, location: tuple[str | int, ...], message: str) -> None:
    assert refused(document(**case)) == ((*IN_CASE, *location), message)


@pytest.mark.parametrize(
    ("file", "location", "message"),
    [
        ([], (), "a file of cases is a mapping with `definition` and `cases`"),
        (None, (), "a file of cases is a mapping with `definition` and `cases`"),
        ({"cases": []}, (), "the file has no 'definition'"),
        ({"definition": MACHINE, "cases": [], "default": {}}, ("default",),
         "unknown key 'default' in the file; the nearest known is 'defaults'"),
        ({"definition": 3, "cases": []}, ("definition",),
         "definition must be a file's name, or a definition in Amazon States Language"),
        ({"definition": MACHINE, "variables": 3, "cases": []}, ("variables",),
         "variables must be a mapping, or the name of a file that holds one"),
        ({"definition": MACHINE, "cases": []}, ("cases",), "cases must be a list with at least one element"),
        ({"definition": MACHINE, "cases": [3]}, ("cases", 0), "a case must be a mapping"),
        ({"definition": MACHINE, "cases": [{"name": "x"}]}, ("cases", 0), "a case has no 'expect'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file(file: Any, location: tuple[str | int, ...], message: str) -> None:
    assert refused(file) == (location, message)


def test_a_definition_that_aws_would_refuse_is_refused() -> None:
    with pytest.raises(InvalidDefinition):
        suite({"definition": {"StartAt": "A", "States": {}}, "cases": []})


def test_examples_fill_names_keys_and_values_of_any_type() -> None:
    case = {
        "name": "<what> of <n>",
        "examples": [{"what": "none", "n": 0, "state": "Measure"}, {"what": "a <n>", "n": {"x": 1}, "state": "Mea*"}],
        "input": {"<n>": "<n>", "<other>": "a < b and c > d"},
        "mocks": {"<state>": {"result": "<n>"}},
        "expect": {"attempts": {"Measure": 1}},
    }
    cases = suite({"definition": MACHINE, "cases": [case]}).cases
    assert [case.name for case in cases] == ["none of 0", 'a <n> of {"x": 1}']
    assert cases[0].input == {"0": 0, "<other>": "a < b and c > d"}
    assert cases[1].input == {'{"x": 1}': {"x": 1}, "<other>": "a < b and c > d"}
    assert all(case.location == ("cases", 0) for case in cases)


def test_exact_names_go_before_patterns_and_cases_before_defaults() -> None:
    machine = scope(A=task(Next="B"), B=task(Next="C"), C=task())
    case = {
        "mocks": {"C": {"result": "case"}},
        "expect": {"query": {"calls[].state": ["A", "B", "C"]}, "output": "case"},
    }
    defaults = {"B": {"error": "Exact"}, "*": {"result": "pattern"}}
    assert found(run(machine, case, defaults=defaults)) == ("status", "SUCCEEDED", "FAILED, Exact, after A > B")
    assert run(machine, case, defaults={"*": {"result": 1}}).passed


WORDS = st.sampled_from(
    [
        *FILE_KEYS,
        *CASE_KEYS,
        *KEYS,
        *ANSWER_KEYS,
        *OPERATORS,
        "iterations",
        "otherwise",
        "Measure",
        "Both",
        "M*",
        "x",
        "...",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "missed", "E", "2h", "(", "a[", "Measure"])
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)
PLAUSIBLE_MOCKS = st.dictionaries(
    st.sampled_from(["Measure", "Both", "*"]),
    st.sampled_from([{"result": 1}, {"error": "E"}, {"never": True}, {"timeout": True}, [{"result": 2}]]) | VALUES,
    max_size=2,
)
CASES = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=2) | VALUES},
    optional={"mocks": PLAUSIBLE_MOCKS, "expect": st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3),
              "input": VALUES, "examples": VALUES, "stop": VALUES, "context": VALUES, "redrives": VALUES,
              "seed": VALUES, "start": VALUES,
              "from": VALUES | st.sampled_from(["Done", "One"])},
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(VALUES | st.fixed_dictionaries({"cases": st.lists(CASES, max_size=2)}, optional={"defaults": PLAUSIBLE_MOCKS}))
def test_whatever_is_written_is_judged_or_refused(file: Any) -> None:
    if isinstance(file, dict):
        file = {"definition": MACHINE, **file}
    try:
        made = suite(file)
    except (CaseError, InvalidDefinition):
        return
    for case in made.cases:
        assert made.run(case).passed in (True, False)
