"""Executions and state machines through the Step Functions API."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, alive, task, unique, wait_for

PASS = {"Done": {"Type": "Pass", "End": True}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}
FAIL = {"No": {"Type": "Fail", "Error": "NoData", "Cause": "the prefix is empty"}}


@pytest.fixture
def states(cloud: Cloud) -> Any:
    return cloud.client("stepfunctions")


def refused(call: Any, **parameters: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code: str = raised.value.response["Error"]["Code"]
    return code


def test_what_describe_tells(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    execution = cloud.start(machine, {"a": 1}, name="first")
    end = cloud.finish(execution)
    del end["ResponseMetadata"]
    began, ended = end.pop("startDate"), end.pop("stopDate")
    assert execution == machine.replace(":stateMachine:", ":execution:") + ":first"
    assert began <= ended
    assert end == {
        "executionArn": execution,
        "stateMachineArn": machine,
        "name": "first",
        "status": "SUCCEEDED",
        "input": '{"a": 1}',
        "inputDetails": {"included": True},
        "output": '{"a": 1}',
        "outputDetails": {"included": True},
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }


def test_a_failed_execution(cloud: Cloud) -> None:
    end = cloud.run(FAIL)
    assert (end["status"], end["error"], end["cause"]) == ("FAILED", "NoData", "the prefix is empty")
    assert (end["redriveStatus"], "output" in end) == ("REDRIVABLE", False)


def test_names(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    start = {"stateMachineArn": machine}
    uuid.UUID(cloud.start(machine).rpartition(":")[2])
    for name in ("with space", "a/b", "a:b", "a*", "tab\t", "bad\x7f"):
        assert refused(states.start_execution, name=name, **start) == "InvalidName"
    assert refused(states.start_execution, name="x" * 81, **start) == "ValidationException"
    assert refused(states.start_execution, input="{not json", **start) == "InvalidExecutionInput"
    assert refused(states.start_execution, input='"' + "x" * 262_144 + '"', **start) == "ValidationException"
    assert refused(states.start_execution, stateMachineArn=machine + "no") == "StateMachineDoesNotExist"
    assert refused(states.describe_execution, executionArn=cloud.start(machine) + "no") == "ExecutionDoesNotExist"


def test_starting_the_same_again(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(WAIT)
    first = states.start_execution(stateMachineArn=machine, name="one", input="{}")
    again = states.start_execution(stateMachineArn=machine, name="one", input="{}")
    other = {"stateMachineArn": machine, "name": "one"}
    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    assert refused(states.start_execution, input='{"a": 1}', **other) == "ExecutionAlreadyExists"
    states.stop_execution(executionArn=first["executionArn"])
    assert refused(states.start_execution, input="{}", **other) == "ExecutionAlreadyExists"


def test_lists(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    for number in range(5):
        cloud.finish(cloud.start(machine, name=f"run-{number}"))
    running = cloud.start(cloud.machine(WAIT))
    pages = [
        [entry["name"] for entry in page["executions"]]
        for page in states.get_paginator("list_executions").paginate(
            stateMachineArn=machine, PaginationConfig={"PageSize": 2}
        )
    ]
    assert pages == [["run-4", "run-3"], ["run-2", "run-1"], ["run-0"]]
    assert states.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"] == []
    assert len(states.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED")["executions"]) == 5
    states.stop_execution(executionArn=running)


def test_history_in_pages_backwards_and_without_data(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine({"A": {"Type": "Pass", "Next": "Done"}, **PASS}), {"a": 1})
    cloud.finish(execution)
    events = cloud.events(execution)
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "PassStateEntered", "PassStateExited", "PassStateEntered", "PassStateExited",
        "ExecutionSucceeded",
    ]  # fmt: skip
    assert cloud.events(execution, PaginationConfig={"PageSize": 4}) == events
    assert cloud.events(execution, reverseOrder=True, PaginationConfig={"PageSize": 4}) == events[::-1]
    bare = cloud.events(execution, includeExecutionData=False)
    assert bare[1]["stateEnteredEventDetails"] == {"name": "A", "inputDetails": {"truncated": False}}
    first = states.get_execution_history(executionArn=execution, maxResults=1)
    assert (len(first["events"]), "nextToken" in first) == (1, True)


@pytest.mark.parametrize(
    ("level", "data", "logged"),
    [
        (
            "ALL",
            True,
            [
                ("1", "ExecutionStarted", {"a": 1}),
                ("2", "PassStateEntered", {"a": 1}),
                ("3", "PassStateExited", None),
                ("4", "FailStateEntered", {"a": 1}),
                ("5", "ExecutionFailed", None),
            ],
        ),
        ("ERROR", False, [("4", "FailStateEntered", None), ("5", "ExecutionFailed", None)]),
        ("FATAL", True, [("5", "ExecutionFailed", None)]),
        ("OFF", True, []),
    ],
)
def test_an_execution_is_logged_as_its_machine_asks(
    cloud: Cloud, states: Any, level: str, data: bool, logged: list[Any]
) -> None:
    logs, group = cloud.client("logs"), unique("/aws/vendedlogs/states")
    logs.create_log_group(logGroupName=group)
    arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["arn"]
    definition = {"StartAt": "On", "States": {"On": {"Type": "Pass", "Next": "No"}, **FAIL}}
    machine = states.create_state_machine(
        name=unique("logged"),
        definition=json.dumps(definition),
        roleArn=cloud.role,
        loggingConfiguration={
            "level": level,
            "includeExecutionData": data,
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
        },
    )["stateMachineArn"]
    execution = cloud.start(machine, {"a": 1})
    cloud.finish(execution)

    def lines() -> list[Any]:
        found = [json.loads(one["message"]) for one in logs.filter_log_events(logGroupName=group)["events"]]
        assert {one["execution_arn"] for one in found} <= {execution}
        return [(one["id"], one["type"], json.loads(one["details"].get("input", "null"))) for one in found]

    assert wait_for(lambda: len(lines()) == len(logged) and [lines()], "the logs") == [logged]
    streams = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]]
    assert [name.rpartition("/")[0].startswith("states/logged") for name in streams] == [True] * bool(logged)


def test_stop(cloud: Cloud, states: Any) -> None:
    execution = cloud.start(cloud.machine(WAIT))
    first = states.stop_execution(executionArn=execution, error="Changed", cause="my mind")
    again = states.stop_execution(executionArn=execution, error="Other")
    end = states.describe_execution(executionArn=execution)
    assert (end["status"], end["error"], end["cause"]) == ("ABORTED", "Changed", "my mind")
    assert first["stopDate"] == again["stopDate"] == end["stopDate"]


def test_stop_ends_the_jobs_at_once(cloud: Cloud, states: Any) -> None:
    wanted = cloud.training("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    definition = cloud.job_definition(["sleep", "600"])
    branches = [
        {"StartAt": name, "States": {name: state}}
        for name, state in {
            "Train": task("sagemaker:createTrainingJob.sync", wanted),
            "Fetch": task("batch:submitJob.sync", {
                "JobName": "fetch", "JobDefinition": definition, "JobQueue": cloud.queue(),
            }),
        }.items()
    ]  # fmt: skip
    execution = cloud.start(cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    pid = int(cloud.begun(wanted["TrainingJobName"])[0])

    def batch_jobs() -> list[str]:
        submitted = [event for event in cloud.events(execution) if event["type"] == "TaskSubmitted"]
        outputs = [json.loads(event["taskSubmittedEventDetails"]["output"]) for event in submitted]
        return [output["JobId"] for output in outputs if "JobId" in output]

    (batch_id,) = wait_for(batch_jobs, "the Batch job")
    states.stop_execution(executionArn=execution)
    assert states.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert cloud.trained(wanted["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    assert cloud.batch_job(batch_id)["status"] == "FAILED"
    assert not alive(pid)


def test_a_killed_branch_that_is_caught_leaves_its_sibling(cloud: Cloud) -> None:
    doomed = cloud.training("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    sibling = cloud.training(
        "import os, time\nprint('begun', flush=True)\ntime.sleep(2)\n"
        "open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()\n"
    )
    caught = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}]}
    branches = [
        {
            "StartAt": "Doomed",
            "States": {
                "Doomed": task("sagemaker:createTrainingJob.sync", doomed, **caught),
                "Failed": {"Type": "Pass", "Result": {"failed": True}, "End": True},
            },
        },
        {"StartAt": "Sibling", "States": {"Sibling": task("sagemaker:createTrainingJob.sync", sibling)}},
    ]
    execution = cloud.start(cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    cloud.begun(sibling["TrainingJobName"])
    os.kill(int(cloud.begun(doomed["TrainingJobName"])[0]), signal.SIGKILL)
    first, second = json.loads(cloud.finish(execution)["output"])
    assert first == {"failed": True}
    assert second["TrainingJobStatus"] == "Completed"
    assert len(cloud.keys(f"out/{sibling['TrainingJobName']}/")) == 1


def test_a_failing_branch_ends_its_siblings_job(cloud: Cloud) -> None:
    sibling = cloud.training("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    activity = cloud.client("stepfunctions").create_activity(name=unique("failing"))["activityArn"]
    branches = [
        {"StartAt": "Fails", "States": {"Fails": task(activity, {})}},
        {"StartAt": "Sibling", "States": {"Sibling": task("sagemaker:createTrainingJob.sync", sibling)}},
    ]
    execution = cloud.start(cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    cloud.begun(sibling["TrainingJobName"])
    token = cloud.client("stepfunctions").get_activity_task(activityArn=activity)["taskToken"]
    cloud.client("stepfunctions").send_task_failure(taskToken=token, error="NoData")
    assert cloud.finish(execution)["error"] == "NoData"
    assert cloud.trained(sibling["TrainingJobName"])["TrainingJobStatus"] == "Stopped"


def test_timers(cloud: Cloud) -> None:
    waiting = {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, **PASS}
    late = cloud.machine(WAIT, TimeoutSeconds=1)
    slow = task("lambda:invoke", {"FunctionName": cloud.function("import time; time.sleep(5)")}, TimeoutSeconds=1)
    began = time.monotonic()
    assert cloud.run(waiting)["status"] == "SUCCEEDED"
    assert time.monotonic() - began >= 1
    assert cloud.finish(cloud.start(late))["status"] == "TIMED_OUT"
    assert cloud.run({"Slow": slow})["error"] == "States.Timeout"


def test_many_executions_at_once(cloud: Cloud) -> None:
    doubled = task("aws-sdk:sfn:listStateMachines", {"MaxResults": 1})
    machine = cloud.machine({"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Call"}, "Call": doubled})
    executions = [cloud.start(machine, {"number": number}) for number in range(30)]
    assert {cloud.finish(execution)["status"] for execution in executions} == {"SUCCEEDED"}
    for execution in executions:
        assert [event["id"] for event in cloud.events(execution)] == list(range(1, 10))


def test_running_executions_keep_their_definition(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine({"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, **PASS})
    execution = cloud.start(machine)
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps({"StartAt": "No", "States": FAIL}))
    assert cloud.finish(execution)["status"] == "SUCCEEDED"
    kept = states.describe_state_machine_for_execution(executionArn=execution)
    assert json.loads(kept["definition"])["StartAt"] == "Wait"
    assert cloud.finish(cloud.start(machine))["status"] == "FAILED"


def test_creating_the_same_again(cloud: Cloud, states: Any) -> None:
    wanted = {"name": unique("machine"), "roleArn": cloud.role}
    definition = json.dumps({"StartAt": "Done", "States": PASS})
    first = states.create_state_machine(definition=definition, **wanted)
    again = states.create_state_machine(definition=definition, **wanted)
    other = json.dumps({"StartAt": "No", "States": FAIL})
    assert first["stateMachineArn"] == again["stateMachineArn"]
    assert refused(states.create_state_machine, definition=other, **wanted) == "StateMachineAlreadyExists"
    assert refused(states.create_state_machine, definition=other, name="a b", roleArn=cloud.role) == "InvalidName"


def test_definitions_that_aws_refuses(cloud: Cloud, states: Any) -> None:
    lost = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Pass", "Next": "Lost"}}})
    wanted = {"name": unique("machine"), "roleArn": cloud.role}
    assert refused(states.create_state_machine, definition=lost, **wanted) == "InvalidDefinition"
    assert refused(states.create_state_machine, definition="{", **wanted) == "InvalidDefinition"
    verdict = states.validate_state_machine_definition(definition=lost)
    assert (verdict["result"], verdict["truncated"]) == ("FAIL", False)
    assert "MISSING_TRANSITION_TARGET" in [found["code"] for found in verdict["diagnostics"]]
    good = states.validate_state_machine_definition(definition=json.dumps({"StartAt": "Done", "States": PASS}))
    assert (good["result"], good["diagnostics"]) == ("OK", [])


def test_versions_and_aliases(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(PASS)
    first = states.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    same = states.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps({"StartAt": "No", "States": FAIL}))
    second = states.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    route = [{"stateMachineVersionArn": first, "weight": 100}]
    alias = states.create_state_machine_alias(name="live", routingConfiguration=route)["stateMachineAliasArn"]
    listed = states.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    by_alias, by_version = cloud.finish(cloud.start(alias)), cloud.finish(cloud.start(second))
    assert (first, same, second) == (f"{machine}:1", f"{machine}:1", f"{machine}:2")
    assert [version["stateMachineVersionArn"] for version in listed] == [second, first]
    assert (by_alias["status"], by_alias["stateMachineAliasArn"], by_alias["stateMachineVersionArn"]) == (
        "SUCCEEDED", alias, first,
    )  # fmt: skip
    assert (by_version["status"], by_version["stateMachineArn"]) == ("FAILED", machine)
    assert [run["status"] for run in states.list_executions(stateMachineArn=alias)["executions"]] == ["SUCCEEDED"]
    assert refused(states.delete_state_machine_version, stateMachineVersionArn=first) == "ConflictException"
    states.delete_state_machine_version(stateMachineVersionArn=second)
    assert refused(states.start_execution, stateMachineArn=second) == "StateMachineDoesNotExist"


def test_deleting_a_machine_ends_its_executions(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine(WAIT)
    execution = cloud.start(machine)
    states.delete_state_machine(stateMachineArn=machine)
    assert refused(states.describe_state_machine, stateMachineArn=machine) == "StateMachineDoesNotExist"
    assert refused(states.describe_execution, executionArn=execution) == "ExecutionDoesNotExist"


def test_an_action_that_the_sandbox_lacks_is_refused(cloud: Cloud) -> None:
    assert refused(cloud.client("sagemaker").list_labeling_jobs) == "UnknownOperationException"


@pytest.mark.parametrize("text", ["{", "NaN", "[1e999]", "1" * 5000, "[" * 100_000])
def test_an_input_that_is_no_json_is_refused(cloud: Cloud, states: Any, text: str) -> None:
    machine = cloud.machine(PASS)
    assert refused(states.start_execution, stateMachineArn=machine, input=text) == "InvalidExecutionInput"


def test_a_wait_beyond_all_time_keeps_nobody_else(cloud: Cloud, states: Any) -> None:
    machine = cloud.machine({"Wait": {"Type": "Wait", "Timestamp": "9999-12-31T23:59:59Z", "End": True}})
    execution = cloud.start(machine)
    assert cloud.run(PASS)["status"] == "SUCCEEDED"
    states.stop_execution(executionArn=execution)
    assert cloud.finish(execution)["status"] == "ABORTED"
