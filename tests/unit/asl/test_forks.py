"""Executions that are forked go on apart; ends that stand alike are equal."""

from __future__ import annotations

from opsctl.asl.effects import Failed, ScheduleTask, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse

TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {}}
MACHINE = parse(
    {
        "StartAt": "Both",
        "States": {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {
                        "StartAt": "Left",
                        "States": {"Left": {**TASK, "Retry": [{"ErrorEquals": ["Busy"]}], "End": True}},
                    },
                    {"StartAt": "Right", "States": {"Right": {**TASK, "End": True}}},
                ],
                "End": True,
            }
        },
    }
)


def started() -> tuple[Execution, dict[str, int]]:
    execution = Execution(MACHINE, "{}")
    execution.start(0)
    return execution, tasks_of(execution)


def tasks_of(execution: Execution) -> dict[str, int]:
    return {effect.state: effect.task for effect in execution.effects() if isinstance(effect, ScheduleTask)}


def test_a_fork_goes_on_by_itself() -> None:
    execution, tasks = started()
    twin = execution.fork()
    twin.resolve(tasks["Left"], Succeeded("1"), 1)
    twin.resolve(tasks["Right"], Succeeded("2"), 1)
    assert (twin.status, twin.output) == ("SUCCEEDED", "[1,2]")
    assert execution.status == "RUNNING"
    execution.resolve(tasks["Right"], Failed("No"), 1)
    assert (execution.status, execution.error) == ("FAILED", "No")
    assert twin.status == "SUCCEEDED"


def test_a_paused_execution_can_be_forked() -> None:
    execution = Execution(MACHINE, "{}")
    execution.pause_when(lambda: True)
    execution.start(0)
    twin = execution.fork()
    assert twin.busy
    while twin.busy:
        twin.go_on(0)
    assert set(tasks_of(twin)) == {"Left", "Right"}
    assert len(execution.events) < len(twin.events)


def test_retries_and_clocks_make_no_other_standing() -> None:
    at_once, tasks = started()
    at_once.stop(5)
    retried, tasks = started()
    retried.resolve(tasks["Left"], Failed("Busy"), 1)
    retried.tick(2)
    retried.stop(9)
    assert at_once.standing() == retried.standing()
    further, tasks = started()
    further.resolve(tasks["Left"], Succeeded("1"), 1)
    further.stop(5)
    assert at_once.standing() != further.standing()


def test_a_spoiled_container_fails_once_where_it_would_have_succeeded() -> None:
    execution, tasks = started()
    execution.spoil("Both", "States.BranchFailed")
    for name in ("Left", "Right"):
        execution.resolve(tasks[name], Succeeded("1"), 1)
    assert (execution.status, execution.error) == ("FAILED", "States.BranchFailed")
    assert [event["type"] for event in execution.events][-3:] == [
        "ParallelStateSucceeded",
        "ParallelStateFailed",
        "ExecutionFailed",
    ]
    execution.redrive(60)
    for task in tasks_of(execution).values():
        execution.resolve(task, Succeeded("1"), 61)
    assert execution.status == "SUCCEEDED"
