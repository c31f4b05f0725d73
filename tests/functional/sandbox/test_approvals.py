"""`opsctl approve` and `reject` on real task tokens, which the history alone tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsctl.errors import RefusedError
from opsctl.operations import approvals
from opsctl.operations.approvals import Verdict
from opsctl.operations.runs import resolve
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.command import connection, opsctl
from tests.functional.sandbox.test_logs import error

ME = "arn:aws:sts::123456789012:user/moto"
GATE = ".waitForTaskToken"


@pytest.fixture(scope="module")
def topic(cloud: Cloud) -> str:
    arn: str = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    return arn


def gate(topic: str, **more: Any) -> dict[str, Any]:
    """Asks for approval by SNS."""
    message = {"model.$": "$.model", "token.$": "$$.Task.Token"}
    return task(f"sns:publish{GATE}", {"TopicArn": topic, "Subject": "Approve?", "Message": message}, **more)


def waiting(cloud: Cloud, machine: str, data: Any = None, gates: int = 1) -> str:
    """The name of a new run that has come to so many gates."""
    run = cloud.start(machine, {"model": "text"} if data is None else data, name=unique("run"))
    wait_for(lambda: kinds(cloud, run).count("TaskSubmitted") >= gates, "the gate")
    return run.rpartition(":")[2]


def kinds(cloud: Cloud, run: str) -> list[str]:
    return [event["type"] for event in cloud.events(run)]


def execution(machine: str, run: str) -> str:
    return machine.replace(":stateMachine:", ":execution:") + f":{run}"


def output(cloud: Cloud, machine: str, run: str) -> Any:
    ended = cloud.finish(execution(machine, run))
    return json.loads(ended["output"]) if ended["status"] == "SUCCEEDED" else (ended["error"], ended["cause"])


def test_approving_after_the_plan_was_shown(cloud: Cloud, topic: str) -> None:
    machine = cloud.machine({"Request Approval": gate(topic, TimeoutSeconds=600)})
    run = waiting(cloud, machine)
    shown = opsctl(cloud, machine, "approve", "--dry-run")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    words = [line.split(maxsplit=1) for line in lines[:7]]
    assert [word[0] for word in words] == ["APPROVE", "RUN", "MACHINE", "ASKED", "EXPIRES", "AS", "ANSWER"]
    assert (words[0][1], words[1][1], words[5][1]) == ("Request Approval", run, ME)
    assert words[3][1].endswith("ago, by sns:publish.waitForTaskToken")
    assert lines[8:] == [
        "{", f'  "TopicArn": "{topic}",', '  "Subject": "Approve?",', '  "Message": {', '    "model": "text",',
        '    "token": "<task token>"', "  }", "}",
    ]  # fmt: skip

    refused = opsctl(cloud, machine, "approve")
    assert refused.exit_code == 3
    assert refused.stderr.splitlines() == [
        "error: nothing was sent: there is no terminal to ask on", "hint: add --yes to go ahead, or --dry-run",
    ]  # fmt: skip

    done = opsctl(
        cloud, machine, "approve", run, "--yes", "--reason", "93 %", "-o", "json", "--query", "[step, approved]"
    )
    assert json.loads(done.stdout) == ["Request Approval", True]
    assert done.stderr.endswith(f"approved Request Approval of {run}; look at it: opsctl status {run}\n")
    answer = output(cloud, machine, run)
    assert (answer["approved"], answer["approved_by"], answer["reason"]) == (True, ME, "93 %")
    assert error(opsctl(cloud, machine, "approve", run, "--yes")) == (
        3, [f"error: {run} waits for no approval: it has ended SUCCEEDED"],
    )  # fmt: skip


def test_rejecting_is_a_failure_that_a_catch_takes_up(cloud: Cloud, topic: str) -> None:
    caught = [{"ErrorEquals": ["Rejected"], "ResultPath": "$.rejected", "Next": "Not Deployed"}]
    states = {
        "Ask": gate(topic, Catch=caught, Next="Deploy"),
        "Deploy": {"Type": "Pass", "End": True},
        "Not Deployed": {"Type": "Succeed"},
    }
    machine = cloud.machine(states)
    run = waiting(cloud, machine)
    done = opsctl(cloud, machine, "reject", run, "--yes", "--wait", "--reason", "too slow")
    assert (done.exit_code, done.stdout.splitlines()[-1].split(" after ")[0]) == (0, f"{run} SUCCEEDED")
    assert output(cloud, machine, run)["rejected"] == {"Error": "Rejected", "Cause": f"too slow (rejected by {ME})"}

    uncaught = cloud.machine({"Ask": gate(topic)})
    run = waiting(cloud, uncaught)
    done = opsctl(cloud, uncaught, "reject", run, "--yes", "--wait")
    assert (done.exit_code, output(cloud, uncaught, run)) == (1, ("Rejected", f"rejected by {ME}"))
    cloud.client("stepfunctions").redrive_execution(executionArn=execution(uncaught, run))
    wait_for(lambda: kinds(cloud, execution(uncaught, run)).count("TaskSubmitted") == 2, "the gate again")
    assert opsctl(cloud, uncaught, "approve", "--yes", "--answer", '{"Status": "Approved"}').exit_code == 0
    assert output(cloud, uncaught, run) == {"Status": "Approved"}


def test_gates_of_lambda_and_sqs_and_in_jsonata(cloud: Cloud) -> None:
    queue = cloud.client("sqs").create_queue(QueueName=unique("queue"))["QueueUrl"]
    text = "States.Format('approve {} with {}', $.model, $$.Task.Token)"
    sent = task(f"sqs:sendMessage{GATE}", {"QueueUrl": queue, "MessageBody.$": text}, Next="Ask Lambda")
    payload = "{% {'ask': $string({'token': $states.context.Task.Token})} %}"
    asked = {"FunctionName": cloud.function("return None"), "Payload": payload}
    called = {**task(f"lambda:invoke{GATE}", asked), "QueryLanguage": "JSONata", "Arguments": asked}
    del called["Parameters"]
    machine = cloud.machine({"Ask Queue": sent, "Ask Lambda": called})
    run = waiting(cloud, machine)
    assert opsctl(cloud, machine, "approve", run, "--yes", "--answer", '{"model": "text"}').exit_code == 0
    wait_for(lambda: kinds(cloud, execution(machine, run)).count("TaskSubmitted") == 2, "the second gate")
    assert opsctl(cloud, machine, "approve", run, "--yes", "--answer", "null").exit_code == 0
    assert output(cloud, machine, run) is None


def test_two_gates_at_once(cloud: Cloud, topic: str) -> None:
    branches = [{"StartAt": name, "States": {name: gate(topic)}} for name in ("Ask Sales", "Ask Legal")]
    machine = cloud.machine({"Both": {"Type": "Parallel", "Branches": branches, "End": True}})
    run = waiting(cloud, machine, gates=2)
    assert error(opsctl(cloud, machine, "approve", run, "--yes")) == (
        3,
        [
            "error: 2 steps wait for an approval",
            "hint: say which one with --step: Ask Sales (branch 1 of Both), Ask Legal (branch 2 of Both)",
        ],
    )
    for step, answer in (("ask-legal", '"second"'), ("Ask Sales", '"first"')):
        assert opsctl(cloud, machine, "approve", run, "--yes", "--step", step, "--answer", answer).exit_code == 0
    assert output(cloud, machine, run) == ["first", "second"]


def test_the_gate_of_a_run_that_a_run_started(cloud: Cloud, topic: str) -> None:
    deployment = cloud.machine({"Ask": gate(topic)})
    started = task("states:startExecution", {"StateMachineArn": deployment, "Input": {"model": "text"}})
    training = cloud.machine({"Deploy": started})
    run = cloud.start(training, name=unique("run"))
    child = json.loads(cloud.finish(run)["output"])["ExecutionArn"]
    wait_for(lambda: "TaskSubmitted" in kinds(cloud, child), "the gate")
    done = opsctl(cloud, training, "approve", "--yes", "--answer", '"yes"', "-o", "json", "--query", "arn")
    assert json.loads(done.stdout) == child
    assert output(cloud, deployment, child.rpartition(":")[2]) == "yes"


def test_hints_about_a_run_that_a_run_started_name_its_machine(cloud: Cloud, topic: str) -> None:
    long = {"Ask": gate(topic, Next="Wait"), "Wait": {"Type": "Wait", "Seconds": 600, "End": True}}
    deployment = cloud.machine(long)
    training = cloud.machine(
        {"Deploy": task("states:startExecution", {"StateMachineArn": deployment, "Input": {"model": "text"}})}
    )
    child = json.loads(cloud.finish(cloud.start(training, name=unique("run")))["output"])["ExecutionArn"]
    wait_for(lambda: "TaskSubmitted" in kinds(cloud, child), "the gate")
    done = opsctl(cloud, training, "approve", "--yes", "--wait", "--timeout", "1s")
    name = child.rpartition(":")[2]
    assert (done.exit_code, done.stderr.splitlines()[-2:]) == (124, [
        f"error: {name} is still running after 1 s",
        f"hint: it goes on: opsctl status {name} --machine {deployment}",
    ])  # fmt: skip
    cloud.client("stepfunctions").stop_execution(executionArn=child)


def test_somebody_else_was_first(cloud: Cloud, topic: str) -> None:
    machine = cloud.machine({"Ask": gate(topic, Next="Wait"), "Wait": {"Type": "Wait", "Seconds": 600, "End": True}})
    run = waiting(cloud, machine)
    me = connection(cloud, machine)
    planned = approvals.plan(me, resolve(me, run), Verdict(approved=False))
    assert opsctl(cloud, machine, "approve", run, "--yes").exit_code == 0
    with pytest.raises(RefusedError) as late:
        approvals.execute(me, planned)
    assert late.value.message == (
        f"Ask of {run}: it does not wait any more: somebody else answered first, or its time was up"
    )
    assert late.value.hint == f"{run} goes on"
    cloud.client("stepfunctions").stop_execution(executionArn=execution(machine, run))
    with pytest.raises(RefusedError) as ended:
        approvals.execute(me, planned)
    assert ended.value.hint == f"{run} has ended ABORTED"


def test_an_answer_to_an_earlier_attempt_and_one_after_the_time_was_up(cloud: Cloud, topic: str) -> None:
    again = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    machine = cloud.machine({"Ask": gate(topic, TimeoutSeconds=6, Retry=again)})
    run = waiting(cloud, machine)
    me = connection(cloud, machine)
    planned = approvals.plan(me, resolve(me, run), Verdict(approved=True))
    wait_for(lambda: kinds(cloud, execution(machine, run)).count("TaskSubmitted") == 2, "the second attempt")
    with pytest.raises(RefusedError) as late:
        approvals.execute(me, planned)
    assert late.value.message == (
        f"Ask of {run}: it does not wait any more: somebody else answered first, or its time was up"
    )
    status = cloud.finish(execution(machine, run))["status"]
    assert error(opsctl(cloud, machine, "approve", run, "--yes")) == (
        3, [f"error: {run} waits for no approval: it has ended {status}"],
    )  # fmt: skip


def test_what_cannot_be_approved(cloud: Cloud, topic: str) -> None:
    silent = cloud.machine({"Ask": task(f"sns:publish{GATE}", {"TopicArn": topic, "Message": "please"})})
    run = waiting(cloud, silent)
    assert error(opsctl(cloud, silent, "approve", run, "--yes")) == (
        3,
        [
            "error: Ask waits for a task token that its definition does not pass on: it is nowhere in the history",
            f"hint: opsctl stop {run} ends the run, if nobody can answer it",
        ],
    )
    wait = {"Wait": {"Type": "Wait", "Seconds": 600, "Next": "Ask"}, "Ask": gate(topic)}
    machine = cloud.machine({"Which": {"Type": "Choice", "Choices": [
        {"Variable": "$.wait", "IsPresent": True, "Next": "Wait"}], "Default": "Ask"}, **wait})  # fmt: skip
    asks = waiting(cloud, machine)
    waits = waiting(cloud, machine, {"wait": True}, gates=0)
    assert error(opsctl(cloud, machine, "reject", "--yes")) == (
        3,
        [
            f"error: {waits} waits for no approval now: no step of it is at work",
            f"hint: these runs do: {asks}",
        ],
    )
    assert error(opsctl(cloud, machine, "approve", asks, "--yes", "--answer", "{no")) == (
        2,
        ["error: --answer is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
         """hint: write it as '{"approved": true}', or '"yes"'"""],
    )  # fmt: skip
    for one in (execution(silent, run), execution(machine, asks), execution(machine, waits)):
        cloud.client("stepfunctions").stop_execution(executionArn=one)
