"""What a history says of a step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opsctl.asl.history import Attempt, RunHistory, StateRun
from opsctl.domain.results import NOT_RUN, StepResult, ended_as, job_name, one_line, setup_of, step_result


def attempt(
    resource: str = "lambda:invoke", output: Any = None, parameters: Any = None, ended: float | None = 9.0
) -> Attempt:
    texts = [None if value is None else json.dumps(value) for value in (parameters, output)]
    return Attempt(resource, texts[0], 2.0, 3.0, ended, "SUCCEEDED", texts[1], None, None, 0)


def state(
    status: str,
    *attempts: Attempt,
    exited: float | None = 9.0,
    output: str | None = None,
    error: str | None = None,
    cause: str | None = None,
) -> StateRun:
    return StateRun("Work", "Task", status, 1.0, exited, None, output, error, cause, attempts, 0, 2)


def read(*states: StateRun) -> RunHistory:
    return RunHistory("FAILED", 0.0, 9.0, None, None, None, None, 0, states)


@pytest.mark.parametrize(
    ("entry", "missing", "seconds"),
    [
        (state("SUCCEEDED", attempt()), None, 7.0),
        (state("SUCCEEDED"), None, 0.0),
        (state("CAUGHT", attempt()), "it failed", 7.0),
        (state("FAILED", attempt()), "it ended FAILED", 7.0),
        (state("RUNNING", attempt(ended=None), exited=None), "it is running", 0.0),
        (state("SUCCEEDED", attempt("sagemaker:createTrainingJob.sync", {"TrainingJobStatus": "Stopped"})),
         "its job ended Stopped", 7.0),
        (state("SUCCEEDED", attempt("batch:submitJob.sync", {"Status": "SUCCEEDED"})), None, 7.0),
        (state("SUCCEEDED", attempt("sagemaker:createTrainingJob.sync", ["no object"])), None, 7.0),
        (state("SUCCEEDED", attempt("lambda:invoke", {"Status": "whatever"})), None, 7.0),
    ],
)  # fmt: skip
def test_a_result_is_missing_for_a_reason(entry: StateRun, missing: str | None, seconds: float) -> None:
    found = step_result(read(entry), "Work")
    assert (found.status, found.missing, found.seconds) == (entry.status, missing, seconds)


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        (attempt(), "SUCCEEDED"),
        (attempt("sagemaker:createTrainingJob.sync", {"TrainingJobStatus": "Completed"}), "SUCCEEDED"),
        (attempt("sagemaker:createTrainingJob.sync", {"TrainingJobStatus": "Stopped"}), "Stopped"),
        (replace(attempt("sagemaker:createTrainingJob.sync"), status="FAILED"), "FAILED"),
    ],
)
def test_how_an_attempt_ended(tried: Attempt, expected: str) -> None:
    assert ended_as(tried) == expected


def test_a_step_that_did_not_run() -> None:
    assert step_result(read(), "Work") == StepResult(NOT_RUN, "it did not run", None, ())
    assert step_result(read(), "Work").error is None


def test_the_error_of_a_step_in_one_line() -> None:
    found = step_result(
        read(state("FAILED", error="States.TaskFailed", cause='{"FailureReason": "out of\\n memory"}')), "Work"
    )
    assert found.error == "States.TaskFailed: out of memory"
    assert step_result(read(state("SUCCEEDED")), "Work").error is None
    assert one_line("E", "not {json") == "E: not {json"
    assert one_line(None, None) == ""


def test_what_the_setup_step_decided() -> None:
    whole = {"run": {"hyperparameters": {"text_model": {"epochs": "6"}}, "data": {"source": "s3://b/d/"}, "code": 7}}
    found = setup_of(read(state("SUCCEEDED", output="no json"), state("SUCCEEDED", output=json.dumps(whole))))
    assert found
    assert (found.data_source, found.code, found.hyperparameters) == (
        "s3://b/d/",
        None,
        {"text_model": {"epochs": "6"}},
    )
    bare = setup_of(read(state("SUCCEEDED", output='{"run": {"hyperparameters": {}, "code": {"sha256": "a"}}}')))
    assert bare
    assert (bare.data_source, bare.code) == (None, "a")
    assert setup_of(read(state("FAILED", output=json.dumps(whole)), state("SUCCEEDED", output='{"run": 1}'))) is None


def test_the_name_of_a_job() -> None:
    assert job_name(attempt(parameters={"TrainingJobName": "nightly-7-evaluate-d0r0"})) == "nightly-7-evaluate-d0r0"
    assert job_name(attempt(parameters={"FunctionName": "arn:aws:lambda:r:1:function:prepare"})) == "prepare"
    assert job_name(attempt(parameters={"TopicArn": "x"})) is None
