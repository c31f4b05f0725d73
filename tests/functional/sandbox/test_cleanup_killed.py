"""`kill -9` of `opsctl cleanup` wherever it may be: the same command again ends as if nothing had happened.

The command is a real process on a real sandbox, whose bucket is versioned: what is deleted, by whichever of the two,
also comes back. A part of the keys is deleted one by one, so that some of the kills hit a cleanup half done.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, unique, wait_for

ROOT = Path(__file__).parents[3]
RANDOM_POINTS = 10
OBJECTS = [*(f"fetch/part-{number:02}" for number in range(30)), *(f"fetch/odd\t{number:02}" for number in range(30))]


class Runs:
    """A deployment with one machine, and runs of it that have data."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(cloud.directory), "PYTHONPATH": str(ROOT)}
        self.environment["OPSCTL_SANDBOX_DIR"] = str(cloud.directory)
        cloud.client("s3").put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
        self._describe()
        self.other = self.make()

    def make(self) -> str:
        """A run that has ended, with its data."""
        name = unique("nightly")
        self.cloud.finish(self.cloud.start(self.machine, {}, name=name))
        self.fill(name)
        return name

    def fill(self, run: str) -> None:
        """Its data."""
        for key in OBJECTS:
            self.cloud.put(f"runs/{run}/{key}", key)

    def cleanup(self, *words: str) -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            [sys.executable, "-m", "opsctl", "cleanup", *words], cwd=self.cloud.directory, env=self.environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finished(self, *words: str) -> str:
        """What it prints."""
        process = self.cleanup(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out

    def kept(self, run: str) -> list[str]:
        """The keys of a run's data, relative to it."""
        return [key.removeprefix(f"runs/{run}/") for key in self.cloud.keys(f"runs/{run}/")]

    def _describe(self) -> None:
        machine = {
            "arn": self.machine, "name": self.machine.rpartition(":")[2], "log_group": "none", "steps": ["fetch"],
            "hyperparameters": {}, "needs": {},
        }  # fmt: skip
        value = {
            "version": 1, "name": "small", "region": self.cloud.server["region"], "account": "123456789012",
            "bucket": self.cloud.bucket, "default_data_source": f"s3://{self.cloud.bucket}/datasets/x/",
            "topic": "none", "machines": {"training": machine},
        }  # fmt: skip
        folder = self.cloud.directory / "terraform"
        folder.mkdir(exist_ok=True)
        state = {"version": 4, "outputs": {"opsctl": {"value": value}}}
        (folder / "terraform.tfstate").write_text(json.dumps(state))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """On a sandbox that is only this module's: every run of its bucket is looked at."""
    directory = tmp_path_factory.mktemp("killed") / "sandbox"
    server = sandbox.up(directory)
    yield Runs(Cloud(server, directory))
    sandbox.down(directory)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def half_done(runs: Runs, run: str) -> subprocess.Popen[str]:
    """A cleanup that has begun to delete."""
    process = runs.cleanup("--run", run, "--yes")
    wait_for(lambda: len(runs.kept(run)) < len(OBJECTS) or process.poll() is not None, "the first deletion")
    return process


def as_if_undisturbed(runs: Runs, run: str) -> None:
    """The same command again: all of the run's data is gone, and no other's."""
    runs.finished("--run", run, "--yes")
    assert runs.kept(run) == []
    assert sorted(runs.kept(runs.other)) == sorted(OBJECTS)


def test_killed_at_ten_random_points(runs: Runs) -> None:
    run = runs.make()
    began = time.monotonic()
    assert f"deleted: {len(OBJECTS)} objects" in runs.finished("--run", run, "--yes")
    whole = time.monotonic() - began
    moments = random.Random(5)  # any ten points, the same ones each time
    for _ in range(RANDOM_POINTS):
        runs.fill(run)
        process = runs.cleanup("--run", run, "--yes")
        time.sleep(moments.uniform(0.3, 1.0) * whole)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        as_if_undisturbed(runs, run)


def test_what_two_cleanups_deleted_comes_back_as_a_whole(runs: Runs) -> None:
    run = runs.make()
    process = half_done(runs, run)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    as_if_undisturbed(runs, run)
    runs.finished("--undo", "--run", run)
    assert sorted(runs.kept(run)) == sorted(OBJECTS)


def test_an_interrupt_says_how_far_it_came_and_what_goes_on(runs: Runs) -> None:
    run = runs.make()
    process = half_done(runs, run)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted; the same command again deletes the rest\n" in err
    assert "Traceback" not in err
    as_if_undisturbed(runs, run)
