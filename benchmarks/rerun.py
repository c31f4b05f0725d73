"""A rerun plan for a history as long as AWS lets one become, from a file, as the command prints it.

    python benchmarks/rerun.py [--events N] [--rounds N]

Exits 1 when the command takes 1.5 s of CPU or more, or 250 MiB of memory or more. The run failed in its last step,
after a Map over many items; the plan reuses the Map, or
runs it again and walks every item: the worse counts, of each the best round.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from reader import history

MOST_CPU_SECONDS = 1.5
MOST_MIB = 250.0
TASK = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"}
Json = dict[str, Any]


def guard(key: str, around: str, into: str) -> Json:
    """A Choice that goes around a step where the run input says so."""
    variable = f"$$.Execution.Input.skip.{key}"
    present = {"Variable": variable, "IsPresent": True}
    rule = {"And": [present, {"Variable": variable, "BooleanEquals": True}], "Next": around}
    return {"Type": "Choice", "Choices": [rule], "Default": into}


def definition() -> Json:
    """What the generated history walked."""
    sides = [{"StartAt": name, "States": {name: {**TASK, "End": True}}} for name in ("Left", "Right")]
    both = {"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "Branches": sides, "End": True}}}
    states = {
        "Skip Each?": guard("each", "Skip Train?", "Each"),
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": both,
            "Next": "Skip Train?",
            "ResultPath": None,
        },
        "Skip Train?": guard("train", "Done", "Train"),
        "Train": {**TASK, "Next": "Done"},
        "Done": {"Type": "Succeed"},
    }
    return {"StartAt": "Skip Each?", "States": states}


def failed_history(most: int) -> list[Json]:
    """About `most` events; the last step failed."""
    events = history(most - 8)[:-1]
    events[0]["executionStartedEventDetails"]["input"] = json.dumps({"items": list(range(most // 26))})
    job = {"resourceType": "sagemaker", "resource": "createTrainingJob.sync"}
    tail: list[tuple[str, str, Json]] = [
        ("ChoiceStateEntered", "stateEntered", {"name": "Skip Train?", "input": "{}"}),
        ("ChoiceStateExited", "stateExited", {"name": "Skip Train?", "output": "{}"}),
        ("TaskStateEntered", "stateEntered", {"name": "Train", "input": "{}"}),
        ("TaskScheduled", "taskScheduled", {**job, "region": "us-east-1", "parameters": "{}"}),
        ("TaskStarted", "taskStarted", job),
        ("TaskFailed", "taskFailed", {**job, "error": "States.TaskFailed", "cause": "the loss is not finite"}),
        ("ExecutionFailed", "executionFailed", {"error": "States.TaskFailed"}),
    ]
    for kind, key, details in tail:
        number = len(events) + 1
        event = {"timestamp": 1.7e9 + number / 10, "type": kind, "id": number, "previousEventId": number - 1}
        events.append(event | {f"{key}EventDetails": details})
    return events


def measure(folder: Path, step: str) -> tuple[float, float, str]:
    """Seconds of CPU and MiB at the most that the command takes, and what it prints."""
    words = ["rerun", "nightly-7", "--from", step, "--dry-run"]
    files = ["--history", str(folder / "history.json"), "--definition", str(folder / "definition.json")]
    printed = folder / "plan.txt"
    child = os.fork()
    if child == 0:
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.execv(sys.executable, [sys.executable, "-m", "opsctl", *words, *files])
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"error: the command failed with {os.waitstatus_to_exitcode(status)}")
    unit = 1024 if sys.platform == "darwin" else 1
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024 / unit, printed.read_text()


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=25_000, help="length of the history (default 25000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the best counts (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "history.json").write_text(json.dumps({"events": failed_history(options.events)}))
        (folder / "definition.json").write_text(json.dumps(definition()))
        size = (folder / "history.json").stat().st_size
        rounds = [min(measure(folder, step) for _ in range(options.rounds)) for step in ("train", "left")]
    for (_, _, printed), expected in zip(rounds, ("REUSE   Left", "RUN     Left"), strict=True):
        if expected not in printed or "RUN     Train" not in printed:
            sys.exit(f"error: the plan is not as expected:\n{printed}")
    cpu, memory = max(cpu for cpu, _, _ in rounds), max(memory for _, memory, _ in rounds)
    print(f"a rerun plan from a history of {options.events:,} events, {size / 1e6:.1f} MB")
    print(f"  {cpu:.2f} s of CPU, {memory:.0f} MiB")
    if cpu >= MOST_CPU_SECONDS or memory >= MOST_MIB:
        print(f"error: more than {MOST_CPU_SECONDS} s or {MOST_MIB:.0f} MiB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
