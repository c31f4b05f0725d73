"""`opsctl worker`: a process of its own, at work on activities of the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, alive, task, unique, wait_for

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "OPSCTL_CONTEXT": "aws"}
LOST = [{"ErrorEquals": ["States.HeartbeatTimeout", "States.Timeout"], "MaxAttempts": 50, "IntervalSeconds": 1}]
FULL_DISK = ("sh", "-c", 'ulimit -f 0 && exec "$@"', "sh")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def activity(cloud: Cloud) -> str:
    arn: str = cloud.client("stepfunctions").create_activity(name=unique("activity"))["activityArn"]
    return arn


@pytest.fixture
def start(cloud: Cloud) -> Iterator[Start]:
    """Start a worker; all are killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, under: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*under, sys.executable, "-m", "opsctl", "--endpoint-url", cloud.server["url"], "worker", *words],
            env=os.environ | KEYS | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def one(cloud: Cloud, activity: str, start: Start, program: str, *options: str, **state: Any) -> dict[str, Any]:
    """The end of a run of one task, worked on by a worker that ends after it; with the worker's own words."""
    execution = cloud.start(cloud.machine({"Work": task(activity, {"pages.$": "$.pages"}, **state)}), {"pages": 3})
    worker = start("--max-tasks", "1", *options, activity, "sh", "-c", program)
    end = cloud.finish(execution)
    out, err = worker.communicate(timeout=240)
    return {**end, "code": worker.returncode, "out": out, "err": err, "execution": execution}


def test_a_task_is_worked_on_and_answered(cloud: Cloud, activity: str, start: Start) -> None:
    program = 'test "$(cat)" = "$(cat "$OPSCTL_TASK_INPUT")" && echo reading >&2 && cat "$OPSCTL_TASK_INPUT"'
    end = one(cloud, activity, start, program, "--name", "gpu-1")
    assert (end["status"], json.loads(end["output"])) == ("SUCCEEDED", {"pages": 3})
    begun = [event for event in cloud.events(end["execution"]) if event["type"] == "ActivityStarted"]
    assert [event["activityStartedEventDetails"] for event in begun] == [{"workerName": "gpu-1"}]
    assert (end["code"], end["out"]) == (0, "1 succeeded, 0 failed, 0 not waited for any more\n")
    told = end["err"].splitlines()
    assert told[:3] == [f"gpu-1: waiting for tasks of {activity}", "task 1: started", "task 1: reading"]
    assert told[3].startswith("task 1: succeeded after ")


CAUSES = {
    "echo no GPU >&2; exit 3": ("Worker.CommandFailed", "exit code 3: no GPU"),
    "echo token=hunter2secret >&2; exit 1": ("Worker.CommandFailed", "exit code 1: token=[redacted]"),
    "kill -9 $PPID; sleep 600": ("Worker.CommandKilled", "signal 9 (SIGKILL)"),
    "sleep 600": ("Worker.Timeout", "the command was ended by the worker"),
    "trap '' TERM; sleep 9; sleep 600": ("Worker.Timeout", "the command was ended by the worker"),
    "echo done": ("Worker.InvalidOutput", "the command printed no JSON but 'done'"),
    "echo NaN": ("Worker.InvalidOutput", "the command printed no JSON but 'NaN'"),
    "head -c 50000000 /dev/zero; echo full >&2": (
        "Worker.OutputTooLarge",
        "the command printed more than 262,144 bytes: full",
    ),
}


def test_what_goes_wrong_is_the_tasks_failure(cloud: Cloud, activity: str, start: Start, tmp_path: Path) -> None:
    machine = cloud.machine({"Work": {"Type": "Task", "Resource": activity, "InputPath": "$.script", "End": True}})
    runs = {}
    for number, program in enumerate(CAUSES):
        (script := tmp_path / f"{number}.sh").write_text(program)
        runs[program] = cloud.start(machine, {"script": str(script)})
    program = """script=$(tr -d '"' < "$OPSCTL_TASK_INPUT"); sh "$script"; exit $?"""
    many = str(len(CAUSES))
    worker = start("--max-tasks", many, "--concurrency", many, "--timeout", "8", activity, "sh", "-c", program)
    out, _ = worker.communicate(timeout=240)
    assert (worker.returncode, out) == (0, f"0 succeeded, {many} failed, 0 not waited for any more\n")
    ends = {program: cloud.finish(run) for program, run in runs.items()}
    assert {program: (end["error"], end["cause"]) for program, end in ends.items()} == CAUSES


def test_a_full_disk_fails_the_task_at_once(cloud: Cloud, activity: str, start: Start) -> None:
    execution = cloud.start(cloud.machine({"Work": task(activity, {})}))
    worker = start("--max-tasks", "1", activity, "true", under=FULL_DISK)
    end = cloud.finish(execution)
    assert end["error"] == "Worker.CommandNotStarted"
    assert end["cause"].startswith("there is no room for the task's input: ")
    out, err = worker.communicate(timeout=240)
    assert (worker.returncode, out) == (0, "0 succeeded, 1 failed, 0 not waited for any more\n"), err
    assert "Traceback" not in err


def test_nothing_printed_is_an_empty_object(cloud: Cloud, activity: str, start: Start) -> None:
    assert one(cloud, activity, start, "true")["output"] == "{}"


def test_heartbeats_keep_a_long_task_alive(cloud: Cloud, activity: str, start: Start) -> None:
    end = one(cloud, activity, start, "sleep 8", "--heartbeat", "1", HeartbeatSeconds=6)
    assert end["status"] == "SUCCEEDED"


def test_a_stopped_run_ends_its_command(cloud: Cloud, activity: str, start: Start, tmp_path: Path) -> None:
    execution = cloud.start(cloud.machine({"Work": task(activity, {})}))
    pids = tmp_path / "pids"
    program = f"sleep 600 & echo $$ $! > {pids}; wait"
    worker = start("--max-tasks", "1", "--heartbeat", "0.5", activity, "sh", "-c", program)
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the command to run")
    cloud.client("stepfunctions").stop_execution(executionArn=execution)
    out, err = worker.communicate(timeout=240)
    assert (worker.returncode, out) == (0, "0 succeeded, 0 failed, 1 not waited for any more\n")
    assert "task 1: nobody waits for it any more: its time was up, or its run has ended" in err
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_sigterm_drains_and_again_ends_the_command(cloud: Cloud, activity: str, start: Start, tmp_path: Path) -> None:
    def working(program: str) -> tuple[str, subprocess.Popen[str]]:
        begun = tmp_path / unique("begun")
        execution = cloud.start(cloud.machine({"Work": task(activity, {})}))
        worker = start(activity, "sh", "-c", f"touch {begun}; {program}")
        wait_for(begun.exists, "the command to run")
        worker.send_signal(signal.SIGTERM)
        return execution, worker

    go = tmp_path / "go"
    execution, drained = working(f"while [ ! -e {go} ]; do sleep 0.1; done")
    go.touch()
    assert cloud.finish(execution)["status"] == "SUCCEEDED"
    assert drained.communicate(timeout=240)[0] == "1 succeeded, 0 failed, 0 not waited for any more\n"
    assert drained.returncode == 0

    execution, ended = working("sleep 600")
    assert ended.stderr is not None
    wait_for(lambda: "draining" in ended.stderr.readline(), "the first signal to be heard")
    ended.send_signal(signal.SIGTERM)
    assert cloud.finish(execution)["error"] == "Worker.Interrupted"
    assert ended.communicate(timeout=240)[0] == "0 succeeded, 1 failed, 0 not waited for any more\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gpu"], 2, "error: Missing argument 'COMMAND...'."),
        (["gpu", "--"], 2, "error: Missing argument 'COMMAND...'."),
        (["gpu", "no-such-program"], 2, "error: there is no program 'no-such-program'"),
        (["arn:aws:states:us-east-1:123456789012:stateMachine:x", "true"], 2, "neither an activity's name nor its ARN"),
        (["--concurrency", "0", "gpu", "true"], 2, "--concurrency"),
        (
            ["arn:aws:states:us-east-1:123456789012:activity:nobody", "true"],
            4,
            "error: there is no activity arn:aws:states:us-east-1:123456789012:activity:nobody",
        ),
    ],
)
def test_bad_words_are_one_line(start: Start, words: list[str], code: int, said: str) -> None:
    worker = start(*words)
    out, err = worker.communicate(timeout=240)
    assert (worker.returncode, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_hundred_tasks_with_killed_commands_and_lost_connections(
    cloud: Cloud, activity: str, start: Start, tmp_path: Path
) -> None:
    """Each task is completed once or failed with its reason, though the server drops a tenth of the connections."""
    machine = cloud.machine({"Work": task(activity, {"n.$": "$.n"}, HeartbeatSeconds=3, Retry=LOST)})
    for action in ("GetActivityTask", "SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"):
        for seed, drop in enumerate(("request", "answer")):
            fault = {"action": f"states:{action}", "drop": drop, "rate": 0.05, "seed": seed}
            sandbox.add_fault(cloud.directory, fault)
    program = 'n=$(cat | tr -dc 0-9); case $n in *7) kill -9 $$;; esac; echo "{\\"n\\": $n}"'
    try:
        start("--concurrency", "8", "--heartbeat", "1", activity, "sh", "-c", program)
        runs = {number: cloud.start(machine, {"n": number}) for number in range(100)}
        ends = {number: cloud.finish(run) for number, run in runs.items()}
        met = Counter({fault["action"]: fault["applied"] for fault in sandbox.list_faults(cloud.directory)})
    finally:
        sandbox.clear_faults(cloud.directory)
    assert met["states:GetActivityTask"] > 0
    lost = 0
    for number, end in ends.items():
        said = (end["status"], end.get("output"), end.get("error"), end.get("cause"))
        events = Counter(event["type"] for event in cloud.events(runs[number]))
        # Whose token was lost ends by its heartbeat, and nothing but that is tried again.
        assert events["ActivityScheduled"] == events["ActivityTimedOut"] + 1
        lost += events["ActivityTimedOut"]
        done = events["ActivitySucceeded"]
        if number % 10 == 7:
            assert (said, done) == (("FAILED", None, "Worker.CommandKilled", "signal 9 (SIGKILL)"), 0)
        else:
            assert (said, done) == (("SUCCEEDED", f'{{"n": {number}}}', None, None), 1)
    assert lost > 0
