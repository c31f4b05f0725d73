"""Which faults a state has, and which of them stand for others."""

from __future__ import annotations

from typing import Any

from opsctl.domain.drill.faults import faults_of, merged
from opsctl.domain.drill.model import Kind
from opsctl.domain.drill.subject import Subject

JOB: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
    "Parameters": {"TrainingJobName": "x"},
    "End": True,
}


def errors(state: dict[str, Any], kind: Kind, *, expected: bool = False) -> list[str]:
    found = [fault for fault in faults_of("Job", state) if fault.kind is kind and fault.expected is expected]
    return [fault.error for fault in found if not fault.lasting]


def test_a_job_meets_its_service_and_its_own_end() -> None:
    assert errors(JOB, Kind.FAILED) == ["States.TaskFailed"]
    assert errors(JOB, Kind.REFUSED) == [
        "SageMaker.AmazonSageMakerException",
        "SageMaker.SdkClientException",
        "SageMaker.ResourceLimitExceededException",
        "States.Permissions",
    ]
    assert errors(JOB, Kind.STOPPED) == [""]
    assert errors(JOB, Kind.SILENCE) == []


def test_what_a_retry_names_can_happen_and_what_a_catch_names_is_an_answer() -> None:
    asks = {**JOB, "Resource": "arn:aws:states:::sns:publish.waitForTaskToken", "HeartbeatSeconds": 60}
    asks |= {"Retry": [{"ErrorEquals": ["Busy"]}], "Catch": [{"ErrorEquals": ["Busy", "Exception"], "Next": "No"}]}
    assert errors(asks, Kind.FAILED) == []
    assert errors(asks, Kind.FAILED, expected=True) == ["Busy", "Exception"]
    assert errors(asks, Kind.SILENCE) == ["States.HeartbeatTimeout"]
    assert errors({**asks, "Catch": []}, Kind.FAILED) == ["Busy", "Exception"]


def test_only_errors_that_nothing_tells_apart_stand_for_each_other() -> None:
    retried = {**JOB, "Retry": [{"ErrorEquals": ["SageMaker.SdkClientException"]}]}
    plain = {"StartAt": "Job", "States": {"Job": JOB}}
    named = {"StartAt": "Job", "States": {"Job": retried}}
    read = {"StartAt": "Job", "States": {"Job": {**JOB, "Comment": "", "Parameters": {"a": "SageMaker.Sdk*"}}}}
    assert [classes(one) for one in (plain, named, read)] == [2, 3, 3]


def classes(definition: dict[str, Any]) -> int:
    """How many faults stand for the requests that are refused once."""
    subject = Subject(definition)
    refused = [fault for fault in subject.faults if fault.kind is Kind.REFUSED and not fault.lasting]
    return len(set(merged(refused, subject.around, definition).values()))
