"""Every kind of end of a run, with the shipped function behind the status rule: how many messages each sends, and what
they say. The same with the module's own rule and machine: tests/e2e/recovery."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.functional.sandbox.cloud import Cloud, ended, task, unique, wait_for

REPOSITORY = Path(__file__).resolve().parents[3]
ENDS = ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]  # as in modules/state-machine/alerts.tf
SECONDS = 600.0  # a dozen functions begin at once, on a machine that may be busy
FAIL = {"Type": "Fail", "Error": "PipelineFailed"}


class Alerts:
    """Two topics, the function, and machines whose ends the function is told of."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.topics = {
            kind: cloud.client("sns").create_topic(Name=unique(kind))["TopicArn"] for kind in ("failures", "successes")
        }
        variables = {f"{kind.upper()}_TOPIC": arn for kind, arn in self.topics.items()} | {"BUCKET": unique("claims")}
        cloud.client("s3").create_bucket(Bucket=variables["BUCKET"])
        answer = cloud.client("lambda").create_function(
            FunctionName=unique("describe-failure"), Runtime="python3.13", Role=cloud.role, Timeout=300,
            Handler="handler.handler", Environment={"Variables": variables},
            Code={"ZipFile": (REPOSITORY / "functions/dist/describe_failure.zip").read_bytes()},
        )  # fmt: skip
        self.function = answer["FunctionArn"]

    def machine(self, states: dict[str, Any], **more: Any) -> str:
        arn = self.cloud.machine(states, **more)
        events, name = self.cloud.client("events"), unique("ended")
        pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [arn], "status": ENDS}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": self.function}])
        return arn

    def calls(self) -> int:
        """How often the function has run to its end."""
        group = f"/aws/lambda/{self.function.rpartition(':')[2]}"
        try:
            return sum(line.startswith("END ") for line in self.cloud.logs(group))
        except self.cloud.client(
            "logs"
        ).exceptions.ResourceNotFoundException:  # there is no group before its first line
            return 0

    def told(self) -> dict[str, Counter[str]]:
        """Each run's messages, by topic and status."""
        kinds = {arn: kind for kind, arn in self.topics.items()}
        found: dict[str, Counter[str]] = {}
        for mail in self.cloud.mail():
            headers = dict(line.split(": ", 1) for line in mail.split("\n\n")[0].splitlines())
            if headers["Topic"] in kinds:
                found.setdefault(headers["run"], Counter())[f"{kinds[headers['Topic']]} {headers['status']}"] += 1
        return found

    def caught(self, work: dict[str, Any], **more: Any) -> str:
        """A machine in the talk's way: a failure is caught, described, told and made the run's."""
        catch = {"ErrorEquals": ["States.ALL"], "Next": "Describe Failure"}
        failures = [{"step": "Work", "failure.$": "$"}]
        return self.machine({
            "Work": {**work, "Catch": [{**catch, "Assign": {"failures": failures}}], "Next": "Notify Success"},
            "Notify Success": self.publish("successes", {"Message": "well"}, "SUCCEEDED", End=True),
            "Describe Failure": task(
                "lambda:invoke",
                {"FunctionName": self.function, "Payload": {"arn.$": "$$.Execution.Id", "failures.$": "$failures"}},
                ResultSelector={"message.$": "$.Payload.message"}, Next="Notify Failure",
            ),
            "Notify Failure": self.publish("failures", {"Message.$": "$.message"}, "FAILED", Next="Fail"),
            "Fail": FAIL,
        }, **more)  # fmt: skip

    def publish(self, kind: str, message: dict[str, str], status: str, **more: Any) -> dict[str, Any]:
        attributes = {
            "run": {"DataType": "String", "StringValue.$": "$$.Execution.Name"},
            "status": {"DataType": "String", "StringValue": status},
        }
        parameters = {"TopicArn": self.topics[kind], "MessageAttributes": attributes, **message}
        return task("sns:publish", parameters, ResultPath=None, **more)


def finish(cloud: Cloud, execution: str) -> dict[str, Any]:
    describe = cloud.client("stepfunctions").describe_execution
    end: dict[str, Any] = wait_for(lambda: ended(describe(executionArn=execution)), f"{execution} to end", SECONDS)
    return end


def test_every_kind_of_end_sends_its_exact_number_of_messages(cloud: Cloud) -> None:
    alerts = Alerts(cloud)
    broken = cloud.function("raise ValueError('loss is not finite')")
    work = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": broken}}
    wait = {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}
    well = {"Type": "Pass", "Next": "Notify Success"}
    told = alerts.publish("successes", {"Message": "well"}, "SUCCEEDED", End=True)
    silent = {"Type": "Choice", "Choices": [{"Variable": "$.no", "IsNull": True, "Next": "Work"}]}
    machines = {
        "caught": alerts.caught(work),
        "told-well": alerts.machine({"Work": well, "Notify Success": told}),
        "well": alerts.machine({"Work": {"Type": "Succeed"}}),
        "uncaught": alerts.machine({"Work": {**work, "End": True}}),
        "timed-out": alerts.machine(wait, TimeoutSeconds=1),
        "aborted": alerts.machine(wait),
        "runtime-error": alerts.machine({"Which?": silent, "Work": {"Type": "Succeed"}}),
        "caught-redriven": alerts.caught(work),
        "uncaught-redriven": alerts.machine({"Work": {**work, "End": True}}),
    }
    states = cloud.client("stepfunctions")
    runs = {name: cloud.start(machine, {}, name=name) for name, machine in machines.items()}
    states.stop_execution(executionArn=runs["aborted"], error="Operator", cause="wrong data")
    ends = {name: finish(cloud, run) for name, run in runs.items()}
    for name in ("caught-redriven", "uncaught-redriven"):
        states.redrive_execution(executionArn=runs[name])
        ends[name] = finish(cloud, runs[name])
    assert {name: end["status"] for name, end in ends.items()} == {
        name: {"timed-out": "TIMED_OUT", "aborted": "ABORTED"}.get(name, "SUCCEEDED" if "well" in name else "FAILED")
        for name in machines
    }
    assert ends["runtime-error"]["error"] == "States.Runtime"

    # One call of the rule for each end, and one of each of the machines that catch.
    wait_for(lambda: alerts.calls() >= 9 + 2 + 2, "every call of the function", SECONDS)
    assert alerts.told() == {
        "caught": {"failures FAILED": 1},
        "told-well": {"successes SUCCEEDED": 1},
        "well": {"successes SUCCEEDED": 1},
        "uncaught": {"failures FAILED": 1},
        "timed-out": {"failures TIMED_OUT": 1},
        "aborted": {"failures ABORTED": 1},
        "runtime-error": {"failures FAILED": 1},
        "caught-redriven": {"failures FAILED": 2},
        "uncaught-redriven": {"failures FAILED": 2},
    }
    for mail in (mail for mail in cloud.mail() if alerts.topics["failures"] in mail):
        assert "\nNext:    opsctl re" in mail, mail


def test_an_event_that_is_delivered_five_times_is_told_once(cloud: Cloud) -> None:
    alerts = Alerts(cloud)
    run = cloud.start(cloud.machine({"Fail": FAIL}), {}, name="told-once")
    finish(cloud, run)
    event = {"source": "aws.states", "detail": {"executionArn": run, "status": "FAILED", "redriveCount": 0}}
    for _ in range(5):
        cloud.client("lambda").invoke(
            FunctionName=alerts.function, InvocationType="Event", Payload=json.dumps(event).encode()
        )
    wait_for(lambda: alerts.calls() >= 5, "every call of the function", SECONDS)
    assert alerts.told() == {"told-once": {"failures FAILED": 1}}
