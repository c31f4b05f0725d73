"""What a definition and a job's own documents add to a history, and what is no history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.asl.history import InvalidHistory, Scope, StateRun, read_history
from opsctl.asl.jobs import Job
from opsctl.asl.unentered import unentered
from tests.unit.asl.test_history import Event, history, statuses
from tests.unit.asl.walking import lines_run

TRAINING = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync"}
BATCH = {"resourceType": "batch", "resource": "submitJob.sync"}
TRAINING_ARN = "arn:aws:sagemaker:eu-west-1:1:training-job/run-7-text-d0r0"


def task(schedule: dict[str, Any], *rows: tuple[str, dict[str, Any]]) -> StateRun:
    """The one Task state of an execution that did this."""
    events = [(0, "ExecutionStarted"), (0, "TaskStateEntered", {"name": "Work"}), (2, "TaskScheduled", schedule)]
    events += [(number, kind, details) for number, (kind, details) in enumerate(rows, 3)]
    return read_history(history(*events)).states[0]


def test_a_training_job_is_named_by_its_request_and_known_by_the_answer() -> None:
    name = "run-7-text-d0r0"
    asked = {**TRAINING, "parameters": json.dumps({"TrainingJobName": name, "HyperParameters": {"Name": "no"}})}
    running = task(asked, ("TaskStarted", TRAINING))
    group = "/aws/sagemaker/TrainingJobs"
    assert running.attempts[0].job == Job(name, None, group, f"{name}/", None)
    submitted = task(asked, ("TaskSubmitted", {**TRAINING, "output": json.dumps({"TrainingJobArn": TRAINING_ARN})}))
    assert submitted.attempts[0].job == Job(name, TRAINING_ARN, group, f"{name}/", None)


def test_a_failed_batch_job_tells_its_log_in_the_cause() -> None:
    description = {
        "JobArn": "arn:aws:batch:eu-west-1:1:job/abc", "JobName": "fetch", "Status": "FAILED",
        "Container": {"ExitCode": 1, "LogStreamName": "fetch/default/abc"},
        "Attempts": [{"Container": {"LogStreamName": "fetch/default/older"}}],
    }  # fmt: skip
    failed = task(
        {**BATCH, "parameters": '{"JobName": "fetch"}'},
        ("TaskSubmitted", {**BATCH, "output": '{"JobArn": "arn:aws:batch:eu-west-1:1:job/abc", "JobName": "fetch"}'}),
        ("TaskFailed", {**BATCH, "error": "States.TaskFailed", "cause": json.dumps(description)}),
    )
    assert failed.attempts[0].job == Job(
        "fetch", "arn:aws:batch:eu-west-1:1:job/abc", "/aws/batch/job", "fetch/default/abc", None
    )


@pytest.mark.parametrize(
    "function",
    ["prepare", "arn:aws:lambda:eu-west-1:1:function:prepare", "arn:aws:lambda:eu-west-1:1:function:prepare:3"],
)
def test_a_functions_log_group_has_its_name(function: str) -> None:
    invoke = {"resourceType": "lambda", "resource": "invoke", "parameters": json.dumps({"FunctionName": function})}
    assert task(invoke).attempts[0].job == Job("prepare", None, "/aws/lambda/prepare", None, None)


def test_a_task_token_is_found_where_the_request_hands_it_on() -> None:
    message = {"TopicArn": "arn", "Message": {"Approve?": [{"TaskToken": "AQC8"}]}}
    publish = {"resourceType": "sns", "resource": "publish.waitForTaskToken", "parameters": json.dumps(message)}
    assert task(publish).attempts[0].job.token == "AQC8"
    foreign = {"resourceType": "sns", "resource": "publish.waitForTaskToken", "parameters": "[" * 5000}
    assert task(foreign).attempts[0].job == Job(None, None, None, None, None)


GUARDED = {
    "StartAt": "Skip Fetch?",
    "States": {
        "Skip Fetch?": {"Type": "Choice", "Choices": [{"Next": "Train"}], "Default": "Fetch"},
        "Fetch": {"Type": "Task", "Next": "Check", "Catch": [{"Next": "Tell"}]},
        "Check": {"Type": "Pass", "Next": "Train"},
        "Train": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Text", "States": {"Text": {"Type": "Task", "End": True}}},
                {"StartAt": "Image", "States": {"Image": {"Type": "Task", "End": True}}},
            ],
            "Catch": [{"Next": "Tell"}],
            "Next": "Evaluate",
        },
        "Evaluate": {"Type": "Task", "End": True},
        "Tell": {"Type": "Task", "Next": "Fail"},
        "Fail": {"Type": "Fail"},
    },
}
PASSED_BY = (
    (0, "ExecutionStarted"),
    (0, "ChoiceStateEntered", {"name": "Skip Fetch?"}),
    (2, "ChoiceStateExited", {"name": "Skip Fetch?"}),
)


def test_a_definition_tells_the_branch_of_each_state() -> None:
    events = history(
        *PASSED_BY,
        (3, "ParallelStateEntered", {"name": "Train"}),
        (4, "ParallelStateStarted"),
        (5, "TaskStateEntered", {"name": "Text"}),
        (5, "TaskStateEntered", {"name": "Image"}),
        (5, "TaskStateEntered", {"name": "Not in the definition"}),
    )
    scopes = {state.name: state.scopes for state in read_history(events, GUARDED).states}
    assert scopes["Text"] == (Scope("Train", 4, None, 0),)
    assert scopes["Image"] == (Scope("Train", 4, None, 1),)
    assert scopes["Not in the definition"] == (Scope("Train", 4, None, None),)
    assert {scope.branch for state in read_history(events).states for scope in state.scopes} == {None}


def test_a_result_that_could_not_be_used_is_caught_though_the_work_succeeded() -> None:
    events = history(
        (0, "ExecutionStarted"),
        (0, "TaskStateEntered", {"name": "Fetch"}),
        (2, "TaskScheduled", BATCH),
        (3, "TaskStarted", BATCH),
        (4, "TaskSucceeded", {**BATCH, "output": "{}"}),
        (5, "TaskStateExited", {"name": "Fetch", "output": '{"Error":"States.ParameterPathFailure","Cause":"…"}'}),
        (6, "TaskStateEntered", {"name": "Tell"}),
    )
    assert statuses(read_history(events, GUARDED)) == [("Fetch", "CAUGHT"), ("Tell", "RUNNING")]
    assert statuses(read_history(events)) == [("Fetch", "SUCCEEDED"), ("Tell", "RUNNING")]


def fates(events: list[Event]) -> dict[str, str]:
    return {state.name: state.status for state in unentered(GUARDED, read_history(events))}


def test_a_step_that_a_guard_led_past_is_skipped_and_what_never_came_is_not_reached() -> None:
    running = history(*PASSED_BY, (3, "ParallelStateEntered", {"name": "Train"}), (4, "ParallelStateStarted"))
    assert fates(running) == {
        "Fetch": "SKIPPED", "Check": "SKIPPED", "Evaluate": "NOT REACHED", "Tell": "NOT REACHED",
        "Fail": "NOT REACHED", "Text": "NOT REACHED", "Image": "NOT REACHED",
    }  # fmt: skip
    assert fates(history((0, "ExecutionStarted"))) == dict.fromkeys(
        [*GUARDED["States"], "Text", "Image"], "NOT REACHED"
    )


def test_what_a_failure_kept_the_run_from_is_not_skipped() -> None:
    checked = {
        "StartAt": "Trained?",
        "States": {
            "Trained?": {"Type": "Choice", "Choices": [{"Next": "Evaluate"}], "Default": "Tell"},
            "Evaluate": {"Type": "Task", "Next": "Good?"},
            "Good?": {"Type": "Choice", "Choices": [{"Next": "Done"}], "Default": "Tell"},
            "Done": {"Type": "Succeed"},
            "Tell": {"Type": "Task", "Next": "Fail"},
            "Fail": {"Type": "Fail"},
        },
    }
    events = history(
        (0, "ExecutionStarted"),
        (0, "ChoiceStateEntered", {"name": "Trained?"}),
        (2, "ChoiceStateExited", {"name": "Trained?"}),
        (3, "TaskStateEntered", {"name": "Tell"}),
        (4, "TaskStateExited", {"name": "Tell"}),
        (5, "FailStateEntered", {"name": "Fail"}),
        (6, "ExecutionFailed", {"error": "E"}),
    )
    found = unentered(checked, read_history(events))
    assert [(one.name, one.status) for one in found] == [
        ("Evaluate", "NOT REACHED"),
        ("Good?", "NOT REACHED"),
        ("Done", "NOT REACHED"),
    ]


def test_the_states_of_a_skipped_parallel_are_skipped_with_it() -> None:
    guarded = {
        "StartAt": "Skip?",
        "States": {
            "Skip?": {"Type": "Choice", "Choices": [{"Next": "End"}], "Default": "Both"},
            "Both": {"Type": "Parallel", "Branches": [{"States": {"Inner": {"Type": "Pass"}}}], "Next": "End"},
            "End": {"Type": "Succeed"},
        },
    }
    events = history(
        (0, "ExecutionStarted"),
        (0, "ChoiceStateEntered", {"name": "Skip?"}),
        (2, "ChoiceStateExited", {"name": "Skip?"}),
        (3, "SucceedStateEntered", {"name": "End"}),
    )
    found = unentered(guarded, read_history(events))
    assert [(one.name, one.status, one.scope, one.branch) for one in found] == [
        ("Both", "SKIPPED", None, None),
        ("Inner", "SKIPPED", "Both", 0),
    ]


@pytest.mark.parametrize("definition", [None, [], "x", {"States": []}, {"States": {"A": None, "B": {"Catch": 3}}}])
def test_what_is_no_definition_adds_nothing(definition: Any) -> None:
    assert statuses(read_history(history(*PASSED_BY), definition)) == [("Skip Fetch?", "SUCCEEDED")]
    assert {one.status for one in unentered(definition, read_history([]))} <= {"NOT REACHED"}


def test_a_distributed_map_knows_its_run_and_its_error() -> None:
    (each,) = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "MapStateEntered", {"name": "Each"}),
            (2, "MapStateStarted", {"length": 0}),
            (3, "MapRunStarted", {"mapRunArn": "arn:aws:states:eu-west-1:1:mapRun:m/Each:1"}),
            (4, "MapRunFailed", {"error": "States.ItemReaderFailed", "cause": "no such key"}),
            (5, "MapStateFailed"),
            (6, "ExecutionFailed", {"error": "States.ItemReaderFailed", "cause": "no such key"}),
        )
    ).states
    assert (each.status, each.error, each.cause) == ("FAILED", "States.ItemReaderFailed", "no such key")
    assert each.map_run == "arn:aws:states:eu-west-1:1:mapRun:m/Each:1"


def test_pages_that_overlap_and_links_in_circles_do_no_harm() -> None:
    events = history(
        (0, "ExecutionStarted"),
        (3, "PassStateEntered", {"name": "A"}),
        (2, "PassStateExited", {"name": "A"}),
        (4, "PassStateEntered", {"name": "B"}),
    )
    assert statuses(read_history([*events[2:], *events])) == [("A", "SUCCEEDED"), ("B", "RUNNING")]


@pytest.mark.parametrize("events", [[None], [3], ["id"], [{}], [{"id": "one"}], [{"id": None}], [{"id": [1]}]])
def test_what_is_no_history_is_refused_in_one_line(events: Any) -> None:
    with pytest.raises(InvalidHistory, match=r"^not an execution's history: [^\n]+$") as refused:
        read_history(events)
    assert "get-execution-history" in str(refused.value.hint)


def test_scopes_nested_without_end_are_read_in_linear_time() -> None:
    def nested(depth: int) -> list[Event]:
        rows: list[tuple[Any, ...]] = [(0, "ExecutionStarted")]
        for number in range(depth):
            entered = (len(rows), "ParallelStateEntered", {"name": f"P{number}"})
            rows += [entered, (len(rows) + 1, "ParallelStateStarted")]
        rows += [(len(rows), "ParallelStateExited", {"name": "nowhere"})] * (depth // 4)
        return history(*rows, (0, "ExecutionAborted"))

    run = read_history(nested(8000))
    assert len(run.states) == 8000
    assert {state.status for state in run.states} == {"ABORTED"}
    few, many = nested(100), nested(1200)
    assert lines_run(lambda: read_history(many)) < 12 * 1.1 * lines_run(lambda: read_history(few))
