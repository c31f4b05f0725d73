"""Redrive, told as what is added to the history."""

from __future__ import annotations

import json

import pytest

from opsctl.asl.effects import Failed, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.errors import RefusedError
from tests.unit.asl.walking import CALLBACK, INVOKE, JOB, asked, begin, machine_of, play, written

NAME = "States.Format('d{}r{}', $$.Execution.RedriveCount, $$.State.RetryCount)"
TRAIN = {"Type": "Task", "Resource": INVOKE, "Parameters": {"Name.$": NAME}}


def test_a_failed_task_is_scheduled_anew_from_its_entry() -> None:
    retry = [{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]
    states = {"First": {"Type": "Pass", "Next": "Train"}, "Train": {**TRAIN, "Retry": retry}}
    execution = play(begin(states, TimeoutSeconds=50), {"Train": [Failed("Broken")] * 2})
    length = len(execution.events)
    execution.redrive(100.0)
    assert (execution.status, execution.error, execution.redrives) == ("RUNNING", None, 1)
    assert execution.next_timer() == 150.0
    (task,) = asked(execution)
    execution.resolve(task.task, Failed("Broken"), 101.0)
    execution.tick(102.0)
    execution.resolve(asked(execution)[0].task, Succeeded('"ok"'), 103.0)
    assert written(execution)[length:] == [
        "12<-11 ExecutionRedriven redriveCount=1",
        '13<-4 TaskScheduled resource=invoke parameters={"Name":"d1r0"}',
        "14<-13 TaskStarted resource=invoke",
        "15<-14 TaskFailed resource=invoke error=Broken",
        '16<-15 TaskScheduled resource=invoke parameters={"Name":"d1r1"}',
        "17<-16 TaskStarted resource=invoke",
        '18<-17 TaskSucceeded resource=invoke output="ok"',
        '19<-18 TaskStateExited Train output="ok"',
        '20<-19 ExecutionSucceeded output="ok"',
    ]


def test_only_the_branches_that_failed_run_again() -> None:
    states = {
        "Base": {
            "Type": "Parallel",
            "Branches": [
                machine_of({"Text": TRAIN}),
                machine_of({"Image": TRAIN}),
                machine_of({"Audio": TRAIN}),
            ],
        }
    }
    execution = begin(states)
    text, image, _ = asked(execution)
    execution.resolve(text.task, Succeeded('"text"'), 1.0)
    execution.resolve(image.task, Failed("Broken"), 2.0)
    assert execution.status == "FAILED"
    length = len(execution.events)
    execution = Execution.restore(parse(machine_of(states)), json.loads(json.dumps(execution.snapshot())))
    execution.effects()
    execution.redrive(10.0)
    again = asked(execution)
    assert [task.state for task in again] == ["Image", "Audio"]
    for task in again:
        execution.resolve(task.task, Succeeded(f'"{task.state}"'), 11.0)
    assert [line.split(" ")[:2] for line in written(execution)[length:]] == [
        ["19<-18", "ExecutionRedriven"],
        ["20<-5", "TaskScheduled"],
        ["21<-6", "TaskScheduled"],
        ["22<-20", "TaskStarted"],
        ["23<-22", "TaskSucceeded"],
        ["24<-23", "TaskStateExited"],
        ["25<-21", "TaskStarted"],
        ["26<-25", "TaskSucceeded"],
        ["27<-26", "TaskStateExited"],
        ["28<-27", "ParallelStateSucceeded"],
        ["29<-27", "ParallelStateExited"],
        ["30<-29", "ExecutionSucceeded"],
    ]
    assert execution.output == '["text","Image","Audio"]'


def test_a_map_keeps_what_is_done_resumes_what_failed_and_reaches_the_rest() -> None:
    states = {
        "Map": {
            "Type": "Map",
            "MaxConcurrency": 1,
            "ItemProcessor": machine_of({"Each": {"Type": "Task", "Resource": INVOKE}}),
        }
    }
    execution = play(begin(states, "[1,2,3]"), {"Each": [Succeeded('"a"'), Failed("Broken")]})
    length = len(execution.events)
    execution.redrive(5.0)
    play(execution, {"Each": [Succeeded('"b"'), Succeeded('"c"')]})
    assert execution.output == '["a","b","c"]'
    started = [
        line for line in written(execution)[length:] if "MapIterationStarted" in line or "MapStateStarted" in line
    ]
    assert [line.split(" ", 1)[1] for line in started] == ["MapIterationStarted Map index=2"]


def test_a_fail_state_only_fails_again() -> None:
    states = {
        "Try": {**TRAIN, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail"}]},
        "Fail": {"Type": "Fail", "Error": "PipelineFailed"},
    }
    execution = play(begin(states), {"Try": [Failed("Broken")]})
    assert execution.redrive_refusal(1.0) is None
    execution.redrive(1.0)
    assert written(execution)[-3:] == [
        "8<-7 ExecutionFailed error=PipelineFailed",
        "9<-8 ExecutionRedriven redriveCount=1",
        "10<-7 ExecutionFailed error=PipelineFailed",
    ]


def test_a_stopped_execution_goes_on_with_a_new_token() -> None:
    ask = {"Type": "Task", "Resource": CALLBACK, "Parameters": {"Token.$": "$$.Task.Token"}}
    execution = begin({"Nap": {"Type": "Wait", "Seconds": 5, "Next": "Ask"}, "Ask": ask})
    execution.stop(1.0)
    execution.redrive(2.0)
    execution.tick(7.0)
    (first,) = asked(execution)
    execution.stop(8.0)
    execution.redrive(9.0)
    (second,) = asked(execution)
    assert first.token != second.token
    execution.resolve(first.task, Succeeded("{}"), 10.0)
    assert execution.status == "RUNNING", "the old token is worth nothing"
    execution.resolve(second.task, Succeeded("{}"), 10.0)
    assert (execution.status, execution.redrives) == ("SUCCEEDED", 2)


def test_who_may_not_be_redriven_is_told_why() -> None:
    states = {"T": {"Type": "Task", "Resource": JOB}}
    running = begin(states)
    assert running.redrive_refusal(0.0) == "Execution is RUNNING and cannot be redriven"
    with pytest.raises(RefusedError, match="Execution is SUCCEEDED and cannot be redriven"):
        begin({"P": {"Type": "Pass"}}).redrive(1.0)
    running.stop(10.0)
    assert running.redrive_refusal(10.0 + 14 * 86_400 - 1) is None
    assert running.redrive_refusal(10.0 + 14 * 86_400) == "Execution redrivable period exceeded"
    again = {"Type": "Pass", "Next": "C"}
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "E"}], "Default": "P"}
    full = begin({"P": again, "C": choice, "E": {"Type": "Succeed"}})
    assert full.redrive_refusal(1.0) == "Execution history event limit exceeded"
