"""`opsctl drill --live` on a small machine with a real training job: what holds, what is refuted, what is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, task, wait_for
from tests.functional.sandbox.small import Small

TOPIC = "arn:aws:sns:us-east-1:123456789012:failures"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    directory = tmp_path_factory.mktemp("live") / "sandbox"
    server = sandbox.up(directory, grace=1.0)
    cloud = Cloud(server, directory)
    cloud.client("sns").create_topic(Name="failures")
    yield Small(cloud, machine(cloud), steps=["train"])
    sandbox.down(directory)


def machine(cloud: Cloud) -> str:
    """Trains, and tells of a failure; nothing tells of a run that is stopped."""
    training = cloud.training("print('trained')")
    del training["TrainingJobName"]
    name = "States.Format('{}-train-d{}r{}', $$.Execution.Name, $$.Execution.RedriveCount, $$.State.RetryCount)"
    retry = {"ErrorEquals": ["SageMaker.AmazonSageMakerException", "SageMaker.SdkClientException"], "MaxAttempts": 2}
    catch = {"ErrorEquals": ["States.ALL"], "Next": "Notify Failure"}
    told: dict[str, Any] = {
        key: {"DataType": "String", **value}
        for key, value in {
            "run": {"StringValue.$": "$$.Execution.Name"}, "status": {"StringValue": "FAILED"},
        }.items()
    }  # fmt: skip
    message = {"TopicArn": TOPIC, "Message.$": "States.Format('{} failed', $$.Execution.Name)"}
    return cloud.machine({
        "Train": task(
            "sagemaker:createTrainingJob.sync", {**training, "TrainingJobName.$": name},
            TimeoutSeconds=600, Retry=[retry], Catch=[catch], Next="Done",
        ),
        "Done": {"Type": "Succeed"},
        "Notify Failure": task("sns:publish", {**message, "MessageAttributes": told}, Next="Fail"),
        "Fail": {"Type": "Fail", "Error": "PipelineFailed"},
    })  # fmt: skip


def drill(small: Small, *words: str) -> tuple[int, str, str]:
    process = small.opsctl("drill", "--live", *words)
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


def faults(small: Small) -> list[dict[str, Any]]:
    return sandbox.list_faults(small.cloud.directory)


def running(small: Small) -> list[str]:
    listed = small.cloud.client("stepfunctions").list_executions(stateMachineArn=small.machine, statusFilter="RUNNING")
    return [one["name"] for one in listed["executions"]]


def test_the_plan_is_shown_and_nothing_is_done(small: Small) -> None:
    before = small.cloud.client("stepfunctions").list_executions(stateMachineArn=small.machine)["executions"]
    code, out, err = drill(small, "--dry-run")
    assert (code, out.partition("; ")[2]) == (0, (
        "for how long, no run has shown yet\n"
        "\n"
        "STATE           REFUSED  FAILS  HANGS  STOPPED  CORRUPT  STOP\n"
        "Train           3        4      1      1        1        1\n"
        "Notify Failure  1               1                        1\n"
        "\n"
        "5 faults are left to opsctl drill --model\n"
    )), err  # fmt: skip
    assert "15 runs, and one to bring back each that fails, 8 at a time" in out
    assert small.cloud.client("stepfunctions").list_executions(stateMachineArn=small.machine)["executions"] == before
    code, _, err = drill(small)
    assert (code, "--yes" in err) == (3, True)  # never a prompt without a terminal


def test_every_fault_is_made_for_real(small: Small, tmp_path: Path) -> None:
    """All holds but one thing: nobody is told of a run that is stopped, for there is no rule of EventBridge's."""
    page = tmp_path / "drill.xml"
    code, _, err = drill(small, "--yes", "--state", "train", "--out", str(page))
    assert code == 1, err
    suite = ET.parse(page).getroot()[0]
    found = {case.get("name"): [child.tag for child in case] for case in suite if case.tag == "testcase"}
    assert found == {
        "Train: refused": [], "Train: failed": [], "Train: hang": [], "Train: oversized": ["skipped"],
        "Train: missing": ["skipped"], "Train: stopped": ["failure"], "Train: corrupt": ["skipped"],
        "Train: abort": ["failure"],
        "a run without faults and stops": [],
    }  # fmt: skip
    said = {failure.get("type"): failure.get("message") for failure in suite.iter("failure")}
    assert said == {
        "red": "the job of Train is stopped before it is done, and the run ends SUCCEEDED",
        "alert": "the run ends ABORTED with no message",
    }
    assert suite.findtext("system-out") == (
        "ends: 10 expected, 10 found\nobjects: 0 expected, 0 found\nalerts: 8 expected, 7 found\n"
        "approvals: 0 expected, 0 found"
    )
    assert (faults(small), running(small)) == ([], [])


def test_a_state_of_failures_is_broken_behind_a_failure(small: Small) -> None:
    code, out, err = drill(small, "--yes", "--state", "notify-failure", "-o", "json")
    (found,) = json.loads(out)["machines"]
    rows = {row["kind"]: (row["result"], row["ends"]) for row in found["singles"]}
    assert code == 1, err
    assert rows["refused"] == ("refuted", ["FAILED"])
    assert {row["words"] for row in found["refutations"]} >= {"the run ends FAILED with no message"}


def test_an_interrupted_drill_leaves_nothing_behind(small: Small) -> None:
    process = small.opsctl("drill", "--live", "--yes", "--state", "train")
    wait_for(lambda: any(fault["applied"] for fault in faults(small)), "a fault to be met")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "of 11 faults: what follows is what they showed" in err.splitlines()[-1]
    assert "the drill was interrupted before it" in out
    assert (faults(small), running(small)) == ([], [])


def test_it_is_for_a_sandbox_and_for_states_that_there_are(small: Small) -> None:
    code, _, err = drill(small, "--state", "trian", "--dry-run")
    assert (code, err.splitlines()[-2:]) == (2, [
        f"error: {small.machine.rpartition(':')[2]} has no state trian", "hint: opsctl graph shows them",
    ])  # fmt: skip
    code, _, err = drill(small, "--pairs")
    assert (code, err.splitlines()[-2]) == (2, "error: --pairs is for --model")


def test_a_run_that_asks_is_answered_once(small: Small) -> None:
    """By the drill, when its message is out: neither while the request is refused, nor while it hangs."""
    told = {"TopicArn": TOPIC, "Message.$": "States.Format('The run {} asks.\n{}', $$.Execution.Name, $$.Task.Token)"}
    retry = {"ErrorEquals": ["SNS.AmazonSNSException"], "MaxAttempts": 2}
    asking = task("sns:publish.waitForTaskToken", told, TimeoutSeconds=600, Retry=[retry], End=True)
    other = Small(small.cloud, small.cloud.machine({"Ask": asking}), steps=[])
    code, out, err = drill(other, "--yes", "-o", "json")
    Small(small.cloud, small.machine, steps=["train"])  # for what comes after it
    (found,) = json.loads(out)["machines"]
    ends = sorted((row["kind"], *row["ends"]) for row in found["singles"] if row["ends"])
    assert ends == [
        ("abort", "ABORTED"), ("hang", "FAILED"), ("refused", "FAILED"), ("refused", "FAILED"),
        ("refused", "SUCCEEDED"),
    ], err  # fmt: skip
    counts = {one["what"]: (one["expected"], one["found"]) for one in found["counts"]}
    assert counts["approvals"] == (6, 6)  # the first run's, the one's that is retried, four that are brought back
    assert (code, faults(small)) == (1, [])  # nobody is told: this machine has neither a message nor a rule
