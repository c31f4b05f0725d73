"""Histories written by hand after the rules of AWS's own, read back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsctl.asl.history import RunHistory, Scope, StateRun, read_history
from tests.unit.asl.walking import lines_run

Event = dict[str, Any]


def event(number: int, previous: int, kind: str, **details: Any) -> Event:
    if kind.endswith(("StateEntered", "StateExited")):
        key = "stateEnteredEventDetails" if kind.endswith("Entered") else "stateExitedEventDetails"
    else:
        key = kind[0].lower() + kind[1:] + "EventDetails"
    row: Event = {"id": number, "previousEventId": previous, "type": kind, "timestamp": 100.0 + number}
    return row | ({key: details} if details else {})


def history(*rows: tuple[Any, ...]) -> list[Event]:
    """Rows of (previous, type, details), numbered from 1."""
    return [event(n, row[0], row[1], **(row[2] if len(row) > 2 else {})) for n, row in enumerate(rows, 1)]


def by_name(read: RunHistory) -> dict[str, StateRun]:
    return {state.name: state for state in read.states}


def statuses(read: RunHistory) -> list[tuple[str, str]]:
    return [(state.name, state.status) for state in read.states]


JOB = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync", "region": "eu-west-1"}


def test_a_retried_task_is_one_state_with_two_attempts() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted", {"input": '{"a":1}'}),
            (0, "TaskStateEntered", {"name": "Train", "input": '{"a":1}'}),
            (2, "TaskScheduled", {**JOB, "parameters": '{"TrainingJobName":"x-r0"}'}),
            (3, "TaskStarted", JOB),
            (4, "TaskFailed", {**JOB, "error": "SageMaker.ThrottlingException", "cause": "slow down"}),
            (5, "TaskScheduled", {**JOB, "parameters": '{"TrainingJobName":"x-r1"}'}),
            (6, "TaskStarted", JOB),
            (7, "TaskSubmitted", {**JOB, "output": '{"TrainingJobArn":"arn"}'}),
            (8, "TaskSucceeded", {**JOB, "output": '{"TrainingJobStatus":"Completed"}'}),
            (9, "TaskStateExited", {"name": "Train", "output": '{"ok":true}'}),
            (10, "ExecutionSucceeded", {"output": '{"ok":true}'}),
        )
    )
    (train,) = read.states
    assert (read.status, read.started, read.stopped, read.input, read.output) == (
        "SUCCEEDED", 101.0, 111.0, '{"a":1}', '{"ok":true}',
    )  # fmt: skip
    assert (train.status, train.entered, train.exited, train.output) == ("SUCCEEDED", 102.0, 110.0, '{"ok":true}')
    assert (train.error, train.cause, train.entered_id, train.scopes) == (None, None, 2, ())
    first, second = train.attempts
    assert (first.status, first.error, first.cause, first.ended) == (
        "FAILED", "SageMaker.ThrottlingException", "slow down", 105.0,
    )  # fmt: skip
    assert second.resource == "sagemaker:createTrainingJob.sync"
    assert second.parameters == '{"TrainingJobName":"x-r1"}'
    assert (second.scheduled, second.started, second.ended) == (106.0, 107.0, 109.0)
    assert (second.submitted, second.output) == ('{"TrainingJobArn":"arn"}', '{"TrainingJobStatus":"Completed"}')


def test_a_caught_failure_is_no_success_and_a_fail_state_has_the_executions_error() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted", {"input": "{}"}),
            (0, "TaskStateEntered", {"name": "Work"}),
            (2, "LambdaFunctionScheduled", {"resource": "arn:aws:lambda:r:1:function:f", "input": "{}"}),
            (3, "LambdaFunctionStarted"),
            (4, "LambdaFunctionFailed", {"error": "ValueError", "cause": "no"}),
            (5, "TaskStateExited", {"name": "Work", "output": '{"Error":"ValueError"}'}),
            (6, "FailStateEntered", {"name": "Fail"}),
            (7, "ExecutionFailed", {"error": "PipelineFailed", "cause": "see the alert"}),
        )
    )
    assert statuses(read) == [("Work", "CAUGHT"), ("Fail", "FAILED")]
    work, fail = read.states
    assert (work.error, work.cause) == ("ValueError", "no")
    assert work.attempts[0].resource == "arn:aws:lambda:r:1:function:f"
    assert (fail.error, fail.cause, fail.exited) == ("PipelineFailed", "see the alert", 107.0)


def parallel_with_a_failing_branch() -> list[Event]:
    return history(
        (0, "ExecutionStarted", {"input": "{}"}),
        (0, "ParallelStateEntered", {"name": "Both"}),
        (2, "ParallelStateStarted"),
        (3, "TaskStateEntered", {"name": "Left"}),
        (3, "TaskStateEntered", {"name": "Right"}),
        (4, "TaskScheduled", JOB),
        (5, "TaskScheduled", JOB),
        (7, "TaskFailed", {**JOB, "error": "States.TaskFailed", "cause": "exit code 1"}),
        (8, "TaskStateAborted"),
        (8, "TaskStateAborted"),
        (8, "ParallelStateFailed"),
        (11, "ExecutionFailed", {"error": "States.TaskFailed", "cause": "exit code 1"}),
    )


def test_a_failing_branch_aborts_its_sibling() -> None:
    read = read_history(parallel_with_a_failing_branch())
    assert statuses(read) == [("Both", "FAILED"), ("Left", "ABORTED"), ("Right", "FAILED")]
    left = by_name(read)["Left"]
    assert left.scopes == (Scope("Both", 2),)
    assert (left.attempts[0].status, left.attempts[0].ended, left.exited) == ("ABORTED", 111.0, 111.0)
    assert by_name(read)["Both"].cause == "exit code 1"


def test_a_redrive_takes_up_the_same_entries_again() -> None:
    rows = [
        *parallel_with_a_failing_branch(),
        event(13, 12, "ExecutionRedriven", redriveCount=1),
        event(14, 4, "TaskScheduled", **JOB),
        event(15, 5, "TaskScheduled", **JOB),
    ]
    read = read_history(rows)
    assert (read.status, read.redrives, read.stopped, read.error) == ("RUNNING", 1, None, None)
    assert statuses(read) == [("Both", "RUNNING"), ("Left", "RUNNING"), ("Right", "RUNNING")]
    rows += [
        event(16, 14, "TaskSucceeded", **JOB, output="1"),
        event(17, 16, "TaskStateExited", name="Left", output="1"),
        event(18, 15, "TaskSucceeded", **JOB, output="2"),
        event(19, 18, "TaskStateExited", name="Right", output="2"),
        event(20, 19, "ParallelStateSucceeded"),
        event(21, 19, "ParallelStateExited", name="Both", output="[1,2]"),
        event(22, 21, "ExecutionSucceeded", output="[1,2]"),
    ]
    read = read_history(rows)
    assert statuses(read) == [("Both", "SUCCEEDED"), ("Left", "SUCCEEDED"), ("Right", "SUCCEEDED")]
    right = by_name(read)["Right"]
    assert [(a.status, a.generation) for a in right.attempts] == [("FAILED", 0), ("SUCCEEDED", 1)]
    assert (right.generation, right.error, read.output) == (0, None, "[1,2]")


def test_a_redriven_fail_state_only_fails_again() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "FailStateEntered", {"name": "Fail"}),
            (2, "ExecutionFailed", {"error": "E"}),
            (3, "ExecutionRedriven", {"redriveCount": 1}),
            (4, "ExecutionFailed", {"error": "E"}),
        )
    )
    assert (read.status, read.redrives, statuses(read)) == ("FAILED", 1, [("Fail", "FAILED")])


def test_a_parallel_that_is_caught_and_one_that_is_tried_again() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "ParallelStateEntered", {"name": "Outer"}),
            (2, "ParallelStateStarted"),
            (3, "ParallelStateEntered", {"name": "Inner"}),
            (4, "ParallelStateStarted"),
            (5, "FailStateEntered", {"name": "Stop"}),
            (6, "ParallelStateStarted"),
            (7, "FailStateEntered", {"name": "Stop"}),
            (8, "ParallelStateFailed"),
            (9, "ParallelStateExited", {"name": "Inner", "output": "{}"}),
            (10, "PassStateEntered", {"name": "After"}),
            (11, "PassStateExited", {"name": "After", "output": "{}"}),
            (12, "ParallelStateSucceeded"),
            (12, "ParallelStateExited", {"name": "Outer", "output": "[{}]"}),
            (14, "ExecutionSucceeded"),
        )
    )
    assert statuses(read) == [
        ("Outer", "SUCCEEDED"), ("Inner", "CAUGHT"), ("Stop", "FAILED"), ("Stop", "FAILED"), ("After", "SUCCEEDED"),
    ]  # fmt: skip
    assert read.states[3].scopes == (Scope("Outer", 2), Scope("Inner", 4))
    assert read.states[4].scopes == (Scope("Outer", 2),)


def test_map_iterations_one_after_another_and_side_by_side() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "MapStateEntered", {"name": "Each"}),
            (2, "MapStateStarted", {"length": 3}),
            (3, "MapIterationStarted", {"name": "Each", "index": 0}),
            (4, "PassStateEntered", {"name": "One"}),
            (5, "PassStateExited", {"name": "One", "output": "0"}),
            (6, "MapIterationSucceeded", {"name": "Each", "index": 0}),
            (6, "MapIterationStarted", {"name": "Each", "index": 1}),
            (3, "MapIterationStarted", {"name": "Each", "index": 2}),
            (8, "WaitStateEntered", {"name": "One"}),
            (9, "TaskStateEntered", {"name": "One"}),
            (11, "TaskScheduled", JOB),
            (12, "TaskTimedOut", {**JOB, "error": "States.Timeout"}),
            (13, "MapIterationFailed", {"name": "Each", "index": 2}),
            (13, "MapIterationAborted", {"name": "Each", "index": 1}),
            (13, "MapStateFailed"),
            (16, "ExecutionFailed", {"error": "States.Timeout"}),
        )
    )
    assert [(s.name, s.status, [scope.iteration for scope in s.scopes]) for s in read.states] == [
        ("Each", "FAILED", []),
        ("One", "SUCCEEDED", [0]),
        ("One", "ABORTED", [1]),
        ("One", "FAILED", [2]),
    ]
    assert (read.states[3].attempts[0].status, read.states[0].error) == ("TIMED_OUT", "States.Timeout")


def open_execution() -> list[Event]:
    return history(
        (0, "ExecutionStarted"),
        (0, "PassStateEntered", {"name": "First"}),
        (2, "PassStateExited", {"name": "First", "output": "{}"}),
        (3, "TaskStateEntered", {"name": "Work"}),
        (4, "TaskScheduled", JOB),
        (5, "TaskFailed", {**JOB, "error": "Once"}),
        (6, "TaskScheduled", JOB),
    )


def test_an_open_execution_and_one_ended_from_outside() -> None:
    rows = open_execution()
    assert statuses(read_history(rows)) == [("First", "SUCCEEDED"), ("Work", "RUNNING")]
    for kind, status in (("ExecutionAborted", "ABORTED"), ("ExecutionTimedOut", "TIMED_OUT")):
        read = read_history([*rows, event(8, 0, kind, error="Stopped by hand")])
        assert (read.status, read.error) == (status, "Stopped by hand")
        assert statuses(read) == [("First", "SUCCEEDED"), ("Work", status)]
        assert [attempt.status for attempt in read.states[1].attempts] == ["FAILED", status]


def test_a_task_that_could_not_be_submitted_and_a_choice_without_a_way() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "TaskStateEntered", {"name": "Work"}),
            (2, "TaskScheduled", JOB),
            (3, "TaskSubmitFailed", {**JOB, "error": "SageMaker.ResourceInUseException"}),
            (4, "TaskStateExited", {"name": "Work"}),
            (5, "ChoiceStateEntered", {"name": "Where?"}),
            (6, "ExecutionFailed", {"error": "States.NoChoiceMatched", "cause": "none"}),
        )
    )
    assert statuses(read) == [("Work", "CAUGHT"), ("Where?", "FAILED")]
    assert read.states[1].error == "States.NoChoiceMatched"


def test_an_evaluation_failure_names_its_state_when_its_predecessor_is_the_state_before() -> None:
    read = read_history(
        history(
            (0, "ExecutionStarted"),
            (0, "PassStateEntered", {"name": "Start"}),
            (2, "PassStateExited", {"name": "Start"}),
            (3, "MapStateEntered", {"name": "Each"}),
            (3, "EvaluationFailed", {"error": "States.QueryEvaluationError", "cause": "not an array", "state": "Each"}),
            (5, "MapStateFailed"),
            (6, "ExecutionFailed", {"error": "States.QueryEvaluationError", "cause": "not an array"}),
        )
    )
    assert statuses(read) == [("Start", "SUCCEEDED"), ("Each", "FAILED")]
    assert read.states[1].cause == "not an array"


def test_timestamps_of_all_three_kinds_in_any_order() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for stamp in (moment, moment.timestamp(), "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"):
        read = read_history([
            {"id": 2, "previousEventId": 1, "type": "ExecutionAborted", "timestamp": stamp},
            {"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": stamp},
        ])  # fmt: skip
        assert (read.started, read.stopped, read.status) == (moment.timestamp(), moment.timestamp(), "ABORTED")


def test_no_events_at_all() -> None:
    assert read_history([]) == RunHistory("RUNNING", None, None, None, None, None, None, 0, ())


def test_an_exit_over_a_gap_is_found_by_its_name_and_a_lost_exit_is_no_success() -> None:
    rows = open_execution()
    rows[5]["type"] = "TaskWasMovedToAnotherPlanet"
    gap = [event(20, 19, "TaskStateExited", name="Work", output="7"), event(22, 21, "ExecutionSucceeded")]
    assert statuses(read_history(rows + gap)) == [("First", "SUCCEEDED"), ("Work", "SUCCEEDED")]
    assert statuses(read_history(rows + gap[1:])) == [("First", "SUCCEEDED"), ("Work", "ABORTED")]


_KINDS = st.sampled_from(
    [f"{t}State{v}" for t in ("Task", "Parallel", "Map", "Pass", "Fail") for v in ("Entered", "Exited")]
    + [f"{t}State{v}" for t in ("Parallel", "Map") for v in ("Started", "Succeeded", "Failed", "Aborted")]
    + [f"MapIteration{v}" for v in ("Started", "Succeeded", "Failed", "Aborted")]
    + [
        f"{t}{v}"
        for t in ("Task", "Activity", "LambdaFunction")
        for v in ("Scheduled", "Started", "Failed", "TimedOut")
    ]
    + [f"Execution{v}" for v in ("Started", "Succeeded", "Failed", "Aborted", "Redriven")]
    + ["EvaluationFailed", "SomethingNew"]
)
_ROWS = st.lists(st.tuples(st.integers(0, 40), _KINDS, st.sampled_from(["A", "B", "C"])), max_size=40)


@given(_ROWS)
def test_any_sequence_of_events_is_read_without_inventing_states(rows: list[tuple[int, str, str]]) -> None:
    events = history(*((p, k, {"name": n, "state": n, "index": 0}) for p, k, n in rows), (0, "ExecutionAborted"))
    read = read_history(events)
    assert [s.name for s in read.states] == [n for _, k, n in rows if k.endswith("StateEntered")]
    assert read.status == "ABORTED"
    assert not [s for s in read.states if s.status == "RUNNING" or s.exited is None]


def test_a_long_history_is_read_in_linear_time() -> None:
    def lines(loops: int) -> int:
        rows: list[Event] = [event(1, 0, "ExecutionStarted")]
        for n in range(2, 4 * loops + 2, 4):
            rows += [
                event(n, n - 1, "TaskStateEntered", name="Work"),
                event(n + 1, n, "TaskScheduled", **JOB),
                event(n + 2, n + 1, "TaskSucceeded", **JOB),
                event(n + 3, n + 2, "TaskStateExited", name="Work"),
            ]
        assert len(read_history(rows).states) == loops
        return lines_run(lambda: read_history(rows))

    assert lines(1200) < 12 * 1.1 * lines(100)
