"""Forty pipelines at once, stopped and redriven at random: nothing may get stuck, lost or left over."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, task, wait_for

PIPELINES = 40
OPERATIONS = 120
TERMINAL = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
# The server's pools of threads when all are in use, its few threads of its own, and one for each connection that lasts.
MOST_THREADS = 150
PROGRAM = """
import os, random, sys, time
time.sleep(random.random() / 2)
open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()
sys.exit(random.random() < 0.3)
"""
RACES = ("ExecutionNotRedrivable",)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes and threads in /proc")
def test_stops_and_redrives_at_random(place: Path) -> None:
    server = sandbox.up(place)
    cloud = Cloud(server, place)
    machine = pipeline(cloud)
    with ThreadPoolExecutor(8) as pool:
        executions = list(pool.map(lambda _: cloud.start(machine), range(PIPELINES)))
        chance = random.Random(20)
        orders = [(chance.choice(executions), chance.choice(("stop", "redrive"))) for _ in range(OPERATIONS)]
        list(pool.map(lambda order: disturb(cloud, *order), orders))
        list(pool.map(lambda execution: push_through(cloud, execution), executions))
        histories = list(pool.map(cloud.events, executions))
        ends = list(pool.map(cloud.finish, executions))
    for end, events in zip(ends, histories, strict=True):
        assert_sound(end, events)
    assert sum(end["redriveCount"] for end in ends) > PIPELINES / 4
    map_runs = [
        cloud.client("stepfunctions").list_map_runs(executionArn=execution)["mapRuns"] for execution in executions
    ]
    assert all("stopDate" in run for runs in map_runs for run in runs)
    # What was abandoned ends a little later than the execution that it was for.
    running = partial(cloud.client("sagemaker").list_training_jobs, StatusEquals="InProgress", MaxResults=100)
    wait_for(lambda: running()["TrainingJobSummaries"] == [], "the jobs to end")
    wait_for(lambda: sandbox.jobs(place) == [] and list((place / "jobs").iterdir()) == [], "their directories to go")
    wait_for(lambda: children(server["pid"]) == [], "the server's processes to end")
    wait_for(lambda: threads(server["pid"]) < MOST_THREADS, "the server's threads to end")


def pipeline(cloud: Cloud) -> str:
    """A machine with a job that fails now and then, beside a call and Maps of both kinds; returns its ARN."""
    wanted = cloud.training(PROGRAM)
    del wanted["TrainingJobName"]
    name = "States.Format('{}-d{}r{}', $$.Execution.Name, $$.Execution.RedriveCount, $$.State.RetryCount)"
    train = task("sagemaker:createTrainingJob.sync", {**wanted, "TrainingJobName.$": name}, ResultPath=None)
    call = task("aws-sdk:sfn:listStateMachines", {"MaxResults": 1}, ResultPath=None)
    item = {"StartAt": "Item", "States": {"Item": {"Type": "Wait", "Seconds": 1, "End": True}}}
    items = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ItemProcessor": item, "End": True}
    one = {"StartAt": "One", "States": {"One": {"Type": "Wait", "Seconds": 1, "End": True}}}
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    each = {**items, "ItemProcessor": {**one, "ProcessorConfig": config}}
    branches = [
        {"StartAt": "Each", "States": {"Each": each}},
        {"StartAt": "Train", "States": {"Train": train}},
        {"StartAt": "Call", "States": {"Call": call}},
        {"StartAt": "Items", "States": {"Items": items}},
    ]
    return cloud.machine(
        {
            "Begin": {"Type": "Pass", "Result": {"items": [1, 2, 3]}, "Next": "All"},
            "All": {"Type": "Parallel", "Branches": branches, "ResultPath": None, "Next": "End"},
            "End": {"Type": "Pass", "End": True},
        },
        TimeoutSeconds=60,
    )


def disturb(cloud: Cloud, execution: str, how: str) -> None:
    """Stop the execution, or redrive it if it can be."""
    states = cloud.client("stepfunctions")
    if how == "stop":
        states.stop_execution(executionArn=execution, error="Stress")
    else:
        unless_raced(states.redrive_execution, executionArn=execution)


def push_through(cloud: Cloud, execution: str) -> None:
    """Redrive until it has succeeded."""
    for _ in range(20):
        if cloud.finish(execution)["status"] == "SUCCEEDED":
            return
        unless_raced(cloud.client("stepfunctions").redrive_execution, executionArn=execution)
    raise AssertionError(f"{execution} does not succeed")


def unless_raced(call: Callable[..., Any], **parameters: Any) -> None:
    """Call; that the execution runs or has succeeded meanwhile is fine."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] not in RACES:
            raise


def assert_sound(end: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """The invariants of a history, however often its execution was stopped and redriven."""
    assert end["status"] == "SUCCEEDED"
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["previousEventId"] < event["id"] for event in events)
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    turns = [event["type"] for event in events if event["type"] in TERMINAL | {"ExecutionRedriven"}]
    assert turns[1::2] == ["ExecutionRedriven"] * end["redriveCount"]
    assert len(turns) == 2 * end["redriveCount"] + 1
    assert turns[-1] == events[-1]["type"] == "ExecutionSucceeded"
    assert [event["type"] for event in events].count("ParallelStateSucceeded") == 1


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended meanwhile
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))
