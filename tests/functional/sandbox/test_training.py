"""SageMaker training jobs: real programs under the container contract."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, alive, channel, unique, wait_for

BASE = "import os, sys, json, time\nfrom pathlib import Path\nbase = Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
SLEEP = BASE + "print('begun', flush=True)\ntime.sleep(60)\n"


def test_the_container_contract(cloud: Cloud) -> None:
    program = BASE + (
        "found = {\n"
        " 'hyperparameters': json.loads((base / 'input/config/hyperparameters.json').read_text()),\n"
        " 'channels': json.loads((base / 'input/config/inputdataconfig.json').read_text()),\n"
        " 'hosts': json.loads((base / 'input/config/resourceconfig.json').read_text())['hosts'],\n"
        " 'page': (base / 'input/data/pages/scan/1.txt').read_text(),\n"
        " 'name': os.environ['TRAINING_JOB_NAME'], 'own': os.environ['OWN'],\n"
        " 'argument': Path(sys.argv[1]) == base / 'input' / 'data', 'home': os.path.expanduser('~') != '/root',\n"
        "}\n"
        "(base / 'model' / 'model.json').write_text(json.dumps(found))\n"
        "(base / 'output' / 'data' / 'metrics.json').write_text('{}')\n"
        "print('epoch=1 train_loss=0.75 validation_accuracy=0.5')\n"
        "print('epoch=2 train_loss=0.25 validation_accuracy=0.625')\n"
    )
    cloud.put("pages/scan/1.txt", "a deed")
    algorithm = {
        "ContainerArguments": ["/opt/ml/input/data"],
        "MetricDefinitions": [
            {"Name": "loss", "Regex": "train_loss=([0-9.]+)"},
            {"Name": "accuracy", "Regex": "validation_accuracy=([0-9.]+)"},
        ],
    }
    job = cloud.train(
        program,
        AlgorithmSpecification=algorithm,
        HyperParameters={"epochs": "2"},
        Environment={"OWN": "mine"},
        channels=[channel("pages", f"s3://{cloud.bucket}/pages/")],
    )
    name = job["TrainingJobName"]
    artifact = f"out/{name}/output/model.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(cloud.get(artifact))) as archive:
        found = json.loads(archive.extractfile("model.json").read())
    assert job["TrainingJobStatus"] == "Completed"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{cloud.bucket}/{artifact}"
    assert [entry["Status"] for entry in job["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert {entry["MetricName"]: entry["Value"] for entry in job["FinalMetricDataList"]} == {
        "loss": 0.25, "accuracy": 0.625,
    }  # fmt: skip
    assert cloud.keys(f"out/{name}/") == [artifact, f"out/{name}/output/output.tar.gz"]
    config = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert found == {
        "hyperparameters": {"epochs": "2"},
        "channels": {"code": config, "pages": config},
        "hosts": ["algo-1"],
        "page": "a deed",
        "name": name,
        "own": "mine",
        "argument": True,
        "home": True,
    }
    assert not list((cloud.directory / "jobs").glob(f"*{name}*"))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (BASE + "(base/'output/failure').write_text('the loss is nan'); sys.exit(3)",
         "AlgorithmError: the loss is nan, exit code: 3"),
        ("raise SystemExit(1)", "AlgorithmError: , exit code: 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "AlgorithmError: , exit code: 137"),
    ],
)  # fmt: skip
def test_a_program_that_fails(cloud: Cloud, program: str, reason: str) -> None:
    job = cloud.train(program)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"], job["FailureReason"]) == ("Failed", "Failed", reason)
    assert cloud.keys(f"out/{job['TrainingJobName']}") == []


def test_a_channel_without_data(cloud: Cloud) -> None:
    job = cloud.train("pass", channels=[channel("pages", f"s3://{cloud.bucket}/nothing/here/")])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f'ClientError: No S3 objects found under S3 URL "s3://{cloud.bucket}/nothing/here/" given in input data source'
    )


def test_no_entry_point(cloud: Cloud) -> None:
    wanted = cloud.training("pass")
    del wanted["AlgorithmSpecification"]["ContainerEntrypoint"]
    cloud.client("sagemaker").create_training_job(**wanted)
    assert "the sandbox runs no images" in cloud.trained(wanted["TrainingJobName"])["FailureReason"]


def test_checkpoints_come_and_go_with_s3(cloud: Cloud) -> None:
    prefix = unique("checkpoints")
    config = {"S3Uri": f"s3://{cloud.bucket}/{prefix}/", "LocalPath": "/opt/ml/checkpoints"}
    cloud.put(f"{prefix}/old.txt", "before")
    program = BASE + (
        "place = base / 'checkpoints'\n"
        "(place / 'new.txt').write_text((place / 'old.txt').read_text() + ', after')\n(place / 'old.txt').unlink()\n"
    )
    job = cloud.train(program, CheckpointConfig=config)
    assert job["TrainingJobStatus"] == "Completed"
    assert cloud.keys(f"{prefix}/") == [f"{prefix}/new.txt"]
    assert cloud.get(f"{prefix}/new.txt") == b"before, after"


def test_checkpoints_reach_s3_while_the_job_runs(cloud: Cloud) -> None:
    prefix = unique("checkpoints")
    program = BASE + "(base / 'checkpoints' / '1.txt').write_text('one')\ntime.sleep(60)\n"
    wanted = cloud.training(program, CheckpointConfig={"S3Uri": f"s3://{cloud.bucket}/{prefix}/"})
    cloud.client("sagemaker").create_training_job(**wanted)
    wait_for(lambda: cloud.keys(f"{prefix}/"), "a checkpoint in S3")
    cloud.client("sagemaker").stop_training_job(TrainingJobName=wanted["TrainingJobName"])
    assert cloud.trained(wanted["TrainingJobName"])["TrainingJobStatus"] == "Stopped"


def test_stop_gives_the_program_time_to_save_its_model(cloud: Cloud) -> None:
    program = BASE + (
        "import signal\ndef save(*_):\n    (base / 'model' / 'saved.txt').write_text('x'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('begun', flush=True)\ntime.sleep(60)\n"
    )
    wanted = cloud.training(program)
    name = wanted["TrainingJobName"]
    cloud.client("sagemaker").create_training_job(**wanted)
    cloud.begun(name)
    cloud.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = cloud.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert cloud.keys(f"out/{name}/") == [f"out/{name}/output/model.tar.gz"]
    with pytest.raises(ClientError, match="The request was rejected because the training job is in status Stopped"):
        cloud.client("sagemaker").stop_training_job(TrainingJobName=name)


def test_the_time_limit_stops_the_job(cloud: Cloud) -> None:
    job = cloud.train(SLEEP, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_name_is_used_once(cloud: Cloud) -> None:
    wanted = cloud.training("pass")
    cloud.client("sagemaker").create_training_job(**wanted)
    with pytest.raises(ClientError, match="Training job names must be unique within an AWS account") as raised:
        cloud.client("sagemaker").create_training_job(**wanted)
    assert raised.value.response["Error"]["Code"] == "ResourceInUse"
    cloud.trained(wanted["TrainingJobName"])


def test_a_name_that_aws_refuses(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        cloud.client("sagemaker").create_training_job(**{**cloud.training("pass"), "TrainingJobName": "under_score"})


def test_killing_the_program_by_hand_fails_the_job(cloud: Cloud) -> None:
    wanted = cloud.training("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    cloud.client("sagemaker").create_training_job(**wanted)
    os.kill(int(cloud.begun(wanted["TrainingJobName"])[0]), signal.SIGKILL)
    assert cloud.trained(wanted["TrainingJobName"])["FailureReason"] == "AlgorithmError: , exit code: 137"


def test_nothing_outlives_a_job(cloud: Cloud) -> None:
    program = (
        "import subprocess\nchild = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
    )
    wanted = cloud.training(program)
    cloud.client("sagemaker").create_training_job(**wanted)
    job = cloud.trained(wanted["TrainingJobName"])
    child = int(cloud.begun(wanted["TrainingJobName"])[0])
    assert job["TrainingJobStatus"] == "Completed"
    assert not alive(child)
