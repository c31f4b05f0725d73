import json

import pytest

from opsctl.asl.effects import Failed, ScheduleTask, Succeeded
from opsctl.asl.history import read_history
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse
from opsctl.domain.alerts import (
    CAUSE_LIMIT,
    Failure,
    caught_in,
    compose,
    compose_success,
    failures_in,
    readable_cause,
    reported_failures,
    was_told,
)
from opsctl.domain.messages import SUBJECT_LIMIT

TOPIC = "arn:aws:sns:eu-west-1:123456789012:documents-failures"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:documents-training:nightly-7"


def task(**fields):
    return {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": {}, **fields}


MACHINE = parse({
    "StartAt": "Work",
    "States": {
        "Work": task(Next="End", Catch=[{"ErrorEquals": ["Known"], "Next": "Describe Failure"}]),
        "Describe Failure": task(
            Parameters={"Payload": {"failures": [{"step": "Work", "failure": {"Error": "Known", "Cause": "it did"}}]}},
            Next="Notify Failure",
        ),
        "Notify Failure": task(Next="Fail", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Fail"}]),
        "Fail": {"Type": "Fail", "Error": "PipelineFailed"},
        "End": {"Type": "Succeed"},
    },
})  # fmt: skip


def history(machine=MACHINE, **outcomes):
    """The history of a run whose tasks end as told (by first word of the state), and which is stopped at the rest."""
    execution = Execution(machine, "{}", context={"Execution": {"RedriveCount": 0}})
    execution.start(0.0)
    while asked := [effect for effect in execution.effects() if isinstance(effect, ScheduleTask)]:
        for effect in asked:
            if outcome := outcomes.get(effect.state.split()[0].lower()):
                execution.resolve(effect.task, outcome, 1.0)
    if execution.status == "RUNNING":
        execution.stop(2.0, error="Operator", cause="wrong data")
    return read_history(execution.events)


REDRIVABLE = parse({
    "StartAt": "Train",
    "States": {
        "Train": task(
            Catch=[{"ErrorEquals": ["States.ALL"], "Assign": {"failure": {"Error.$": "$.Error"}}, "Next": "Failed"}],
            Assign={"failure": {"Error": "TrainingJobNotCompleted", "Cause": "It ended as Stopped."}},
            Next="Failed",
        ),
        "Failed": {
            "Type": "Pass",
            "Assign": {"failures": [{"step": "Train", "failure.$": "$failure"}]},
            "Next": "Fail",
        },
        "Fail": {"Type": "Fail", "Error": "PipelineFailed", "CausePath": "States.JsonToString($failures)"},
    },
})  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "failure"),
    [
        (Failed("States.TaskFailed", "out of memory"), Failure("Train", "States.TaskFailed", "out of memory")),
        (Succeeded("{}"), Failure("Train", "TrainingJobNotCompleted", "It ended as Stopped.")),
    ],
)
def test_what_the_runs_own_cause_lists_is_told_once_by_its_step(outcome, failure):
    read = history(REDRIVABLE, train=outcome)
    assert failures_in(read, "Describe Failure") == (failure,)
    assert [listed.step for listed in caught_in(read)] == ["Train"]


def test_the_whole_alert():
    cause = json.dumps({"TrainingJobName": "nightly-7-train-text-model-d0r0", "TrainingJobStatus": "Failed",
                        "FailureReason": "AlgorithmError: loss is not finite, exit code: 1"})  # fmt: skip
    alert = compose(ARN, "FAILED", [Failure("Train Text Model", "States.TaskFailed", cause)])
    assert alert.subject == "documents-training: nightly-7 FAILED at Train Text Model"
    assert alert.attributes == {
        "kind": "failure", "machine": "documents-training", "run": "nightly-7", "status": "FAILED",
        "step": "Train Text Model",
    }  # fmt: skip
    link = f"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{ARN}"
    assert alert.message.splitlines() == [
        "Run:     nightly-7",
        "Machine: documents-training",
        "Status:  FAILED",
        "",
        "Step:    Train Text Model",
        "Error:   States.TaskFailed",
        "Cause:   AlgorithmError: loss is not finite, exit code: 1 (training job nightly-7-train-text-model-d0r0)",
        "",
        f"Console: {link}",
        "Runbook: docs/runbooks/failed-run.md",
        'Next:    opsctl rerun nightly-7 --from "Train Text Model"',
    ]


def test_a_cause_of_several_lines_stays_below_its_label():
    message = compose(
        ARN, "FAILED", [Failure("Prepare Run", "InvalidRunInput", "skip.x: unknown\n\ndata: bad\n")]
    ).message
    assert "Cause:   skip.x: unknown\n         data: bad\n\nConsole:" in message


@pytest.mark.parametrize(
    ("partition", "host"),
    [("aws-cn", "cn-north-1.console.amazonaws.cn"), ("aws-us-gov", "cn-north-1.console.amazonaws-us-gov.com")],
)
def test_the_link_leads_to_the_partitions_own_console(partition, host):
    arn = f"arn:{partition}:states:cn-north-1:123456789012:execution:documents-training:nightly-7"
    assert f"Console: https://{host}/states/home?region=cn-north-1#" in compose(arn, "FAILED", []).message


def test_a_subject_is_what_sns_takes():
    subject = compose(ARN, "FAILED", [Failure("Prüfen\n" * 30, "E")]).subject
    assert subject.startswith("documents-training: nightly-7 FAILED at Pr?fen?Pr?fen")
    assert len(subject) == SUBJECT_LIMIT
    assert subject.isascii()
    assert subject.isprintable()


def stopped(secondary, **more):
    """The description of a training job that was stopped: it gives no reason."""
    status = {"TrainingJobName": "x", "TrainingJobStatus": "Stopped", "SecondaryStatus": secondary}
    return json.dumps({"AlgorithmSpecification": {"TrainingImage": "y" * 1_000}, **status, **more})


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("", ""),
        ("plain words", "plain words"),
        ("[1]", "[1]"),
        ('{"other": 1}', '{"other": 1}'),
        ('{"errorMessage": "no such key", "errorType": "KeyError", "stackTrace": ["a", "b"]}', "no such key"),
        ('{"FailureReason": "ClientError: no data"}', "ClientError: no data"),
        ('{"FailureReason": "AlgorithmError: boom\\n, exit code: 1"}', "AlgorithmError: boom, exit code: 1"),
        ('{"FailureReason": "AlgorithmError: , exit code: 137"}', "AlgorithmError: exit code: 137"),
        (stopped("MaxRuntimeExceeded"), "training job x ended Stopped (MaxRuntimeExceeded)"),
        (stopped("Stopped"), "training job x ended Stopped"),
        (stopped("Stopped", FailureReason=""), "training job x ended Stopped"),
        (
            stopped("MaxRuntimeExceeded", SecondaryStatusTransitions=[
                {"Status": "Training", "StatusMessage": "Training image download completed"},
                {"Status": "MaxRuntimeExceeded", "StatusMessage": "Resource released due to max runtime exceeded"}]),
            "training job x ended Stopped (MaxRuntimeExceeded): Resource released due to max runtime exceeded",
        ),
        (stopped("Stopped", HyperParameters={"long": "x" * 25_000}), "training job x ended Stopped"),
        ('{"TrainingJobName": "x"}', '{"TrainingJobName": "x"}'),
        ("[" * 900, "[" * 900),
        (
            json.dumps({"Container": {
                "ExitCode": 1, "LogStreamName": "fetch/default/1", "Reason": "OutOfMemoryError"}}),
            "OutOfMemoryError; exit code 1; log stream fetch/default/1 in /aws/batch/job",
        ),
        (
            json.dumps({"Container": {"ExitCode": 1, "LogStreamName": "fetch/default/1", "LogConfiguration": {
                "LogDriver": "awslogs", "Options": {"awslogs-group": "/team/fetch"}}}}),
            "exit code 1; log stream fetch/default/1 in /team/fetch",
        ),
        ('{"StatusReason": "Host EC2 terminated", "Container": {"ExitCode": 1}}', "Host EC2 terminated; exit code 1"),
        ('{"FailureReason": "cut off', '{"FailureReason": "cut off'),
    ],
)  # fmt: skip
def test_of_a_services_document_the_sentence_is_left(cause, sentence):
    assert readable_cause(cause) == sentence


def test_a_long_cause_keeps_its_start_and_its_end():
    cause = readable_cause("start" + "x" * 15_000 + "end")
    assert cause.startswith("startx")
    assert cause.endswith("xend")
    assert CAUSE_LIMIT - 5 < len(cause) <= CAUSE_LIMIT


def test_redaction_is_quick_on_text_made_to_slow_it_down():
    for text in ("[" * 32_000, "a" * 20_000, "secret" * 3_000, "://" * 6_000, "token=" * 3_000, '"' * 20_000):
        readable_cause(text)


def test_the_next_command_fits_what_failed():
    stopped = compose(ARN, "ABORTED", [Failure("Evaluate", "Operator")], caught=False)
    assert stopped.message.endswith("Next:    opsctl redrive nightly-7")
    assert "Next:    opsctl start, once" in compose(ARN, "FAILED", [Failure("Prepare Run", "InvalidRunInput")]).message
    both = compose(ARN, "FAILED", [Failure("Train Text Model", "a"), Failure("Train Image Model", "b")])
    assert both.message.endswith('--from "Train Text Model" --from "Train Image Model"')
    assert both.attributes["step"] == "Train Text Model, Train Image Model"
    bulk = compose(ARN.replace("-training", "-bulk"), "FAILED", [Failure("Work Through Manifest", "ObjectsRefused")])
    assert bulk.message.endswith("Next:    opsctl status nightly-7 --machine documents-bulk")


def test_the_machines_own_list_is_read_whatever_is_missing():
    listed = [{"step": "A", "failure": {"Error": "E", "Cause": "c"}}, {"step": "B", "failure": {"Error": "E"}}, {}]
    assert reported_failures(listed) == (Failure("A", "E", "c"), Failure("B", "E", ""), Failure("", "", ""))
    assert reported_failures(None) == ()


def test_an_error_that_no_catch_caught_is_found_in_the_history():
    told = history(work=Failed("Unknown", "it broke"))
    assert failures_in(told, "Describe Failure") == (Failure("Work", "Unknown", "it broke"),)
    assert not was_told(told, "Notify Failure", TOPIC)


def test_a_stopped_run_names_the_step_it_was_at():
    told = history()
    assert told.status == "ABORTED"
    assert failures_in(told, "Describe Failure") == (Failure("Work", "Operator", "wrong data"),)


def test_an_alert_that_went_out_is_not_sent_again():
    told = history(work=Failed("Known"), describe=Succeeded("{}"), notify=Succeeded("{}"))
    assert told.error == "PipelineFailed"
    assert was_told(told, "Notify Failure", TOPIC)


def test_an_alert_that_did_not_go_out_tells_what_the_machine_had_caught():
    told = history(work=Failed("Known"), describe=Succeeded("{}"), notify=Failed("SNS.NotFoundException"))
    assert not was_told(told, "Notify Failure", TOPIC)
    assert failures_in(told, "Describe Failure") == (Failure("Work", "Known", "it did"),)
    assert {failure.step for failure in failures_in(told, "Of Another Name")} == {"Work", "Notify Failure"}


def own(publish_next):
    """A machine of one's own, which publishes by a state that may be called anything."""
    parameters = {"TopicArn": TOPIC, "Message": "m"}
    states = {"Fail": {"Type": "Fail", "Error": "Own"}, "Work": task(End=True)}
    shout = task(Parameters=parameters, Next=publish_next)
    return parse({"StartAt": "Shout", "States": {"Shout": shout, publish_next: states[publish_next]}})


def test_a_publish_to_the_topic_after_which_nothing_was_done_is_the_alert_whatever_the_state_is_called():
    told = history(own("Fail"), shout=Succeeded("{}"))
    assert (told.status, was_told(told, "Notify Failure", TOPIC)) == ("FAILED", True)
    assert not was_told(told, "Notify Failure", f"{TOPIC}-of-another-deployment")


def test_a_publish_to_the_topic_after_which_the_run_went_on_is_no_alert():
    told = history(own("Work"), shout=Succeeded("{}"), work=Failed("Later"))
    assert (told.status, was_told(told, "Notify Failure", TOPIC)) == ("FAILED", False)


def test_the_message_about_a_success():
    message = compose_success(ARN)
    assert message.subject == "documents-training: nightly-7 succeeded"
    assert message.attributes == {
        "kind": "success", "machine": "documents-training", "run": "nightly-7", "status": "SUCCEEDED"
    }  # fmt: skip
    link = f"https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/{ARN}"
    assert message.message.splitlines() == [
        "Run:     nightly-7", "Machine: documents-training", "Status:  SUCCEEDED", "", f"Console: {link}"
    ]  # fmt: skip


def test_a_history_that_tells_nothing_still_makes_an_alert():
    empty = read_history([])
    assert failures_in(empty, "Describe Failure") == (Failure("", "RUNNING", ""),)
