"""SageMaker transform jobs: every object of a folder through real server processes."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for

GROUP = "/aws/sagemaker/TransformJobs"
HANDLERS = """
import json, os, time
def model_fn(model_dir):
    return "loaded"
class Refused(Exception):
    status = 422
def input_fn(body, content_type):
    text = body.decode()
    if "bad" in text:
        raise Refused("a bad page")
    if "broken" in text:
        raise ValueError("no idea")
    if "slow" in text:
        print("slow", flush=True)
        time.sleep(60)
    return [text, content_type]
def predict_fn(found, model):
    return json.dumps([*found, os.environ["SAGEMAKER_BATCH"], os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB")])
def output_fn(found, accept):
    return found
"""


@pytest.fixture(scope="module")
def model(cloud: Cloud) -> str:
    """A model whose handlers say what they were asked; its name."""
    return make_model(cloud, HANDLERS)


def make_model(cloud: Cloud, handlers: str) -> str:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(handlers.encode())
        archive.addfile(member, io.BytesIO(handlers.encode()))
    key = f"models/{unique('model')}/model.tar.gz"
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=key, Body=content.getvalue())
    name = unique("model")
    container = {"Image": "image", "ModelDataUrl": f"s3://{cloud.bucket}/{key}"}
    cloud.client("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=cloud.role)
    return name


def wanted(cloud: Cloud, model: str, folder: str, **more: Any) -> dict[str, Any]:
    """CreateTransformJob parameters for the objects below a folder."""
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{cloud.bucket}/{folder}/"}}
    given = {"DataSource": source, "ContentType": "text/plain", **more.pop("TransformInput", {})}
    output = {"S3OutputPath": f"s3://{cloud.bucket}/out-{folder}/", **more.pop("TransformOutput", {})}
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1, **more.pop("TransformResources", {})}
    return {
        "TransformJobName": unique("transform"), "ModelName": model, "TransformInput": given,
        "TransformOutput": output, "TransformResources": resources, **more,
    }  # fmt: skip


def ended(cloud: Cloud, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = cloud.client("sagemaker").describe_transform_job(TransformJobName=name)
        return None if job["TransformJobStatus"] in ("InProgress", "Stopping") else job

    found: dict[str, Any] = wait_for(look, f"transform job {name} to end")
    return found


def transform(cloud: Cloud, model: str, folder: str, **more: Any) -> dict[str, Any]:
    request = wanted(cloud, model, folder, **more)
    cloud.client("sagemaker").create_transform_job(**request)
    return ended(cloud, request["TransformJobName"])


def outputs(cloud: Cloud, folder: str) -> dict[str, str]:
    prefix = f"out-{folder}/"
    return {key.removeprefix(prefix): cloud.get(key).decode() for key in cloud.keys(prefix)}


def test_each_object_becomes_an_output_of_its_name(cloud: Cloud, model: str) -> None:
    folder = unique("folder")
    for name in ("1.txt", "deeper/2.txt", "3.txt"):
        cloud.put(f"{folder}/{name}", name)
    job = transform(
        cloud, model, folder, TransformResources={"InstanceCount": 2}, MaxConcurrentTransforms=2, MaxPayloadInMB=20
    )
    assert job["TransformJobStatus"] == "Completed"
    assert outputs(cloud, folder) == {
        f"{name}.out": json.dumps([name, "text/plain", "true", "20"]) for name in ("1.txt", "deeper/2.txt", "3.txt")
    }
    streams = cloud.client("logs").describe_log_streams(logGroupName=GROUP)["logStreams"]
    own = [stream["logStreamName"] for stream in streams if stream["logStreamName"].startswith(job["TransformJobName"])]
    assert len([name for name in own if name.endswith("/data-log")]) == 2  # one for each instance
    assert not list((cloud.directory / "jobs").glob(f"*{job['TransformJobName']}*"))


@pytest.mark.parametrize(("strategy", "asked"), [("MultiRecord", ["one\ntwo\n"]), ("SingleRecord", ["one\n", "two\n"])])
def test_lines_are_records(cloud: Cloud, model: str, strategy: str, asked: list[str]) -> None:
    folder = unique("folder")
    cloud.client("s3").put_object(Bucket=cloud.bucket, Key=f"{folder}/a.gz", Body=gzip.compress(b"one\ntwo\n"))
    job = transform(
        cloud, model, folder, BatchStrategy=strategy, TransformOutput={"AssembleWith": "Line"},
        TransformInput={"SplitType": "Line", "CompressionType": "Gzip"},
    )  # fmt: skip
    assert job["TransformJobStatus"] == "Completed"
    answers = outputs(cloud, folder)["a.gz.out"]
    assert answers == "".join(json.dumps([text, "text/plain", "true", None]) + "\n" for text in asked)


@pytest.mark.parametrize(
    ("text", "fault", "said"),
    [
        ("bad", "ClientError", ['{"error": "a bad page"}', "ClientError: 422"]),
        ("broken", "AlgorithmError", ['{"error": "ValueError: no idea"}', "AlgorithmError: 500"]),
        ("x" * 2**20 + "y", "ClientError", ["Too much data for max payload size"]),
    ],
)
def test_an_object_that_is_refused_fails_the_job_after_the_others(
    cloud: Cloud, model: str, text: str, fault: str, said: list[str]
) -> None:
    folder = unique("folder")
    cloud.put(f"{folder}/1.txt", text)
    cloud.put(f"{folder}/2.txt", "good")
    job = transform(cloud, model, folder, MaxPayloadInMB=1, ModelClientConfig={"InvocationsMaxRetries": 1})
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed", f"{fault}: See job logs for more information",
    )  # fmt: skip
    assert list(outputs(cloud, folder)) == ["2.txt.out"]
    lines = [line for line in cloud.logs(GROUP, job["TransformJobName"]) if f"{cloud.bucket}/{folder}/1.txt: " in line]
    assert all(any(line.endswith(words) for line in lines) for words in said)


def test_nothing_to_transform_and_a_model_that_does_not_load(cloud: Cloud, model: str) -> None:
    job = transform(cloud, model, unique("empty"))
    assert job["FailureReason"].startswith("ClientError: No S3 objects found under S3 URL ")
    folder = unique("folder")
    cloud.put(f"{folder}/1.txt", "x")
    job = transform(cloud, make_model(cloud, "raise RuntimeError('no weights')"), folder)
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed", "AlgorithmError: The primary container did not pass the ping health check",
    )  # fmt: skip
    assert any("no weights" in line for line in cloud.logs(GROUP, job["TransformJobName"]))


def test_what_is_refused(cloud: Cloud, model: str) -> None:
    client = cloud.client("sagemaker")
    for more, problem in (
        ({"ModelName": "nobody"}, 'Could not find model ".*:model/nobody"'),
        ({"MaxPayloadInMB": 101}, "must not be greater than 100"),
        ({"MaxPayloadInMB": 40, "MaxConcurrentTransforms": 3}, "must not be greater than 100"),
        ({"BatchStrategy": "SingleRecord"}, "needs SplitType"),
        ({"TransformInput": {"SplitType": "RecordIO"}}, "splits objects by Line only"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "no DataProcessing"),
        ({"TransformResources": {"InstanceCount": 21}}, "for transform job usage' is 20 Instances"),
    ):
        with pytest.raises(ClientError, match=problem):
            client.create_transform_job(**wanted(cloud, model, "x", **more))
    folder = unique("folder")
    cloud.put(f"{folder}/1.txt", "x")
    job = transform(cloud, model, folder)
    with pytest.raises(ClientError, match="Transform job names must be unique") as raised:
        client.create_transform_job(**{**wanted(cloud, model, folder), "TransformJobName": job["TransformJobName"]})
    assert raised.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError, match="rejected because the transform job is in status Completed"):
        client.stop_transform_job(TransformJobName=job["TransformJobName"])
    with pytest.raises(ClientError, match="Requested resource not found"):
        client.describe_transform_job(TransformJobName="nobody")


def test_a_state_waits_for_the_job_and_abandoning_it_stops_the_job(cloud: Cloud, model: str) -> None:
    folder = unique("folder")
    cloud.put(f"{folder}/1.txt", "good")
    done = cloud.task("sagemaker:createTransformJob.sync", wanted(cloud, model, folder))
    assert done["status"] == "SUCCEEDED"
    assert json.loads(done["output"])["TransformJobStatus"] == "Completed"

    cloud.put(f"{folder}/2.txt", "slow")
    request = wanted(cloud, model, folder)
    run = cloud.start(cloud.machine({"Score": task("sagemaker:createTransformJob.sync", request)}))
    wait_for(lambda: "slow" in _printed(cloud, request["TransformJobName"]), "the slow object")
    cloud.client("stepfunctions").stop_execution(executionArn=run)
    assert ended(cloud, request["TransformJobName"])["TransformJobStatus"] == "Stopped"


def test_a_job_that_fails_fails_its_state(cloud: Cloud, model: str) -> None:
    folder = unique("folder")
    cloud.put(f"{folder}/1.txt", "bad")
    failed = cloud.task("sagemaker:createTransformJob.sync", wanted(cloud, model, folder))
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(failed["cause"])["FailureReason"] == "ClientError: See job logs for more information"


def _printed(cloud: Cloud, job: str) -> list[str]:
    try:
        return cloud.logs(GROUP, job)
    except ClientError:  # there is no group before the first line
        return []
