"""How long linting a definition of 1,000 states takes, from its text to findings with lines and columns.

    python benchmarks/lint.py [--states N] [--rounds N]

Exits 1 when a fastest round takes 0.2 s or more. The first definition is made like ours: guarded steps, each a
Choice, a job with Retry, a check of its result and a Pass, some of them in branches of a Parallel, so that every rule
has something to look at. The second is in JSONata, where no expression is there twice.
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


def jsonata(most: int) -> str:
    """As many states in JSONata; every expression is there once, so that nothing is won by remembering it."""
    states: dict[str, State] = {}
    for number in range(0, most - 2, STATES_PER_STEP):
        following = f"Count {number + STATES_PER_STEP}" if number + STATES_PER_STEP < most - 2 else "Done"
        states |= _jsonata_step(number, following)
    document = {"QueryLanguage": "JSONata", "StartAt": "Count 0", "States": {**states, "Done": {"Type": "Succeed"}}}
    return json.dumps(document, indent=2)


def _jsonata_step(number: int, following: str) -> dict[str, State]:
    reading = f"$states.input.items[price > {number}].(price * quantity{number})"
    return {
        f"Count {number}": {
            "Type": "Pass",
            "Assign": {f"total{number}": f"{{% $sum({reading}) %}}"},
            "Output": f"{{% $merge([$states.input, {{'step{number}': {number}}}]) %}}",
            "Next": f"Enough {number}?",
        },
        f"Enough {number}?": {
            "Type": "Choice",
            "Choices": [{"Condition": f"{{% $total{number} >= {number} and $exists($states.input.go{number}) %}}",
                         "Next": f"Train {number}"}],
            "Default": following,
        },
        f"Train {number}": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "Arguments": {
                "TrainingJobName": f"{{% $states.context.Execution.Name & '-{number}-d' & "
                "$string($states.context.Execution.RedriveCount) %}",
                "HyperParameters": f"{{% $states.input.hyperparameters.model{number} %}}",
            },
            "TimeoutSeconds": f"{{% $total{number} > {number} ? 7200 : 3600 %}}",
            "Output": f"{{% $states.result.ModelArtifacts.S3ModelArtifacts{number} %}}",
            "Next": f"Pause {number}",
        },
        f"Pause {number}": {"Type": "Wait", "Seconds": f"{{% $states.input.pause{number} %}}", "Next": following},
    }  # fmt: skip


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--states", type=int, default=1000, help="states of the definition (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the best counts (default 5)")
    options = parser.parse_args()
    slow = 0
    for language, text in (("JSONPath", definition(options.states)), ("JSONata", jsonata(options.states))):
        slow += not _measure(language, text, options.rounds)
    return 1 if slow else 0


def _measure(language: str, text: str, rounds: int) -> bool:
    """Whether the best round is fast enough; the first, which imports and compiles what later ones have, is told."""
    seconds: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        found = lint_text("benchmark.asl.json", text)
        seconds.append(time.perf_counter() - begin)
    errors = [one.message for one in found if one.severity == "ERROR"]
    if errors:
        sys.exit(f"error: the generated definition is refused: {errors[0]}")
    states = text.count('"Type":')
    print(
        f"lint of {states} states in {language}, {len(text) / 1000:.0f} kB, {len(found)} findings: "
        f"{min(seconds):.3f} s, at first {seconds[0]:.3f} s"
    )
    if min(seconds) >= MOST_SECONDS:
        print(f"error: not under {MOST_SECONDS} s", file=sys.stderr)
    return min(seconds) < MOST_SECONDS


if __name__ == "__main__":
    sys.exit(main())
