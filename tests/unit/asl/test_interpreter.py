"""Stories of executions, told as whole histories."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from opsctl.asl.effects import (
    AbandonTask,
    Failed,
    Heartbeat,
    ScheduleTask,
    Started,
    StartFailed,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from tests.unit.asl.walking import CALLBACK, CONTEXT, INVOKE, JOB, asked, begin, cause_of, machine_of, play, written


def test_a_job_is_scheduled_submitted_and_done() -> None:
    name = "States.Format('{}-text-d{}r{}', $$.Execution.Name, $$.Execution.RedriveCount, $$.State.RetryCount)"
    execution = begin(
        {"Train": {"Type": "Task", "Resource": JOB, "Parameters": {"TrainingJobName.$": name}, "ResultPath": "$.text"}},
        '{"run": 1}',
    )
    (task,) = asked(execution)
    assert task == ScheduleTask(
        task=1, state="Train", resource=JOB, parameters={"TrainingJobName": "nightly-7-text-d0r0"}
    )
    execution.resolve(task.task, Started(), 1.0)
    execution.resolve(task.task, Submitted('{"TrainingJobArn":"arn"}'), 2.0)
    execution.resolve(task.task, Succeeded('{"TrainingJobStatus":"Completed"}'), 60.0)
    assert written(execution) == [
        '1<-0 ExecutionStarted input={"run": 1}',
        '2<-0 TaskStateEntered Train input={"run": 1}',
        '3<-2 TaskScheduled resource=createTrainingJob.sync parameters={"TrainingJobName":"nightly-7-text-d0r0"}',
        "4<-3 TaskStarted resource=createTrainingJob.sync",
        '5<-4 TaskSubmitted resource=createTrainingJob.sync output={"TrainingJobArn":"arn"}',
        '6<-5 TaskSucceeded resource=createTrainingJob.sync output={"TrainingJobStatus":"Completed"}',
        '7<-6 TaskStateExited Train output={"run":1,"text":{"TrainingJobStatus":"Completed"}}',
        '8<-7 ExecutionSucceeded output={"run":1,"text":{"TrainingJobStatus":"Completed"}}',
    ]
    assert [event["timestamp"] for event in execution.events] == [0, 0, 0, 1, 2, 60, 60, 60]
    assert execution.events[2]["taskScheduledEventDetails"]["region"] == "eu-west-1"
    assert execution.events[2]["taskScheduledEventDetails"]["resourceType"] == "sagemaker"


def test_a_failed_attempt_is_retried_with_backoff_and_then_caught() -> None:
    execution = begin(
        {
            "Train": {
                "Type": "Task",
                "Resource": INVOKE,
                "Parameters": {"Attempt.$": "$$.State.RetryCount"},
                "Retry": [{"ErrorEquals": ["Throttled"], "IntervalSeconds": 10, "MaxAttempts": 2, "BackoffRate": 3}],
                "Catch": [
                    {
                        "ErrorEquals": ["States.ALL"],
                        "ResultPath": "$.failure",
                        "Assign": {"error.$": "$.Error"},
                        "Next": "Told",
                    }
                ],
            },
            "Told": {"Type": "Pass", "Parameters": {"said.$": "$error"}},
        }
    )
    play(execution, {"Train": [Failed("Throttled", "slow down")] * 3})
    failed = "TaskFailed resource=invoke error=Throttled cause=slow down"
    caught = '{"failure":{"Error":"Throttled","Cause":"slow down"}}'
    assert written(execution) == [
        "1<-0 ExecutionStarted input={}",
        "2<-0 TaskStateEntered Train input={}",
        '3<-2 TaskScheduled resource=invoke parameters={"Attempt":0}',
        "4<-3 TaskStarted resource=invoke",
        f"5<-4 {failed}",
        '6<-5 TaskScheduled resource=invoke parameters={"Attempt":1}',
        "7<-6 TaskStarted resource=invoke",
        f"8<-7 {failed}",
        '9<-8 TaskScheduled resource=invoke parameters={"Attempt":2}',
        "10<-9 TaskStarted resource=invoke",
        f"11<-10 {failed}",
        f"12<-11 TaskStateExited Train output={caught} assignedVariables={{'error': '\"Throttled\"'}}",
        f"13<-12 PassStateEntered Told input={caught}",
        '14<-13 PassStateExited Told output={"said":"Throttled"}',
        '15<-14 ExecutionSucceeded output={"said":"Throttled"}',
    ]
    scheduled = [event["timestamp"] for event in execution.events if event["type"] == "TaskScheduled"]
    assert scheduled == [0, 10, 40]


def test_delays_of_a_retrier_are_capped_and_drawn() -> None:
    def schedule(**retrier: Any) -> list[float]:
        retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 4, **retrier}
        execution = begin({"T": {"Type": "Task", "Resource": INVOKE, "Retry": [retry]}})
        play(execution, {"T": [Failed("E")] * 5})
        return [event["timestamp"] for event in execution.events if event["type"] == "TaskScheduled"]

    assert schedule(MaxDelaySeconds=30) == [0, 10, 30, 60, 90]
    drawn = schedule(JitterStrategy="FULL")
    assert drawn == schedule(JitterStrategy="FULL")
    gaps = [later - earlier for earlier, later in pairwise(drawn)]
    assert all(0 <= gap <= most for gap, most in zip(gaps, [10, 20, 40, 80], strict=True))


def test_a_failing_branch_takes_its_siblings_with_it() -> None:
    execution = begin(
        {
            "Base": {
                "Type": "Parallel",
                "Branches": [
                    machine_of({"Text": {"Type": "Task", "Resource": JOB}}),
                    machine_of({"Image": {"Type": "Task", "Resource": JOB}}),
                    machine_of({"Nap": {"Type": "Wait", "Seconds": 100}}),
                ],
                "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "Fail"}],
            },
            "Fail": {"Type": "Fail", "Error": "PipelineFailed", "CausePath": "$.Cause"},
        }
    )
    text, image = asked(execution)
    execution.resolve(image.task, Started(), 1.0)
    execution.resolve(text.task, Failed("States.TaskFailed", '{"Status":"Failed"}'), 2.0)
    assert written(execution)[1:] == [
        "2<-0 ParallelStateEntered Base input={}",
        "3<-2 ParallelStateStarted",
        "4<-3 TaskStateEntered Text input={}",
        "5<-3 TaskStateEntered Image input={}",
        "6<-3 WaitStateEntered Nap input={}",
        "7<-4 TaskScheduled resource=createTrainingJob.sync parameters={}",
        "8<-5 TaskScheduled resource=createTrainingJob.sync parameters={}",
        "9<-8 TaskStarted resource=createTrainingJob.sync",
        "10<-7 TaskStarted resource=createTrainingJob.sync",
        '11<-10 TaskFailed resource=createTrainingJob.sync error=States.TaskFailed cause={"Status":"Failed"}',
        "12<-11 TaskStateAborted",
        "13<-11 TaskStateAborted",
        "14<-11 WaitStateAborted",
        "15<-11 ParallelStateFailed",
        '16<-15 ParallelStateExited Base output={"Error":"States.TaskFailed","Cause":"{\\"Status\\":\\"Failed\\"}"}',
        '17<-16 FailStateEntered Fail input={"Error":"States.TaskFailed","Cause":"{\\"Status\\":\\"Failed\\"}"}',
        '18<-17 ExecutionFailed error=PipelineFailed cause={"Status":"Failed"}',
    ]
    assert execution.effects() == [AbandonTask(image.task)]
    assert execution.next_timer() is None
    assert (execution.status, execution.error, execution.cause) == ("FAILED", "PipelineFailed", '{"Status":"Failed"}')


def test_branches_interleave_and_join_in_their_own_order() -> None:
    execution = begin(
        {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    machine_of({"A1": {"Type": "Pass", "Next": "A2"}, "A2": {"Type": "Pass", "Result": "a"}}),
                    machine_of({"B1": {"Type": "Pass", "Result": "b"}}),
                ],
                "ResultSelector": {"last.$": "$[1]", "all.$": "$[*]"},
                "ResultPath": "$.both",
            }
        },
        '{"x":1}',
    )
    assert written(execution)[3:] == [
        '4<-3 PassStateEntered A1 input={"x":1}',
        '5<-3 PassStateEntered B1 input={"x":1}',
        '6<-4 PassStateExited A1 output={"x":1}',
        '7<-5 PassStateExited B1 output="b"',
        '8<-6 PassStateEntered A2 input={"x":1}',
        '9<-8 PassStateExited A2 output="a"',
        "10<-9 ParallelStateSucceeded",
        '11<-9 ParallelStateExited Both output={"x":1,"both":{"all":["a","b"],"last":"b"}}',
        '12<-11 ExecutionSucceeded output={"x":1,"both":{"all":["a","b"],"last":"b"}}',
    ]


def test_a_parallel_is_retried_as_a_whole() -> None:
    execution = begin(
        {
            "Both": {
                "Type": "Parallel",
                "Branches": [machine_of({"No": {"Type": "Fail", "Error": "Broken"}})],
                "Retry": [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}],
            }
        }
    )
    play(execution, {})
    assert written(execution)[1:] == [
        "2<-0 ParallelStateEntered Both input={}",
        "3<-2 ParallelStateStarted",
        "4<-3 FailStateEntered No input={}",
        "5<-4 ParallelStateStarted",
        "6<-5 FailStateEntered No input={}",
        "7<-6 ParallelStateFailed",
        "8<-7 ExecutionFailed error=Broken",
    ]


def test_the_function_and_activity_resources_have_events_of_their_own() -> None:
    function = "arn:aws:lambda:eu-west-1:123456789012:function:prepare"
    activity = "arn:aws:states:eu-west-1:123456789012:activity:grade"
    execution = begin(
        {
            "Prepare": {"Type": "Task", "Resource": function, "TimeoutSeconds": 5, "Next": "Grade"},
            "Grade": {"Type": "Task", "Resource": activity, "TimeoutSeconds": 60, "HeartbeatSeconds": 10},
        }
    )
    (prepare,) = asked(execution)
    execution.resolve(prepare.task, Succeeded('"ok"'), 1.0)
    (grade,) = asked(execution)
    assert grade.token
    assert execution.next_timer() is None, "an activity's clocks start when a worker takes it"
    execution.resolve(grade.task, Started("w-1"), 100.0)
    execution.resolve(grade.task, Heartbeat(), 109.0)
    assert execution.next_timer() == 119.0
    execution.tick(119.0)
    assert written(execution)[2:] == [
        f"3<-2 LambdaFunctionScheduled resource={function} input={{}} timeoutInSeconds=5",
        "4<-3 LambdaFunctionStarted",
        '5<-4 LambdaFunctionSucceeded output="ok"',
        '6<-5 TaskStateExited Prepare output="ok"',
        '7<-6 TaskStateEntered Grade input="ok"',
        f'8<-7 ActivityScheduled resource={activity} input="ok" timeoutInSeconds=60 heartbeatInSeconds=10',
        "9<-8 ActivityStarted workerName=w-1",
        "10<-9 ActivityTimedOut error=States.Timeout",
        "11<-10 ExecutionFailed error=States.Timeout",
    ]
    assert execution.effects() == [AbandonTask(grade.task)]


def test_a_callback_beats_from_its_submission_on() -> None:
    execution = begin(
        {
            "Ask": {
                "Type": "Task",
                "Resource": CALLBACK,
                "HeartbeatSeconds": 60,
                "Parameters": {"MessageBody": {"Token.$": "$$.Task.Token"}},
                "Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Late"}],
            },
            "Late": {"Type": "Succeed"},
        }
    )
    (task,) = asked(execution)
    assert task.parameters == {"MessageBody": {"Token": task.token}}
    assert execution.next_timer() is None
    execution.resolve(task.task, Submitted("{}"), 5.0)
    execution.tick(64.0)
    assert execution.status == "RUNNING"
    execution.tick(65.0)
    assert written(execution)[5:7] == [
        "6<-5 TaskTimedOut resource=sendMessage.waitForTaskToken error=States.Timeout",
        '7<-6 TaskStateExited Ask output={"Error":"States.Timeout","Cause":null}',
    ]
    assert execution.status == "SUCCEEDED"
    execution.resolve(task.task, Succeeded("{}"), 66.0)
    assert execution.status == "SUCCEEDED", "an answer after the end is ignored"


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (StartFailed("E", "c"), "TaskStartFailed"),
        (SubmitFailed("E", "c"), "TaskSubmitFailed"),
        (Failed("E", "c"), "TaskFailed"),
    ],
)
def test_each_way_to_fail_has_its_event(outcome: Any, line: str) -> None:
    execution = play(begin({"T": {"Type": "Task", "Resource": JOB}}), {"T": [outcome]})
    assert [event["type"] for event in execution.events[-2:]] == [line, "ExecutionFailed"]
    assert (execution.error, execution.cause) == ("E", "c")


def test_stop_ends_everything_at_once() -> None:
    execution = begin({"T": {"Type": "Task", "Resource": JOB, "TimeoutSeconds": 5}})
    (task,) = asked(execution)
    execution.stop(3.0, "Tired", "Someone stopped it")
    assert written(execution)[3:] == ["4<-0 ExecutionAborted error=Tired cause=Someone stopped it"]
    assert execution.effects() == [AbandonTask(task.task)]
    assert (execution.status, execution.error, execution.next_timer()) == ("ABORTED", "Tired", None)
    execution.stop(4.0)
    assert len(execution.events) == 4


def test_a_pending_retry_is_stopped_too() -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 50}]
    execution = begin({"T": {"Type": "Task", "Resource": JOB, "Retry": retry}})
    execution.resolve(asked(execution)[0].task, Failed("E"), 1.0)
    assert execution.next_timer() == 51.0
    execution.stop(2.0)
    assert (execution.status, execution.next_timer()) == ("ABORTED", None)


def test_the_machines_own_timeout_ends_the_execution() -> None:
    execution = begin({"Nap": {"Type": "Wait", "Seconds": 100}}, TimeoutSeconds=30)
    assert execution.next_timer() == 30.0
    execution.tick(30.0)
    assert written(execution)[2:] == ["3<-0 ExecutionTimedOut"]
    assert execution.status == "TIMED_OUT"


def test_a_wait_ends_when_its_moment_has_come() -> None:
    start = 1_800_000_000.0
    for field, value, due in [
        ("Seconds", 7, start + 7),
        ("SecondsPath", "$.delay", start + 3),
        ("Timestamp", "2027-01-15T08:00:20Z", start + 20),
        ("TimestampPath", "$.past", start),
    ]:
        machine = parse(machine_of({"Nap": {"Type": "Wait", field: value, "Assign": {"slept.$": "$.delay"}}}))
        execution = Execution(machine, '{"delay":3,"past":"2001-01-01T00:00:00+02:00"}', CONTEXT, Random(1))
        execution.start(start)
        assert execution.next_timer() == due
        execution.tick(due)
        assert execution.status == "SUCCEEDED"
        assert execution.events[2]["stateExitedEventDetails"]["assignedVariables"] == {"slept": "3"}


def test_what_a_wait_cannot_read_fails_the_execution() -> None:
    said = "An error occurred while executing the state 'Nap' (entered at the event id #2). "
    iso = "ISO-8601 extended offset date-time format"
    for field, text, words in [
        ("SecondsPath", "{}", "The SecondsPath parameter does not reference an input value: $.at"),
        ("SecondsPath", '{"at":-1}', "The SecondsPath parameter references a negative value: $.at == -1"),
        ("SecondsPath", '{"at":1.5}', "The SecondsPath parameter cannot be parsed as a long value: $.at == 1.5"),
        (
            "TimestampPath",
            '{"at":"2016-13-05T21:29:29Z"}',
            f"The TimestampPath parameter does not reference a valid {iso} string: $.at == 2016-13-05T21:29:29Z",
        ),
    ]:
        assert cause_of({"Nap": {"Type": "Wait", field: "$.at"}}, text) == ("States.Runtime", said + words)


def test_nothing_catches_a_runtime_error() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    execution = begin(
        {
            "T": {"Type": "Task", "Resource": INVOKE, "OutputPath": "$.no.such", "Catch": catch},
            "Caught": {"Type": "Succeed"},
        }
    )
    play(execution, {"T": [Succeeded("{}")]})
    assert [event["type"] for event in execution.events[-2:]] == ["TaskSucceeded", "ExecutionFailed"]
    assert execution.error == "States.Runtime"
    assert execution.cause == (
        "An error occurred while executing the state 'T' (entered at the event id #2). "
        "Invalid path '$.no.such' : Missing property in path $['no']"
    )


def test_an_oversized_result_can_be_caught_and_an_oversized_pass_cannot() -> None:
    large = json.dumps("x" * 262_144)
    catch = [{"ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": None, "Next": "Caught"}]
    execution = begin({"T": {"Type": "Task", "Resource": INVOKE, "Catch": catch}, "Caught": {"Type": "Succeed"}})
    play(execution, {"T": [Succeeded(large)]})
    assert [event["type"] for event in execution.events[4:6]] == ["TaskFailed", "TaskStateExited"]
    assert (execution.status, execution.output) == ("SUCCEEDED", "{}")
    error, cause = cause_of(
        {"P": {"Type": "Pass", "Parameters": {"twice.$": "States.Array($, $)"}}}, large[:200_000] + '"'
    )
    assert error == "States.DataLimitExceeded"
    assert (
        cause == "The state/task 'P' returned a result with a size exceeding the maximum number of bytes service limit."
    )


def test_a_loop_without_end_fills_the_history_and_fails() -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "End"}], "Default": "P"}
    execution = begin({"P": {"Type": "Pass", "Next": "Again"}, "Again": choice, "End": {"Type": "Succeed"}})
    assert (len(execution.events), execution.status) == (25_000, "FAILED")
    assert [event["id"] for event in execution.events] == list(range(1, 25_001))
    assert execution.cause == "The execution reached the maximum number of history events (25000)."


def test_the_first_rule_that_holds_is_taken() -> None:
    states = {
        "Skip?": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$$.Execution.Input.skip.text", "IsPresent": True},
                        {"Variable": "$$.Execution.Input.skip.text", "BooleanEquals": True},
                    ],
                    "Assign": {"why": "asked"},
                    "Next": "Skipped",
                }
            ],
            "Assign": {"why": "default"},
            "Default": "Trained",
        },
        "Skipped": {"Type": "Pass", "Parameters": {"skipped.$": "$why"}},
        "Trained": {"Type": "Pass", "Parameters": {"trained.$": "$why"}},
    }
    assert begin(states, '{"skip":{"text":true}}').output == '{"skipped":"asked"}'
    assert begin(states, '{"skip":{"text":false}}').output == '{"trained":"default"}'
    assert begin(states, "{}").output == '{"trained":"default"}'


def test_no_rule_and_no_default_is_an_error() -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": 1, "Next": "One"}]}
    states = {"C": choice, "One": {"Type": "Succeed"}}
    nowhere = "Failed to transition out of the state. The state does not point to a next state."
    assert cause_of(states, '{"x":2}') == (
        "States.Runtime",
        f"An error occurred while executing the state 'C' (entered at the event id #2). {nowhere}",
    )
    error, cause = cause_of(states, "{}")
    assert error == "States.Runtime"
    assert cause is not None
    assert "Invalid path '$.x': The choice state's condition path references an invalid value." in cause


def test_a_branch_reads_outer_variables_and_keeps_its_own() -> None:
    inner = machine_of(
        {
            "Inner": {"Type": "Pass", "Assign": {"mine.$": "$outer"}, "Next": "Use"},
            "Use": {"Type": "Pass", "Parameters": {"v.$": "$mine"}},
        }
    )
    states = {
        "Set": {"Type": "Pass", "Assign": {"outer": 42}, "Next": "Both"},
        "Both": {"Type": "Parallel", "Branches": [inner], "Next": "After"},
        "After": {"Type": "Pass", "InputPath": "$mine"},
    }
    execution = begin(states)
    assert execution.events[-2]["stateEnteredEventDetails"]["input"] == '[{"v":42}]'
    assert execution.error == "States.Runtime"
    assert "$mine" in (execution.cause or "")


@pytest.mark.parametrize("depth", [50, 300, 800, 900])
def test_deep_data_comes_through_or_fails_the_execution(depth: int) -> None:
    states = {"P": {"Type": "Pass", "Parameters": {"v.$": "States.Array($)"}, "ResultPath": "$[0]"}}
    execution = begin(states, "[" * depth + "]" * depth)
    assert execution.status == "SUCCEEDED" or execution.error == "States.Runtime"


def test_an_endless_backoff_stays_a_number() -> None:
    retry = {"ErrorEquals": ["States.ALL"], "BackoffRate": 1e9, "MaxAttempts": 60}
    execution = begin({"T": {"Type": "Task", "Resource": INVOKE, "Retry": [retry]}})
    play(execution, {"T": [Failed("E")] * 61})
    assert execution.status == "FAILED"


def test_an_answer_that_is_no_json_fails_the_execution() -> None:
    for answer in ("", "{", "NaN", "[" * 100_000):
        execution = play(begin({"T": {"Type": "Task", "Resource": INVOKE}}), {"T": [Succeeded(answer)]})
        assert execution.error == "States.Runtime"
        assert (execution.cause or "").startswith("The task's output is no JSON: ")


def test_an_input_that_is_no_json_is_refused_before_anything_happens() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        begin({"P": {"Type": "Pass"}}, "{nope")
    with pytest.raises(ValueError, match="nested too deeply"):
        begin({"P": {"Type": "Pass"}}, "[" * 100_000)


@pytest.mark.parametrize("field", ["Headers", "QueryParameters"])
def test_headers_that_are_no_lists_are_refused_before_the_call(field: str) -> None:
    call = {"Type": "Task", "Resource": "arn:aws:states:::apigateway:invoke"}
    execution = begin({"Call": {**call, "Parameters": {"Path": "p", field: {"h": "v"}}}})
    assert [event["type"] for event in execution.events[2:]] == ["ExecutionFailed"]
    sent = f'{{"Path":"p","{field}":{{"h":"v"}}}}'
    assert execution.error == "States.Runtime"
    assert execution.cause == (
        "An error occurred while executing the state 'Call' (entered at the event id #2). The Parameters "
        f"'{sent}' could not be used to start the Task: [The value of the field '{field}' has an invalid format]"
    )
    assert asked(begin({"Call": {**call, "Parameters": {"Path": "p", field: {"h": ["v"]}}}}))


def test_an_assign_beyond_256_kib_fails_the_state() -> None:
    fits = {"Big": {"Type": "Pass", "Assign": {"x": "a" * 131_070, "y": "b" * 131_070}}}
    assert play(begin(fits), {}).status == "SUCCEEDED"
    fits["Big"]["Assign"]["z"] = 1  # type: ignore[index]
    assert cause_of(fits) == (
        "States.DataLimitExceeded",
        "The state/task 'Big' assigned variables with a size exceeding the maximum number of bytes service limit.",
    )


def test_all_variables_together_have_10_mib() -> None:
    def chain(names: list[str]) -> dict[str, Any]:
        last = len(names) - 1
        return {
            f"S{place}": {
                "Type": "Pass",
                "Assign": {name: "a" * 262_142},
                **({"Next": f"S{place + 1}"} if place < last else {}),
            }
            for place, name in enumerate(names)
        }

    assert play(begin(chain([f"v{number}" for number in range(40)])), {}).status == "SUCCEEDED"
    assert play(begin(chain(["same"] * 45)), {}).status == "SUCCEEDED"
    assert cause_of(chain([f"v{number}" for number in range(41)])) == (
        "States.DataLimitExceeded",
        "The execution's variables have a total size exceeding the maximum number of bytes service limit.",
    )


def test_an_execution_that_pauses_comes_to_the_same() -> None:
    step = {"Type": "Pass", "End": True}
    branches = [{"StartAt": name, "States": {name: step}} for name in "abc"]
    definition = parse(machine_of({"Both": {"Type": "Parallel", "Branches": branches, "Next": "Then"}, "Then": step}))
    whole, paused = (Execution(definition, "{}", CONTEXT, Random(1)) for _ in range(2))
    whole.start(0.0)
    assert not whole.busy
    paused.pause_when(lambda: True)
    paused.start(0.0)
    strides = 1
    while paused.busy:
        paused.go_on(0.0)
        strides += 1
    assert paused.events == whole.events
    assert (paused.status, strides) == ("SUCCEEDED", 10)


def test_a_paused_execution_can_be_stopped() -> None:
    again = {"Type": "Choice", "Choices": [{"Variable": "$.end", "IsPresent": True, "Next": "C"}], "Default": "A"}
    forever = {"A": {"Type": "Pass", "Next": "B"}, "B": again, "C": {"Type": "Succeed"}}
    execution = Execution(parse(machine_of(forever)), "{}", CONTEXT, Random(1))
    execution.pause_when(lambda: True)
    execution.start(0.0)
    execution.stop(1.0, "Enough", None)
    execution.go_on(2.0)
    assert not execution.busy
    assert written(execution)[-2:] == ["2<-0 PassStateEntered A input={}", "3<-0 ExecutionAborted error=Enough"]


def test_counts_beyond_a_long_are_refused() -> None:
    text = json.dumps({"s": 10**400})
    for state, words in [
        ({"Type": "Wait", "SecondsPath": "$.s"}, "The SecondsPath parameter cannot be parsed as a long value"),
        ({"Type": "Task", "Resource": INVOKE, "TimeoutSecondsPath": "$.s"}, "which is not a valid integer: $.s"),
    ]:
        error, cause = cause_of({"S": state}, text)
        assert (error, words in (cause or "")) == ("States.Runtime", True)


def test_a_delay_that_grows_beyond_all_numbers_is_a_year() -> None:
    retry = [{"ErrorEquals": ["E"], "IntervalSeconds": 99_999, "BackoffRate": 1e308, "MaxAttempts": 2}]
    execution = begin({"T": {"Type": "Task", "Resource": INVOKE, "Retry": retry}})
    execution.resolve(1, Failed("E", ""), 0.0)
    execution.tick(99_999.0)
    execution.resolve(2, Failed("E", ""), 99_999.0)
    assert execution.next_timer() == 99_999.0 + 31_622_400
