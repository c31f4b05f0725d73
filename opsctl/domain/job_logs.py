"""Where an attempt's work wrote its log, read out of what the history recorded of the attempt.

* A SageMaker job writes below its own name in a group that all jobs of its kind share: `<job>/<host>-<time>`. A tuning
  job's training jobs have names of their own that begin with the tuning job's.
* A Batch job's description names one stream for each time that Batch ran it, and its log configuration the group. The
  history has that description only of a job that ended well or failed: of any other, Batch is asked, by the job's id.
* A function has one group, and in its streams many invocations. The one of this attempt bears the request id that the
  answer of `lambda:invoke` carries, and that a Python function's error carries too. Where neither is there, only the
  time of the attempt is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import Attempt
from opsctl.domain.results import one_line

TRAINING = "/aws/sagemaker/TrainingJobs"
# By the resource's action: what the service calls the job, the parameter that names it, its group, its streams.
SAGEMAKER = {
    "createTrainingJob": ("training job", "TrainingJobName", TRAINING, "{}/"),
    "createTransformJob": ("transform job", "TransformJobName", "/aws/sagemaker/TransformJobs", "{}/"),
    "createProcessingJob": ("processing job", "ProcessingJobName", "/aws/sagemaker/ProcessingJobs", "{}/"),
    "createHyperParameterTuningJob": ("tuning job", "HyperParameterTuningJobName", TRAINING, "{}-"),
}
BATCH_GROUP = "/aws/batch/job"
# Errors of the request to Lambda after which the function has certainly not run.
NOT_INVOKED = frozenset({"Lambda.TooManyRequestsException", "Lambda.ResourceNotFoundException"})
FUNCTION_GROUP = "/aws/lambda/"
_FUNCTION = ":function:"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class JobLog:
    """A SageMaker job's: every stream of the group whose name begins with `prefix`."""

    what: str
    group: str
    prefix: str


@dataclass(frozen=True)
class BatchLog:
    """A Batch job's: the streams that its description names; none where the history has no description."""

    what: str
    job_id: str
    group: str
    streams: tuple[str, ...] = ()


@dataclass(frozen=True)
class FunctionLog:
    """A function's: the lines of the invocation with that request id, where it is known."""

    what: str
    function: str
    request: str | None
    ended: bool = True


@dataclass(frozen=True)
class NoLog:
    """Why there is none, and the command or place that helps further; `child` is the run that did the work instead."""

    why: str
    hint: str | None = None
    child: str | None = None


Source = JobLog | BatchLog | FunctionLog | NoLog


def source_of(attempt: Attempt) -> Source:
    """Where the attempt's work wrote its log."""
    service, _, rest = attempt.resource.partition(":")
    action = rest.partition(".")[0]
    asked = _object(attempt.parameters)
    if _FUNCTION in attempt.resource:
        return _function(attempt, attempt.resource)
    if service == "lambda" and action == "invoke" and isinstance(asked.get("FunctionName"), str):
        return _function(attempt, asked["FunctionName"])
    refused = _refused(attempt)
    if refused:
        return NoLog(f"its job was never started: {refused}")
    if service == "sagemaker" and action in SAGEMAKER:
        kind, key, group, streams = SAGEMAKER[action]
        name = str(asked.get(key))
        return JobLog(f"{kind} {name}", group, streams.format(name))
    if service == "batch" and action == "submitJob":
        return _batch(attempt, asked)
    return _none(attempt, action)


def batch_log(description: Mapping[str, Any], what: str, job_id: str) -> BatchLog | NoLog:
    """The log of a Batch job by its description: DescribeJobs' own, or Step Functions' copy with capital letters."""
    described = _camel(description)
    containers = list(_containers(described))
    drivers = [container.get("logConfiguration") or {} for container in containers]
    other = next((d["logDriver"] for d in drivers if d.get("logDriver", "awslogs") != "awslogs"), None)
    if other:
        return NoLog(f"{what} writes its log with the driver {other}, not to CloudWatch Logs")
    groups = [(driver.get("options") or {}).get("awslogs-group") for driver in drivers]
    if _object(described.get("arrayProperties")).get("size"):
        why = f"{what} is an array job, whose children write the logs"
        return NoLog(why, f"aws batch list-jobs --array-job-id {job_id} names them")
    streams = dict.fromkeys(str(found["logStreamName"]) for found in containers if found.get("logStreamName"))
    return BatchLog(what, job_id, next(filter(None, groups), BATCH_GROUP), tuple(streams))


def _function(attempt: Attempt, name: str) -> FunctionLog | NoLog:
    if attempt.error in NOT_INVOKED:
        return NoLog(f"its function was never invoked: {one_line(attempt.error, attempt.cause)}")
    function = name.partition(_FUNCTION)[2] if _FUNCTION in name else name
    function = function.partition(":")[0]
    return FunctionLog(f"function {function}", function, _request(attempt), attempt.ended is not None)


def _request(attempt: Attempt) -> str | None:
    """The id of the invocation: of the answer to Invoke, or of the error that the function's runtime reported."""
    answers = () if _FUNCTION in attempt.resource else (attempt.output, attempt.submitted)  # of its ARN: its own words
    for text in answers:
        found = _object(_object(text).get("SdkResponseMetadata")).get("RequestId")
        if isinstance(found, str) and found:
            return found
    error = _object(attempt.cause)
    if isinstance(found := error.get("requestId"), str) and found:
        return found
    match = _UUID.search(str(error.get("errorMessage", "")))
    return match[0] if match else None


def _batch(attempt: Attempt, asked: Mapping[str, Any]) -> Source:
    submitted = _object(attempt.submitted)
    description = _object(attempt.output) or _object(attempt.cause)
    if "JobId" not in description:
        description = submitted
    job_id = description.get("JobId")
    name = description.get("JobName") or asked.get("JobName")
    if not isinstance(job_id, str):
        return NoLog("the history does not name its Batch job yet", "try again in a moment")
    if "Container" not in description and "EcsProperties" not in description:
        return BatchLog(f"Batch job {name}", job_id, BATCH_GROUP)
    return batch_log(description, f"Batch job {name}", job_id)


def _containers(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every container that the job ran, those of its earlier attempts first."""
    for place in filter(_is_object, (*described.get("attempts", ()), described)):
        tasks = place.get("taskProperties") or _object(place.get("ecsProperties")).get("taskProperties") or ()
        inside = [container for task in filter(_is_object, tasks) for container in task.get("containers", ())]
        yield from filter(_is_object, (place.get("container"), *inside))


def _none(attempt: Attempt, action: str) -> NoLog:
    if action in ("startExecution", "startSyncExecution"):
        child = _object(attempt.submitted).get("ExecutionArn") or _object(attempt.output).get("ExecutionArn")
        if isinstance(child, str):
            return NoLog(f"its work is the run {child.rpartition(':')[2]}", child=child)
        return NoLog("its work is a run of another machine, which did not start")
    if ":activity:" in attempt.resource:
        activity = attempt.resource.rpartition(":")[2]
        return NoLog(f"its work is done by a worker of the activity {activity}, which keeps its own log")
    called = attempt.resource.removesuffix(".sync").removesuffix(".sync:2").removesuffix(".waitForTaskToken")
    return NoLog(f"{called} writes no log that opsctl can read; it reads those of Lambda, Batch and SageMaker")


def _refused(attempt: Attempt) -> str | None:
    """Why the service did not take the job, if that is what ended the attempt."""
    refused = attempt.ended is not None and attempt.error and attempt.submitted is None and attempt.output is None
    if not refused or attempt.error == "States.TaskFailed" or attempt.status == "TIMED_OUT":
        return None
    return one_line(attempt.error, attempt.cause)


def _camel(value: Any) -> Any:
    """A description with its members' first letters small, as the API has them."""
    if isinstance(value, Mapping):
        return {key[:1].lower() + key[1:]: _camel(inside) for key, inside in value.items()}
    return [_camel(inside) for inside in value] if isinstance(value, list) else value


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}
