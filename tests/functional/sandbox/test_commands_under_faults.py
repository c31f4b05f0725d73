"""Every command that changes something while AWS throttles three requests in ten and drops one in ten.

A dozen operators work at once, each on a run of their own: the commands are processes. Whatever became of a command, it
says so by its exit code, and the same command again, when AWS is well, leaves what it was to bring about, once.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from opsctl import sandbox
from opsctl.domain.champions import Champion, Model, Source, history_key, pointer_key, record_text, succession
from opsctl.errors import AWS, INTERRUPTED, OK, REFUSED
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.small import Small, guard

SECONDS = 600.0
THROTTLED = {"states": "ThrottlingException", "s3": "SlowDown", "sts": "Throttling"}
CHANGES = [
    "states:StartExecution", "states:StopExecution", "states:RedriveExecution", "states:SendTaskSuccess",
    "states:SendTaskFailure", "s3:PutObject", "s3:CopyObject", "s3:DeleteObjects", "s3:DeleteObject",
]  # fmt: skip
FULL_DISK = ("sh", "-c", 'ulimit -f 0 && exec "$@"', "sh")
AT_REST = ("TaskSubmitted", "ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
DATA = [f"fetch/part-{number}" for number in range(5)]
FAILING = {"hyperparameters": {"train": {"rate": "1000"}}}
WORKING = {"hyperparameters": {"train": {"rate": "1"}}}


class Pipeline:
    """A machine that fetches, trains (which fails at a rate of 1000) and asks for approval; and runs of it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.client("s3").put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.machine = approved_in_the_end(cloud)
        self.deploying = cloud.machine({"Deploy": {"Type": "Wait", "Seconds": 3600, "End": True}})
        self.small = Small(
            cloud, self.machine, self.deploying, steps=["fetch", "train"], hyperparameters={"train": {"rate": "1"}},
            needs={"train": ["fetch"]},
        )  # fmt: skip
        cloud.put("code/train.py", "# train\n")

    def run(self, data: Any = WORKING) -> str:
        """A new run, at its gate or at its end."""
        run = self.cloud.start(self.machine, data, name=unique("run"))
        self.settled(run)
        return run.rpartition(":")[2]

    def settled(self, run: str) -> str:
        """The last event of a run that waits for approval or has ended."""

        def look() -> str | None:
            kinds = self.kinds(run)
            return kinds[-1] if kinds and kinds[-1] in AT_REST else None

        seen: str = wait_for(look, f"{run} to come to rest", SECONDS)
        return seen

    def kinds(self, run: str) -> list[str]:
        return [event["type"] for event in self.cloud.events(self.arn(run))]

    def describe(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.client("stepfunctions").describe_execution(executionArn=self.arn(run))
        return found

    def arn(self, run: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{run.rpartition(':')[2]}"

    def fill(self, run: str) -> str:
        """Data for a run."""
        for key in DATA:
            self.cloud.put(f"runs/{run}/{key}", key)
        return run

    def ended(self) -> str:
        """A run that has succeeded, with data."""
        run = self.run()
        token = next(
            json.loads(event["taskScheduledEventDetails"]["parameters"])["Message"]["token"]
            for event in self.cloud.events(self.arn(run))
            if event["type"] == "TaskScheduled" and "token" in event["taskScheduledEventDetails"]["parameters"]
        )
        self.cloud.client("stepfunctions").send_task_success(taskToken=token, output="{}")
        self.settled(run)
        return self.fill(run)

    def promoted(self) -> Champion:
        """The champion before the present one: both are new."""
        promotions = [self._promotion(unique("champion")) for _ in range(2)]
        promotions[1] = succession(promotions[1], promotions[0])
        machine = self.machine.rpartition(":")[2]
        for one in promotions:
            self.cloud.put(one.model.uri.removeprefix(f"s3://{self.cloud.bucket}/"), "model")
            self.cloud.put(history_key(machine, one.deployment), record_text(one))
        self.cloud.put(pointer_key(machine), record_text(promotions[1]))
        return promotions[0]

    def _promotion(self, run: str) -> Champion:
        place = f"s3://{self.cloud.bucket}/runs/{run}/"
        return Champion(
            machine=self.machine.rpartition(":")[2], run=run, model=Model(f"{place}output/model.tar.gz", "e"),
            metrics={}, held_out=Source(place, "d"), code=Source(place, "c"), promoted_at="2026-11-22T07:00:00Z",
            approved_by=None, reason="gate", deployment=f"{run}-deployment", endpoint="none",
        )  # fmt: skip

    def deployments(self, run: str) -> int:
        """How many deployments of a run's model there are."""
        client = self.cloud.client("stepfunctions")
        found = client.list_executions(stateMachineArn=self.deploying)["executions"]
        inputs = [json.loads(client.describe_execution(executionArn=one["executionArn"])["input"]) for one in found]
        return sum(given["run"] == run for given in inputs)

    def kept(self, run: str) -> list[str]:
        """What a run has in S3, but for its plan."""
        return [key.removeprefix(f"runs/{run}/") for key in self.cloud.keys(f"runs/{run}/") if "plan" not in key]

    def opsctl(self, words: list[str]) -> tuple[int, str]:
        """Exit code and talk of a command."""
        process = self.small.opsctl(*words)
        _, err = process.communicate(timeout=SECONDS)
        return process.returncode, err


def approved_in_the_end(cloud: Cloud) -> str:
    """The ARN of the machine."""
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    body = "if event['rate'] == '1000':\n    raise ValueError('diverged')\nreturn {}"
    work = {"FunctionName": cloud.function(body)}
    rate = {"rate.$": "$$.Execution.Input.hyperparameters.train.rate"}
    asked = {"TopicArn": topic, "Subject": "Approve?", "Message": {"token.$": "$$.Task.Token"}}
    return cloud.machine({
        "Skip Fetch?": guard("fetch", "Skip Train?", "Fetch"),
        "Fetch": task("lambda:invoke", {**work, "Payload": {"rate": "1"}}, ResultPath=None, Next="Skip Train?"),
        "Skip Train?": guard("train", "Approve", "Train"),
        "Train": task("lambda:invoke", {**work, "Payload": rate}, ResultPath=None, Next="Approve"),
        "Approve": task("sns:publish.waitForTaskToken", asked, ResultPath="$.answer"),
    })  # fmt: skip


@dataclass(frozen=True)
class Command:
    """What is typed, and what must be so when it was carried out."""

    words: list[str]
    brought_about: Callable[[], bool]


def commands(pipeline: Pipeline) -> list[Command]:
    """One of each kind, on a run of its own."""
    started, again = unique("started"), unique("again")
    stopped, redriven, approved, rejected = pipeline.run(), pipeline.run(), pipeline.run(), pipeline.run()
    pipeline.cloud.client("stepfunctions").stop_execution(executionArn=pipeline.arn(redriven))
    failed = pipeline.fill(pipeline.run(FAILING))
    cleaned, restored, held, released = (pipeline.ended() for _ in range(4))
    back = pipeline.promoted()
    for words in (["cleanup", "--run", restored, "--yes"], ["data", "hold", released]):
        assert pipeline.opsctl(words)[0] == OK

    def answered(run: str) -> Any:
        told = pipeline.describe(run)
        output = json.loads(told.get("output", "{}"))
        return output.get("answer", {}).get("approved", told.get("error"))

    return [
        Command(
            ["start", "--name", started, "--set", "hyperparameters.train.rate=1"],
            lambda: pipeline.settled(started) == "TaskSubmitted",
        ),
        Command(
            ["stop", stopped, "--yes", "--reason", "wrong"], lambda: pipeline.describe(stopped).get("cause") == "wrong"
        ),
        Command(["redrive", redriven, "--yes"], lambda: pipeline.describe(redriven)["redriveCount"] == 1),
        Command(
            ["rerun", failed, "--from", "train", "--set", "hyperparameters.train.rate=1", "--name", again, "--yes"],
            lambda: pipeline.settled(again) == "TaskSubmitted" and pipeline.kept(again) == DATA,
        ),
        Command(["approve", approved, "--yes", "--reason", "good"], lambda: answered(approved) is True),
        Command(["reject", rejected, "--yes", "--reason", "bad"], lambda: answered(rejected) == "Rejected"),
        Command(["cleanup", "--run", cleaned, "--yes"], lambda: pipeline.kept(cleaned) == []),
        Command(["cleanup", "--undo", "--run", restored, "--yes"], lambda: pipeline.kept(restored) == DATA),
        Command(["data", "hold", held], lambda: pipeline.kept(held) == [".hold", *DATA]),
        Command(["data", "release", released], lambda: pipeline.kept(released) == DATA),
        Command(["rollback", "--yes"], lambda: pipeline.deployments(back.run) == 1),
    ]


@contextmanager
def faults(cloud: Cloud, *wanted: dict[str, Any]) -> Iterator[None]:
    """While these are there; each must have met a request, or nothing was tried."""
    for fault in wanted:
        sandbox.add_fault(cloud.directory, fault)
    try:
        yield
    finally:
        met = {fault["action"]: fault["applied"] for fault in sandbox.clear_faults(cloud.directory)}
    assert {action for action, count in met.items() if not count} == set()


def bad_weather(seed: int) -> list[dict[str, Any]]:
    """Three requests in ten are throttled; of the others, one in ten never arrives or is never answered. Of a service
    that is hardly asked, one at least is throttled."""
    found = []
    for number, (service, code) in enumerate(THROTTLED.items()):
        one = {"action": f"{service}:*", "seed": 10 * seed + number}
        found += [{**one, "drop": lost, "rate": 0.05} for lost in ("request", "answer")]
        found += [{**one, "error": code, "rate": 0.3}, {"action": one["action"], "error": code, "times": 1}]
    return found


@pytest.fixture(scope="module")
def pipeline(own_cloud: Cloud) -> Pipeline:
    """Every run of its bucket is looked at."""
    return Pipeline(own_cloud)


def at_once(pipeline: Pipeline, given: list[list[str]]) -> list[tuple[int, str]]:
    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(pipeline.opsctl, given))


def judge(given: list[Command], told: list[tuple[int, str]], codes: tuple[int, ...]) -> None:
    """Each has ended with one of these codes, and none with a traceback; what ended well has brought about its end."""
    for command, (code, err) in zip(given, told, strict=True):
        assert code in codes, (command.words, code, err)
        assert "Traceback" not in err
        assert code != OK or command.brought_about(), (command.words, err)


def test_every_command_ends_right_or_says_so_and_can_be_repeated(pipeline: Pipeline) -> None:
    given = commands(pipeline)
    with faults(pipeline.cloud, *bad_weather(seed=1)):
        first = at_once(pipeline, [command.words for command in given])
    judge(given, first, (OK, AWS))
    judge(given, at_once(pipeline, [command.words for command in given]), (OK, REFUSED))
    assert [command.words for command in given if not command.brought_about()] == []


def test_two_operators_at_once_whose_answers_are_lost(pipeline: Pipeline) -> None:
    """A call whose answer was lost is made again, and finds its own work done: that is no failure, nor done twice."""
    given = commands(pipeline)
    lost = [{"action": action, "drop": "answer", "times": 2} for action in CHANGES]
    with faults(pipeline.cloud, *lost):
        told = at_once(pipeline, [command.words for command in given for _ in range(2)])
    judge([command for command in given for _ in range(2)], told, (OK, REFUSED))
    both = zip(told[::2], told[1::2], strict=True)
    ended = {command.words[0]: sorted(code for code, _ in pair) for command, pair in zip(given, both, strict=True)}
    assert [name for name, codes in ended.items() if OK not in codes] == []
    assert [command.words for command in given if not command.brought_about()] == []


def test_a_command_that_ends_in_the_midst_of_its_change_can_be_repeated(pipeline: Pipeline) -> None:
    given = commands(pipeline)
    for action in CHANGES:
        sandbox.add_fault(pipeline.cloud.directory, {"action": action, "delay": 600})
    running = [pipeline.small.opsctl(*command.words) for command in given]
    wait_for(lambda: met(pipeline.cloud) >= len(running), "every command to be at its change", SECONDS)
    for number, process in enumerate(running):
        process.send_signal(SIGNALS[number % len(SIGNALS)])
    sandbox.clear_faults(pipeline.cloud.directory)  # or those that clear away after themselves would wait, too
    errors = [process.communicate(timeout=SECONDS)[1] for process in running]
    told = [(process.returncode, err) for process, err in zip(running, errors, strict=True)]
    judge(given, told, (INTERRUPTED, -signal.SIGKILL))
    judge(given, at_once(pipeline, [command.words for command in given]), (OK, REFUSED))
    assert [command.words for command in given if not command.brought_about()] == []


def test_a_cleanup_on_a_full_disk_says_so_and_can_be_repeated(pipeline: Pipeline) -> None:
    run = pipeline.ended()
    full = pipeline.small.opsctl("cleanup", "--run", run, "--yes", under=FULL_DISK)
    _, err = full.communicate(timeout=SECONDS)
    assert (full.returncode, err.splitlines()[1:]) == (1, [
        "error: cannot write: no folder for temporary files can be written to",
        "hint: make room, or name another folder in TMPDIR, and run the command again",
    ])  # fmt: skip
    assert pipeline.kept(run) == DATA
    assert pipeline.opsctl(["cleanup", "--run", run, "--yes"])[0] == OK
    assert pipeline.kept(run) == []


def met(cloud: Cloud) -> int:
    return sum(fault["applied"] for fault in sandbox.list_faults(cloud.directory))
