"""training/workstation.py by itself: what a task's input may ask of it, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functional.sandbox.cloud import Cloud, unique, wait_for

PROGRAM = Path(__file__).parents[3] / "training" / "workstation.py"
BASE = "import os, pathlib, sys, time\nbase = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
GOOD = BASE + "(base / 'model/page.txt').write_text((base / 'input/data/data/page.txt').read_text())\n"
BEGUN = BASE + "(base / 'checkpoints/1.pt').write_text('a state')\nprint('begun', flush=True)\n"
STOPPED = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\ntime.sleep(600)\n"


def asked(cloud: Cloud, script: str, **more: Any) -> dict[str, Any]:
    """The input of a task that runs a script, whose data is one page."""
    name = unique("job")
    uris = {"code": cloud.put(f"{name}/code/main.py", script), "data": cloud.put(f"{name}/data/page.txt", "a deed")}
    prefixes = {channel: uri.rpartition("/")[0] + "/" for channel, uri in uris.items()}
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"]},
        "InputDataConfig": [
            {"ChannelName": channel, "DataSource": {"S3DataSource": {"S3Uri": uri}}}
            for channel, uri in prefixes.items()
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{cloud.bucket}/{name}"},
        "CheckpointConfig": {"S3Uri": f"s3://{cloud.bucket}/{name}/checkpoints/"},
        **more,
    }


def environment(cloud: Cloud) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": cloud.server["region"]}
    return {"PATH": os.environ["PATH"], "HOME": "/nowhere", "AWS_ENDPOINT_URL": cloud.server["url"], **keys}


def run(given: str, variables: Mapping[str, str], work: Path) -> tuple[int, str, str]:
    """The exit code, what it printed, and its last words; it leaves nothing behind."""
    command = [sys.executable, str(PROGRAM), "--work", str(work)]
    done = subprocess.run(command, input=given, env=dict(variables), capture_output=True, text=True, check=False)
    assert list(work.iterdir()) == []
    return done.returncode, done.stdout, (done.stderr.splitlines() or [""])[-1]


def test_presigned_urls_are_enough(cloud: Cloud, tmp_path: Path) -> None:
    """Without any credentials, by a definition of one's own that signs what the task may read and write."""
    task, s3 = asked(cloud, GOOD), cloud.client("s3")
    name = task["TrainingJobName"]

    def signed(method: str, key: str) -> str:
        url: str = s3.generate_presigned_url(method, Params={"Bucket": cloud.bucket, "Key": f"{name}/{key}"})
        return url

    files = {"code": "main.py", "data": "page.txt"}
    task["InputDataConfig"] = [
        {"ChannelName": channel, "Urls": {file: signed("get_object", f"{channel}/{file}")}}
        for channel, file in files.items()
    ]
    task["OutputDataConfig"] = {"Url": signed("put_object", "model.tar.gz")}
    del task["CheckpointConfig"]
    code, out, said = run(json.dumps(task), {"PATH": os.environ["PATH"]}, tmp_path)
    assert (code, said) == (0, "")
    assert json.loads(out)["ModelArtifacts"]["S3ModelArtifacts"].endswith(f"/{name}/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(cloud.get(f"{name}/model.tar.gz"))) as archive:
        page = archive.extractfile("page.txt")
        assert page is not None
        assert page.read() == b"a deed"


@pytest.mark.parametrize(
    ("script", "more", "said"),
    [
        (BASE + "(base / 'output/failure').write_text('no GPU\\nat all')\nsys.exit(1)\n", {}, "no GPU at all"),
        ("import sys; sys.exit(3)", {}, "the script ended with exit code 3 and left no reason"),
        ("import os; os.kill(os.getpid(), 9)", {}, "the script ended with signal 9 and left no reason"),
        ("import time; time.sleep(600)", {"StoppingCondition": {"MaxRuntimeInSeconds": 1}},
         "the job reached its time limit of 1 seconds; the last checkpoint is kept"),
        (GOOD, {"OutputDataConfig": {"S3OutputPath": "/somewhere"}}, "'/somewhere/"),
        (GOOD, {"InputDataConfig": [{"ChannelName": "data", "Urls": {"../../x": "https://example.com/"}}]},
         "'../../x' does not lie below its channel"),
        (GOOD, {"InputDataConfig": [{"ChannelName": "data", "Urls": {"x": "file:///etc/passwd"}}]},
         "'file:///etc/passwd' is no address of the web"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_in_the_last_line(
    cloud: Cloud, tmp_path: Path, script: str, more: Mapping[str, Any], said: str
) -> None:
    code, out, last = run(json.dumps(asked(cloud, script, **more)), environment(cloud), tmp_path)
    assert (code, out) == (1, "")
    assert last.startswith(said)


@pytest.mark.parametrize("given", ["", "{", "[]", "{}", '{"TrainingJobName": "a"}'])
def test_an_input_that_is_no_training_jobs_is_refused(cloud: Cloud, tmp_path: Path, given: str) -> None:
    code, out, last = run(given, environment(cloud), tmp_path)
    assert (code, out) == (1, "")
    assert last.startswith("the task's input is no training job's: ")


def test_a_channel_without_objects_is_an_error(cloud: Cloud, tmp_path: Path) -> None:
    uri = f"s3://{cloud.bucket}/{unique('nothing')}/"
    channel = {"ChannelName": "data", "DataSource": {"S3DataSource": {"S3Uri": uri}}}
    code, _, last = run(json.dumps(asked(cloud, GOOD, InputDataConfig=[channel])), environment(cloud), tmp_path)
    assert (code, last) == (1, f"channel data: there is nothing below {uri}")


def test_sigterm_keeps_the_checkpoint_for_the_next_attempt(cloud: Cloud, tmp_path: Path) -> None:
    task = asked(cloud, BEGUN + STOPPED)
    command = [sys.executable, str(PROGRAM), "--work", str(tmp_path)]
    process = subprocess.Popen(
        command,
        env=environment(cloud),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(json.dumps(task))
    process.stdin.close()
    wait_for(lambda: process.stderr.readline() == "begun\n", "the script to begin")
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 75
    assert process.stderr.read().splitlines()[-1] == "stopped; the last checkpoint is kept"
    assert cloud.keys(f"{task['TrainingJobName']}/checkpoints/") == [f"{task['TrainingJobName']}/checkpoints/1.pt"]
    assert list(tmp_path.iterdir()) == []
    again = GOOD + "(base / 'model/seen').write_text((base / 'checkpoints/1.pt').read_text())\n"
    cloud.put(f"{task['TrainingJobName']}/code/main.py", again)
    assert run(json.dumps(task), environment(cloud), tmp_path)[0] == 0
