"""Which faults there are for a state: what its resource is documented, or said by the definition's Retry, to fail with.

Two errors that no ErrorEquals around a state tells apart, and that no other text of the definition names, lead the
machine the same way, event by event: an expression can tell them apart only by their name. Of such errors one stands
for all (`merged`). It is the only merging of faults, and it is exact.

An error that a Catch names by itself is an answer that the definition's author expects: it may lead to success.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsctl.asl.failures import (
    DATA_LIMIT_EXCEEDED,
    HEARTBEAT_TIMEOUT,
    RUNTIME,
    TASK_FAILED,
    TIMEOUT,
    matches,
)
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.results import JOB_STATUS

PERMISSIONS = "States.Permissions"
BRANCH_FAILED = "States.BranchFailed"
TOO_MANY_FAILED = "States.ExceedToleratedFailureThreshold"
FUNCTION_ERROR = "Exception"  # what a function raises of its own accord
STOPPABLE = ("createTrainingJob", "createTransformJob", "createProcessingJob", "createHyperParameterTuningJob")

# By service: what it fails with when it is overloaded or broken, and what a request can be refused for. Sources: Step
# Functions' best practices ("Handle transient Lambda service exceptions"), and errors seen in recorded executions.
PASSING = {
    "lambda": (
        "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException", "Lambda.TooManyRequestsException",
    ),
    "sagemaker": ("SageMaker.AmazonSageMakerException", "SageMaker.SdkClientException"),
    "batch": ("Batch.AWSBatchException", "Batch.ServerException", "Batch.SdkClientException"),
    "sns": ("SNS.AmazonSNSException", "SNS.InternalErrorException", "SNS.ThrottledException", "SNS.SdkClientException"),
    "sqs": ("SQS.AmazonSQSException", "SQS.SdkClientException"),
    "dynamodb": ("DynamoDB.ProvisionedThroughputExceededException", "DynamoDB.InternalServerErrorException"),
    "events": ("EventBridge.AmazonEventBridgeException", "EventBridge.SdkClientException"),
    "glue": ("Glue.AWSGlueException", "Glue.SdkClientException"),
    "ecs": ("ECS.AmazonECSException", "ECS.SdkClientException"),
    "states": ("StepFunctions.AWSStepFunctionsException", "StepFunctions.SdkClientException"),
    "sagemaker (sdk)": ("SageMaker.SageMakerException", "SageMaker.SdkClientException"),
}  # fmt: skip
REFUSING = {
    "sagemaker": ("SageMaker.ResourceLimitExceededException",),
    "batch": ("Batch.ClientException",),
    "lambda": ("Lambda.ResourceNotFoundException",),
}

State = Mapping[str, Any]


def faults_of(name: str, state: State) -> Iterator[Fault]:
    """The faults of a Task, Parallel or Map, each once and each lasting; the same error in several ways counts anew."""
    singles = list(_task_faults(name, state) if state["Type"] == "Task" else _container_faults(name, state))
    expected = {error for entry in state.get("Catch") or () for error in entry["ErrorEquals"]}
    for fault in singles:
        if fault.error not in expected or fault.error.startswith("States."):
            yield fault
            if state["Type"] == "Task" or (fault.kind is Kind.FAILED and fault.error != BRANCH_FAILED):
                yield replace(fault, lasting=True)
    if state["Type"] != "Map":
        for error in sorted(error for error in expected if not error.startswith("States.")):
            yield Fault(name, Kind.FAILED, error, expected=True)


def _task_faults(name: str, state: State) -> Iterator[Fault]:
    resource = str(state.get("Resource", ""))
    service, action, pattern = _taken_apart(resource)
    job = pattern.startswith("sync")
    passing = PASSING.get(service, _general(service))
    own = [error for error in _retried(state) if not error.startswith("States.")]
    asked = pattern != "activity"
    for error in dict.fromkeys([*(passing if asked else ()), *REFUSING.get(service, ())]):
        yield Fault(name, Kind.REFUSED, error, passing=error in passing)
    for error in own:
        if error not in passing:
            yield Fault(name, Kind.REFUSED if job else Kind.FAILED, error)
    if asked:
        yield Fault(name, Kind.REFUSED, PERMISSIONS)
    yield Fault(name, Kind.FAILED, TASK_FAILED if job or not asked else FUNCTION_ERROR)
    yield Fault(name, Kind.HANG, TIMEOUT)
    if state.get("HeartbeatSeconds") or state.get("HeartbeatSecondsPath"):
        yield Fault(name, Kind.SILENCE, HEARTBEAT_TIMEOUT)
    yield Fault(name, Kind.OVERSIZED, DATA_LIMIT_EXCEEDED)
    yield Fault(name, Kind.MISSING, RUNTIME)
    if job and action in STOPPABLE and action in JOB_STATUS:
        yield Fault(name, Kind.STOPPED, "")


def _container_faults(name: str, state: State) -> Iterator[Fault]:
    yield Fault(name, Kind.OVERSIZED, DATA_LIMIT_EXCEEDED)
    if state["Type"] == "Parallel":
        yield Fault(name, Kind.FAILED, BRANCH_FAILED)
    if is_distributed(state):
        if "ItemReader" in state:
            yield Fault(name, Kind.FAILED, "States.ItemReaderFailed")
        if "ResultWriter" in state:
            yield Fault(name, Kind.FAILED, "States.ResultWriterFailed")
        yield Fault(name, Kind.FAILED, TOO_MANY_FAILED)


def is_distributed(state: State) -> bool:
    """Whether it is a Map whose items are runs of their own."""
    config = (state.get("ItemProcessor") or {}).get("ProcessorConfig") or {}
    return bool(config.get("Mode") == "DISTRIBUTED")


def service_of(resource: str) -> tuple[str, str]:
    """Service and action of a Resource, as it writes them."""
    return _taken_apart(resource)[:2]


def _taken_apart(resource: str) -> tuple[str, str, str]:
    """Service, action and pattern (`sync`, `waitForTaskToken`, `activity` or nothing) of a Resource."""
    if ":activity:" in resource:
        return "", "", "activity"
    if ":states:::" not in resource:
        return "lambda", "invoke", ""
    call, _, pattern = resource.rpartition(":::")[2].partition(".")
    *services, action = call.split(":")
    service = services[-1] if services else ""
    return (f"{service} (sdk)" if services[:1] == ["aws-sdk"] else service), action, pattern


def _general(service: str) -> tuple[str, ...]:
    name = service.removesuffix(" (sdk)")
    name = name[:1].upper() + name[1:]
    return (f"{name}.{name}Exception", f"{name}.SdkClientException")


def _retried(state: State) -> list[str]:
    return [error for entry in state.get("Retry") or () for error in entry["ErrorEquals"]]


def merged(faults: Iterable[Fault], around: Mapping[str, tuple[State, ...]], definition: Any) -> dict[Fault, Fault]:
    """Each fault with the one that stands for it. `around` has each state and those around it, from the inside out."""
    named = _names_in(definition)
    chosen: dict[Any, Fault] = {}
    return {fault: chosen.setdefault(_class_of(fault, around, named), fault) for fault in faults}


def _class_of(fault: Fault, around: Mapping[str, tuple[State, ...]], named: frozenset[str]) -> Any:
    if fault.kind not in (Kind.REFUSED, Kind.FAILED):
        return fault
    told_apart = [name for name in named if fnmatch.fnmatchcase(fault.error, name) or fault.error in name]
    handled = tuple(
        tuple(matches(fault.error, tuple(entry["ErrorEquals"])) for entry in _handlers(state))
        for state in around[fault.state]
    )
    return fault.state, fault.kind, fault.lasting, fault.passing, handled, tuple(told_apart)


def _handlers(state: State) -> Iterator[Mapping[str, Any]]:
    for field in ("Retry", "Catch"):
        yield from state.get(field) or ()


def _names_in(definition: Any) -> frozenset[str]:
    """Every text in a definition that an error's name could be compared with: all but the lists of ErrorEquals."""
    found: set[str] = set()
    todo = [definition]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += [inner for key, inner in value.items() if key not in ("ErrorEquals", "Comment")]
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, str) and (re.search(r"\w\.\w|Exception", value) or "*" in value):
            found.add(value)
    return frozenset(found)
