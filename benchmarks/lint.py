"""How long linting a definition of 1,000 states takes, from its text to findings with lines and columns.

    python benchmarks/lint.py [--states N] [--rounds N]

Exits 1 when the fastest round takes 0.2 s or more. The definition is made like ours: guarded steps, each a Choice, a
job with Retry and Catch, a check of its result and a Pass, some of them in branches of a Parallel, so that every rule
has something to look at.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from opsctl.operations.lint import lint_text

MOST_SECONDS = 0.2
STATES_PER_STEP = 4
STEPS_PER_BRANCH = 5
State = dict[str, Any]


def step(name: str, following: str) -> dict[str, State]:
    """A guarded job and what follows it."""
    arguments = {
        "TrainingJobName.$": f"States.Format('{{}}-{name}-d{{}}', $$.Execution.Name, $$.Execution.RedriveCount)",
        "HyperParameters.$": "$.run.hyperparameters",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    guard = f"$$.Execution.Input.skip.{name}"
    return {
        f"Skip {name}?": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [{"Variable": guard, "IsPresent": True}, {"Variable": guard, "BooleanEquals": True}],
                    "Next": following,
                }
            ],
            "Default": f"Train {name}",
        },
        f"Train {name}": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Parameters": arguments,
            "TimeoutSeconds": 7200,
            "Retry": [{"ErrorEquals": ["SageMaker.ThrottlingException"], "MaxAttempts": 3, "BackoffRate": 2}],
            "ResultPath": f"$.{name}",
            "Next": f"{name} Completed?",
        },
        f"{name} Completed?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": f"$.{name}.TrainingJobStatus", "StringEquals": "Completed", "Next": f"{name} Done"}
            ],
            "Default": following,
        },
        f"{name} Done": {"Type": "Pass", "Result": {"done": True}, "ResultPath": f"$.{name}", "Next": following},
    }


def chain(prefix: str, steps: int) -> State:
    """A scope of so many steps one after another."""
    states: dict[str, State] = {}
    for number in range(steps):
        last = number == steps - 1
        states |= step(f"{prefix}{number}", f"{prefix} End" if last else f"Skip {prefix}{number + 1}?")
    return {"StartAt": f"Skip {prefix}0?", "States": {**states, f"{prefix} End": {"Type": "Succeed"}}}


def definition(most: int) -> str:
    """About `most` states: half of them in one chain, half in a Parallel's branches."""
    machine = chain("s", most // 2 // STATES_PER_STEP)
    branches = most // 2 // (STATES_PER_STEP * STEPS_PER_BRANCH)
    machine["States"]["Both"] = {
        "Type": "Parallel",
        "Branches": [chain(f"b{number}x", STEPS_PER_BRANCH) for number in range(branches)],
        "Next": machine["StartAt"],
    }
    return json.dumps({**machine, "StartAt": "Both"}, indent=2)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--states", type=int, default=1000, help="states of the definition (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best counts (default 5)")
    options = parser.parse_args()
    text = definition(options.states)
    seconds = float("inf")
    for _ in range(options.rounds):
        begin = time.perf_counter()
        found = lint_text("benchmark.asl.json", text)
        seconds = min(seconds, time.perf_counter() - begin)
    errors = [one.message for one in found if one.severity == "ERROR"]
    if errors:
        sys.exit(f"error: the generated definition is refused: {errors[0]}")
    states = text.count('"Type":')
    print(f"lint of {states} states, {len(text) / 1000:.0f} kB, {len(found)} findings: {seconds:.3f} s")
    if seconds >= MOST_SECONDS:
        print(f"error: not under {MOST_SECONDS} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
