"""Small machines as a talk shows them, and histories of them as the interpreter writes and the history reader reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opsctl.asl.effects import Failed, ScheduleTask, Succeeded
from opsctl.asl.history import RunHistory, read_history
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.documents import with_settings
from opsctl.domain.driving import drive
from opsctl.domain.guards import read_pipeline
from opsctl.domain.proof import Proof, prove

LAMBDA = "arn:aws:states:::lambda:invoke"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Notify Failure"}]


def ends(then: str | None) -> dict[str, Any]:
    return {"Next": then} if then else {"End": True}


def task(then: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA, "ResultPath": None, **ends(then), **more}


def passing(then: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": "Pass", **ends(then), **more}


def choice(variable: str, value: Any, target: str, default: str, operator: str = "BooleanEquals") -> dict[str, Any]:
    return {"Type": "Choice", "Choices": [{"Variable": variable, operator: value, "Next": target}], "Default": default}


def asks(condition: str, target: str, default: str) -> dict[str, Any]:
    """A Choice in JSONata."""
    return {"Type": "Choice", "Choices": [{"Condition": f"{{% {condition} %}}", "Next": target}], "Default": default}


def machine(start: str, states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"StartAt": start, "States": dict(states), **more}


def parallel(*branches: tuple[str, Mapping[str, Any]], then: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": [machine(*branch) for branch in branches], **ends(then), **more}


DONE = {"Done": {"Type": "Succeed"}}
FAILURE = {
    "Notify Failure": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "Failed",
                       "Parameters": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message.$": "$.error"}},
    "Failed": {"Type": "Fail", "Error": "PipelineFailed"},
}  # fmt: skip
TALK = machine(
    "Setup",
    {
        "Setup": {
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:123456789012:function:setup",
            "Next": "Skip Fetch?",
            "Catch": CATCH,
        },
        "Skip Fetch?": choice("$.fetch_preprocessed_data", False, "Base Model Training", "Fetch Preprocessed Data"),
        "Fetch Preprocessed Data": {
            "Type": "Task",
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Parameters": {"JobName": "fetch", "JobDefinition": "fetch", "JobQueue": "queue"},
            "ResultPath": "$.fetch",
            "Next": "Base Model Training",
            "Catch": CATCH,
        },
        "Base Model Training": parallel(
            (
                "Skip Train Image Model?",
                {
                    "Skip Train Image Model?": choice("$.train_image_model", False, "Image Done", "Train Image Model"),
                    "Train Image Model": task("Image Done", Resource=TRAINING, Parameters={"TrainingJobName": "image"}),
                    "Image Done": passing(),
                },
            ),
            (
                "Skip Train Text Model?",
                {
                    "Skip Train Text Model?": choice("$.train_text_model", False, "Text Done", "Train Text Model"),
                    "Train Text Model": task("Text Done", Resource=TRAINING, Parameters={"TrainingJobName": "text"}),
                    "Text Done": passing(),
                },
            ),
            then="Skip Train Sequence Model?",
            ResultPath="$.base_models",
            Catch=CATCH,
        ),
        "Skip Train Sequence Model?": choice("$.train_sequence_model", False, "Notify Success", "Train Sequence Model"),
        "Train Sequence Model": task(
            "Notify Success", Resource=TRAINING, Parameters={"TrainingJobName": "sequence"}, Catch=CATCH
        ),
        "Notify Success": task(
            Resource="arn:aws:states:::sns:publish", Parameters={"Message": "done", "TopicArn": "t"}
        ),
        **FAILURE,
    },
)
"""The talk's pipeline: a setup function makes what all guards read, base models side by side, failures caught."""

EVERYTHING = {
    "fetch_preprocessed_data": True, "train_image_model": True, "train_text_model": True, "train_sequence_model": True,
}  # fmt: skip


def ran(definition: Mapping[str, Any], document: Any, answers: Mapping[str, Any]) -> RunHistory:
    """The history of a run in which each Task gives its answer, or fails with it if that is a Failed."""
    execution = Execution(parse(definition), json.dumps(document))
    execution.start(0.0)
    now = 0.0
    while effects := execution.effects():
        for effect in effects:
            if isinstance(effect, ScheduleTask):
                now += 1
                answer = answers.get(effect.state, {})
                answer = answer if isinstance(answer, Failed) else Succeeded(json.dumps(answer))
                execution.resolve(effect.task, answer, now)
    return read_history(execution.events, definition)


def planned(
    definition: Mapping[str, Any], document: Any, running: Sequence[str], histories: Sequence[RunHistory] = ()
) -> tuple[Any, Proof]:
    """The input that makes these guarded steps run and the others not, and what its walk comes to."""
    pipeline = read_pipeline(definition, histories)
    always = [step.name for step in pipeline.steps if step.guard is None]
    new = with_settings(document, drive(pipeline, document, [*running, *always]))
    return new, prove(definition, new, [*running, *always], histories)
