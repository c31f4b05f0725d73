"""Jobs that are broken on purpose: what the program notices, and what the service says of it."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.test_compute_environments import environment, queue

TRAINING, BATCH = "sagemaker:CreateTrainingJob", "batch:SubmitJob"
SLEEPS = "print('begun', flush=True)\nimport time\ntime.sleep(60)\n"
WRITES = """
import os, pathlib, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "."))
(base / "model").mkdir(exist_ok=True)
for _ in range(600):
    try:
        (base / "model" / "weights").write_text("0.5 " * 1000)
    except OSError as error:
        print("not written:", error.strerror, flush=True)
        sys.exit({code})
    time.sleep(0.05)
"""
MODEL = """
import os, pathlib
(pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "model" / "weights").write_text("0.5 " * 1000)
"""
HEARS = """
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
def save(*_):
    print("told to stop", flush=True)
    (base / "model" / "last").write_text("saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print(os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox that waits a second for a program that is to stop."""
    directory = tmp_path_factory.mktemp("job-faults") / "sandbox"
    server = sandbox.up(directory, grace=1.0)
    yield Cloud(server, directory)
    sandbox.down(directory)


@pytest.fixture(autouse=True)
def clear(cloud: Cloud) -> Iterator[None]:
    yield
    sandbox.clear_faults(cloud.directory)


@pytest.fixture(scope="module")
def fargate(cloud: Cloud) -> str:
    return queue(cloud, environment(cloud, "FARGATE"))


def add(cloud: Cloud, *arguments: str) -> str:
    """As a user adds it; returns what the command says of it, from the third column on."""
    command = ["sandbox", "fault", "add", *arguments, "--dir", str(cloud.directory)]
    result = CliRunner().invoke(root, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " | ".join(result.output.splitlines()[1].split("  ")).replace(" |  | ", " | ")


def met(cloud: Cloud) -> list[tuple[int, int]]:
    return [(fault["applied"], fault["seen"]) for fault in sandbox.list_faults(cloud.directory)]


def outcome(job: Mapping[str, Any]) -> tuple[str, str | None]:
    return job["TrainingJobStatus"], job.get("FailureReason")


def submit(cloud: Cloud, on: str, program: str, **more: Any) -> dict[str, Any]:
    """The end of a Batch job with this program."""
    job = cloud.client("batch").submit_job(
        jobName=unique("job"), jobQueue=on, jobDefinition=cloud.job_definition(["python3", "-c", program]), **more
    )
    return cloud.batch_job(job["jobId"])


def ended(job: Mapping[str, Any]) -> tuple[str, int | None, str, str | None]:
    container = job["container"]
    return job["status"], container.get("exitCode"), job["statusReason"], container.get("reason")


EXITED = "Essential container in task exited"
MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(
    ("fault", "program", "training", "batch"),
    [
        (["--job", "killed"], SLEEPS, ("Failed", "AlgorithmError: , exit code: 137"), ("FAILED", 137, EXITED, None)),
        (
            ["--job", "out-of-memory"], SLEEPS,
            ("Failed", "AlgorithmError: , exit code: 137"), ("FAILED", 137, EXITED, MEMORY),
        ),
        (["--exit-code", "3"], "pass", ("Failed", "AlgorithmError: , exit code: 3"), ("FAILED", 3, EXITED, None)),
        (["--exit-code", "0"], "raise SystemExit(9)", ("Completed", None), ("SUCCEEDED", 0, EXITED, None)),
        (
            ["--job", "disk-full"], WRITES.format(code=4),
            ("Failed", "AlgorithmError: , exit code: 4"), ("FAILED", 4, EXITED, None),
        ),
    ],
)  # fmt: skip
def test_a_job_ends_as_if_it_had_been(
    cloud: Cloud, fargate: str, fault: list[str], program: str, training: Any, batch: Any
) -> None:
    add(cloud, TRAINING, *fault, "--times", "1")
    add(cloud, BATCH, *fault, "--times", "1")
    assert outcome(cloud.train(program)) == training
    assert ended(submit(cloud, fargate, program)) == batch
    assert met(cloud) == [(1, 1), (1, 1)]


def test_a_job_is_struck_when_its_program_has_worked_for_a_while(cloud: Cloud) -> None:
    shown = add(cloud, TRAINING, "--job", "killed", "--delay", "5", "--times", "1")
    assert "killed after 5 s" in shown
    job = cloud.training(SLEEPS)
    cloud.client("sagemaker").create_training_job(**job)
    assert cloud.begun(job["TrainingJobName"]) == ["begun"]
    assert outcome(cloud.trained(job["TrainingJobName"])) == ("Failed", "AlgorithmError: , exit code: 137")


def test_a_program_that_shrugs_off_a_full_disk_leaves_nothing_to_upload(cloud: Cloud) -> None:
    add(cloud, TRAINING, "--job", "disk-full")
    name = cloud.training(WRITES.format(code=0))
    cloud.client("sagemaker").create_training_job(**name)
    job = cloud.trained(name["TrainingJobName"])
    assert outcome(job) == ("Failed", "ClientError: Artifact upload failed:Insufficient disk space")
    assert cloud.logs("/aws/sagemaker/TrainingJobs", f"{name['TrainingJobName']}/") == ["not written: File too large"]


def test_a_job_that_hangs_runs_into_its_time_limit(cloud: Cloud, fargate: str) -> None:
    add(cloud, TRAINING, "--job", "hangs")
    add(cloud, BATCH, "--job", "hangs")
    job = cloud.train("pass", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    limited = submit(cloud, fargate, "pass", timeout={"attemptDurationSeconds": 1})
    assert (limited["status"], limited["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")


def test_a_job_that_hangs_still_hears_that_it_is_to_stop(cloud: Cloud) -> None:
    add(cloud, TRAINING, "--job", "hangs", "--delay", "5")
    job = cloud.training(HEARS)
    cloud.client("sagemaker").create_training_job(**job)
    (pid,) = cloud.begun(job["TrainingJobName"])
    wait_for(lambda: _state(int(pid)) == "T", "the program to stand still")
    cloud.client("sagemaker").stop_training_job(TrainingJobName=job["TrainingJobName"])
    assert cloud.trained(job["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    said = cloud.logs("/aws/sagemaker/TrainingJobs", f"{job['TrainingJobName']}/")
    assert said == [pid, "told to stop"]


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_a_job_that_ignores_sigterm_is_killed_when_its_grace_is_over(cloud: Cloud) -> None:
    add(cloud, TRAINING, "--job", "ignores-sigterm")
    job = cloud.training(HEARS)
    cloud.client("sagemaker").create_training_job(**job)
    (pid,) = cloud.begun(job["TrainingJobName"])
    asked = time.monotonic()
    cloud.client("sagemaker").stop_training_job(TrainingJobName=job["TrainingJobName"])
    assert cloud.trained(job["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    assert time.monotonic() - asked >= 1.0
    assert cloud.logs("/aws/sagemaker/TrainingJobs", f"{job['TrainingJobName']}/") == [pid]
    assert not os.path.exists(f"/proc/{pid}")


SAVES = """
import os, pathlib, signal, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
saved = base / "checkpoints" / "epoch.txt"
if saved.exists():
    print("goes on from", saved.read_text())
    sys.exit()
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(time.monotonic()))
while not told:
    time.sleep(0.05)
saved.write_text("epoch 7")
time.sleep(60)
"""


def test_a_spot_job_is_told_before_its_host_goes_and_goes_on_elsewhere(cloud: Cloud) -> None:
    shown = add(cloud, TRAINING, "--job", "spot-interruption", "--notice", "3", "--delay", "6")
    assert "spot interruption after 6 s, 3 s notice" in shown
    on_demand = cloud.train("pass")
    job = cloud.training(
        SAVES, EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": f"s3://{cloud.bucket}/{unique('checkpoints')}/"},
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
    )  # fmt: skip
    cloud.client("sagemaker").create_training_job(**job)
    spot = cloud.trained(job["TrainingJobName"])
    assert (outcome(on_demand), outcome(spot)) == (("Completed", None), ("Completed", None))
    assert [entry["Status"] for entry in spot["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Interrupted",
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    said = cloud.logs("/aws/sagemaker/TrainingJobs", f"{job['TrainingJobName']}/")
    assert said == ["goes on from epoch 7"]
    assert met(cloud) == [(1, 1)]  # nobody takes back what is not on Spot


def test_two_minutes_notice_unless_it_is_said_otherwise(cloud: Cloud) -> None:
    assert "spot interruption after 9 s, 120 s notice" in add(
        cloud, TRAINING, "--job", "spot-interruption", "--delay", "9"
    )


def test_a_batch_job_on_spot_is_told_too(cloud: Cloud) -> None:
    add(cloud, BATCH, "--job", "spot-interruption", "--notice", "5", "--delay", "5")
    once = "import os, signal, sys, time\nif os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1':\n"
    told = "    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('told')))\n    time.sleep(60)\n"
    on = queue(cloud, environment(cloud, "FARGATE_SPOT"))
    job = submit(cloud, on, once + told, retryStrategy={"attempts": 2})
    assert [(one["container"].get("exitCode"), one["statusReason"]) for one in job["attempts"]] == [
        (137, "Your Spot Task was interrupted."), (0, EXITED),
    ]  # fmt: skip
    assert cloud.logs("/aws/batch/job", job["attempts"][0]["container"]["logStreamName"]) == ["told"]


def test_a_model_is_cut_off(cloud: Cloud) -> None:
    add(cloud, TRAINING, "--job", "corrupt-model", "--times", "1")
    whole: dict[bool, bool] = {}
    for struck in (True, False):
        job = cloud.train(MODEL)
        assert outcome(job) == ("Completed", None)
        key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{cloud.bucket}/")
        whole[struck] = _readable(cloud.get(key))
    assert whole == {True: False, False: True}


def _readable(archive: bytes) -> bool:
    try:
        gzip.decompress(archive)
    except EOFError:
        return False
    return True


def test_the_state_that_waits_for_the_job_hears_of_it(cloud: Cloud) -> None:
    """A fault meets a state's request like anybody's; the machine sees the error that AWS gives."""
    add(cloud, TRAINING, "--exit-code", "3")
    wanted = cloud.training("pass")
    failed = cloud.task("sagemaker:createTrainingJob.sync", wanted)
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(failed["cause"])["FailureReason"] == "AlgorithmError: , exit code: 3"
