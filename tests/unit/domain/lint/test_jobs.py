"""Jobs: their names, retries and timeouts."""

import pytest

from opsctl.domain.lint import check
from tests.unit.domain.lint.building import findings, job, over_items, parallel, scope, task, training

NAME, RETRY, TIMEOUT = "JOB_NAME_COLLIDES", "PAID_RETRY", "SYNC_WITHOUT_TIMEOUT"
THROTTLED = [{"ErrorEquals": ["SageMaker.ThrottlingException"]}]
FIELD = "TrainingJobName.$"


def name(*parts):
    return {FIELD: f"States.Format('{'-'.join(['{}'] * len(parts))}', {', '.join(parts)})"}


RUN, REDRIVE, ATTEMPT, ITEM = (
    "$$.Execution.Name", "$$.Execution.RedriveCount", "$$.State.RetryCount", "$$.Map.Item.Index",
)  # fmt: skip


def said(states):
    return [found.message for found in check(scope(states)) if found.code == NAME]


@pytest.mark.parametrize(
    ("parameters", "retry", "when"),
    [
        ({"TrainingJobName": "train"}, [], "in every run"),
        (name(REDRIVE, ATTEMPT), [], "in every run"),
        (name(RUN, REDRIVE), [], None),
        (name(RUN, REDRIVE), THROTTLED, "on every retry"),
        (name(RUN, REDRIVE), [{"ErrorEquals": ["X"], "MaxAttempts": 0}], None),
        (name(RUN, ATTEMPT), THROTTLED, "on a redrive"),
        (name(RUN), THROTTLED, "on every retry and on a redrive"),
        (name(RUN, REDRIVE, ATTEMPT), THROTTLED, None),
        (name("$.name"), [], "on a redrive"),
        (name("$jobName", REDRIVE), [], None),
        ({FIELD: "States.UUID()"}, THROTTLED, None),
    ],
)
def test_when_a_name_comes_again(parameters, retry, when):
    expected = [f"The TrainingJobName of 'T' is the same {when}."] if when else []
    assert said({"T": training(parameters, Retry=retry)}) == expected


def test_a_jsonata_name_is_read_too():
    good = "{% $states.context.Execution.Name & '-d' & $states.context.Execution.RedriveCount %}"
    states = {"T": task(Resource="arn:aws:states:::sagemaker:createTrainingJob.sync", TimeoutSeconds=9)}
    del states["T"]["Parameters"]
    for given, count in ((good, 0), ("{% $states.context.Execution.Name %}", 1), ("fixed", 1), ("{% $uuid() %}", 0)):
        states["T"]["Arguments"] = {"TrainingJobName": given}
        assert len(findings(states, NAME, QueryLanguage="JSONata")) == count, given


def test_a_retried_parallel_starts_the_count_again():
    whole = name(RUN, REDRIVE, ATTEMPT)
    branch = {"T": training(whole, Retry=THROTTLED)}
    assert said({"P": parallel(branch, Retry=THROTTLED)}) == [
        "The TrainingJobName of 'T' is the same when 'P' is retried (RetryCount starts again at 0)."
    ]
    assert said({"P": parallel(branch)}) == []


def test_iterations_need_names_of_their_own():
    assert said({"M": over_items({"T": training(name(RUN, REDRIVE))})}) == [
        "The TrainingJobName of 'T' is the same in every iteration."
    ]
    assert said({"M": over_items({"T": training(name(RUN, REDRIVE, ITEM))})}) == []


def test_a_loop_comes_round_with_the_same_name():
    states = {
        "T": training(name(RUN, REDRIVE), Next="Again?"),
        "Again?": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "T"}], "Default": "D"},
        "D": {"Type": "Succeed"},
    }  # fmt: skip
    assert said(states) == ["The TrainingJobName of 'T' is the same each time its loop comes round."]


@pytest.mark.parametrize(
    ("resource", "field"),
    [("sagemaker:createProcessingJob.sync", "ProcessingJobName"), ("sagemaker:createTransformJob", "TransformJobName"),
     ("sagemaker:createHyperParameterTuningJob.sync", "HyperParameterTuningJobName"),
     ("aws-sdk:sagemaker:createTrainingJob", "TrainingJobName"), ("states:startExecution.sync:2", "Name"),
     ("aws-sdk:transcribe:startTranscriptionJob", "TranscriptionJobName")],
)  # fmt: skip
def test_what_takes_a_name_only_once(resource, field):
    state = job(Resource=f"arn:aws:states:::{resource}", Parameters={field: "fixed"})
    assert findings({"T": state}, NAME) == [f"/States/T/Parameters/{field}"]


@pytest.mark.parametrize(
    ("error", "parameters", "when"),
    [
        ("StepFunctions.ExecutionAlreadyExistsException", {"Name.$": RUN}, None),
        ("Sfn.ExecutionAlreadyExistsException", {"Name.$": RUN}, None),
        ("StepFunctions.ExecutionAlreadyExistsException", {"Name": "fixed"}, "in every run"),
        ("StepFunctions.ExecutionLimitExceededException", {"Name.$": RUN}, "on every retry and on a redrive"),
        ("States.ALL", {"Name.$": RUN}, "on every retry and on a redrive"),
    ],
)
def test_whose_catch_expects_the_execution_to_be_there_starts_it_once_on_purpose(error, parameters, when):
    state = task(
        Resource="arn:aws:states:::states:startExecution",
        Parameters=parameters,
        Retry=[{"ErrorEquals": ["StepFunctions.ThrottlingException"]}],
        Catch=[{"ErrorEquals": [error], "Next": "Done"}],
    )
    expected = [f"The Name of 'T' is the same {when}."] if when else []
    assert said({"T": state, "Done": {"Type": "Succeed"}}) == expected


def test_batch_takes_a_name_any_number_of_times():
    assert findings({"T": job(Parameters={"JobName": "fixed"})}, NAME) == []


def retried(*entries):
    retriers = [dict(zip(("ErrorEquals", "MaxAttempts"), entry, strict=False)) for entry in entries]
    return findings({"J": job(Retry=retriers)}, RETRY)


@pytest.mark.parametrize("error", ["States.ALL", "States.TaskFailed", "States.Timeout"])
def test_a_failed_job_is_not_to_be_retried(error):
    assert retried(([error],)) == ["/States/J/Retry[0]"]
    assert retried(([error], 0)) == []
    assert retried((["Batch.ServerException"], 5)) == []


def test_an_entry_without_attempts_keeps_its_errors_from_those_behind_it():
    assert retried((["States.TaskFailed", "States.Timeout"], 0), (["States.ALL"], 3)) == []
    assert retried((["States.TaskFailed"], 0), (["States.ALL"], 3)) == ["/States/J/Retry[1]"]


def test_a_retried_parallel_pays_for_all_its_jobs():
    assert findings({"P": parallel({"J": job()}, Retry=THROTTLED)}, RETRY) == ["/States/P/Retry[0]"]
    assert findings({"P": parallel({"T": task()}, Retry=THROTTLED)}, RETRY) == []
    assert findings({"T": task(Retry=[{"ErrorEquals": ["States.ALL"]}])}, RETRY) == []


def test_a_job_needs_a_timeout():
    endless = job()
    del endless["TimeoutSeconds"]
    assert findings({"J": endless}, TIMEOUT) == ["/States/J"]
    assert findings({"J": {**endless, "TimeoutSecondsPath": "$.limit"}}, TIMEOUT) == []
    assert findings({"T": task()}, TIMEOUT) == []
