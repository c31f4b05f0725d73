"""Cases walked: what mocks do, what the clock does, and what is recorded of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.cases.suites import ACTIVITY, CALLBACK, JOB, found, passing, run, scope, task

RETRY = {"ErrorEquals": ["E"], "IntervalSeconds": 3, "BackoffRate": 2, "MaxAttempts": 3}


def at(verdict: Any, state: str = "T") -> list[float]:
    return [call.at for call in verdict.record.calls if call.state == state]


def test_a_state_without_a_mock_fails_the_case_even_where_everything_is_caught() -> None:
    machine = scope(T=task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "P"}]), P=passing())
    assert found(run(machine, {})) == ("no mock for state T", None, None)


def test_a_list_answers_call_by_call_and_no_further() -> None:
    machine = scope(T=task(Retry=[RETRY]))
    verdict = run(machine, {"mocks": {"T": [{"error": "E"}, {"error": "E"}, {"result": 1}]}})
    assert (verdict.passed, at(verdict), verdict.record.output) == (True, [0, 3, 9], 1)
    verdict = run(machine, {"mocks": {"T": [{"error": "E", "times": 2}]}})
    assert found(verdict) == ("no mock for call 3 of state T: 2 given", None, None)


def test_one_outcome_answers_every_call() -> None:
    verdict = run(scope(T=task(Retry=[RETRY])), {"mocks": {"T": {"error": "E"}}, "expect": {"attempts": {"T": 4}}})
    assert found(verdict) == ("status", "SUCCEEDED", "FAILED, E, after T")
    assert at(verdict) == [0, 3, 9, 21]


def test_jitter_waits_its_longest_delay() -> None:
    machine = scope(T=task(Retry=[{**RETRY, "JitterStrategy": "FULL"}]))
    assert at(run(machine, {"mocks": {"T": {"error": "E"}}})) == [0, 3, 9, 21]


def test_waits_pauses_and_jobs_take_time_only_on_the_virtual_clock() -> None:
    machine = scope(W={"Type": "Wait", "Seconds": 31_000_000, "Next": "T"}, T=task(JOB, TimeoutSeconds=90000000))
    verdict = run(machine, {"mocks": {"T": {"result": {}, "after": "900d"}}, "expect": {"duration": 108_760_000}})
    assert found(verdict) is None


@pytest.mark.parametrize("resource", [JOB, CALLBACK, ACTIVITY, "arn:aws:states:::lambda:invoke"])
def test_a_task_may_run_out_of_time(resource: str) -> None:
    machine = scope(T=task(resource, TimeoutSeconds=600, Parameters={}))
    verdict = run(machine, {"mocks": {"T": {"timeout": True}}, "expect": {"error": "States.Timeout", "duration": 600}})
    assert found(verdict) is None
    without = run(scope(T=task(resource, Parameters={})), {"mocks": {"T": {"timeout": True}}})
    assert found(without) == ("the state T has no TimeoutSeconds: it never times out", None, None)


@pytest.mark.parametrize("resource", [CALLBACK, ACTIVITY])
def test_heartbeats_are_sent_unless_they_are_missed(resource: str) -> None:
    machine = scope(T=task(resource, TimeoutSeconds=600, HeartbeatSeconds=60, Parameters={}))
    for outcome, duration in (
        ({"result": 1, "after": 500}, 500),
        ({"error": "E", "after": 500}, 500),
        ({"timeout": True}, 600),
        ({"heartbeat": "missed"}, 60),
    ):
        verdict = run(machine, {"mocks": {"T": outcome}})
        assert verdict.record.duration == duration, outcome
    without = run(scope(T=task(resource, Parameters={})), {"mocks": {"T": {"heartbeat": "missed"}}})
    assert found(without) == ("the state T has no HeartbeatSeconds: it misses no heartbeat", None, None)


def test_what_is_never_answered_waits_for_ever_or_for_its_clock() -> None:
    verdict = run(scope(T=task(CALLBACK, Parameters={})), {"mocks": {"T": {"never": True}}})
    assert found(verdict) == ("status", "SUCCEEDED", "RUNNING, waiting for ever for T")
    case = {"mocks": {"T": {"never": True}}, "expect": {"status": "RUNNING"}}
    assert run(scope(T=task(CALLBACK, Parameters={})), case).passed
    case = {"mocks": {"T": {"never": True}}, "expect": {"error": "States.Timeout", "duration": 60}}
    assert run(scope(T=task(CALLBACK, Parameters={}, HeartbeatSeconds=60, TimeoutSeconds=90)), case).passed


def test_a_result_may_be_made_of_what_the_state_was_asked_with() -> None:
    machine = scope(T=task(CALLBACK, Parameters={"Message": {"token.$": "$$.Task.Token", "n.$": "$.n"}}))
    query = "{same: token == parameters.Message.token, n: parameters.Message.n, state: state, run: execution, c: call}"
    verdict = run(machine, {"input": {"n": 3}, "execution": "e", "mocks": {"T": {"result_query": query}}})
    assert verdict.record.output == {"same": True, "n": 3, "state": "T", "run": "e", "c": 1}
    verdict = run(machine, {"input": {"n": 3}, "mocks": {"T": {"result_query": "sum(parameters)"}}})
    assert verdict.difference is not None
    assert verdict.difference.what.startswith("the mock of T: 'sum(parameters)' is no JMESPath expression that works")


@pytest.mark.parametrize(
    ("resource", "phase", "events"),
    [
        (JOB, "start", ["TaskScheduled", "TaskStartFailed"]),
        (JOB, "submit", ["TaskScheduled", "TaskStarted", "TaskSubmitFailed"]),
        (JOB, "run", ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskFailed"]),
        (CALLBACK, "submit", ["TaskScheduled", "TaskStarted", "TaskSubmitFailed"]),
        (ACTIVITY, "run", ["ActivityScheduled", "ActivityStarted", "ActivityFailed"]),
    ],
)
def test_an_error_has_its_place(resource: str, phase: str, events: list[str]) -> None:
    machine = scope(T=task(resource, Parameters={}))
    case = {"mocks": {"T": {"error": "E", "cause": {"a": 1}, "phase": phase}}, "expect": {"cause": '{"a": 1}'}}
    verdict = run(machine, case)
    assert verdict.passed
    assert verdict.record.events == (
        "ExecutionStarted", "TaskStateEntered", *events, "ExecutionFailed",
    )  # fmt: skip


def test_a_request_that_hands_nothing_over_cannot_be_refused_on_submission() -> None:
    verdict = run(scope(T=task()), {"mocks": {"T": {"error": "E", "phase": "submit"}}})
    assert found(verdict) == ("the state T submits nothing (no .sync): `phase: submit` cannot happen", None, None)


def test_messages_count_once_sns_took_them() -> None:
    machine = scope(
        A=task("arn:aws:states:::sns:publish", Parameters={"Message": "a"}, Retry=[RETRY], Next="B"),
        B=task("arn:aws:states:::aws-sdk:sns:publish", Parameters={"Message": "b"}, Next="C"),
        C=task(CALLBACK, Parameters={"Message": "c"}, Catch=[{"ErrorEquals": ["E"], "Next": "D"}], Next="D"),
        D=task(Parameters={"Message": "d"}),
    )
    case = {"mocks": {"A": [{"error": "E"}, {"result": {}}], "*": {"result": {}}, "C": {"error": "E"}}}
    assert run(machine, case).record.published == ({"Message": "a"}, {"Message": "b"}, {"Message": "c"})
    case["mocks"]["C"] = {"error": "E", "phase": "submit"}
    assert run(machine, case).record.published == ({"Message": "a"}, {"Message": "b"})


def map_of(**processor: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": scope(**processor), "End": True}


def test_calls_are_counted_in_each_iteration_of_a_map() -> None:
    machine = scope(M=map_of(T=task(Retry=[RETRY])))
    verdict = run(machine, {"input": [1, 2, 3], "mocks": {"T": [{"error": "E"}, {"result": 1}]}})
    assert [(call.iteration, call.number, call.at) for call in verdict.record.calls] == [
        ("0", 1, 0), ("1", 1, 0), ("2", 1, 0), ("0", 2, 3), ("1", 2, 3), ("2", 2, 3),
    ]  # fmt: skip
    assert verdict.record.output == [1, 1, 1]


def test_iterations_may_differ() -> None:
    machine = scope(M=map_of(T=task(Parameters={"item.$": "$"})))
    case: dict[str, Any] = {
        "input": [5, 6, 7],
        "mocks": {"T": {"iterations": {"1": {"error": "Odd", "after": 10}}, "otherwise": {"result": 0}}},
        "expect": {"error": "Odd", "parameters": {"T": [{"item": 5}, {"item": 6}, {"item": 7}]}, "duration": 10},
    }
    assert found(run(machine, case)) is None
    del case["mocks"]["T"]["otherwise"]
    assert found(run(machine, case)) == ("no mock for state T, iteration 0", None, None)


@pytest.mark.parametrize("concurrency", [1, 2, 0])
def test_iterations_of_a_map_in_a_map_are_told_apart_also_after_retries(concurrency: int) -> None:
    retried = {**map_of(T=task(Next="P"), P=passing()), "MaxConcurrency": concurrency, "Retry": [RETRY]}
    machine = scope(M={**map_of(N=retried), "MaxConcurrency": concurrency})
    case: dict[str, Any] = {
        "input": [[1, 2], [3, 4]],
        "mocks": {"T": {"iterations": {"1.1": [{"error": "E"}, {"result": 9}]}, "otherwise": {"result": 0}}},
        "expect": {"output": [[0, 0], [0, 9]]},
    }
    verdict = run(machine, case)
    assert found(verdict) is None
    second = verdict.record.path[0].branches[1][0]
    assert [entry.name for entry in verdict.record.path[0].branches[0][0].branches[1]] == ["T", "P"]
    assert [entry.name for entry in second.branches[1]] == ["T", "T", "P"]
    assert {call.iteration for call in verdict.record.calls} == {"0.0", "0.1", "1.0", "1.1"}


def test_branches_of_a_retried_parallel_keep_their_place_below_maps() -> None:
    inner = scope(M={**map_of(T=task()), "InputPath": "$.items"})
    both = {"Type": "Parallel", "Branches": [inner, scope(Q=passing())], "Retry": [RETRY], "Next": "Z"}
    case = {
        "input": {"items": [1, 2]},
        "mocks": {"T": {"iterations": {"1": [{"error": "E"}, {"result": 2}]}, "otherwise": {"result": 1}}},
        "expect": {"path": [{"Both": [[{"M": {0: ["T"]}}, {"M": [["T"], ["T"]]}], ["Q", "Q"]]}, "Z"]},
    }
    case["expect"]["path"][0]["Both"][0][0] = "M"  # type: ignore[index]
    assert found(run(scope(Both=both, Z=passing()), case)) is None


def test_a_parallel_or_map_may_be_mocked_as_a_whole() -> None:
    both = {
        "Type": "Parallel", "Branches": [scope(A=task()), scope(B=task())], "ResultSelector": {"first.$": "$[0]"},
        "ResultPath": "$.both", "Catch": [{"ErrorEquals": ["E"], "Next": "Z"}], "Next": "M",
    }  # fmt: skip
    many = {**map_of(T=task()), "Parameters": {"item.$": "$$.Map.Item.Value"}, "ResultPath": "$.many"}
    machine = scope(Both=both, M=many, Z=passing())
    case: dict[str, Any] = {
        "input": {"x": 0},
        "mocks": {"Both": {"result": [1, 2]}, "M": {"result": []}},
        "expect": {"path": ["Both", "M"], "output": {"x": 0, "both": {"first": 1}, "many": []}},
    }
    assert found(run(machine, case)) is None
    case = {"mocks": {"Both": {"error": "E"}}, "expect": {"path": ["Both", "Z"]}}
    assert found(run(machine, case)) is None


def distributed(processor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    return {"Type": "Map", "ItemProcessor": {**config, **processor}, "End": True, **fields}


SLOW = {"iterations": {"1": {"result": "b", "after": 100}}, "otherwise": {"result": "a", "after": 60}}


def test_a_distributed_map_may_be_mocked_as_a_whole() -> None:
    machine = scope(M=distributed(scope(T=task())))
    assert run(machine, {"mocks": {"M": {"result": [1]}}, "expect": {"output": [1]}}).passed


def test_the_children_of_a_distributed_map_are_walked_side_by_side() -> None:
    child = scope(T=task(Parameters={"item.$": "$", "name.$": "$$.Execution.Name"}, Next="P"), P=passing())
    case: dict[str, Any] = {
        "input": [7, 8, 9], "mocks": {"T": SLOW},
        "expect": {
            "output": ["a", "b", "a"], "duration": 100, "attempts": {"T": 3}, "entered": ["P"],
            "path": [{"M": [["T", "P"], ["T", "P"], ["T", "P"]]}],
            "parameters": {"T": [{"item": 7, "name": "child-0"}, {"item": 8}, {"item": 9}]},
            "query": {"calls[].[iteration, number, at]": [["0", 1, 0.0], ["1", 1, 0.0], ["2", 1, 0.0]]},
        },
    }  # fmt: skip
    assert found(run(scope(M=distributed(child)), case)) is None
    case["expect"] |= {"duration": 120, "query": {"calls[].at": [0.0, 0.0, 60.0]}}
    assert found(run(scope(M=distributed(child, MaxConcurrency=2)), case)) is None
    verdict = run(scope(M=distributed(child)), {"input": [1]})
    assert found(verdict) == ("no mock for state T", None, None)


def test_a_distributed_map_fails_when_too_many_children_do() -> None:
    child = scope(T=task(Next="U"), U=task("arn:aws:states:::sns:publish", Parameters={"Message.$": "$"}))
    failing = {"iterations": {"0": {"error": "E", "after": 10}, "1": {"error": "E", "after": 20}},
               "otherwise": {"result": 1, "after": 15}}  # fmt: skip
    case: dict[str, Any] = {
        "input": [0, 0, 0, 0], "mocks": {"T": failing, "U": {"result": 2, "after": 1}},
        "expect": {"error": "States.ExceedToleratedFailureThreshold", "duration": 10, "published": [],
                   "attempts": {"T": 4, "U": 0}, "path": [{"M": [["T"], ["T"], ["T"], ["T"]]}]},
    }  # fmt: skip
    assert found(run(scope(M=distributed(child)), case)) is None
    case["expect"] |= {"duration": 20, "published": [{}, {}], "attempts": {"U": 2},
                       "path": [{"M": [["T"], ["T"], ["T", "U"], ["T", "U"]]}]}  # fmt: skip
    case["expect"]["published"] = [{"Message": 1}, {"Message": 1}]
    assert found(run(scope(M=distributed(child, ToleratedFailureCount=1)), case)) is None
    case["expect"] = {"output": [2, 2], "duration": 20}
    assert found(run(scope(M=distributed(child, ToleratedFailurePercentage=50)), case)) is None


def test_a_distributed_map_that_is_stopped_takes_its_children_along() -> None:
    child = scope(T=task(Next="U"), U=task())
    case = {
        "input": [0, 0, 0], "mocks": {"T": SLOW, "U": {"result": 1}}, "stop": {"after": 70},
        "expect": {"status": "ABORTED", "attempts": {"T": 3, "U": 1}, "path": [{"M": [["T", "U"], ["T"], ["T"]]}]},
    }  # fmt: skip
    assert found(run(scope(M=distributed(child, MaxConcurrency=2)), case)) is None
    waiting = {"input": [0], "mocks": {"T": {"never": True}}, "expect": {"status": "RUNNING"}}
    assert found(run(scope(M=distributed(child)), waiting)) is None


def test_what_an_item_reader_reads_is_mocked() -> None:
    reader = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "b"}}
    many = distributed(scope(T=task()), ItemReader=reader, ItemBatcher={"MaxItemsPerBatch": 2})
    machine = scope(M=many)
    mocks = {"M": {"items": [{"Key": "a"}, {"Key": "b"}, {"Key": "c"}]}, "T": {"result_query": "length(state)"}}
    case = {"mocks": mocks, "expect": {"output": [1, 1], "attempts": {"T": 2}}}
    assert found(run(machine, case)) is None
    verdict = run(machine, {"mocks": {"T": {"result": 1}}})
    assert found(verdict) == ("no mock for state M: its ItemReader reads `items`", None, None)
    verdict = run(scope(T=task()), {"mocks": {"T": {"items": []}}})
    assert found(verdict) == ("the state T reads no items: `items` answer a distributed Map's ItemReader", None, None)


def test_stops_time_limits_and_redrives() -> None:
    machine = {**scope(A=task(Next="T"), T=task(TimeoutSeconds=999)), "TimeoutSeconds": 500}
    mocks = {"A": {"result": 1, "after": 10}, "T": {"result": 2, "after": 300}}
    stop = {"after": 100, "error": "Operator", "cause": "why"}
    case: dict[str, Any] = {"mocks": mocks, "stop": stop}
    verdict = run(machine, {**case, "expect": {"status": "ABORTED", "error": "Operator", "duration": 100}})
    assert found(verdict) is None
    verdict = run(machine, {**case, "redrives": 1, "expect": {"attempts": {"A": 1, "T": 2}, "duration": 400}})
    assert found(verdict) is None
    slow = {"mocks": {**mocks, "T": {"timeout": True}}, "expect": {"status": "TIMED_OUT", "duration": 500}}
    assert found(run(machine, slow)) is None
    assert found(run(machine, {"mocks": mocks, "redrives": 3})) is None, "what succeeded is not redriven"


def test_the_context_object_is_the_files_and_the_cases() -> None:
    parameters = {
        "n.$": "$$.Execution.Name", "m.$": "$$.StateMachine.Name", "r.$": "$$.Execution.RedriveCount",
        "id.$": "$$.Execution.Id", "t.$": "$$.Execution.StartTime", "e.$": "$$.State.EnteredTime",
    }  # fmt: skip
    case = {
        "context": {"Execution": {"RedriveCount": 2}},
        "start": "2024-02-29T12:00:00Z",
        "mocks": {"T": {"result": 1}},
    }
    verdict = run(scope(T=task(Parameters=parameters)), case, machine="documents", execution="nightly")
    assert verdict.record.calls[0].parameters == {
        "n": "nightly", "m": "documents", "r": 2,
        "id": "arn:aws:states:us-east-1:123456789012:execution:documents:nightly",
        "t": "2024-02-29T12:00:00.000Z", "e": "2024-02-29T12:00:00.000Z",
    }  # fmt: skip


def test_a_loop_is_a_call_each_round() -> None:
    machine = scope(
        W={"Type": "Wait", "Seconds": 30, "Next": "T"},
        T=task(Next="Done?"),
        **{"Done?": {"Type": "Choice", "Choices": [{"Variable": "$.done", "BooleanEquals": True, "Next": "P"}],
                     "Default": "W"}, "P": passing()},
    )  # fmt: skip
    mocks = {"T": [{"result": {"done": False}, "times": 3}, {"result": {"done": True}}]}
    verdict = run(machine, {"mocks": mocks, "expect": {"path": ["...", "T", "Done?", "P"], "duration": 120}})
    assert found(verdict) is None


def test_an_execution_without_end_is_ended_by_the_history_limit() -> None:
    again = {"Type": "Choice", "Choices": [{"Variable": "$.enough", "IsPresent": True, "Next": "C"}], "Default": "A"}
    machine = scope(A=passing("B"), B=again, C=passing())
    verdict = run(machine, {"expect": {"error": "States.Runtime"}})
    assert verdict.passed
    assert verdict.record.transitions > 12_000


PREPARED = scope(
    A=task(Next="C"),
    C={"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "P"}], "Default": "F"},
    P={"Type": "Parallel", "Branches": [scope(One=passing("Two"), Two=task(Parameters={"v.$": "$v", "in.$": "$"}))],
       "Catch": [{"ErrorEquals": ["E"], "Next": "F"}], "End": True},
    F={"Type": "Fail", "Error": "Failed"},
)  # fmt: skip


def test_a_case_may_begin_at_a_later_state() -> None:
    verdict = run(PREPARED, {"from": "C", "expect": {"error": "Failed", "path": ["C", "F"]}})
    assert found(verdict) is None
    assert verdict.record.transitions == 2
    begin = {"state": "P", "input": {"n": 1}, "variables": {"v": [2]}}
    case: dict[str, Any] = {
        "from": begin, "input": {"x": 1}, "mocks": {"Two": {"result": 3}},
        "expect": {"path": [{"P": [["One", "Two"]]}], "parameters": {"Two": {"$exactly": {"v": [2], "in": {"n": 1}}}}},
    }  # fmt: skip
    assert found(run(PREPARED, case)) is None
    inner = {
        "from": {"state": "Two", "variables": {"v": 1}},
        "mocks": {"Two": {"error": "E"}},
        "expect": {"error": "E"},
    }
    assert found(run(PREPARED, inner)) is None


def test_a_case_of_a_jsonata_machine_may_begin_later_too() -> None:
    machine = {**scope(A=passing("B"), B={"Type": "Pass", "Output": "{% $v + $states.input.n %}", "End": True}),
               "QueryLanguage": "JSONata"}  # fmt: skip
    case = {"from": {"state": "B", "input": {"n": 1}, "variables": {"v": 2}}, "expect": {"output": 3}}
    assert found(run(machine, case)) is None


def test_thousands_of_transitions_are_walked() -> None:
    machine = scope(
        W={"Type": "Wait", "Seconds": 30, "Next": "T"},
        T=task(Next="Done?"),
        **{"Done?": {"Type": "Choice", "Choices": [{"Variable": "$.done", "BooleanEquals": True, "Next": "P"}],
                     "Default": "W"}, "P": passing()},
    )  # fmt: skip
    mocks = {"T": [{"result": {"done": False}, "times": 1_999}, {"result": {"done": True}}]}
    verdict = run(machine, {"mocks": mocks, "expect": {"attempts": {"T": 2_000}, "duration": 60_000}})
    assert found(verdict) is None
    assert verdict.record.transitions > 6_000


def test_the_clock_ends_before_timestamps_do() -> None:
    again = {"Type": "Choice", "Choices": [{"Variable": "$.enough", "IsPresent": True, "Next": "P"}], "Default": "W"}
    machine = scope(W={"Type": "Wait", "Seconds": 99_999_999, "Next": "C"}, C=again, P=passing())
    assert found(run(machine, {})) == ("the virtual clock has come to the year 9999", None, None)


def test_a_map_runs_results_may_be_exported() -> None:
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}}
    machine = scope(M=distributed(scope(T=task()), ResultWriter=writer, ToleratedFailureCount=1))
    case = {
        "input": [1, 2],
        "mocks": {"T": {"iterations": {"0": {"error": "E", "cause": "why"}}, "otherwise": {"result": 1}}},
        "expect": {
            "output_includes": {"ResultWriterDetails": {"Bucket": "b", "Key": {"$matches": "^p/.*manifest.json$"}}}
        },
    }
    assert found(run(machine, case)) is None


def test_a_map_run_that_cannot_begin_fails_the_state() -> None:
    machine = scope(M=distributed(scope(T=task()), ItemSelector={"x.$": "$.none"}))
    verdict = run(machine, {"input": [1], "expect": {"error": "States.Runtime", "attempts": {"T": 0}}})
    assert verdict.record.status == "FAILED"
    assert verdict.record.calls == ()


def test_a_redriven_map_run_goes_on_with_the_children_that_did_not_succeed() -> None:
    failing = {"iterations": {"1": [{"error": "E", "after": 10}, {"result": "b", "after": 5}]},
               "otherwise": {"result": "a", "after": 20}}  # fmt: skip
    case: dict[str, Any] = {
        "input": [0, 0, 0], "mocks": {"T": failing, "N": {"result": {}}}, "redrives": 1,
        "expect": {
            # the others were stopped at 10 and begin their T again; each child is there once, with all its calls
            "output": ["a", "b", "a"], "duration": 30, "attempts": {"T": 6, "N": 1}, "published": [{"Message": "b"}],
            "path": [{"M": [["T", "C", "Z"], ["T", "C", "N"], ["T", "C", "Z"]]}],
            "query": {"calls[?iteration=='1'].[state, number, at]": [["T", 1, 0.0], ["T", 2, 10.0], ["N", 1, 15.0]]},
        },
    }  # fmt: skip
    tells = task("arn:aws:states:::sns:publish", Parameters={"Message.$": "$"}, ResultPath=None)
    child = scope(
        T=task(Next="C"),
        C={"Type": "Choice", "Choices": [{"Variable": "$", "StringEquals": "b", "Next": "N"}], "Default": "Z"},
        N=tells,
        Z={"Type": "Succeed"},
    )
    assert found(run(scope(M=distributed(child)), case)) is None


def test_a_redriven_map_run_starts_the_children_that_had_no_turn() -> None:
    failing = {"iterations": {"1": [{"error": "E", "after": 10}, {"error": "E", "after": 10}, {"result": "b"}]},
               "otherwise": {"result": "a", "after": 20}}  # fmt: skip
    case: dict[str, Any] = {
        "input": [0, 0, 0], "mocks": {"T": failing}, "redrives": 2,
        "expect": {"output": ["a", "b", "a"], "attempts": {"T": 5}, "duration": 60},
    }  # fmt: skip
    machine = scope(M=distributed(scope(T=task()), MaxConcurrency=1))
    assert found(run(machine, case)) is None  # 20 + 10, 10, 0 + 20
    case |= {"redrives": 1, "expect": {"error": "States.ExceedToleratedFailureThreshold", "attempts": {"T": 3}}}
    assert found(run(machine, case)) is None


def test_a_redriven_map_run_of_express_children_is_not_walked() -> None:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}
    machine = scope(M=distributed({**scope(T=task()), **config}))
    verdict = run(machine, {"input": [1], "mocks": {"T": {"error": "E"}}, "redrives": 1})
    words = "a redrive of the distributed Map M cannot be walked: mock the whole state"
    assert found(verdict) == (words, None, None)


def test_a_container_inside_a_map_may_be_mocked_as_a_whole() -> None:
    inner = {"Type": "Parallel", "Branches": [scope(A=task()), scope(B=task())], "End": True}
    both = {"Type": "Parallel", "Branches": [scope(M=map_of(P=inner)), scope(Q=passing())], "End": True}
    case = {"input": [1, 2], "mocks": {"P": {"iterations": {"1": {"result": 5}}, "otherwise": {"result": 4}}}}
    assert run(scope(Both=both), case).record.output == [[4, 5], [1, 2]]


NOT_JMESPATH = "'abs(output)' is no JMESPath expression that works here: In function abs(), invalid type"


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ({"entered": ["P"]}, ("entered", "P", "T")),
        ({"not_entered": ["T"]}, ("not_entered", "not T", "T")),
        ({"parameters": {"P": {}}}, ("parameters of P", "at least one call", "the state was never asked")),
        ({"parameters": {"T": {"a": 2}}}, ("parameters of T.a", "2", "1")),
        ({"parameters": {"T": [{"a": 1}, {}]}}, ("parameters of T", '2 items: [{"a": 1}, {}]', '1 item: [{"a": 1}]')),
        ({"duration": {"$at_most": "1m"}}, ("duration", "at most 60.0", "90.0")),
        ({"duration": "2m"}, ("duration", "120 seconds", "90 seconds")),
        ({"published": {"$length": 1}}, ("published", "length 1", "[]")),
        ({"attempts": {"T": {"$at_least": 2}}}, ("attempts of T", "at least 2", "1")),
        ({"query": {"abs(output)": 1}},
         (f"{NOT_JMESPATH} for value: {{'b': 1}}, expected one of: ['number'], received: \"object\"", None, None)),
        ({"output_includes": {"c": 1}}, ("output.c", "1", "nothing (there are: b)")),
        ({"output": {"b": 1}, "output_includes": {}, "duration": 90, "published": []}, None),
    ],
)  # fmt: skip
def test_each_expectation_tells_its_difference(expect: dict[str, Any], difference: Any) -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.b", "IsString": True, "Next": "P"}], "Default": "Z"}
    machine = scope(T=task(Parameters={"a": 1}, Next="C"), C=choice, P=task(), Z=passing())
    if difference and difference[2] == "T":
        difference = (*difference[:2], "T > C > Z")
    verdict = run(machine, {"mocks": {"T": {"result": {"b": 1}, "after": 90}}, "expect": expect})
    assert found(verdict) == difference
