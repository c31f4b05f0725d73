"""`kill -9` of `opsctl cleanup` wherever it may be: the same command again ends as if nothing had happened.

The command is a real process on a real sandbox, whose bucket is versioned: what is deleted, by whichever of the two,
also comes back. A part of the keys is deleted one by one, so that some of the kills hit a cleanup half done.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsctl import sandbox
from opsctl.operations import intents
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.small import Small, kill

RANDOM_POINTS = 10
OBJECTS = [*(f"fetch/part-{number:02}" for number in range(6)), *(f"fetch/odd\t{number:02}" for number in range(24))]


class Runs:
    """A deployment with one machine, and runs of it that have data."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.client("s3").put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.machine = cloud.machine({"Done": {"Type": "Pass", "End": True}})
        self.small = Small(cloud, self.machine, steps=["fetch"])
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
        return self.small.opsctl("cleanup", *words)

    def finished(self, *words: str) -> str:
        """What it prints."""
        process = self.cleanup(*words)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        return out

    def kept(self, run: str) -> list[str]:
        """The keys of a run's data, relative to it."""
        return [key.removeprefix(f"runs/{run}/") for key in self.cloud.keys(f"runs/{run}/")]


@pytest.fixture(scope="module")
def runs(own_cloud: Cloud) -> Runs:
    """Every run of its bucket is looked at."""
    return Runs(own_cloud)


@contextmanager
def half_done(runs: Runs, run: str) -> Iterator[subprocess.Popen[str]]:
    """A cleanup that has begun to delete, and cannot come to its end: most keys that go one by one are held."""
    directory = runs.cloud.directory
    for tens in (1, 2):
        sandbox.add_fault(directory, {"action": "s3:DeleteObject", "match": f"odd\t{tens}", "delay": 600})
    try:
        process = runs.cleanup("--run", run, "--yes")
        wait_for(lambda: len(runs.kept(run)) < len(OBJECTS) or process.poll() is not None, "the first deletion")
        yield process
    finally:
        sandbox.clear_faults(directory)


def as_if_undisturbed(runs: Runs, run: str) -> None:
    """The same command again: all of the run's data is gone, and no other's."""
    runs.finished("--run", run, "--yes")
    assert runs.kept(run) == []
    assert sorted(runs.kept(runs.other)) == sorted(OBJECTS)
    assert list(runs.small.temporary.iterdir()) == []


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
        kill(process)
        as_if_undisturbed(runs, run)


def test_what_two_cleanups_deleted_comes_back_as_a_whole(runs: Runs) -> None:
    run = runs.make()
    with half_done(runs, run) as process:
        kill(process)
    as_if_undisturbed(runs, run)
    runs.finished("--undo", "--run", run)
    assert sorted(runs.kept(run)) == sorted(OBJECTS)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_far_it_came_and_what_goes_on(runs: Runs, sent: signal.Signals) -> None:
    run = runs.make()
    before = runs.cloud.keys(intents.FOLDER)  # of those that were killed
    with half_done(runs, run) as process:
        process.send_signal(sent)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted; the same command again deletes the rest\n" in err
    assert "Traceback" not in err
    assert runs.cloud.keys(intents.FOLDER) == before
    as_if_undisturbed(runs, run)
