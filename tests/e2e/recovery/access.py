"""What people do with the module's policies, and what becomes of runs whose roles lack a statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config

from tests.e2e.conftest import ACCOUNT, Clone
from tests.e2e.recovery.elsewhere import create_model
from tests.e2e.recovery.pipeline import Pipeline, task_states, wait_for

GATE = "Evaluate"
KEY = "alias/documents"
# A statement less: whose role, its sid, where the run then fails, and what is denied.
MUTATIONS = (
    ("prepare-run", "ReadCode", "Prepare Run", "s3:GetObject"),
    ("batch-job", "ReadData", "Fetch Preprocessed Data", "s3:GetObject"),
    ("training-job", "ReadObjects", "Train Text Model", "s3:GetObject"),
)


STOPPED = "stopped-while-fetching"
SCORED = "scored"


def stop_while_fetching(pipeline: Pipeline) -> None:
    """A run of whose Batch job the history does not say where it wrote."""
    mark = pipeline.marks / f"{STOPPED}.fetch-preprocessed-data"
    mark.write_text("hang")
    pipeline.start(STOPPED, pipeline.put_data(STOPPED))
    wait_for(mark.with_name(f"{mark.name}.hangs").exists, "the job to hang")
    pipeline.clone.run("stop", STOPPED, "--yes")


def look(clone: Clone, run: str) -> None:
    """Every command that reads."""
    *looks, examined = clone.run_all(
        ("list",),
        ("status", run),
        ("watch", run),
        ("lineage", run),
        ("data", "list"),
        *(("logs", run, step) for step in ("prepare-run", "fetch-preprocessed-data", "train-text-model")),
        ("logs", STOPPED, "fetch-preprocessed-data"),
        ("rerun", run, "--from", "evaluate", "--dry-run"),
        ("cleanup", "--run", run, "--grace", "0", "--dry-run"),
        ("cost", run),
        ("diff", run, STOPPED),
        ("--machine", "bulk", "status", "@latest"),
        ("doctor", "--query", "[?status=='UNKNOWN'].check"),
    )
    assert [(done.args, done.stderr) for done in looks if done.returncode != 0] == []
    assert json.loads(examined.stdout) == ["permissions"], examined.stderr  # IAM's simulation is not theirs to ask


def refusal(clone: Clone, *command: str) -> str:
    """The one line that a command ends with which may not be given, as the first thing that it says is wrong."""
    refused = clone.run(*command, code=4)
    (error,) = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
    return error


def ask_for_approval(pipeline: Pipeline, name: str) -> None:
    """A run that waits for a person where it would have evaluated."""

    def wait_for_somebody(definition: dict[str, Any]) -> None:
        states = dict(task_states(definition))
        topic = states["Notify Failure"]["Parameters"]["TopicArn"]
        states[GATE]["Resource"] = states["Notify Failure"]["Resource"] + ".waitForTaskToken"
        states[GATE]["Parameters"] = {"TopicArn": topic, "Message.$": "$$.Task.Token"}

    pipeline.start(name, pipeline.put_data(name), pipeline.publish(wait_for_somebody))
    wait_for(lambda: _waits(pipeline, name), f"{name} to ask")


def _waits(pipeline: Pipeline, run: str) -> bool:
    return GATE in pipeline.entered(run) and pipeline.events(run)[-1]["type"] == "TaskSubmitted"


@contextmanager
def without(pipeline: Pipeline, role: str, sid: str) -> Iterator[None]:
    """A role's inline policies less one statement, for a while."""
    iam, name = pipeline.clone.client("iam"), f"documents-{role}"
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        whole = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        left = [statement for statement in whole["Statement"] if statement.get("Sid") != sid]
        if len(left) < len(whole["Statement"]):
            break
    else:
        raise AssertionError(f"{name} has no statement {sid}")
    put = {"RoleName": name, "PolicyName": policy}
    iam.put_role_policy(**put, PolicyDocument=json.dumps({**whole, "Statement": left}))
    try:
        yield
    finally:
        iam.put_role_policy(**put, PolicyDocument=json.dumps(whole))


def careless(pipeline: Pipeline) -> boto3.Session:
    """Somebody whose own policies allow all of S3 and KMS, and whom no other policy names."""
    iam, name = pipeline.clone.client("iam"), "careless"
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["kms:*", "s3:*"], "Resource": "*"}]}
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=json.dumps(allow))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], region_name="us-east-1"
    )


def client(pipeline: Pipeline, session: boto3.Session, service: str) -> Any:
    server = json.loads((pipeline.clone.sandbox / "server.json").read_text())
    return session.client(service, endpoint_url=server["url"], config=Config(proxies={}))


DROPS_A_CHECKPOINT = """
import os, pathlib, time
place = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints", "old")
place.write_text("old")
while not pathlib.Path({seen!r}).exists():
    time.sleep(0.1)
place.unlink()
"""


def drop_a_checkpoint(pipeline: Pipeline) -> dict[str, Any]:
    """A training job of the pipeline's role that replaces its checkpoint; returns its description."""
    place, name = f"s3://{pipeline.bucket}/runs/{pipeline.first}/train-text-model", "drops-a-checkpoint"
    seen = pipeline.marks / f"{name}.seen"
    pipeline.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=f"{ACCOUNT}:role/documents-training-job",
        AlgorithmSpecification={
            "TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", DROPS_A_CHECKPOINT.format(seen=str(seen))],
        },
        CheckpointConfig={"S3Uri": f"{place}/checkpoints/"},
        OutputDataConfig={"S3OutputPath": place},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1, "VolumeKmsKeyId": KEY},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    wait_for(lambda: "train-text-model/checkpoints/old" in pipeline.objects(pipeline.first), "the checkpoint in S3")
    seen.touch()

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = pipeline.sagemaker.describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] != "InProgress" else None

    return dict(wait_for(look, f"{name} to end"))


def prune(pipeline: Pipeline) -> list[str]:
    """Delete a version that nobody uses, as an apply does it; returns what was deleted."""
    for words in ("never used", "nor this one"):
        pipeline.publish(lambda definition, words=words: definition.update(Comment=words))
    event = json.dumps({"machine": pipeline.machine, "keep": 1}).encode()
    answer = pipeline.clone.client("lambda").invoke(FunctionName="documents-prune-versions", Payload=event)
    deleted: list[str] = json.loads(answer["Payload"].read())["deleted"]
    return deleted


def measure(pipeline: Pipeline) -> list[float]:
    """Let the days since the machine's last success be measured as its rule does, with an event in the clock's place;
    returns what was measured, in whole days."""
    events, rule = pipeline.clone.client("events"), "documents-days-without-success"
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["test.clock"]}))
    asked = json.loads(events.list_targets_by_rule(Rule=rule)["Targets"][0]["Input"])
    events.put_events(Entries=[{"Source": "test.clock", "DetailType": "test", "Detail": "{}"}])

    def look() -> list[dict[str, Any]]:
        found = pipeline.clone.client("cloudwatch").get_metric_statistics(
            Namespace=asked["namespace"],
            MetricName="DaysWithoutSuccess",
            Dimensions=[{"Name": "StateMachineArn", "Value": asked["machines"][0]}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=3600,
            Statistics=["Minimum"],
        )
        datapoints: list[dict[str, Any]] = found["Datapoints"]
        return datapoints

    return [float(int(point["Minimum"])) for point in wait_for(look, "the days to be measured")]


def ring(pipeline: Pipeline) -> str:
    """Let an alarm of the deployment go off; returns its name."""
    alarms = pipeline.clone.client("cloudwatch")
    name: str = next(one["AlarmName"] for one in alarms.describe_alarms()["MetricAlarms"] if one["AlarmActions"])
    alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    return name


def lose_a_manifest(pipeline: Pipeline) -> str:
    """A run of the machine for manifests that finds none; returns its status."""
    machine = pipeline.clone.outputs()["machines"]["bulk"]["arn"]
    asked = {"operation": "delete", "manifest": "audit/none.jsonl", "results": "audit/none", "kept": []}
    run = pipeline.states.start_execution(stateMachineArn=machine, name="lost", input=json.dumps(asked))["executionArn"]
    describe = pipeline.states.describe_execution
    wait_for(lambda: describe(executionArn=run)["status"] != "RUNNING", "the manifest to be missed")
    return str(describe(executionArn=run)["status"])


def score(pipeline: Pipeline, run: str) -> dict[str, str]:
    """Have a folder of one stack scored with a run's model, by the operator; returns the results by their names."""
    stack = {"pages.tif": b"not looked at", "pages.jsonl": b'{"text": "a deed"}\n{"text": "of sale"}\n'}
    for name, content in stack.items():
        pipeline.s3.put_object(Bucket=pipeline.bucket, Key=f"inbox/scan-1/{name}", Body=content)
    wanted = ("--set", f"documents=s3://{pipeline.bucket}/inbox/", "--set", f"run={run}")
    on = ("--machine", "inference")
    pipeline.clone.run(*on, "start", "--name", SCORED, *wanted, "--wait")
    pipeline.clone.run(*on, "status", SCORED)
    pipeline.clone.run(*on, "logs", SCORED, "score-documents")
    prefix = "score-documents/"
    found = [key for key in pipeline.objects(SCORED) if key.startswith(prefix)]
    read = pipeline.s3.get_object
    return {
        key.removeprefix(prefix): read(Bucket=pipeline.bucket, Key=f"runs/{SCORED}/{key}")["Body"].read().decode()
        for key in found
    }


def score_on_an_encrypted_volume(pipeline: Pipeline) -> str:
    """The same documents by a transform job whose volume has a key, as one that is brought is given; its status."""
    sagemaker, name = pipeline.sagemaker, "on-an-encrypted-volume"
    trained = [key for key in pipeline.objects(pipeline.first) if key.endswith("model.tar.gz")]
    model = next(key for key in trained if key.startswith("train-sequence-model/"))
    runs = f"s3://{pipeline.bucket}/runs"
    create_model(pipeline, name, "documents-transform-job", model)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{runs}/{SCORED}/documents/"}}
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={"DataSource": source, "ContentType": "application/json"},
        TransformOutput={"S3OutputPath": f"{runs}/{SCORED}/encrypted/"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeKmsKeyId": KEY},
    )

    def status() -> str | None:
        found = str(sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"])
        return found if found != "InProgress" else None

    ended = str(wait_for(status, f"{name} to end"))
    sagemaker.delete_model(ModelName=name)
    return ended


def refused_input(pipeline: Pipeline, stem: str) -> str:
    """A run of another machine for a run and a folder that there are not; returns its status."""
    machine = pipeline.clone.outputs()["machines"][stem]["arn"]
    given = {"inference": {"documents": f"s3://{pipeline.bucket}/nothing/", "run": pipeline.first}}
    text = json.dumps(given.get(stem, {"run": "nobody"}))
    run = pipeline.states.start_execution(stateMachineArn=machine, name=f"{stem}-of-nothing", input=text)[
        "executionArn"
    ]
    describe = pipeline.states.describe_execution
    wait_for(lambda: describe(executionArn=run)["status"] != "RUNNING", "the run to be refused")
    return str(describe(executionArn=run)["status"])


def denied(pipeline: Pipeline, role: str, action: str) -> bool:
    """Whether the sandbox has denied something to a role."""
    said = f"User: arn:aws:sts::{ACCOUNT.split(':')[4]}:assumed-role/documents-{role}/"
    lines = (pipeline.clone.sandbox / "server.log").read_text().splitlines()
    return any(said in line and f"is not authorized to perform: {action}" in line for line in lines)
