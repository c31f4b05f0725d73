"""A base model that trains by an activity: the shipped template's state, a worker and the shipped scripts, for real."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsctl.operations.rendering import render_template
from tests.functional.sandbox.cloud import Cloud, unique, wait_for

ROOT = Path(__file__).parents[3]
TRAINING = ROOT / "training"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "OPSCTL_CONTEXT": "aws", "OMP_NUM_THREADS": "1"}
LONG = 600.0


@pytest.fixture(scope="module")
def pipeline(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The prefix of a run whose code is copied and whose data is fetched, as its earlier steps leave it."""
    folder = tmp_path_factory.mktemp("documents")
    subprocess.run([sys.executable, str(TRAINING / "documents.py"), "--out", str(folder / "source"), "--stacks", "9"],
                   check=True, capture_output=True)  # fmt: skip
    places = {"DATA_INPUT_PATH": str(folder / "source"), "OUTPUT_PATH": str(folder / "copy")}
    subprocess.run([sys.executable, str(TRAINING / "fetch.py")], env=places, check=True, capture_output=True)
    run = f"runs/{unique('run')}"
    for source, step in ((TRAINING, "code"), (folder / "copy", "fetch-preprocessed-data")):
        for path in (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            key = f"{run}/{step}/{path.relative_to(source).as_posix()}"
            cloud.client("s3").upload_file(str(path), cloud.bucket, key)
    return run


@pytest.fixture
def activity(cloud: Cloud) -> str:
    arn: str = cloud.client("stepfunctions").create_activity(name=unique("gpu"))["activityArn"]
    return arn


@pytest.fixture
def workers(cloud: Cloud, tmp_path: Path) -> Iterator[Any]:
    """Start workers that train, one after the other; all are killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(activity: str, *options: str) -> subprocess.Popen[str]:
        words = ["--endpoint-url", cloud.server["url"], "worker", "--heartbeat", "1", *options, activity, "--"]
        command = [sys.executable, str(TRAINING / "workstation.py"), "--work", str(tmp_path)]
        process = subprocess.Popen(
            [sys.executable, "-m", "opsctl", *words, *command], env=os.environ | KEYS, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def machine(cloud: Cloud, activity: str) -> str:
    """The shipped template's branch of the text model, as a machine of its own; its model trains by the activity."""
    values = yaml.safe_load((ROOT / "definitions/training.variables.yaml").read_text())
    model = values["base_models"]["text"] | {"compute": "activity", "activity": activity, "heartbeat": 8}
    text = render_template(ROOT / "definitions/training.asl.json.tftpl", values | {"base_models": {"text": model}})
    branch = json.loads(text)["States"]["Base Model Training"]["Branches"][0]
    return cloud.machine(branch["States"], branch["StartAt"])


def start(cloud: Cloud, arn: str, run: str, **hyperparameters: str) -> str:
    """A run of the branch, with what `Prepare Run` hands on."""
    prefix, name = f"s3://{cloud.bucket}/{run}/", run.rpartition("/")[2]
    small = {"epochs": "2", "folds": "2", "buckets": "512"}
    return cloud.start(arn, {"run": {
        "name": name, "prefix": prefix, "job_prefix": name, "code": {"uri": f"{prefix}code/"},
        "hyperparameters": {"text_model": small | hyperparameters},
        "steps": {"fetch-preprocessed-data": {"uri": f"{prefix}fetch-preprocessed-data/"}},
    }})  # fmt: skip


def test_a_base_model_trains_through_a_worker(
    cloud: Cloud, activity: str, pipeline: str, workers: Any, tmp_path: Path
) -> None:
    execution = start(cloud, machine(cloud, activity), pipeline)
    worker = workers(activity, "--max-tasks", "1")
    out, err = worker.communicate(timeout=LONG)
    assert (worker.returncode, out) == (0, "1 succeeded, 0 failed, 0 not waited for any more\n"), err
    end = cloud.finish(execution)
    assert json.loads(end["output"]) == {"step": "Train Text Model", "failed": False}
    job = f"{pipeline.rpartition('/')[2]}-train-text-model-d0r0"
    artifact = f"{pipeline}/train-text-model/{job}/output/model.tar.gz"
    (done,) = [event for event in cloud.events(execution) if event["type"] == "ActivitySucceeded"]
    told = json.loads(done["activitySucceededEventDetails"]["output"])
    assert told.pop("TrainingTimeInSeconds") > 0
    assert told == {
        "TrainingJobName": job,
        "TrainingJobStatus": "Completed",
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://{cloud.bucket}/{artifact}"},
    }
    with tarfile.open(fileobj=io.BytesIO(cloud.get(artifact))) as archive:
        assert {"weights.pt", "config.json", "outputs.npz", "metrics.json"} <= set(archive.getnames())
    assert cloud.keys(f"{pipeline}/train-text-model/checkpoints/") != []
    assert "epoch=2 train_loss=" in err
    assert list(tmp_path.iterdir()) == []


def test_a_refused_hyperparameter_is_the_tasks_failure(
    cloud: Cloud, activity: str, pipeline: str, workers: Any
) -> None:
    execution = start(cloud, machine(cloud, activity), pipeline, epochs="many")
    workers(activity, "--max-tasks", "1").communicate(timeout=LONG)
    failed = json.loads(cloud.finish(execution)["output"])
    assert (failed["step"], failed["failed"]) == ("Train Text Model", True)
    assert failed["failure"]["Error"] == "Worker.CommandFailed"
    assert failed["failure"]["Cause"].startswith("exit code 1: ")
    assert "epochs" in failed["failure"]["Cause"].splitlines()[-1]


def test_a_killed_workers_task_goes_on_with_the_next_from_its_checkpoint(
    cloud: Cloud, activity: str, pipeline: str, workers: Any
) -> None:
    run = f"{pipeline}-killed"
    for key in cloud.keys(f"{pipeline}/code/") + cloud.keys(f"{pipeline}/fetch-preprocessed-data/"):
        source = {"Bucket": cloud.bucket, "Key": key}
        cloud.client("s3").copy_object(Bucket=cloud.bucket, Key=key.replace(pipeline, run, 1), CopySource=source)
    execution = start(cloud, machine(cloud, activity), run, epochs="6")
    first = workers(activity)
    wait_for(lambda: "task 1: epoch=1 " in (first.stderr.readline()), "an epoch", LONG)
    first.kill()
    second = workers(activity, "--max-tasks", "1")
    out, err = second.communicate(timeout=LONG)
    assert out == "1 succeeded, 0 failed, 0 not waited for any more\n", err
    assert json.loads(cloud.finish(execution)["output"])["failed"] is False
    names = [json.loads(event["activityScheduledEventDetails"]["input"])["TrainingJobName"]
             for event in cloud.events(execution) if event["type"] == "ActivityScheduled"]  # fmt: skip
    assert [name.rpartition("-")[2] for name in names] == ["d0r0", "d0r1"]
    assert [key for key in cloud.keys(f"{run}/train-text-model/") if key.endswith("model.tar.gz")] == [
        f"{run}/train-text-model/{names[1]}/output/model.tar.gz"
    ]
