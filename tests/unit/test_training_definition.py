"""The training machine, as Terraform renders it, walked on a virtual clock through everything that can happen to it."""

import heapq
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from opsctl.asl.effects import Failed, ScheduleTask, StartFailed, SubmitFailed, Submitted, Succeeded
from opsctl.asl.interpreter import Execution
from opsctl.asl.validate import parse, validate
from opsctl.domain.champion_gate import Rule, Trained, decide
from opsctl.domain.evaluation import Evaluation
from opsctl.domain.names import job_prefix

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = json.loads((ROOT / "tests/golden/training.asl.json").read_text())
MACHINE = parse(DEFINITION)
JOBS = ["Train Image Model", "Train Text Model", "Train Sequence Model", "Evaluate"]
STEPS = ["Fetch Preprocessed Data", *JOBS]
FIND, COMPARE, START = "Find Champion", "Compare With Champion", "Start Deployment"


def tasks(*skipped):
    """All that a run asks for when these steps are skipped, in order."""
    every = ["Prepare Run", *STEPS[:-1], FIND, "Evaluate", COMPARE, START, "Notify Success"]
    return [state for state in every if state not in skipped]


def load_handler(function):
    spec = importlib.util.spec_from_file_location(f"{function}_handler", ROOT / f"functions/{function}/handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


describe_failure = load_handler("describe_failure").handler


class World:
    """Answers the machine's tasks after a time, from a script where there is one, and remembers what was asked."""

    def __init__(self, script=None, seconds=None):
        self.script = {state: list(outcomes) for state, outcomes in (script or {}).items()}
        self.seconds = seconds or {}
        self.asked = []  # (state, parameters, time)
        self.published = []

    def run(self, run_input=None, name="nightly-7", redrives=0):
        arn = f"arn:aws:states:us-east-1:123456789012:execution:documents-training:{name}"
        context = {
            "Execution": {"Id": arn, "Name": name, "RoleArn": "arn:aws:iam::1:role/x",
                          "StartTime": "2026-11-21T00:00:00Z", "RedriveCount": redrives},
            "StateMachine": {"Id": "arn:aws:states:::stateMachine:x", "Name": "documents-training"},
        }  # fmt: skip
        self.name = name
        execution = Execution(MACHINE, json.dumps(run_input or {}), context=context)
        waiting, now = [], 0.0
        execution.start(now)
        while execution.status == "RUNNING":
            for effect in execution.effects():
                if isinstance(effect, ScheduleTask):
                    self.schedule(effect, now, waiting)
            due = [waiting[0][0]] if waiting else []
            timer = execution.next_timer()
            due += [] if timer is None else [timer]
            assert due, "the execution waits for nothing"
            now = min(due)
            if waiting and waiting[0][0] <= now:
                _, task, outcomes = heapq.heappop(waiting)
                for outcome in outcomes:
                    execution.resolve(task, outcome, now)
            execution.tick(now)
        return execution

    def schedule(self, effect, now, waiting):
        self.asked.append((effect.state, effect.parameters, now))
        scripted = self.script.get(effect.state)
        outcome = scripted.pop(0) if scripted else self.answer(effect)
        if outcome is None:
            return  # never answers
        outcomes = [outcome]
        if effect.resource.endswith(".sync") and isinstance(outcome, Succeeded | Failed):
            outcomes = [Submitted("{}"), outcome]
        at = now + self.seconds.get(effect.state, 10)
        heapq.heappush(waiting, (at, effect.task, outcomes))

    def answer(self, effect):
        if effect.state == "Prepare Run":
            return succeeded({"Payload": self.prepared(effect.parameters["Payload"])})
        if effect.state == FIND:
            uri = effect.parameters["Payload"]["run"]["code"]["uri"]
            return succeeded({"Payload": {"run": "", "uri": uri, "warning": ""}})
        if effect.state == START:
            return succeeded({"ExecutionArn": "arn:aws:states:::execution:x:y", "StartDate": 0})
        if effect.state == COMPARE:
            return succeeded({"Payload": self.compared(effect.parameters["Payload"])})
        if effect.state == "Describe Failure":
            return succeeded({"Payload": describe_failure(effect.parameters["Payload"], None)})
        if effect.resource.endswith("sns:publish"):
            self.published.append(effect.parameters)
            return succeeded({"MessageId": "1"})
        if "sagemaker" in effect.resource:
            return ended(effect.parameters["TrainingJobName"], "Completed")
        return succeeded({"JobId": "1", "Status": "SUCCEEDED"})

    def prepared(self, payload):
        prefix = f"s3://{payload['pipeline']['bucket']}/runs/{self.name}/"
        return {
            "name": self.name,
            "prefix": prefix,
            "job_prefix": job_prefix(self.name),
            "code": {"uri": f"{prefix}code/", "sha256": "0"},
            "data": {"source": payload["pipeline"]["default_data_source"]},
            "hyperparameters": payload["pipeline"]["hyperparameters"],
            "steps": {step: {"uri": f"{prefix}{step}/"} for step in payload["pipeline"]["steps"]},
        }

    def compared(self, payload):
        names = {key: payload["run"][key] for key in ("name", "job_prefix", "prefix")}
        trained = Trained(payload["machine"], **names, deployment=payload["deployment"])
        outcome = decide(trained, Rule(**payload["rule"]), Evaluation({"page_accuracy": 0.9}, None), "", None, None)
        return {**vars(outcome), "deployment": payload["deployment"]}

    @property
    def states(self):
        return [state for state, _, _ in self.asked]

    def parameters(self, state):
        return next(parameters for asked, parameters, _ in self.asked if asked == state)


def succeeded(output):
    return Succeeded(json.dumps(output))


def ended(name, status):
    return succeeded({"TrainingJobName": name, "TrainingJobStatus": status, "SecondaryStatus": "MaxRuntimeExceeded"})


def job_failed(reason="AlgorithmError: loss is not finite, exit code: 1"):
    return Failed("States.TaskFailed", json.dumps({"TrainingJobName": "x", "FailureReason": reason}))


def alert_of(world, execution):
    """The one alert of a run that must have failed with it."""
    assert (execution.status, execution.error) == ("FAILED", "PipelineFailed")
    assert len(world.published) == 1
    alert = world.published[0]
    assert alert["TopicArn"] == "arn:aws:sns:us-east-1:123456789012:documents-failures"
    assert len(alert["Subject"]) < 100
    assert alert["MessageAttributes"]["status"] == {"DataType": "String", "StringValue": "FAILED"}
    assert alert["MessageAttributes"]["run"] == {"DataType": "String", "StringValue": world.name}
    assert alert["MessageAttributes"]["machine"] == {"DataType": "String", "StringValue": "documents-training"}
    return alert


def test_a_run_takes_every_step_and_says_so():
    world = World()
    execution = world.run()
    assert execution.status == "SUCCEEDED"
    assert world.states == tasks()
    assert [message["Subject"] for message in world.published] == ["documents-training: nightly-7 succeeded"]
    assert "runs/nightly-7/" in world.published[0]["Message"]


def test_the_subject_of_a_success_names_the_run_and_is_what_sns_takes():
    world = World()
    world.run(name="nächtlich_" * 8)
    subject = world.published[0]["Subject"]
    assert subject == f"documents-training: {job_prefix('nächtlich_' * 8)} succeeded"
    assert subject.isascii()
    # A pipeline's name has at most 32 characters.
    assert len(subject) + 32 - len("documents") < 100


def test_the_base_models_train_at_the_same_time():
    world = World(seconds={"Train Image Model": 4000, "Train Text Model": 100})
    execution = world.run()
    started = {state: at for state, _, at in world.asked}
    assert started["Train Image Model"] == started["Train Text Model"] == 20
    assert started["Train Sequence Model"] == 4020
    assert execution.status == "SUCCEEDED"


def test_each_job_reads_what_the_steps_before_it_wrote():
    world = World()
    world.run()
    runs = "s3://documents-123456789012-us-east-1/runs/nightly-7/"
    fetch = world.parameters("Fetch Preprocessed Data")
    assert fetch["ContainerOverrides"]["Environment"] == [
        {"Name": "CODE_URI", "Value": f"{runs}code/"},
        {"Name": "DATA_INPUT_PATH", "Value": "s3://documents-123456789012-us-east-1/datasets/sample/"},
        {"Name": "OUTPUT_PATH", "Value": f"{runs}fetch-preprocessed-data/"},
    ]
    evaluate = world.parameters("Evaluate")
    assert {channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in evaluate["InputDataConfig"]} == {
        "champion": f"{runs}code/",
        "code": f"{runs}code/",
        "data": f"{runs}fetch-preprocessed-data/",
        "image": f"{runs}train-image-model/",
        "text": f"{runs}train-text-model/",
        "sequence": f"{runs}train-sequence-model/",
    }  # fmt: skip
    assert evaluate["OutputDataConfig"] == {
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:alias/documents",
        "S3OutputPath": f"{runs}evaluate",
    }
    sequence = world.parameters("Train Sequence Model")
    assert sequence["CheckpointConfig"]["S3Uri"] == f"{runs}train-sequence-model/checkpoints/"
    assert sequence["AlgorithmSpecification"]["ContainerEntrypoint"] == [
        "python3", "/opt/ml/input/data/code/sequence.py"
    ]  # fmt: skip
    assert sequence["HyperParameters"]["max_lr"] == "0.01"


@pytest.mark.parametrize("step", STEPS)
def test_a_failed_step_ends_the_run_with_one_alert_that_names_it(step):
    world = World({step: [job_failed()]})
    alert = alert_of(world, world.run())
    assert alert["MessageAttributes"]["step"]["StringValue"] == step
    assert f"Step:    {step}" in alert["Message"]
    assert "Error:   States.TaskFailed" in alert["Message"]
    assert "loss is not finite" in alert["Message"]
    assert f'opsctl rerun nightly-7 --from "{step}"' in alert["Message"]
    assert Counter(world.states)[step] == 1, "a paid job that failed is never run again by itself"


@pytest.mark.parametrize("step", JOBS)
@pytest.mark.parametrize("status", ["Stopped", "Failed", "Stopping"])
def test_a_job_that_did_not_complete_counts_as_failed(step, status):
    world = World({step: [ended("the-job", status)]})
    alert = alert_of(world, world.run())
    assert alert["MessageAttributes"]["step"]["StringValue"] == step
    assert f"The training job the-job ended as {status}, not as Completed" in alert["Message"]
    assert "Notify Success" not in world.states


@pytest.mark.parametrize("failing", ["Train Image Model", "Train Text Model"])
def test_a_failed_base_model_leaves_its_sibling_to_finish(failing):
    sibling = ({"Train Image Model", "Train Text Model"} - {failing}).pop()
    world = World({failing: [job_failed()]}, seconds={failing: 5, sibling: 5000})
    execution = world.run()
    alert_of(world, execution)
    ended_at = [event["timestamp"] for event in execution.events if event["type"] == "TaskSucceeded"]
    assert max(ended_at) > 5000
    assert "Train Sequence Model" not in world.states
    assert not any(event["type"] == "TaskStateAborted" for event in execution.events)


def test_base_models_that_fail_together_share_one_alert():
    long = "x" * 32_000
    world = World({"Train Image Model": [job_failed(long)], "Train Text Model": [job_failed(long)]})
    alert = alert_of(world, world.run())
    assert alert["MessageAttributes"]["step"]["StringValue"] == "Train Image Model, Train Text Model"
    assert 'opsctl rerun nightly-7 --from "Train Image Model" --from "Train Text Model"' in alert["Message"]
    assert len(alert["Message"]) < 4000


@pytest.mark.parametrize("step", STEPS)
def test_a_skipped_step_does_not_run_and_the_others_do(step):
    world = World()
    execution = world.run({"skip": {step.lower().replace(" ", "_"): True}})
    assert execution.status == "SUCCEEDED"
    assert world.states == tasks(step)


def test_every_step_can_be_skipped_at_once_and_false_skips_nothing():
    world = World()
    world.run({"skip": {step.lower().replace(" ", "_"): True for step in STEPS}})
    assert world.states == tasks(*STEPS)
    world = World()
    world.run({"skip": {step.lower().replace(" ", "_"): False for step in STEPS}})
    assert world.states == tasks()


TRANSIENT = {
    "Prepare Run": "Lambda.TooManyRequestsException",
    "Fetch Preprocessed Data": "Batch.AWSBatchException",
    "Train Image Model": "SageMaker.ResourceLimitExceededException",
    "Train Text Model": "SageMaker.ThrottlingException",
    "Train Sequence Model": "SageMaker.AmazonSageMakerException",
    "Find Champion": "Lambda.ServiceException",
    "Evaluate": "SageMaker.ResourceLimitExceeded",
    "Compare With Champion": "Lambda.TooManyRequestsException",
    "Notify Success": "SNS.InternalErrorException",
}


@pytest.mark.parametrize(
    ("state", "error", "refusal"),
    [
        (state, error, refusal)
        for state, error in TRANSIENT.items()
        for refusal in (Failed, StartFailed, SubmitFailed)
        if refusal is not SubmitFailed or state in STEPS  # only .sync tasks are submitted
    ],
)
def test_a_services_own_transient_error_is_tried_again_under_a_new_job_name(state, error, refusal):
    world = World({state: [refusal(error, "try later"), refusal(error, "try later")]})
    execution = world.run()
    assert execution.status == "SUCCEEDED"
    assert Counter(world.states)[state] == 3
    names = job_names(world)
    assert len(names) == len(set(names))


def test_a_service_that_stays_away_ends_the_run_with_an_alert():
    world = World({"Train Text Model": [SubmitFailed("SageMaker.ThrottlingException", "slow down")] * 9})
    alert = alert_of(world, world.run())
    assert Counter(world.states)["Train Text Model"] == 5
    assert "Error:   SageMaker.ThrottlingException" in alert["Message"]


@pytest.mark.parametrize("name", ["a", "nightly-7", "x" * 40, "8f2c_" * 16])
@pytest.mark.parametrize("redrives", [0, 99])
def test_job_names_are_what_sagemaker_takes_and_differ_by_retry_and_redrive(name, redrives):
    world = World({"Evaluate": [SubmitFailed("SageMaker.ThrottlingException", "")] * 4})
    world.run(name=name, redrives=redrives)
    names = job_names(world)
    assert len(set(names)) == len(names) == 9
    assert all(re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", job) and len(job) <= 63 for job in names)
    assert all(f"-d{redrives}r" in job for job in names)
    assert [job[-1] for job in names if "-evaluate-" in job] == ["0", "1", "2", "3", "4"]


def job_names(world):
    named = [parameters.get("TrainingJobName") or parameters.get("JobName") for _, parameters, _ in world.asked]
    return [name for name in named if name]


@pytest.mark.parametrize("step", STEPS)
def test_a_job_that_never_answers_is_given_up_after_its_own_limit(step):
    world = World({step: [None]})
    execution = world.run()
    alert = alert_of(world, execution)
    assert "Error:   States.Timeout" in alert["Message"]
    limit = world.parameters(step).get("StoppingCondition", {"MaxRuntimeInSeconds": 2 * 3600})["MaxRuntimeInSeconds"]
    entered = next(at for state, _, at in world.asked if state == step)
    gave_up = next(event["timestamp"] for event in execution.events if event["type"] == "TaskTimedOut")
    assert gave_up - entered == limit + 3600


def test_a_refused_input_fails_the_run_before_anything_is_paid_for():
    cause = {"errorMessage": "hyperparameter: unknown key; the nearest known key is hyperparameters",
             "errorType": "InvalidRunInput", "stackTrace": ["…"]}  # fmt: skip
    world = World({"Prepare Run": [Failed("InvalidRunInput", json.dumps(cause))]})
    alert = alert_of(world, world.run({"hyperparameter": {}}))
    assert world.states == ["Prepare Run", "Describe Failure", "Notify Failure"]
    assert "Error:   InvalidRunInput" in alert["Message"]
    assert "the nearest known key is hyperparameters" in alert["Message"]
    assert "opsctl start" in alert["Message"]


@pytest.mark.parametrize("step", ["Prepare Run", *STEPS, FIND, COMPARE, START, "Notify Success"])
def test_a_broken_describe_failure_still_alerts(step):
    world = World({step: [job_failed()], "Describe Failure": [Failed("Runtime.ImportModuleError", "{}")]})
    alert = alert_of(world, world.run())
    assert alert["Subject"] == "documents-training: a run FAILED"
    assert alert["MessageAttributes"]["step"]["StringValue"] == step
    assert alert["Message"] == f"Run:    nightly-7\nStatus: FAILED\nStep:   {step}\nNext:   opsctl status nightly-7"


def test_a_broken_notification_still_ends_failed():
    world = World({"Evaluate": [job_failed()], "Notify Failure": [Failed("SNS.NotFoundException", "no topic")]})
    execution = world.run()
    assert (execution.status, execution.error) == ("FAILED", "PipelineFailed")
    assert world.states[-2:] == ["Describe Failure", "Notify Failure"]


def test_a_success_that_cannot_be_told_is_a_failure_that_is():
    world = World({"Notify Success": [Failed("SNS.NotFoundException", "no topic")]})
    alert = alert_of(world, world.run())
    assert alert["MessageAttributes"]["step"]["StringValue"] == "Notify Success"


def all_states(states=DEFINITION["States"]):
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from all_states(branch["States"])


def test_the_definition_is_valid_and_no_failure_is_silent():
    assert validate(DEFINITION) == ()
    names = [name for name, _ in all_states()]
    assert len(names) == len(set(names))
    for name, state in all_states():
        if state["Type"] not in ("Task", "Parallel"):
            continue
        catch_all = state["Catch"][-1]
        assert catch_all["ErrorEquals"] == ["States.ALL"], name
        assert catch_all["Next"] in ("Describe Failure", "Notify Failure", "Fail", f"{name[6:]} Failed"), name
        for retrier in state.get("Retry", []):
            assert retrier["BackoffRate"] > 1, name
            assert not {"States.ALL", "States.TaskFailed", "States.Timeout"} & set(retrier["ErrorEquals"]), name
        if state["Type"] == "Task":
            assert state["TimeoutSeconds"] > 0, name
