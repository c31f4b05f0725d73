"""`opsctl logs` on what real jobs wrote: SageMaker, Batch and Lambda, by attempt, and while they run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from opsctl import sandbox
from tests.functional.sandbox.cloud import Cloud, task, unique, wait_for
from tests.functional.sandbox.command import opsctl

RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
NAMED = "States.Format('{}-r{}', $$.Execution.Name, $$.State.RetryCount)"
TRAINS = """
import os, sys
print('epoch 1 loss 0.9')
print('epoch 2 loss \\x1b[31mnan\\x1b[0m')
print('Traceback: boom') if os.environ['TRAINING_JOB_NAME'].endswith('r0') else print('epoch 3 loss 0.1')
open(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()
sys.exit(3 if os.environ['TRAINING_JOB_NAME'].endswith('r0') else 0)
"""


def trained(cloud: Cloud, program: str, **more: Any) -> dict[str, Any]:
    """A state that trains with a job name of its own for each attempt."""
    wanted = cloud.training(program)
    del wanted["TrainingJobName"]
    return task("sagemaker:createTrainingJob.sync", {**wanted, "TrainingJobName.$": NAMED}, **more)


@pytest.fixture(scope="module")
def story(cloud: Cloud) -> tuple[str, str]:
    """A run whose Train fails once and is tried again, whose function prints, and whose Batch job fails for good."""
    failing = cloud.job_definition(["sh", "-c", "echo fetching; echo no such prefix >&2; exit 4"])
    states = {
        "Prepare": task(
            "lambda:invoke",
            {"FunctionName": cloud.function("print('preparing', event['n'])\nreturn {}"), "Payload": {"n": 7}},
            Next="Train Model",
        ),
        "Train Model": trained(cloud, TRAINS, Retry=RETRY, Next="Fetch Data"),
        "Fetch Data": task(
            "batch:submitJob.sync", {"JobName": "fetch", "JobQueue": cloud.queue(), "JobDefinition": failing}
        ),
    }
    machine, name = cloud.machine(states), unique("run")
    assert cloud.finish(cloud.start(machine, name=name))["status"] == "FAILED"
    return machine, name


def ok(result: Result) -> tuple[list[str], list[str]]:
    """The lines of stdout and of stderr of a command that went well."""
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines(), result.stderr.splitlines()


def error(result: Result) -> tuple[int, list[str]]:
    """The exit code of a command that did not, and what it said."""
    assert result.stdout == ""
    return result.exit_code, result.stderr.splitlines()


def test_the_step_to_blame_is_the_one_that_is_shown(cloud: Cloud, story: tuple[str, str]) -> None:
    lines, said = ok(opsctl(cloud, story[0], "logs"))
    assert lines == ["fetching", "no such prefix"]
    assert said == ["Fetch Data: /aws/batch/job, stream of Batch job fetch"]


def test_the_last_attempt_of_a_step_unless_another_is_named(cloud: Cloud, story: tuple[str, str]) -> None:
    machine, run = story
    lines, said = ok(opsctl(cloud, machine, "logs", run, "train-model"))
    assert lines == ["epoch 1 loss 0.9", "epoch 2 loss \x1b[31mnan\x1b[0m", "epoch 3 loss 0.1"]
    assert said == [f"Train Model, attempt 2 of 2: /aws/sagemaker/TrainingJobs, stream {run}-r1/*"]
    first, _ = ok(opsctl(cloud, machine, "logs", run, "Train Model", "--attempt", "1"))
    assert first[-1] == "Traceback: boom"
    assert error(opsctl(cloud, machine, "logs", run, "Train Model", "--attempt", "3")) == (
        2,
        [
            "error: there is no attempt 3 of Train Model: it had 2 attempts",
            "hint: leave --attempt out for the last",
        ],
    )


def test_only_failed_attempts(cloud: Cloud, story: tuple[str, str]) -> None:
    machine, run = story
    assert ok(opsctl(cloud, machine, "logs", run, "--failed"))[0] == ["fetching", "no such prefix"]
    named, said = ok(opsctl(cloud, machine, "logs", run, "train-model", "--failed"))
    assert named[-1] == "Traceback: boom"
    assert said == [f"Train Model, attempt 1 of 2: /aws/sagemaker/TrainingJobs, stream {run}-r0/*"]
    assert error(opsctl(cloud, machine, "logs", run, "prepare", "--failed")) == (
        3,
        ["error: no attempt of Prepare failed", "hint: leave out --failed"],
    )


def test_a_functions_own_invocation_and_no_other(cloud: Cloud) -> None:
    asked = {"FunctionName": cloud.function("print('page', event['page'])\nreturn {}"), "Payload": {"page.$": "$.page"}}
    machine = cloud.machine({"Read Page": task("lambda:invoke", asked)})
    runs = [cloud.start(machine, {"page": page}, name=unique("page")) for page in range(3)]
    for run in runs:
        assert cloud.finish(run)["status"] == "SUCCEEDED"
    for page, run in enumerate(runs):
        lines, _ = ok(opsctl(cloud, machine, "logs", run.rpartition(":")[2], "read-page"))
        assert [line.split()[0] for line in lines] == ["START", "page", "END", "REPORT"]
        assert lines[1] == f"page {page}"


def test_an_invocation_that_failed_and_one_that_the_history_does_not_name(cloud: Cloud) -> None:
    name = cloud.function("print('hello', event)\nraise ValueError('no page')")
    function = cloud.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Good"}]
    good = cloud.client("lambda").get_function(FunctionName=cloud.function("print('fine')"))["Configuration"]
    machine = cloud.machine(
        {
            "Bad": {"Type": "Task", "Resource": function, "Parameters": {"a": 1}, "Catch": caught, "End": True},
            "Good": {"Type": "Task", "Resource": good["FunctionArn"], "End": True},
        }
    )
    assert cloud.finish(cloud.start(machine))["status"] == "SUCCEEDED"
    lines, said = ok(opsctl(cloud, machine, "logs", "@latest", "bad"))
    assert lines[1:3] == ["hello {'a': 1}", "[ERROR] ValueError: no page"]
    assert "request " in said[0]
    lines, said = ok(opsctl(cloud, machine, "logs", "@latest", "good"))
    assert [line.split()[0] for line in lines] == ["START", "fine", "END", "REPORT"]
    what = "every request that began in the time of the attempt: the history does not name its own"
    assert said == [f"Good: /aws/lambda/{good['FunctionName']}, {what}"]


def test_every_step_of_a_run_that_succeeded(cloud: Cloud) -> None:
    asked = {"FunctionName": cloud.function("print('checking')\nreturn {}"), "Payload": {}}
    states = {
        "Check": task("lambda:invoke", asked, Next="Train Model"),
        "Train Model": trained(cloud, TRAINS, Retry=RETRY),
    }
    machine = cloud.machine(states)
    assert cloud.finish(cloud.start(machine, name=unique("run")))["status"] == "SUCCEEDED"
    lines, said = ok(opsctl(cloud, machine, "logs", "@latest", "--grep", "check|epoch [13]"))
    assert lines == [
        "check | checking", "train-model#2 | epoch 1 loss 0.9", "train-model#2 | epoch 3 loss 0.1",
    ]  # fmt: skip
    assert len(said) == 2


def test_the_last_lines_and_json(cloud: Cloud, story: tuple[str, str]) -> None:
    machine, run = story
    assert ok(opsctl(cloud, machine, "logs", run, "train-model", "--tail", "1"))[0] == ["epoch 3 loss 0.1"]
    assert ok(opsctl(cloud, machine, "logs", run, "train-model", "--tail", "1", "--grep", " 1 "))[0] == [
        "epoch 1 loss 0.9"
    ]
    assert ok(opsctl(cloud, machine, "logs", run, "train-model", "--tail", "0"))[0] == []
    lines, _ = ok(opsctl(cloud, machine, "logs", run, "train-model", "--tail", "1", "-o", "json"))
    line = json.loads(lines[0])
    assert (line["step"], line["attempt"], line["message"]) == ("Train Model", 2, "epoch 3 loss 0.1")
    assert line["stream"].startswith(f"{run}-r1/algo-1-")
    (stamped,), _ = ok(opsctl(cloud, machine, "logs", run, "train-model", "--tail", "1", "--timestamps"))
    assert stamped == f"{line['time']} epoch 3 loss 0.1"
    queried, _ = ok(opsctl(cloud, machine, "logs", run, "train-model", "--query", "message", "--tail", "1"))
    assert queried == ['"epoch 3 loss 0.1"']
    assert ok(opsctl(cloud, machine, "logs", run, "train-model", "--since", "2020-01-01"))[0][2] == "epoch 3 loss 0.1"
    assert ok(opsctl(cloud, machine, "logs", run, "train-model", "--since", "2099-01-01"))[0] == []


def test_a_batch_job_that_batch_repeats_and_that_logs_to_a_group_of_its_own(cloud: Cloud) -> None:
    log = {"logDriver": "awslogs", "options": {"awslogs-group": unique("/own/group"), "awslogs-stream-prefix": "fetch"}}
    program = "echo attempt $AWS_BATCH_JOB_ATTEMPT; test $AWS_BATCH_JOB_ATTEMPT = 2"
    definition = cloud.job_definition(
        ["sh", "-c", program], container={"logConfiguration": log}, retryStrategy={"attempts": 2}
    )
    asked = {"JobName": "fetch", "JobQueue": cloud.queue(), "JobDefinition": definition}
    machine = cloud.machine({"Fetch": task("batch:submitJob.sync", asked)})
    assert cloud.finish(cloud.start(machine))["status"] == "SUCCEEDED"
    lines, said = ok(opsctl(cloud, machine, "logs"))
    assert lines == ["attempt 1", "attempt 2"]
    assert said == [f"Fetch: {log['options']['awslogs-group']}, stream of Batch job fetch"]


@pytest.mark.parametrize(
    ("words", "lines", "said"),
    [
        (
            [],
            ["train-model | waiting", "train-model | went on", "tell | START", "tell | done", "tell | END"],
            ["Train Model: /aws/sagemaker/TrainingJobs,", "Tell: /aws/lambda/"],
        ),
        (["tell", "--grep", "done"], ["done"], ["Tell has not begun yet", "Tell: /aws/lambda/"]),
    ],
    ids=["the run", "a step to come"],
)
def test_following_what_is_written(cloud: Cloud, words: list[str], lines: list[str], said: list[str]) -> None:
    go = unique("go")
    program = (
        "import boto3, time, os\nprint('waiting', flush=True)\ns3 = boto3.client('s3')\n"
        f"while not s3.list_objects_v2(Bucket='{cloud.bucket}', Prefix='{go}')['KeyCount']: time.sleep(0.1)\n"
        "print('went on')\nopen(os.environ['SAGEMAKER_BASE_DIR'] + '/model/m', 'w').close()\n"
    )
    asked = {"FunctionName": cloud.function("print('done')\nreturn {}"), "Payload": {}}
    states = {"Train Model": trained(cloud, program, Next="Tell"), "Tell": task("lambda:invoke", asked)}
    machine, run = cloud.machine(states), unique("run")
    cloud.start(machine, name=run)
    wait_for(lambda: cloud.client("sagemaker").list_training_jobs(NameContains=run)["TrainingJobSummaries"], "the job")
    cloud.begun(f"{run}-r0")
    threading.Thread(target=after_a_look, args=(cloud, run, lambda: cloud.put(go, "go")), daemon=True).start()
    printed, told = ok(opsctl(cloud, machine, "logs", run, *words, "-f"))
    assert [line[: len(wanted)] for line, wanted in zip(printed, lines, strict=False)] == lines
    assert [line[: len(wanted)] for line, wanted in zip(told, said, strict=True)] == said


def after_a_look(cloud: Cloud, run: str, then: Callable[[], object]) -> None:
    """Do something when the command has read the run's history, and asks for it once more."""
    slow = {"action": "states:GetExecutionHistory", "match": run, "delay": 0.01, "times": 2}
    fault = sandbox.add_fault(cloud.directory, slow)["id"]
    try:
        wait_for(
            lambda: any(one["id"] == fault and one["applied"] == 2 for one in sandbox.list_faults(cloud.directory)), run
        )
    finally:
        then()
        sandbox.clear_faults(cloud.directory, [fault])


def test_what_has_no_log(cloud: Cloud) -> None:
    child = cloud.machine({"Done": {"Type": "Succeed"}})
    topic = cloud.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    lost = {"JobName": "lost", "JobQueue": cloud.queue(), "JobDefinition": "absent"}
    states = {
        "Tell": task("sns:publish", {"TopicArn": topic, "Message": "m"}, Next="Run Child"),
        "Run Child": task(
            "states:startExecution.sync:2", {"StateMachineArn": child, "Name": unique("child")}, Next="X"
        ),
        "X": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.no", "IsPresent": True, "Next": "Never"}],
            "Default": "Lost",
        },
        "Never": task("sns:publish", {"TopicArn": topic, "Message": "m"}, Next="Lost"),
        "Lost": task("batch:submitJob.sync", lost, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "End"}], Next="End"),
        "End": {"Type": "Succeed"},
    }
    machine, run = cloud.machine(states), unique("run")
    ended = cloud.finish(cloud.start(machine, name=run))
    assert ended["status"] == "SUCCEEDED", ended
    name = states["Run Child"]["Parameters"]["Name"]
    assert error(opsctl(cloud, machine, "logs", run, "run-child")) == (
        3,
        [f"error: Run Child has no log: its work is the run {name}", f"hint: opsctl logs {name} --machine {child}"],
    )
    why = "sns:publish writes no log that opsctl can read; it reads those of Lambda, Batch and SageMaker"
    assert error(opsctl(cloud, machine, "logs", run, "tell")) == (3, [f"error: Tell has no log: {why}"])
    assert error(opsctl(cloud, machine, "logs", run, "never")) == (
        3, [f"error: Never did not run in {run}", f"hint: opsctl status {run} shows what did"],
    )  # fmt: skip
    code, (said,) = error(opsctl(cloud, machine, "logs", run, "lost"))
    assert code == 3
    assert said.startswith(
        "error: Lost has no log: its job was never started: Batch.ClientException: JobDefinition absent"
    )
    assert error(opsctl(cloud, machine, "logs", run, "x")) == (
        2, ["error: 'X' is a Choice state and does no work", "hint: the steps are: Tell, Run Child, Never, Lost"],
    )  # fmt: skip
    assert error(opsctl(cloud, machine, "logs", run, "tel"))[1][1] == "hint: did you mean Tell"


def test_a_step_of_a_distributed_map(cloud: Cloud) -> None:
    read = task("lambda:invoke", {"FunctionName": cloud.function("return {}"), "Payload": {}})
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Read"}
    each = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {**processor, "States": {"Read": read}},
        "End": True,
    }
    machine = cloud.machine({"Each Page": each})
    assert cloud.finish(cloud.start(machine, {"items": [1]}))["status"] == "SUCCEEDED"
    code, said = error(opsctl(cloud, machine, "logs", "@latest", "read"))
    assert (code, said[0]) == (3, "error: Read runs in the executions of Each Page, each with a history of its own")
    assert said[1].startswith("hint: aws stepfunctions list-executions --map-run-arn arn:aws:states:")


def test_a_log_that_is_gone(cloud: Cloud) -> None:
    name = cloud.function("return {}")
    machine = cloud.machine({"Work": task("lambda:invoke", {"FunctionName": name, "Payload": {}})})
    assert cloud.finish(cloud.start(machine))["status"] == "SUCCEEDED"
    cloud.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    result = opsctl(cloud, machine, "logs", "@latest", "work")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1].startswith("error: Work left no log: there is no request ")
