"""`kill -9` of `opsctl rerun` wherever it may be: the same command again ends in exactly one new run, nothing is lost.

The command is a real process, and so is the AWS that it works on. The machine is one of ours in small: the run input is
checked, results lie below `runs/<name>/`, and a rerun claims its name and copies. A new run waits for ever after its
last step, so that every run that was started is still there to be counted.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, unique, wait_for
from tests.functional.sandbox.small import Small, kill, two_steps

OBJECTS = 40
RANDOM_POINTS = 10
PART = 240.0


class Pipeline:
    """A small deployment of ours on a sandbox of its own, with one run that failed."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.machine = two_steps(cloud)
        needs, settings = {"train": ["fetch"]}, {"train": {"rate": "1"}}
        self.small = Small(cloud, self.machine, steps=["fetch", "train"], hyperparameters=settings, needs=needs)
        self.put_code()
        self.source = unique("nightly")
        for number in range(OBJECTS):
            cloud.put(f"runs/{self.source}/fetch/part-{number:02}.jsonl", f"{number}" * 100)
        failed = {"hyperparameters": {"train": {"rate": "1000"}}}
        assert cloud.finish(cloud.start(self.machine, failed, name=self.source))["status"] == "FAILED"

    def rerun(self, rate: int, *more: str) -> subprocess.Popen[str]:
        """The command, running; each rate makes another plan of it."""
        words = ["rerun", self.source, "--from", "train", "--set", f"hyperparameters.train.rate={rate}", "--yes", *more]
        return self.small.opsctl(*words)

    def finished(self, rate: int, *more: str) -> str:
        """The name of the run that the command says it made."""
        process = self.rerun(rate, *more)
        out, err = process.communicate(timeout=PART)
        assert process.returncode == 0, err
        return out.splitlines()[-1]

    def runs(self) -> dict[str, int]:
        """The rate of each run that was started, by name."""
        client = self.cloud.client("stepfunctions")
        listed = client.list_executions(stateMachineArn=self.machine)["executions"]
        inputs = {
            run["name"]: json.loads(client.describe_execution(executionArn=run["executionArn"])["input"])
            for run in listed
        }  # fmt: skip
        return {
            name: int(given["hyperparameters"]["train"]["rate"])
            for name, given in inputs.items() if name != self.source
        }  # fmt: skip

    def copies(self, run: str) -> list[str]:
        """The keys of what a run took over."""
        return self.cloud.keys(f"runs/{run}/fetch/")

    def claims(self) -> list[str]:
        """The names that are claimed."""
        return [key.split("/")[1] for key in self.cloud.keys("runs/") if key.endswith("/plan.json")]

    def put_code(self) -> None:
        """What a new run takes as its code."""
        self.cloud.put("code/train.py", "# train\n")


@pytest.fixture(scope="module")
def pipeline(own_cloud: Cloud) -> Pipeline:
    """Its runs never end by themselves."""
    return Pipeline(own_cloud)


def one_whole_run(pipeline: Pipeline, rate: int) -> None:
    """The same command again: one run of that rate, with all that it takes over."""
    name = pipeline.finished(rate)
    assert [run for run, other in pipeline.runs().items() if other == rate] == [name]
    assert len(pipeline.copies(name)) == OBJECTS
    assert len(pipeline.copies(pipeline.source)) == OBJECTS


def test_killed_at_ten_random_points(pipeline: Pipeline) -> None:
    """All killed first, so that the leftovers of each lie in the others' way when they are repeated."""
    began = time.monotonic()
    pipeline.finished(1)
    whole = time.monotonic() - began
    moments = random.Random(4)  # any ten points, the same ones each time
    rates = range(2, RANDOM_POINTS + 2)
    for rate in rates:
        process = pipeline.rerun(rate)
        time.sleep(moments.uniform(0.3, 1.0) * whole)
        kill(process)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda rate: one_whole_run(pipeline, rate), rates))
    assert sorted(pipeline.runs().values()) == [1, *rates]
    assert sorted(pipeline.claims()) == sorted(pipeline.runs())


POINTS: dict[str, Callable[[Pipeline, str], bool]] = {
    "after the claim": lambda pipeline, name: name in pipeline.claims(),
    "in the copy": lambda pipeline, name: bool(pipeline.copies(name)),
    "before the start": lambda pipeline, name: len(pipeline.copies(name)) == OBJECTS,
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_chosen_point(pipeline: Pipeline, point: str) -> None:
    rate = 100 + list(POINTS).index(point)
    name = f"{pipeline.source}-r{len(pipeline.claims()) + 1}"
    process = pipeline.rerun(rate)
    wait_for(lambda: POINTS[point](pipeline, name) or process.poll() is not None, point)
    kill(process)
    one_whole_run(pipeline, rate)
    assert pipeline.finished(rate) == name


def test_killed_where_nothing_is_copied(pipeline: Pipeline) -> None:
    name = f"{pipeline.source}-r{len(pipeline.claims()) + 1}"
    process = pipeline.rerun(150, "--data", "reuse")
    wait_for(lambda: name in pipeline.claims() or process.poll() is not None, "the claim")
    kill(process)
    assert pipeline.finished(150, "--data", "reuse") == name
    assert ([run for run, rate in pipeline.runs().items() if rate == 150], pipeline.copies(name)) == ([name], [])
    claim = json.loads(pipeline.cloud.get(f"runs/{name}/plan.json"))
    address = f"s3://{pipeline.cloud.bucket}/runs/{pipeline.source}/fetch/"
    assert claim["input"]["reuse"] == {"fetch": {"run": pipeline.source, "uri": address}}


def test_two_at_once_with_different_settings_and_two_with_the_same(pipeline: Pipeline) -> None:
    processes = [pipeline.rerun(rate) for rate in (201, 202, 202)]
    names = [process.communicate(timeout=PART)[0].splitlines()[-1] for process in processes]
    runs = pipeline.runs()
    assert [runs[name] for name in names] == [201, 202, 202]
    assert names[0] != names[1] == names[2]
    for name in names:
        assert len(pipeline.copies(name)) == OBJECTS


@pytest.mark.parametrize(
    ("operation", "allowed"),
    [
        ("states:DescribeExecution", "states:DescribeExecution on arn:"),
        ("states:DescribeStateMachine", "states:DescribeStateMachine on arn:"),
        ("states:DescribeStateMachineForExecution", "states:DescribeStateMachineForExecution on arn:"),
        ("states:GetExecutionHistory", "states:GetExecutionHistory on arn:"),
        ("states:StartExecution", "states:StartExecution on arn:"),
        ("s3:ListObjectsV2", "s3:ListBucket on s3://"),
        ("s3:GetObject", "s3:GetObject on s3://"),
        ("s3:PutObject", "s3:PutObject on s3://"),
    ],
)
def test_a_missing_permission_is_named_and_nothing_starts(pipeline: Pipeline, operation: str, allowed: str) -> None:
    before, runs = pipeline.cloud.keys("runs/"), pipeline.runs()
    sandbox.add_fault(pipeline.cloud.directory, {"action": operation, "error": "AccessDeniedException"})
    try:
        process = pipeline.rerun(300)
        out, err = process.communicate(timeout=PART)
    finally:
        sandbox.clear_faults(pipeline.cloud.directory)
    message = next(line for line in err.splitlines() if line.startswith("error: "))
    assert (process.returncode, message.startswith(f"error: not allowed: {allowed}")) == (4, True), (out, err)
    assert (pipeline.cloud.keys("runs/"), pipeline.runs()) == (before, runs)
