"""What runs in a sandbox with a state on disk goes on after its server was killed, as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.test_state import wait_until_written
from tests.functional.sandbox.test_transforms import make_model, wanted

JOBS = ("train", "fetch", "score")
# Says that it has begun, and goes on once it may.
PROGRAM = """
import pathlib, time
place = pathlib.Path({place!r})
with place.joinpath("begun-{name}").open("a") as begun:
    begun.write("x")
while not place.joinpath("go-{name}").exists():
    time.sleep(0.05)
"""

HANDLERS = """
def model_fn(directory):
    return None
def input_fn(body, content_type):
    return body.decode()
def predict_fn(text, model):
{waiting}
    return text.upper()
def output_fn(text, accept):
    return text
"""


class Resumable:
    """A sandbox with a state, which can be killed and taken up again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cloud = Cloud(self.up(), root / "sandbox")

    def up(self) -> dict[str, Any]:
        """Start a server."""
        self.server = sandbox.up(self.root / "sandbox", state=self.root / "state")
        return self.server

    def kill(self) -> None:
        """End the server as the kernel would."""
        os.kill(self.server["pid"], signal.SIGKILL)
        wait_for(lambda: sandbox.status(self.root / "sandbox") is None, "the server to be gone")

    def kill_and_go_on(self) -> None:
        """End the server, and start another one."""
        self.kill()
        self.up()

    def begun(self, name: str) -> int:
        """How often a job's program has begun."""
        path = self.root / f"begun-{name}"
        return len(path.read_text()) if path.exists() else 0


@pytest.fixture(scope="module")
def resumable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resumable]:
    found = Resumable(tmp_path_factory.mktemp("resumed"))
    yield found
    sandbox.down(found.root / "sandbox")


def branch(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def everything(resumable: Resumable) -> dict[str, Any]:
    """A state that waits for everything that a state can wait for at a time."""
    cloud = resumable.cloud
    train = cloud.training(PROGRAM.format(place=str(resumable.root), name="train"))
    train["StoppingCondition"]["MaxRuntimeInSeconds"] = 600
    fetch = cloud.job_definition(["python3", "-c", PROGRAM.format(place=str(resumable.root), name="fetch")])
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    activity = cloud.client("stepfunctions").create_activity(name=unique("activity"))["activityArn"]
    child = cloud.machine({"Rest": {"Type": "Wait", "Seconds": 3, "End": True}})
    waiting = PROGRAM.format(place=str(resumable.root), name="score").replace("\n", "\n    ")
    scored = cloud.put("pages/1.txt", "page").rpartition("/")[0].rpartition("/")[2]
    score = wanted(cloud, make_model(cloud, HANDLERS.format(waiting=waiting)), scored)
    each = branch(Pause={"Type": "Wait", "Seconds": 1, "Next": "Echo"}, Echo={"Type": "Pass", "End": True})
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    asked = {"TopicArn": topic, "Message.$": "States.Format('token {}', $$.Task.Token)"}
    return {
        "Type": "Parallel",
        "Branches": [
            branch(Train=task("sagemaker:createTrainingJob.sync", train)),
            branch(Fetch=task("batch:submitJob.sync", {
                "JobName": unique("job"), "JobQueue": cloud.queue(), "JobDefinition": fetch,
            })),
            branch(Approve=task("sns:publish.waitForTaskToken", asked)),
            branch(Rest={"Type": "Wait", "Seconds": 3, "End": True}),
            branch(Each={
                "Type": "Map", "Label": "Each", "MaxConcurrency": 2, "ItemsPath": "$$.Execution.Input.items",
                "ItemProcessor": {"ProcessorConfig": config, **each}, "End": True,
            }),
            branch(Child=task("states:startExecution.sync:2", {"StateMachineArn": child, "Input": {"of": "parent"}})),
            branch(Work=task(activity, {"work": 1})),
            branch(Score=task("sagemaker:createTransformJob.sync", score)),
        ],
        "End": True,
    }  # fmt: skip


def token_in(cloud: Cloud) -> str:
    (message,) = wait_for(cloud.mail, "a message")
    return str(message).rpartition("token ")[2].strip()


def failed_map(cloud: Cloud, flag: str) -> str:
    """An execution whose Map Run has failed, for its children ask for an object that is not there."""
    ask = task("aws-sdk:s3:getObject", {"Bucket": cloud.bucket, "Key": flag}, ResultPath=None, Next="Rest")
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    rest = {"Type": "Wait", "Seconds": 2, "End": True}
    execution = cloud.start(
        cloud.machine({"Each": {
            "Type": "Map", "Label": "Each", "MaxConcurrency": 2, "ItemsPath": "$.items", "End": True,
            "ItemProcessor": {"ProcessorConfig": config, **branch(Ask=ask, Rest=rest)},
        }}),
        {"items": [1, 2, 3]},
    )  # fmt: skip
    assert cloud.finish(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    return execution


def redriven_map(cloud: Cloud, execution: str) -> None:
    """It has come to its end, and each child to one redrive at the most."""
    end, states = cloud.finish(execution), cloud.client("stepfunctions")
    run = states.describe_map_run(mapRunArn=states.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"])
    children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert (end["output"], end["redriveCount"]) == ("[1,2,3]", 1)
    assert (run["status"], run["redriveCount"], run["executionCounts"]["succeeded"]) == ("SUCCEEDED", 1, 3)
    assert [child["redriveCount"] for child in children][-1] == 1
    assert len(children) == 3


def test_a_run_goes_on_after_its_server_was_killed(resumable: Resumable) -> None:
    cloud, states = resumable.cloud, resumable.cloud.client("stepfunctions")
    state = everything(resumable)
    machine = cloud.machine({"Everything": state})
    execution = cloud.start(machine, {"items": [1, 2, 3, 4, 5]}, name="nightly-7")
    work = states.get_activity_task(activityArn=state["Branches"][6]["States"]["Work"]["Resource"])
    wait_for(lambda: all(resumable.begun(job) == 1 for job in JOBS), "the jobs")
    token = token_in(cloud)
    before = cloud.events(execution)
    mapped = failed_map(cloud, "flag-1")
    cloud.put("flag-1", "there")
    states.redrive_execution(executionArn=mapped)
    wait_until_written(cloud)

    resumable.kill_and_go_on()
    assert cloud.events(execution)[: len(before)] == before
    assert cloud.start(machine, {"items": [1, 2, 3, 4, 5]}, name="nightly-7") == execution
    states.send_task_success(taskToken=token, output='"approved"')
    states.send_task_success(taskToken=work["taskToken"], output='"worked"')
    wait_for(lambda: all(resumable.begun(job) == 2 for job in JOBS), "the jobs to begin again")
    wait_until_written(cloud)
    resumable.kill_and_go_on()
    for job in JOBS:
        (resumable.root / f"go-{job}").touch()

    end = cloud.finish(execution)
    events = cloud.events(execution)
    output = json.loads(end["output"])
    assert end["status"] == "SUCCEEDED"
    assert output[2:5] == ["approved", {"items": [1, 2, 3, 4, 5]}, [1, 2, 3, 4, 5]]
    assert (output[5]["Status"], output[6]) == ("SUCCEEDED", "worked")
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    entered = [event["stateEnteredEventDetails"]["name"] for event in events if event["type"].endswith("StateEntered")]
    assert sorted(entered) == ["Approve", "Child", "Each", "Everything", "Fetch", "Rest", "Score", "Train", "Work"]
    assert [event["type"] for event in events].count("TaskSubmitted") == 5
    assert len(cloud.mail()) == 1
    transitions = [entry["Status"] for entry in output[0]["SecondaryStatusTransitions"]]
    assert transitions.count("Restarting") == 2
    assert (output[0]["TrainingJobStatus"], transitions[-1]) == ("Completed", "Completed")
    assert [attempt.get("Container", {}).get("ExitCode") for attempt in output[1]["Attempts"]] == [None, None, 0]
    assert (output[7]["TransformJobStatus"], cloud.get("out-pages/1.txt.out")) == ("Completed", b"PAGE")
    children = states.list_executions(mapRunArn=states.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"])
    assert [child["status"] for child in children["executions"]] == ["SUCCEEDED"] * 5
    with pytest.raises(states.exceptions.TaskTimedOut):
        states.send_task_success(taskToken=token, output="1")
    redriven_map(cloud, mapped)


def test_what_was_over_or_overdue_is_so_afterwards(resumable: Resumable) -> None:
    cloud, states = resumable.cloud, resumable.cloud.client("stepfunctions")
    queue = cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    asked = {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"}
    silent = cloud.machine({
        "Ask": task("sqs:sendMessage.waitForTaskToken", asked, HeartbeatSeconds=2),
    })  # fmt: skip
    failing = cloud.machine({
        "Look": {"Type": "Choice", "Choices": [
            {"Variable": "$$.Execution.RedriveCount", "NumericGreaterThan": 0, "Next": "Done"},
        ], "Default": "Ask"},
        "Ask": task("sqs:sendMessage", {"QueueUrl": f"{queue}-none", "MessageBody": "x"}),
        "Done": {"Type": "Succeed"},
    })  # fmt: skip
    runs = [cloud.start(failing, name=f"nightly-{number}") for number in range(3)]
    for run in runs:
        cloud.finish(run)
    redriven = states.redrive_execution(executionArn=runs[0], clientToken="again")["redriveDate"]
    cloud.finish(runs[0])
    mapped = failed_map(cloud, "flag-2")
    ignores = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    deaf = cloud.training(ignores + PROGRAM.format(place=str(resumable.root), name="deaf"))
    stopping = cloud.start(cloud.machine({"Train": task("sagemaker:createTrainingJob.sync", deaf)}))
    wait_for(lambda: resumable.begun("deaf"), "the job")
    cloud.client("sagemaker").stop_training_job(TrainingJobName=deaf["TrainingJobName"])
    waiting = cloud.start(silent)
    (submitted,) = wait_for(
        lambda: [event for event in cloud.events(waiting) if event["type"] == "TaskSubmitted"], "the request"
    )
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    told, arn = cloud.message_queue()
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sandbox.add_fault(cloud.directory, {"action": "sns:delivery", "delay": 900})
    cloud.client("sns").publish(TopicArn=topic, Message="held back")
    wait_until_written(cloud)
    before = [states.describe_execution(executionArn=run) for run in runs]
    histories = [cloud.events(run) for run in runs]
    listed = states.list_executions(stateMachineArn=failing)["executions"]

    resumable.kill()
    wait_for(lambda: time.time() > submitted["timestamp"].timestamp() + 2, "the heartbeat to be overdue")
    resumable.up()
    assert states.list_executions(stateMachineArn=failing)["executions"] == listed
    assert [cloud.events(run) for run in runs] == histories
    for was in before:
        now = states.describe_execution(executionArn=was["executionArn"])
        assert {**now, "ResponseMetadata": None} == {**was, "ResponseMetadata": None}
    assert states.redrive_execution(executionArn=runs[0], clientToken="again")["redriveDate"] == redriven
    cloud.put("flag-2", "there")
    states.redrive_execution(executionArn=mapped)
    states.redrive_execution(executionArn=runs[1])
    assert cloud.finish(runs[1])["redriveCount"] == 1
    assert cloud.finish(waiting)["error"] == "States.Timeout"
    (message,) = wait_for(lambda: cloud.client("sqs").receive_message(QueueUrl=told).get("Messages"), "the message")
    assert json.loads(message["Body"])["Message"] == "held back"
    stopped = cloud.finish(stopping)
    assert json.loads(stopped["output"])["TrainingJobStatus"] == "Stopped"
    assert resumable.begun("deaf") == 1
    redriven_map(cloud, mapped)
