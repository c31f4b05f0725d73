"""Each lesson in other clothes than those of docs/lint.md: in JSONata, inside a Map or Parallel, of other services."""

import pytest

from opsctl.domain.lint import check
from tests.unit.domain.lint.building import TELLS, TO_NOTIFY, job, over_items, parallel, scope, task, training

ALL = ["States.ALL"]
JSONATA = {"QueryLanguage": "JSONata"}
ALERTED = "lint: allow SILENT_FAILURE the status rule alerts"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
NAP = {"Type": "Wait", "Seconds": 1, "End": True}
SLEEP = {"Type": "Wait", "Seconds": 1, "Next": "D"}


def passing(**fields):
    state = {"Type": "Pass", **fields}
    return state if "Next" in state else {**state, "End": True}


def invoking(**fields):
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {}, **fields}
    return state if "Next" in state else {**state, "End": True}


def running(**fields):
    return invoking(Resource="arn:aws:states:::batch:submitJob.sync", TimeoutSeconds=60, **fields)


def naming(name, **fields):
    return invoking(Resource=TRAINING, TimeoutSeconds=60, Arguments={"TrainingJobName": name}, **fields)


def asking(condition, then, otherwise=None):
    state = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": then}]}
    return {**state, "Default": otherwise} if otherwise else state


def catch(target, **fields):
    return [{"ErrorEquals": ALL, "Next": target, **fields}]


def codes(states, comment=ALERTED, **fields):
    found = check({**scope(states), "Comment": comment, **fields})
    assert [one.message for one in found if one.severity == "ERROR"] == []
    return sorted({one.code for one in found} - {"UNUSED_ALLOW"})


END = {"Ok?": asking("{% $exists($states.input.e) %}", "Broken", "Done"), "Done": passing(), "Broken": {"Type": "Fail"}}
NAME = "{% $states.context.Execution.Name & '-' & $string($states.context.Execution.RedriveCount) & '-' & "
GOOD_NAME = NAME + "$string($states.context.State.RetryCount) %}"


@pytest.mark.parametrize(
    ("code", "states"),
    [
        ("GREEN_FAILURE", {"A": invoking(Catch=catch("B"), Next="B"), "B": passing()}),
        ("GREEN_FAILURE", {"A": invoking(Catch=catch("Ok?", Output="{% $states.input %}"), Next="Ok?"), **END}),
        ("SYNC_WITHOUT_TIMEOUT", {"A": invoking(Resource="arn:aws:states:::states:startExecution.sync:2")}),
        ("PAID_RETRY", {"A": running(Retry=[{"ErrorEquals": ["States.Timeout"]}])}),
        ("PAID_RETRY", {"P": parallel({"A": running()}, Retry=[{"ErrorEquals": ALL}])}),
        ("JOB_NAME_COLLIDES", {"A": naming("{% $states.context.Execution.Name %}")}),
        ("JOB_NAME_COLLIDES", {"A": passing(Assign={"n": "{% $uuid() %}"}, Next="B"), "B": naming("{% 'x' & $n %}")}),
        ("SIBLING_ABORTED", {"P": parallel({"A": invoking()}, {"B": running()})}),
        ("SIBLING_ABORTED", {"M": over_items({"A": running()}, ToleratedFailureCount=0)}),
        ("CHOICE_WITHOUT_DEFAULT", {"M": over_items({"C": asking("{% $states.input > 1 %}", "D"), "D": passing()})}),
        (
            "GUARD_WITHOUT_EFFECT",
            {
                "Skip It?": asking("{% $states.input.skip %}", "Skipped", "It"),
                "Skipped": passing(Output="{% $states.input %}", Next="It"),
                "It": NAP,
            },
        ),
        ("UNREACHABLE_STATE", {"C": asking("{% false %}", "X", "D"), "X": passing(), "D": NAP}),
        ("UNREACHABLE_STATE", {"C": asking(False, "X", "D"), "X": passing(), "D": NAP}),
    ],
)
def test_a_bad_one_in_jsonata(code, states):
    assert codes(states, **JSONATA) == [code]


@pytest.mark.parametrize(
    "states",
    [
        {"A": invoking(Catch=catch("Ok?", Assign={"failed": True}), Next="Ok?"), **END},
        {"A": invoking(Catch=[{"ErrorEquals": ["NotFound"], "Next": "B"}], Next="B"), "B": passing()},
        {"A": invoking(Resource=TRAINING, TimeoutSeconds="{% $states.input.limit %}")},
        {"A": running(Retry=[{"ErrorEquals": ALL, "MaxAttempts": 0}])},
        {"A": invoking(Retry=[{"ErrorEquals": ALL}])},
        {"A": naming(GOOD_NAME, Retry=[{"ErrorEquals": ["SageMaker.ThrottlingException"]}])},
        {"A": invoking(Resource=TRAINING, TimeoutSeconds=1, Arguments="{% $states.input.arguments %}")},
        {"M": over_items({"A": running()}, ToleratedFailurePercentage=50)},
        {"M": over_items({"A": running()}, MaxConcurrency=1)},
        {"P": parallel({"A": NAP}, {"B": running()})},
        {"C": asking("{% $states.input.a = 1 %}", "D", "E"), "D": passing(), "E": NAP},
        {"Skip It?": asking("{% $states.input.skip %}", "D", "It"), "It": SLEEP, "D": passing()},
    ],
)  # fmt: skip
def test_a_good_one_in_jsonata(states):
    assert codes(states, **JSONATA) == []


@pytest.mark.parametrize(
    ("expected", "states"),
    [
        (["JOB_NAME_COLLIDES"], {"A": job(Resource="arn:aws:states:::sagemaker:createTransformJob.sync",
                                          Parameters={"TransformJobName": "nightly"})}),
        (["JOB_NAME_COLLIDES"], {"M": over_items({"A": training({"TrainingJobName.$": (
            "States.Format('{}-{}-{}', $$.Execution.Name, $$.Execution.RedriveCount, $$.State.RetryCount)")})},
            MaxConcurrency=1)}),
        ([], {"A": job(Parameters={"JobName": "batch takes a name twice"})}),
        ([], {"A": job(TimeoutSecondsPath="$.limit", TimeoutSeconds=None)}),
        (["REDRIVE_USELESS"], {"A": job(Next="B"), "B": task(Catch=TO_NOTIFY), **TELLS}),
        ([], {"A": task(Catch=TO_NOTIFY, Next="B"), "B": job(), **TELLS}),
        (["UNREACHABLE_STATE"], {"A": task(Catch=[
            {"ErrorEquals": ["States.TaskFailed"], "Next": "Notify"}, {"ErrorEquals": ["Mine"], "Next": "X"},
            *TO_NOTIFY]), "X": passing(Next="Notify"), **TELLS}),
        ([], {"A": task(Catch=[
            {"ErrorEquals": ["States.TaskFailed"], "Next": "Notify"},
            {"ErrorEquals": ["States.DataLimitExceeded"], "Next": "X"}, *TO_NOTIFY]),
            "X": passing(Next="Notify"), **TELLS}),
    ],
)  # fmt: skip
def test_others_in_jsonpath(expected, states):
    states = {name: {key: value for key, value in state.items() if value is not None} for name, state in states.items()}
    assert codes(states) == expected


def test_the_time_limit_of_the_machine_is_not_the_jobs():
    endless = {key: value for key, value in job().items() if key != "TimeoutSeconds"}
    (found,) = check({**scope({"A": endless}), "Comment": ALERTED, "TimeoutSeconds": 3600})
    assert found.code == "SYNC_WITHOUT_TIMEOUT"
    assert found.message.endswith("until the time limit of the whole run, which no Catch takes.")
