"""`opsctl status`, `watch`, `list` and `lineage` on machines of the sandbox: what is below a step, and what waits."""

from __future__ import annotations

import json
import re
from typing import Any

from opsctl.domain.runs import Run
from opsctl.operations.waiting import Progress, wait
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.command import connection, opsctl

FAIL = {"Type": "Fail", "Error": "Broken", "Cause": "by hand"}
MOMENT = re.compile(r"\d\d:\d\d:\d\d|\d+\.\d s|\d+ s")


def table(text: str) -> list[list[str]]:
    """The cells of the table in the output, without times and durations."""
    rows = text.split("\n\n")[1].splitlines()[1:]
    return [[cell for cell in re.split(r"(?<=\S)\s\s+", row.rstrip()) if not MOMENT.fullmatch(cell)] for row in rows]


def publish(cloud: Cloud, **more: Any) -> dict[str, Any]:
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    return task("sns:publish", {"TopicArn": topic, "Message": "x"}, **more)


def nested(machine: str, **more: Any) -> dict[str, Any]:
    return task("states:startExecution.sync:2", {"StateMachineArn": machine, "Name.$": "$.child"}, **more)


def test_nested_executions_and_map_runs_stand_below_their_steps(cloud: Cloud) -> None:
    child = cloud.machine({"Say": publish(cloud, Next="Give Up"), "Give Up": FAIL})
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Item",
        "States": {"Item": publish(cloud)},
    }
    each = {"Type": "Map", "Label": "Each", "ItemsPath": "$.items", "ItemProcessor": processor, "ResultPath": None}
    middle = cloud.machine({"Go Down": nested(child)})
    down = {"StateMachineArn": middle, "Name.$": "$.middle", "Input.$": "$"}
    deploy = task("states:startExecution.sync:2", down, Next="After")
    machine = cloud.machine({"Each": {**each, "Next": "Deploy"}, "Deploy": deploy, "After": publish(cloud)})
    name = unique("run")
    data = {"items": [1, 2], "child": f"{name}-child", "middle": f"{name}-middle"}
    cloud.finish(cloud.start(machine, data, name=name))
    result = opsctl(cloud, machine, "status")
    assert (result.exit_code, result.stderr) == (0, f"next: opsctl redrive {name}\n")
    rows = table(result.stdout)
    assert [row[:2] for row in rows] == [
        ["Each", "SUCCEEDED"],
        [rows[1][0], "SUCCEEDED"],
        ["Deploy", "FAILED"],
        [f"  run {name}-middle", "FAILED"],
        ["    Go Down", "FAILED"],
        [f"      run {name}-child", "FAILED"],
        ["        Say", "SUCCEEDED"],
        ["After", "NOT REACHED"],
    ]
    assert rows[1][0].startswith("  Map Run ")
    assert rows[1][2:] == ["2 succeeded of 2 items"]
    assert rows[5][2:] == ["Broken: by hand"]
    steps = json.loads(opsctl(cloud, machine, "status", "-o", "json").stdout)["steps"]
    assert steps[0]["map_runs"][0]["counts"] == {"total": 2, "succeeded": 2}
    assert steps[1]["children"][0]["steps"][0]["children"][0]["steps"][0]["step"] == "Say"


def test_a_step_that_waits_for_an_answer_is_waiting(cloud: Cloud) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    message = {"QueueUrl": queue, "MessageBody": {"TaskToken.$": "$$.Task.Token"}}
    machine = cloud.machine({"Approve": task("sqs:sendMessage.waitForTaskToken", message, TimeoutSeconds=60)})
    run = cloud.start(machine, name=unique("run"))
    wait_for(lambda: [e for e in cloud.events(run) if e["type"] == "TaskSubmitted"], "the message")
    name = run.rpartition(":")[2]
    result = opsctl(cloud, machine, "status", name)
    assert table(result.stdout)[0][:2] == ["Approve", "WAITING"]
    assert result.stderr == f"next: opsctl approve {name}\n"
    cloud.client("stepfunctions").stop_execution(executionArn=run)
    cloud.finish(run)
    assert table(opsctl(cloud, machine, "status", name).stdout)[0][:2] == ["Approve", "ABORTED"]


def test_a_redriven_run_is_followed_and_its_attempts_are_told_apart(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    child = cloud.machine({"Open ?": {"Type": "Wait", "Seconds": 1, "Next": "Give Up"}, "Give Up": FAIL})
    machine = cloud.machine({"First": publish(cloud, ResultPath=None, Next="Deploy"), "Deploy": nested(child)})
    child_name = unique("child")
    run = cloud.start(machine, {"child": child_name}, name=unique("run"))
    cloud.finish(run)
    states.redrive_execution(executionArn=run)
    name, told = run.rpartition(":")[2], list[Progress]()
    outcome = wait(connection(cloud, machine), Run(name, run, machine, "RUNNING", 0.0, redrives=1), told.append)
    assert outcome.status == "FAILED"
    assert [(line.step, line.text) for line in told if line.text.startswith("started")] == [
        ("Deploy", "started again by redrive 1"),
    ]  # fmt: skip
    result = opsctl(cloud, machine, "status", name)
    assert re.search(r"^REDRIVES  1, the last at \d{4}-", result.stdout, re.MULTILINE)
    assert [row[:3] for row in table(result.stdout)][:2] == [["First", "SUCCEEDED", "1"], ["Deploy", "FAILED", "1+1"]]
    assert opsctl(cloud, machine, "list").stdout.splitlines()[1].endswith(f"{name}  1 redrive")
    tree = opsctl(cloud, machine, "lineage", name).stdout.splitlines()
    assert tree[1].startswith("   redriven once at 20")


def test_watching_an_ended_run_tells_it_whole(cloud: Cloud) -> None:
    child = cloud.machine({"Say": publish(cloud)})
    machine = cloud.machine({"Deploy": nested(child)})
    name = unique("run")
    cloud.finish(cloud.start(machine, {"child": f"{name}-child"}, name=name))
    result = opsctl(cloud, machine, "watch", name)
    lines = [re.sub(r"\d+(\.\d)? s$", "…", line.partition("  ")[2] or line) for line in result.stdout.splitlines()]
    assert (result.exit_code, sorted(lines[:-1])) == (0, sorted([
        "Deploy  started",
        f"{name}-child > Say  started",
        f"{name}-child > Say  succeeded after …",
        "Deploy  succeeded after …",
    ]))  # fmt: skip
    assert lines[-1] == f"{name} SUCCEEDED after …"
