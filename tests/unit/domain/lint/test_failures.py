"""Failures: who hears of them, how the run ends, what they take down with them."""

import pytest

from tests.unit.domain.lint.building import NOTIFY, TELLS, TO_NOTIFY, findings, job, over_items, parallel, task

SILENT, GREEN, REDRIVE, SIBLING = "SILENT_FAILURE", "GREEN_FAILURE", "REDRIVE_USELESS", "SIBLING_ABORTED"


@pytest.mark.parametrize("state", [task(), parallel({"P": {"Type": "Pass", "End": True}}),
                                   over_items({"P": {"Type": "Pass", "End": True}})])  # fmt: skip
def test_whatever_can_fail_must_be_caught(state):
    assert findings({"A": state}, SILENT) == ["/States/A"]
    assert findings({"A": {**state, "Catch": TO_NOTIFY}, **TELLS}, SILENT) == []


def test_an_approval_that_times_out_is_a_failure_like_others():
    gate = task(Resource="arn:aws:states:::sns:publish.waitForTaskToken", TimeoutSeconds=60)
    assert findings({"A": gate}, SILENT) == ["/States/A"]
    assert findings({"A": {**gate, "Catch": TO_NOTIFY}, **TELLS}, SILENT) == []


def test_a_catch_that_notifies_nobody_is_named():
    states = {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Fail"}]), "Fail": {"Type": "Fail"}}
    assert findings(states, SILENT) == ["/States/A/Catch[0]"]


@pytest.mark.parametrize(
    ("errors", "silent"),
    [(["States.TaskFailed"], True), (["States.TaskFailed", "States.Timeout"], False), (["Mine"], True),
     (["States.ALL"], False)],
)  # fmt: skip
def test_a_catch_must_take_timeouts_too(errors, silent):
    states = {"A": task(Catch=[{"ErrorEquals": errors, "Next": "Notify"}]), **TELLS}
    assert findings(states, SILENT) == (["/States/A"] if silent else [])


def test_states_inside_leave_it_to_the_catch_around_them():
    inner = {"T": task()}
    assert findings({"P": parallel(inner, Catch=TO_NOTIFY), **TELLS}, SILENT) == []
    assert findings({"P": parallel(inner)}, SILENT) == ["/States/P"]
    swallowed = {
        "T": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Lost"}]),
        "Lost": {"Type": "Pass", "End": True},
    }
    assert findings({"P": parallel(swallowed, Catch=TO_NOTIFY), **TELLS}, SILENT) == [
        "/States/P/Branches[0]/States/T/Catch[0]"
    ]


def test_a_fail_state_inside_reaches_the_catch_around_it():
    inner = {"T": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Stop"}]), "Stop": {"Type": "Fail"}}
    assert findings({"P": parallel(inner, Catch=TO_NOTIFY), **TELLS}, SILENT) == []
    assert findings({"M": over_items({"P": parallel(inner)}, Catch=TO_NOTIFY), **TELLS}, SILENT) == []


def test_a_mark_that_a_choice_behind_the_join_reads_counts():
    inner = {"T": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Mark"}]), "Mark": {"Type": "Pass", "End": True}}
    choice = {"Type": "Choice", "Choices": [{"Variable": "$[0].failed", "IsPresent": True, "Next": "Notify"}],
              "Default": "Done"}  # fmt: skip
    states = {"P": parallel(inner, Catch=TO_NOTIFY, Next="C"), "C": choice, "Done": {"Type": "Succeed"}, **TELLS}
    assert findings(states, SILENT) == []
    assert findings(states, GREEN) == []


@pytest.mark.parametrize(
    "resource",
    ["arn:aws:states:::sns:publish.waitForTaskToken", "arn:aws-cn:states:::aws-sdk:sns:publish",
     "arn:aws:states:::aws-sdk:sesv2:sendEmail", "arn:aws:states:::sqs:sendMessage",
     "arn:aws:states:::events:putEvents", "arn:aws:lambda:us-east-1:123456789012:function:page-slack"],
)  # fmt: skip
def test_what_counts_as_a_notification(resource):
    told = {"X": {"Type": "Task", "Resource": resource, "Next": "Fail"}, "Fail": {"Type": "Fail"}}
    states = {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "X"}]), **told}
    assert findings(states, SILENT) == []


def test_a_function_that_reads_mails_is_no_notification():
    told = {"Parse Emails": task(Next="Fail"), "Fail": {"Type": "Fail"}}
    states = {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Parse Emails"}]), **told}
    assert findings(states, SILENT) == ["/States/A/Catch[0]", "/States/Parse Emails"]


def test_a_catch_that_ends_well_is_green():
    states = {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Notify"}]), "Notify": {**NOTIFY, "End": True}}
    assert findings(states, GREEN) == ["/States/A/Catch[0]"]
    assert findings({"A": task(Catch=TO_NOTIFY), **TELLS}, GREEN) == []


def test_a_catch_of_an_expected_error_may_end_well():
    states = {"A": task(Catch=[{"ErrorEquals": ["AlreadyDone"], "Next": "Done"}, *TO_NOTIFY]),
              "Done": {"Type": "Succeed"}, **TELLS}  # fmt: skip
    assert findings(states, GREEN) == []


def test_a_catch_that_leads_back_to_its_state_is_not_green():
    states = {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Wait"}], Next="Done"),
              "Wait": {"Type": "Wait", "Seconds": 5, "Next": "A"}, "Done": {"Type": "Succeed"}}  # fmt: skip
    assert findings(states, GREEN) == []


@pytest.mark.parametrize(
    ("trace", "green"),
    [({"ResultPath": None}, True), ({"ResultPath": "$.error"}, False), ({}, False),
     ({"ResultPath": None, "Assign": {"failed": True}}, False)],
)  # fmt: skip
def test_a_catch_that_rejoins_success_without_a_trace_is_green(trace, green):
    states = {
        "A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Log", **trace}], Next="B"),
        "Log": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.error", "IsPresent": True, "Next": "Notify"}],
              "Default": "Done"},
        "Done": {"Type": "Succeed"}, **TELLS,
    }  # fmt: skip
    assert findings(states, GREEN) == (["/States/A/Catch[0]"] if green else [])


def test_redrive_is_useless_behind_a_catch_on_the_way_of_jobs():
    states = {
        "A": task(Catch=TO_NOTIFY, Next="J"),
        "J": job(Catch=TO_NOTIFY, Next="B"),
        "B": task(Catch=TO_NOTIFY),
        **TELLS,
    }
    assert findings(states, REDRIVE) == ["/States/J/Catch[0]", "/States/B/Catch[0]"]
    assert findings({"A": task(Catch=TO_NOTIFY), **TELLS}, REDRIVE) == []
    assert findings({"J": job()}, REDRIVE) == []


def test_what_only_runs_after_a_failure_needs_no_redrive():
    states = {"J": job(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Describe"}]),
              "Describe": task(Next="Notify", Catch=TO_NOTIFY), **TELLS}  # fmt: skip
    assert findings(states, REDRIVE) == ["/States/J/Catch[0]"]


CAUGHT = [{"ErrorEquals": ["States.ALL"], "Next": "Mark"}]
MARK = {"Mark": {"Type": "Pass", "End": True}}


def test_a_branch_that_may_fail_aborts_the_job_beside_it():
    where = "/States/P/Branches[0]/States/T"
    assert findings({"P": parallel({"T": task()}, {"J": job()})}, SIBLING) == [where]
    assert findings({"P": parallel({"T": task(Catch=CAUGHT), **MARK}, {"J": job()})}, SIBLING) == []
    assert findings({"P": parallel({"T": task()}, {"U": task()})}, SIBLING) == []


def test_two_jobs_abort_each_other_and_a_fail_state_does_too():
    assert findings({"P": parallel({"I": job()}, {"J": job()})}, SIBLING) == [
        "/States/P/Branches[0]/States/I", "/States/P/Branches[1]/States/J",
    ]  # fmt: skip
    stops = {"T": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Stop"}]), "Stop": {"Type": "Fail"}}
    assert findings({"P": parallel(stops, {"J": job()})}, SIBLING) == ["/States/P/Branches[0]/States/Stop"]


def test_what_fails_deep_inside_leaves_only_what_does_not_catch_it():
    deep = {"Q": parallel({"T": task()})}
    assert findings({"P": parallel(deep, {"J": job()})}, SIBLING) == [
        "/States/P/Branches[0]/States/Q/Branches[0]/States/T"
    ]
    held = {"Q": parallel({"T": task()}, Catch=CAUGHT), **MARK}
    assert findings({"P": parallel(held, {"J": job()})}, SIBLING) == []


@pytest.mark.parametrize("field", [{}, {"MaxConcurrency": 4}, {"MaxConcurrency": 0}])
def test_iterations_that_run_at_once_abort_each_other(field):
    assert findings({"M": over_items({"J": job()}, **field)}, SIBLING) == ["/States/M/ItemProcessor/States/J"]


@pytest.mark.parametrize("field", [{"MaxConcurrency": 1}, {"ToleratedFailurePercentage": 10}])
def test_iterations_one_by_one_or_tolerated_do_not(field):
    assert findings({"M": over_items({"J": job()}, **field)}, SIBLING) == []


def choice(rule, default):
    return {
        "Type": "Choice",
        "Choices": [{"Variable": "$.Error", "StringEquals": "x", "Next": rule}],
        "Default": default,
    }


CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "Handle"}]
FAILED_MARK = {"Type": "Pass", "Result": {"failed": True}, "End": True}


@pytest.mark.parametrize(
    ("handler", "silent"),
    [
        ({"Handle": choice("Notify", "Fail")}, True),
        ({"Handle": choice("Notify", "Give Up"), "Give Up": {"Type": "Succeed"}}, True),
        ({"Handle": choice("Notify", "Later"), "Later": {"Type": "Wait", "Seconds": 1, "Next": "Fail"}}, True),
        ({"Handle": choice("Notify", "Deep"), "Deep": choice("Notify", "Fail")}, True),
        ({"Handle": choice("Notify", "Page On Call"), "Page On Call": task(Next="Fail")}, False),
        ({"Handle": choice("Notify", "Again"), "Again": {"Type": "Pass", "Next": "Work"}}, False),
    ],
)
def test_every_way_of_a_failure_tells_somebody(handler, silent):
    states = {"Work": task(Catch=CATCH, Next="Done"), "Done": {"Type": "Succeed"}, **handler, **TELLS}
    assert bool(findings(states, "SILENT_FAILURE")) is silent


def test_behind_a_join_some_way_must_tell_before_it_fails():
    branch = {"T": task(Catch=CATCH), "Handle": FAILED_MARK}
    both = parallel(branch, Catch=TO_NOTIFY, ResultPath="$.r", Next="Ok?")
    told = {"P": both, "Ok?": choice("Notify", "Done"), "Done": {"Type": "Succeed"}, **TELLS}
    assert findings(told, "SILENT_FAILURE") == []
    untold = {**told, "Ok?": choice("Broken", "Notify Success"), "Broken": {"Type": "Fail"},
              "Notify Success": {**NOTIFY, "Next": "Done"}}  # fmt: skip
    assert findings(untold, "SILENT_FAILURE") == ["/States/P/Branches[0]/States/T/Catch[0]"]


def test_one_way_of_an_iteration_that_tells_nobody():
    item = {
        "Read": task(Catch=CATCH),
        "Handle": choice("Notify Reader", "Skip"),
        "Notify Reader": {**NOTIFY, "Next": "Broken"},
        "Broken": {"Type": "Fail"},
        "Skip": {"Type": "Fail", "Error": "Skipped"},
    }
    states = {"M": over_items(item, MaxConcurrency=1)}
    found = findings(states, "SILENT_FAILURE")
    assert found == ["/States/M", "/States/M/ItemProcessor/States/Read/Catch[0]"]
