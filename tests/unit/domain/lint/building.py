"""Small definitions, state by state."""

import json

from opsctl.domain.lint import check

NOTIFY = {
    "Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": {"TopicArn": "t", "Message": "m"},
}  # fmt: skip
TELLS = {"Notify": {**NOTIFY, "Next": "Fail"}, "Fail": {"Type": "Fail", "Error": "E"}}
TO_NOTIFY = [{"ErrorEquals": ["States.ALL"], "Next": "Notify"}]


def task(**fields):
    """A Task that calls a function; ends if it leads nowhere."""
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "f"},
        **fields,
    }
    return state if "Next" in state else {**state, "End": True}


def job(**fields):
    """A Task that waits for a Batch job, with a timeout."""
    return task(
        **{"Resource": "arn:aws:states:::batch:submitJob.sync", "TimeoutSeconds": 60, "Parameters": {}} | fields
    )


def training(name, **fields):
    """A Task that waits for a training job of this name (a field with `.$` or without)."""
    return job(Resource="arn:aws:states:::sagemaker:createTrainingJob.sync", Parameters=name, **fields)


def parallel(*branches, **fields):
    """A Parallel of branches, each a mapping of states that starts with the first."""
    state = {"Type": "Parallel", "Branches": [scope(branch) for branch in branches], **fields}
    return state if "Next" in state else {**state, "End": True}


def over_items(states, **fields):
    """A Map over its input."""
    state = {"Type": "Map", "ItemProcessor": scope(states), **fields}
    return state if "Next" in state else {**state, "End": True}


def scope(states):
    return {"StartAt": next(iter(states)), "States": states}


def findings(states, code, **fields):
    """Where a definition of these states has the code; nothing else is looked at, but errors there must be none."""
    found = check({**scope(states), **fields})
    assert [one for one in found if one.severity == "ERROR"] == []
    return [one.location for one in found if one.code == code]


def text(states):
    return json.dumps(scope(states), indent=2)
