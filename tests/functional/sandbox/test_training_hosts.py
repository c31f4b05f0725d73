"""Training jobs of several hosts: a program each, with its own /opt/ml, and one job for all of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.sandbox.cloud import Cloud, channel

TRAINING = Path(__file__).parents[3] / "training"
GROUP = "/aws/sagemaker/TrainingJobs"
TWO = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
BEGIN = (
    "import json, os, socket, sys, time\nfrom pathlib import Path\nbase = Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
    "resources = json.loads((base / 'input/config/resourceconfig.json').read_text())\n"
    "host = resources['current_host']\n"
)


def artifact(cloud: Cloud, job: dict[str, Any]) -> dict[str, bytes]:
    """The files of a job's model."""
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{cloud.bucket}/")
    with tarfile.open(fileobj=io.BytesIO(cloud.get(key))) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}


def test_each_host_has_its_own_directory_share_and_log(cloud: Cloud) -> None:
    for number in range(5):
        cloud.put(f"shards/{number}.txt", "")
    program = BEGIN + (
        "channels = {name: sorted(os.listdir(base / 'input/data' / name)) for name in ('all', 'shards')}\n"
        "meeting, taken = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])), False\n"
        "try:\n    socket.socket().bind(meeting)\nexcept OSError:\n    taken = True\n"
        "if host == 'algo-1':\n    socket.create_server(meeting).close()\n"
        "found = {'hosts': resources['hosts'], 'meeting': meeting[0], 'taken': taken, **channels}\n"
        "(base / 'model' / f'{host}.json').write_text(json.dumps(found))\n"
        "(base / 'model' / 'both.txt').write_text(host)\n"
        "print('I am', host)\n"
    )
    shards = channel("shards", f"s3://{cloud.bucket}/shards/")
    shards["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    job = cloud.train(program, ResourceConfig=TWO, channels=[shards, channel("all", f"s3://{cloud.bucket}/shards/")])
    files = artifact(cloud, job)
    everything = [f"{number}.txt" for number in range(5)]
    # Nobody but the first host, who listens there, gets the port where they meet.
    taken = sys.platform == "linux"
    common = {"hosts": ["algo-1", "algo-2"], "meeting": "127.0.0.1", "taken": taken, "all": everything}
    assert job["TrainingJobStatus"] == "Completed"
    assert json.loads(files["algo-1.json"]) == {**common, "shards": everything[::2]}
    assert json.loads(files["algo-2.json"]) == {**common, "shards": everything[1::2]}
    assert files["both.txt"] == b"algo-1"
    for host in ("algo-1", "algo-2"):
        assert cloud.logs(GROUP, f"{job['TrainingJobName']}/{host}-") == [f"I am {host}"]


def test_one_host_that_fails_fails_the_job_and_ends_the_others(cloud: Cloud) -> None:
    program = BEGIN + (
        "if host == 'algo-1':\n    time.sleep(600)\n"
        "(base / 'output/failure').write_text(f'{host} is broken')\nsys.exit(4)\n"
    )
    job = cloud.train(program, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: algo-2 is broken, exit code: 4"
    assert not list((cloud.directory / "jobs").glob(f"*{job['TrainingJobName']}*"))


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ({**TWO, "InstanceCount": 21}, "ResourceLimitExceeded.*'ml.m5.large for training job usage' is 20 Instances"),
        ({**TWO, "InstanceCount": 0}, "InstanceCount must be at least 1"),
    ],
)
def test_numbers_of_hosts_that_are_refused(cloud: Cloud, resources: dict[str, Any], problem: str) -> None:
    with pytest.raises(ClientError, match=problem):
        cloud.client("sagemaker").create_training_job(**cloud.training("pass", ResourceConfig=resources))


def test_the_image_model_trains_on_two_hosts(cloud: Cloud, tmp_path: Path) -> None:
    for path in TRAINING.glob("*.py"):
        cloud.put(f"training/{path.name}", path.read_text())
    source, data = tmp_path / "source", tmp_path / "data"
    documents = [sys.executable, str(TRAINING / "documents.py"), "--out", str(source), "--stacks", "9"]
    subprocess.run(documents, check=True, capture_output=True)
    places = {"DATA_INPUT_PATH": str(source), "OUTPUT_PATH": str(data)}
    subprocess.run([sys.executable, str(TRAINING / "fetch.py")], env=places, check=True, capture_output=True)
    for path in filter(Path.is_file, data.rglob("*")):
        cloud.client("s3").upload_file(str(path), cloud.bucket, f"pages/{path.relative_to(data)}")
    wanted = cloud.training(
        "",
        ResourceConfig=TWO,
        AlgorithmSpecification={
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/scripts/image.py"],
            "MetricDefinitions": [{"Name": "train_loss", "Regex": r"\btrain_loss=([-+0-9.eE]+)"}],
        },
        HyperParameters={"epochs": "2", "folds": "2", "depth": "1", "start_filter": "2"},
        Environment={"OMP_NUM_THREADS": "1"},
        channels=[
            channel("scripts", f"s3://{cloud.bucket}/training/"),
            channel("data", f"s3://{cloud.bucket}/pages/"),
        ],
        StoppingCondition={"MaxRuntimeInSeconds": 1800},
    )
    cloud.client("sagemaker").create_training_job(**wanted)
    job = cloud.trained(wanted["TrainingJobName"], seconds=900)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    files = artifact(cloud, job)
    assert set(files) == {"config.json", "metrics.json", "outputs.npz", "weights.pt"}
    assert json.loads(files["config.json"])["hosts"] == 2
    printed = cloud.logs(GROUP, f"{job['TrainingJobName']}/")  # by the leader alone
    assert [line.split()[0] for line in printed] == ["epoch=1", "epoch=2"]
