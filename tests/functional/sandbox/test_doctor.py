"""`opsctl doctor`: what is wrong with a deployment, and what to do about it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from opsctl.cli.root import root
from opsctl.config import Machine
from opsctl.operations.connection import connected
from tests.functional.pipeline_world import FakeInvocation
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.command import connection

DAY = 86_400.0


class Patient:
    """A deployment of one machine, two topics and a queue, all of them well."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        sns, sqs = cloud.client("sns"), cloud.client("sqs")
        self.failures, self.approvals = (sns.create_topic(Name=unique(kind))["TopicArn"] for kind in ("f", "a"))
        for topic in (self.failures, self.approvals):
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:x")
        self.queue = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
        gate = task("sns:publish.waitForTaskToken", {"TopicArn": self.approvals, "Message": {"t.$": "$$.Task.Token"}})
        self.machine = cloud.machine({"Request Approval": gate})
        text = cloud.client("stepfunctions").describe_state_machine(stateMachineArn=self.machine)["definition"]
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self.later = 0.0
        self.role: str | None = None

    def opsctl(self, *words: str, **applied: Any) -> Result:
        """Run `doctor`, some of what was applied being otherwise."""
        found = connection(self.cloud, self.machine)
        name = self.machine.rpartition(":")[2]
        hashed = applied.pop("sha256", self.sha256)
        machine = Machine(name, name, self.machine, "", ("train-text-model",), {}, sha256=hashed)
        deployment = replace(
            found.deployment, machines={name: machine}, dead_letters=self.queue,
            topics={"failures": self.failures, "approvals": self.approvals}, **applied,
        )  # fmt: skip
        there = connected(replace(found.context, role=self.role), deployment, machine)
        there = replace(there, aws=replace(there.aws, now=lambda: time.time() + self.later))
        return CliRunner().invoke(root, ["doctor", *words], obj=FakeInvocation(there))

    def findings(self, **applied: Any) -> dict[str, tuple[str, str]]:
        """Status and remedy by check, but for what is well."""
        rows = json.loads(self.opsctl("-o", "json", **applied).stdout)
        return {row["check"]: (row["status"], row["remedy"]) for row in rows if row["status"] != "OK"}


@pytest.fixture
def patient(own_cloud: Cloud) -> Patient:
    return Patient(own_cloud)


def test_all_is_well(patient: Patient) -> None:
    result = patient.opsctl()
    name = patient.machine.rpartition(":")[2]
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "STATUS  CHECK" + " " * (len(f"definition: {name}") - 3) + "WHAT",
        *(
            f"OK      {check:<{len(f'definition: {name}')}}  {what}"
            for check, what in (
                ("credentials", "arn:aws:sts::123456789012:user/moto"),
                ("region", "us-east-1"),
                (f"definition: {name}", "as applied"),
                ("topic: failures", "sqs arn:aws:sqs:us-east-1:123456789012:x"),
                ("topic: approvals", "sqs arn:aws:sqs:us-east-1:123456789012:x"),
                ("dead letters", "none"),
                ("approvals", "none is open"),
                ("orphaned jobs", "none"),
                ("permissions", "the sandbox's own keys may do everything in it"),
            )
        ),
    ]
    assert result.exit_code == 0


def test_a_definition_that_somebody_changed(patient: Patient) -> None:
    check = f"definition: {patient.machine.rpartition(':')[2]}"
    assert patient.findings(sha256="0" * 64)[check][0] == "PROBLEM"
    assert patient.opsctl(sha256="0" * 64).exit_code == 1
    assert patient.findings(sha256=None)[check][0] == "UNKNOWN"
    patient.cloud.client("stepfunctions").delete_state_machine(stateMachineArn=patient.machine)
    assert "there is no such state machine" in patient.opsctl(sha256="0" * 64).stdout


def test_the_wrong_account_and_region(patient: Patient) -> None:
    found = patient.findings(account="999999999999", region="eu-west-1")
    assert found == {
        "credentials": ("PROBLEM", "choose others with --profile"), "region": ("PROBLEM", "leave --region out")
    }  # fmt: skip


def test_alerts_that_nobody_hears(patient: Patient) -> None:
    sns = patient.cloud.client("sns")
    for item in sns.list_subscriptions_by_topic(TopicArn=patient.failures)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])
    result = patient.opsctl()
    assert "nobody hears of failures: no subscription of the topic is confirmed" in result.stdout
    remedy = "add one in the module's variable notifications, or confirm the link in the mail that AWS sent"
    assert result.stdout.splitlines()[-2:] == ["what to do", f"  topic: failures: {remedy}"]
    assert result.exit_code == 1


def test_messages_that_could_not_be_delivered(patient: Patient) -> None:
    patient.cloud.client("sqs").send_message(QueueUrl=patient.queue, MessageBody="an alert")
    status, remedy = patient.findings()["dead letters"]
    assert (status, remedy) == (
        "PROBLEM", f"aws sqs receive-message --queue-url {patient.queue} --attribute-names All shows them"
    )  # fmt: skip


def test_an_approval_that_waits_for_days(patient: Patient) -> None:
    run = patient.cloud.start(patient.machine, name=unique("run"))
    wait_for(lambda: [e for e in patient.cloud.events(run) if e["type"] == "TaskSubmitted"], "the gate")
    assert patient.findings() == {}
    assert "approvals" in patient.opsctl().stdout
    patient.later = 3 * DAY
    name, machine = run.rpartition(":")[2], patient.machine.rpartition(":")[2]
    assert patient.findings()["approvals"] == ("WARNING", f"opsctl approve {name} --machine {machine}, or reject")
    assert f"{name} has waited for Request Approval for 3 days" in patient.opsctl().stdout
    assert patient.opsctl().exit_code == 0  # a warning is no problem


def test_a_job_whose_run_is_over(patient: Patient) -> None:
    wanted = patient.cloud.training("import time\ntime.sleep(600)")
    name = wanted["TrainingJobName"] = f"{unique('gone')[:20]}-train-text-model-d0r0"
    sagemaker = patient.cloud.client("sagemaker")
    sagemaker.create_training_job(**wanted)
    assert patient.findings()["orphaned jobs"] == (
        "WARNING", f"aws sagemaker stop-training-job --training-job-name {name}"
    )  # fmt: skip
    sagemaker.stop_training_job(TrainingJobName=name)
    patient.cloud.trained(name)
    assert patient.findings() == {}


def test_what_iam_would_not_allow(patient: Patient) -> None:
    iam = patient.cloud.client("iam")
    trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}}
    role = iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
                            {"Effect": "Deny", "Action": "states:RedriveExecution", "Resource": "*"}]}  # fmt: skip
    iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=json.dumps(policy))
    patient.role = role["Arn"]
    rows = json.loads(patient.opsctl("--query", "[?check=='permissions'].[status, what]").stdout)
    run = patient.machine.replace(":stateMachine:", ":execution:") + ":x"
    assert rows == [["WARNING", f"{role['Arn']} may not states:RedriveExecution on {run}"]]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=role["Arn"], ActionNames=["states:RedriveExecution", "s3:PutObject"], ResourceArns=["arn:x"]
    )
    assert [result["EvalDecision"] for result in answer["EvaluationResults"]] == ["explicitDeny", "allowed"]
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.simulate_principal_policy(PolicySourceArn=role["Arn"] + "x", ActionNames=["s3:PutObject"])
