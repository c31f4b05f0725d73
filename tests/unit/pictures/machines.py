"""Machines to draw."""

from __future__ import annotations

from typing import Any

HOSTILE = '</text><script>alert(1)</script>"\'`&#x27; end %% \x1b[2J\u202e\n| --> "x" ;{{}}'
LAMBDA = "arn:aws:states:::lambda:invoke"


def task(**more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA, **more}


def caught(target: str) -> dict[str, Any]:
    return {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": target}]}


def skip(key: str, target: str) -> dict[str, Any]:
    """A guard's rule, as ours are written."""
    variable = f"$$.Execution.Input.skip.{key}"
    return {
        "And": [{"Variable": variable, "IsPresent": True}, {"Variable": variable, "BooleanEquals": True}],
        "Next": target,
    }


SMALL: dict[str, Any] = {
    "StartAt": "Skip Fetch?",
    "States": {
        "Skip Fetch?": {"Type": "Choice", "Choices": [skip("fetch", "Both")], "Default": "Fetch"},
        "Fetch": task(Next="Both", **caught("Tell")),
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": task(End=True)}},
                {"StartAt": "Right", "States": {"Right": task(Next="Rest"), "Rest": {"Type": "Pass", "End": True}}},
            ],
            "End": True,
            **caught("Tell"),
        },
        "Tell": {"Type": "Fail", "Error": "Broken"},
    },
}


def long_machine(stages: int = 30) -> dict[str, Any]:
    """Guarded stages one after the other, every sixth a Parallel of six branches, every failure caught: 5 states a
    stage on average."""
    states: dict[str, Any] = {}
    for number in range(stages):
        onward = f"Guard {number + 1}?" if number + 1 < stages else "Done"
        states[f"Guard {number}?"] = {
            "Type": "Choice", "Choices": [skip(f"stage_{number}", onward)], "Default": f"Stage {number}",
        }  # fmt: skip
        states[f"Stage {number}"] = task(Next=f"Check {number}", **caught("Describe Failure"))
        if number % 6 == 5:
            branches = [_branch(f"{number}.{branch}") for branch in range(6)]
            states[f"Stage {number}"] |= {"Type": "Parallel", "Branches": branches}
        states[f"Check {number}"] = {"Type": "Pass", "Next": onward}
    states["Done"] = {"Type": "Succeed"}
    states["Describe Failure"] = task(Next="Fail")
    states["Fail"] = {"Type": "Fail", "Error": "PipelineFailed"}
    return {"StartAt": "Guard 0?", "States": states}


def _branch(name: str) -> dict[str, Any]:
    return {"StartAt": f"Train {name}", "States": {
        f"Train {name}": task(Next=f"Keep {name}"), f"Keep {name}": {"Type": "Pass", "End": True},
    }}  # fmt: skip
