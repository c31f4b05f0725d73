"""Which job did an attempt's work: read out of what the attempt was asked with and what came back.

Services tell the same things under many names, in the request (`TrainingJobName`), in the answer to it (`JobArn`), and
in the description that ends up as output or, of a failed job, as the error's cause (`Container.LogStreamName`). The
later a document, the more it knows, so the latest that has a value counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAMES = (
    "TrainingJobName", "TransformJobName", "ProcessingJobName", "HyperParameterTuningJobName", "JobName",
    "FunctionName", "ProjectName", "Name",
)  # fmt: skip
_ARNS = (
    "TrainingJobArn", "TransformJobArn", "ProcessingJobArn", "HyperParameterTuningJobArn", "JobArn", "ExecutionArn",
    "TaskArn", "Arn",
)  # fmt: skip
# Where the documents nest what is looked for.
_INSIDE = ("Container", "Build", "Tasks", "Attempts", "Logs")
_LOG_GROUPS = {
    "createTrainingJob": "/aws/sagemaker/TrainingJobs",
    "createTransformJob": "/aws/sagemaker/TransformJobs",
    "createProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "submitJob": "/aws/batch/job",
}
_FUNCTION = ":function:"
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Job:
    """`log_stream` is the stream's name; of SageMaker's jobs its beginning, as each host writes its own stream.
    `token` is the task token, where the request's parameters carry one under a name that says so."""

    name: str | None
    arn: str | None
    log_group: str | None
    log_stream: str | None
    token: str | None


def job_of(resource: str, parameters: str | None, submitted: str | None, output: str | None, cause: str | None) -> Job:
    """The job of an attempt; every text may be JSON, something else or missing."""
    asked = _object(parameters)
    documents = [asked, *map(_object, (submitted, output, cause))]
    action = resource.partition(":")[2].partition(".")[0]
    name = _latest(documents, _NAMES)
    function = resource if _FUNCTION in resource else name if action == "invoke" else None
    if function is not None:
        name = _function_name(function)
    group = f"/aws/lambda/{name}" if function else _latest(documents, ("GroupName",)) or _LOG_GROUPS.get(action)
    stream = _latest(documents, ("LogStreamName", "StreamName"))
    if stream is None and name and "sagemaker" in (group or ""):
        stream = f"{name}/"
    return Job(name, _latest(documents, _ARNS), group, stream, _token(asked))


def _latest(documents: list[Mapping[str, Any]], keys: tuple[str, ...]) -> str | None:
    for document in reversed(documents):
        for place in _places(document):
            for key in keys:
                if isinstance(value := place.get(key), str) and value:
                    return value
    return None


def _places(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The document and the parts of it that describe the job in detail; of several attempts the last first."""
    waiting = [document]
    while waiting:
        place = waiting.pop(0)
        yield place
        for key in _INSIDE:
            inside = place.get(key)
            rows = inside[::-1] if isinstance(inside, list) else [inside]
            waiting.extend(row for row in rows if isinstance(row, dict))


def _token(parameters: Mapping[str, Any]) -> str | None:
    """The first text under a key such as `TaskToken`, wherever it stands."""
    waiting: list[tuple[Any, int]] = [(parameters, 0)]
    while waiting:
        value, depth = waiting.pop(0)
        if isinstance(value, dict):
            for key, inside in value.items():
                if isinstance(inside, str) and key.lower().replace("_", "").endswith("token") and inside:
                    return inside
        if isinstance(value, dict | list) and depth < _DEEPEST:
            waiting.extend((one, depth + 1) for one in (value.values() if isinstance(value, dict) else value))
    return None


def _function_name(text: str) -> str:
    """Of a function's ARN, with or without a qualifier, the name."""
    return text.partition(_FUNCTION)[2].partition(":")[0] if _FUNCTION in text else text


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
