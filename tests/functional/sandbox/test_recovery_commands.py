"""`opsctl stop` and `opsctl redrive` on real jobs: subprocesses of a sandbox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.root import root
from opsctl.config import SANDBOX, Context, Deployment, Machine
from opsctl.operations.connection import connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for

MODEL = "open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()\n"
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('begun', flush=True)\ntime.sleep(90)\n"
)
NAP = 0.05


def opsctl(cloud: Cloud, machine: str, *words: str, sleep: Callable[[float], None] | None = None) -> Result:
    """Run one command on a machine of the sandbox."""
    name = machine.rpartition(":")[2]
    one = Machine("training", name, machine, "", (), {}, foreign=True)
    deployment = Deployment("test", cloud.server["region"], "123456789012", cloud.bucket, "", "", {"training": one})
    context = Context(SANDBOX, cloud.server["url"], cloud.server["region"], None, Path("unused"))
    connection = connected(context, deployment, one)
    patient = replace(connection.aws, sleep=sleep or (lambda _: time.sleep(NAP)))
    return CliRunner().invoke(root, list(words), obj=FakeInvocation(replace(connection, aws=patient)))


def training(cloud: Cloud, program: str) -> tuple[dict[str, Any], str]:
    """A training state whose jobs' names hold the redrive count, and what these begin with."""
    wanted = cloud.training(program)
    prefix = wanted.pop("TrainingJobName")
    name = f"States.Format('{prefix}-d{{}}r{{}}', $$.Execution.RedriveCount, $$.State.RetryCount)"
    return task("sagemaker:createTrainingJob.sync", {**wanted, "TrainingJobName.$": name}), prefix


def waits_until(cloud: Cloud, key: str) -> str:
    """A program that works for ever, unless the object is there."""
    return (
        "import boto3, os, time\nprint('begun', flush=True)\n"
        f"found = boto3.client('s3').list_objects_v2(Bucket='{cloud.bucket}', Prefix='{key}')\n"
        f"time.sleep(0 if found['KeyCount'] else 90)\n{MODEL}"
    )


def rows(shown: str) -> list[list[str]]:
    return [line.split() for line in shown.splitlines() if line]


def test_a_stopped_run_stops_its_jobs_and_a_redrive_runs_them_again(cloud: Cloud) -> None:
    train, prefix = training(cloud, waits_until(cloud, "stop/free"))
    fetch = task(
        "batch:submitJob.sync",
        {
            "JobName": "fetch",
            "JobQueue": cloud.queue(),
            "JobDefinition": cloud.job_definition(["python3", "-c", "import time; time.sleep(90)"]),
            "ContainerOverrides": {"Command": ["python3", "-c", waits_until(cloud, "stop/free").replace(MODEL, "")]},
        },
    )
    branches = [{"StartAt": name, "States": {name: state}} for name, state in (("Train", train), ("Fetch", fetch))]
    machine = cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}})
    run = unique("run")
    execution = cloud.start(machine, name=run)
    cloud.begun(f"{prefix}-d0r0")
    job = wait_for(lambda: submitted(cloud, execution, "JobId"), "the Batch job")

    shown = opsctl(cloud, machine, "stop", run, "--dry-run")
    assert (shown.exit_code, shown.stderr) == (0, "")
    table = rows(shown.stdout)
    assert table[:2] == [["Stop", run], ["RUN", "STEP", "WORKED", "JOB"]]
    assert sorted([row[0], row[1], row[-1]] for row in table[2:4]) == [
        [run, "Fetch", job], [run, "Train", f"{prefix}-d0r0"],
    ]  # fmt: skip
    assert shown.stdout.endswith(" of work by jobs is lost\n")

    stopped = opsctl(cloud, machine, "stop", run, "--yes", "--reason", "wrong data")
    assert stopped.exit_code == 0, stopped.output
    assert f"{run} ABORTED" in stopped.stdout.splitlines()
    assert sorted(rows(stopped.stdout)[-2:]) == [
        [run, "Fetch", "FAILED", job], [run, "Train", "Stopped", f"{prefix}-d0r0"],
    ]  # fmt: skip
    end = cloud.finish(execution)
    assert (end["status"], end["error"], end["cause"]) == ("ABORTED", "StoppedByOpsctl", "wrong data")

    again = opsctl(cloud, machine, "stop", run, "--yes")
    assert (again.exit_code, again.stdout, again.stderr) == (
        3, "", f"error: {run} has ended already (ABORTED): there is nothing to stop\n",
    )  # fmt: skip

    cloud.put("stop/free", "yes")
    redriven = opsctl(cloud, machine, "redrive", "--yes", "--wait")
    assert redriven.exit_code == 0, redriven.output
    assert redriven.stdout.startswith(f"Redrive of {run}, the same run: the run was stopped at Train, Fetch\n")
    assert redriven.stdout.splitlines()[-1].startswith(f"{run} SUCCEEDED after ")
    assert redriven.stderr.splitlines()[:2] == [f"redriven: {run} goes on", f"following {run}"]
    assert "Train  started again by redrive 1" in redriven.stderr
    end = cloud.finish(execution)
    assert (end["status"], end["redriveCount"]) == ("SUCCEEDED", 1)
    assert cloud.trained(f"{prefix}-d1r0")["TrainingJobStatus"] == "Completed"


def test_a_job_that_does_not_stop_is_listed_with_the_command_that_stops_it(cloud: Cloud) -> None:
    state, prefix = training(cloud, DEAF)
    machine, run = cloud.machine({"Train": state}), unique("run")
    cloud.start(machine, name=run)
    job = f"{prefix}-d0r0"
    cloud.begun(job)

    result = opsctl(cloud, machine, "stop", run, "--yes", "--timeout", "1s", "-o", "json")
    document = json.loads(result.stdout)
    arn = document["jobs"][0]["arn"]
    command = (
        f"aws sagemaker stop-training-job --training-job-name {job} --endpoint-url {cloud.server['url']} "
        f"--region {cloud.server['region']}"
    )
    assert arn.endswith(f":training-job/{job}")
    assert (result.exit_code, result.stderr.splitlines()[-2:]) == (
        1, [f"error: {arn} is not known to be at rest: Stopping", f"hint: {command}"],
    )  # fmt: skip
    assert document["jobs"] == [{
        "run": run, "step": "Train", "job": job, "arn": arn, "status": "Stopping", "problem": None, "stopped": False,
        "stop": command,
    }]  # fmt: skip


def test_an_interrupted_wait_says_what_is_still_being_stopped(cloud: Cloud) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    state, prefix = training(cloud, DEAF)
    machine, run = cloud.machine({"Train": state}), unique("run")
    cloud.start(machine, name=run)
    cloud.begun(f"{prefix}-d0r0")
    result = opsctl(cloud, machine, "stop", run, "--yes", sleep=interrupt)
    said = f"interrupted; still being stopped: {prefix}-d0r0 (Stopping)"
    assert (result.exit_code, said in result.stderr.splitlines()) == (130, True)
    shown = opsctl(cloud, machine, "redrive", "--dry-run").stdout
    at_work = f"the job {prefix}-d0r0 of Train is still Stopping: let it end first, or stop it"
    assert f"warning: {at_work}" in shown.splitlines()


def test_the_jobs_of_nested_executions_are_watched_too(cloud: Cloud) -> None:
    state, prefix = training(cloud, waits_until(cloud, "nested/free"))
    child = cloud.machine({"Train": state})
    nested = task("states:startExecution.sync:2", {"StateMachineArn": child})
    machine, run = cloud.machine({"Call": nested}), unique("run")
    execution = cloud.start(machine, name=run)
    cloud.begun(f"{prefix}-d0r0")
    arn = wait_for(lambda: submitted(cloud, execution, "ExecutionArn"), "the child")
    result = opsctl(cloud, machine, "stop", run, "--yes")
    assert result.exit_code == 0, result.output
    assert sorted(rows(result.stdout)[-2:]) == [
        [run, "Call", "ABORTED", arn], [run, "Train", "Stopped", f"{prefix}-d0r0"],
    ]  # fmt: skip


def test_the_children_of_a_map_run_are_watched_too(cloud: Cloud) -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}},
    }
    states = {"All": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True}}
    machine, run = cloud.machine(states), unique("run")
    execution = cloud.start(machine, {"items": [1, 2]}, name=run)
    children = wait_for(lambda: running_children(cloud, execution), "the children")
    result = opsctl(cloud, machine, "stop", run, "--yes")
    assert result.exit_code == 0, result.output
    assert sorted(rows(result.stdout)[-2:]) == sorted([run, "All", "ABORTED", child] for child in children)


def running_children(cloud: Cloud, execution: str) -> list[str] | None:
    """The two children of the execution's Map Run, once both are there."""
    for event in cloud.events(execution):
        if event["type"] == "MapRunStarted":
            arn = event["mapRunStartedEventDetails"]["mapRunArn"]
            found = cloud.client("stepfunctions").list_executions(mapRunArn=arn, statusFilter="RUNNING")["executions"]
            return [child["executionArn"] for child in found] if len(found) == 2 else None
    return None


def submitted(cloud: Cloud, execution: str, key: str) -> str | None:
    """What the service called the job that the execution asked it for."""
    for event in cloud.events(execution):
        answer = json.loads(event.get("taskSubmittedEventDetails", {}).get("output", "{}"))
        if key in answer:
            return str(answer[key])
    return None


@pytest.mark.parametrize("command", ["stop", "redrive"])
def test_a_run_that_is_not_there(cloud: Cloud, command: str) -> None:
    machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
    result = opsctl(cloud, machine, command, "nowhere", "--yes")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "error: no run 'nowhere'")
