"""Definitions and cases as short as a test needs them."""

from __future__ import annotations

from typing import Any

from opsctl.domain.cases import Suite, Verdict

LAMBDA = "arn:aws:states:::lambda:invoke"
JOB = "arn:aws:states:::batch:submitJob.sync"
CALLBACK = "arn:aws:states:::sns:publish.waitForTaskToken"
ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:work"


def task(resource: str = LAMBDA, **fields: Any) -> dict[str, Any]:
    """A Task that ends its scope unless it has a Next."""
    return {"Type": "Task", "Resource": resource, **({} if "Next" in fields else {"End": True}), **fields}


def passing(following: str | None = None) -> dict[str, Any]:
    """A Pass state."""
    return {"Type": "Pass", **({"Next": following} if following else {"End": True})}


def scope(**states: Any) -> dict[str, Any]:
    """A machine, a branch or an item processor that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


def run(definition: dict[str, Any], case: dict[str, Any], **file: Any) -> Verdict:
    """The verdict on one case; what it leaves out is filled in so that it is a case."""
    document = {"definition": definition, **file, "cases": [{"name": "a case", "expect": {"entered": []}, **case}]}
    suite = Suite(definition, document, "machine")
    return suite.run(suite.cases[0])


def found(verdict: Verdict) -> tuple[str, str | None, str | None] | None:
    """The difference as a tuple; None for a case that passed."""
    difference = verdict.difference
    return None if difference is None else (difference.what, difference.expected, difference.actual)
