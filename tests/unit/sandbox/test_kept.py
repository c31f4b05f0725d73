"""What runs in the sandbox can be written down at any moment, and goes on from there as it would have gone on."""

from __future__ import annotations

import json
import queue
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from moto.ssm.models import ParameterDict

from opsctl.asl.effects import (
    Failed,
    Heartbeat,
    MapRunStarted,
    Outcome,
    ScheduleTask,
    Started,
    StartMapRun,
    Submitted,
    Succeeded,
)
from opsctl.asl.validate import parse
from opsctl.sandbox.activities import Counter
from opsctl.sandbox.batchjob import BatchJob
from opsctl.sandbox.engine import Engine
from opsctl.sandbox.mapruns import Child, MapRun
from opsctl.sandbox.repeats import Repeats
from opsctl.sandbox.runs import Origin, Run
from opsctl.sandbox.state.pickling import Graph
from opsctl.sandbox.tasks import MapTask, OpenTask, Task
from opsctl.sandbox.tokens import ClosedTokenError, Tokens, UnknownTokenError
from opsctl.sandbox.trainingjob import TrainingJob
from opsctl.sandbox.transformjob import TransformJob

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:training"
DEFINITION = """{"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true, "Branches": [
    {"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "End": true, "HeartbeatSeconds": 60,
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": {"t.$": "$$.Task.Token"}}}},
    {"StartAt": "Try", "States": {"Try": {"Type": "Task", "End": true, "Parameters": {"id.$": "States.UUID()"},
        "Resource": "arn:aws:states:::lambda:invoke",
        "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 5, "JitterStrategy": "FULL"}]}}},
    {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 30, "End": true}}}
]}}}"""


def again(thing: Any) -> Any:
    """What a server reads that another one wrote."""
    return Graph({}).loads(Graph({}).dumps(thing))


def a_run(definition: str = DEFINITION) -> Run:
    origin = Origin(MACHINE, "training", "role", definition, parse(definition), None, None, {})
    return Run(1, MACHINE.replace("stateMachine", "execution") + ":nightly-7", "nightly-7", '{"a": 1}', origin, 100.0)


def carry_out(run: Run) -> None:
    """Open the tasks that the execution asks for, as the engine does."""
    assert run.walk is not None
    for effect in run.walk.effects():
        if isinstance(effect, ScheduleTask):
            run.tasks[effect.task] = Task(run, effect, lambda *_: None)


def go(run: Run, answers: list[tuple[float, int, Outcome | None]]) -> None:
    """Tell outcomes, or let time pass, at these moments."""
    for now, number, outcome in answers:
        assert run.walk is not None
        if outcome is None:
            run.walk.tick(now)
        else:
            run.walk.resolve(number, outcome, now)
        carry_out(run)


STORY: list[tuple[float, int, Outcome | None]] = [
    (101.0, 1, Submitted("{}")),
    (102.0, 2, Failed("Busy")),
    (103.0, 1, Heartbeat()),
    (110.0, 0, None),
    (120.0, 3, Failed("Busy")),
    (131.0, 0, None),
    (140.0, 1, Succeeded('"yes"')),
    (150.0, 4, Succeeded('"done"')),
]


@pytest.mark.parametrize("moment", range(len(STORY) + 1))
def test_a_run_that_is_written_at_any_moment(moment: int) -> None:
    one = a_run()
    assert one.walk is not None
    one.walk.start(100.0)
    carry_out(one)
    go(one, STORY[:moment])
    # Delays are drawn at random: the copy has the dice of the one that it is of.
    other = again(one)
    assert (other.describe(), other.events(), other.tasks.keys()) == (one.describe(), one.events(), one.tasks.keys())
    assert all(task.run is other for task in other.tasks.values())
    for run in (one, other):
        go(run, STORY[moment:])
        run.close(160.0)
    assert other.events() == one.events()
    assert (other.status, other.describe()) == ("SUCCEEDED", one.describe())


def test_what_is_nested_as_deeply_as_json_may_be() -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    assert json.dumps(again({"input": nested})) == json.dumps({"input": nested})


def test_a_table_of_a_class_of_its_own() -> None:
    table = ParameterDict("123456789012", "us-east-1")
    table["/own/word"].append("kept")  # type: ignore[arg-type]
    other = again(table)
    assert (dict(other), other["/other"], other.region_name) == ({"/own/word": ["kept"]}, [], "us-east-1")


def test_a_run_that_has_ended_can_be_redriven() -> None:
    run = a_run()
    assert run.walk is not None
    run.walk.start(100.0)
    run.walk.resolve(2, Failed("Broken"), 101.0)
    run.close(101.0)
    run.ended.set_result(run.describe())
    other = again(run)
    assert (other.describe(), other.ended.result()) == (run.describe(), run.ended.result())
    for one in (run, other):
        one.reopen(200.0)
        one.walk.redrive(200.0)
    assert other.events() == run.events()
    assert other.standing.redrives == 1


def test_a_thread_that_is_about_to_tell_an_end_keeps_no_copy_waiting() -> None:
    """The copy of the server has no thread that would let go of what another one held when it was made."""
    ended: Future[int] = Future()
    run, repeats = a_run(), Repeats()
    ended.set_result(7)
    run.ended.set_result({"status": "SUCCEEDED"})
    repeats.restore({"a": ended})  # type: ignore[dict-item]
    copies: queue.Queue[Any] = queue.Queue()

    def copy() -> None:
        copies.put(again((ended, Future(), run, repeats.kept())))

    with ended._condition, run.ended._condition, repeats._given["a"]._condition:
        threading.Thread(target=copy, daemon=True).start()
        come, to_come, other, answers = copies.get(timeout=60)
    assert (come.result(0), to_come.done(), answers["a"].result(0)) == (7, False, 7)
    assert other.ended.result(0) == {"status": "SUCCEEDED"}


def test_tokens() -> None:
    run = a_run()
    assert run.walk is not None
    run.walk.start(100.0)
    carry_out(run)
    tokens, task = Tokens(), next(task for task in run.tasks.values() if task.token)
    tokens.open(task)  # type: ignore[arg-type]
    closed = Task(run, ScheduleTask(9, "Old", "r.waitForTaskToken", {}, None, None, "used"), lambda *_: None)
    tokens.open(closed)
    tokens.close("used")
    kept, (found,) = again((tokens, [run]))
    assert kept.use(task.token, closing=True) is found.tasks[task.number]
    for token, problem in ((task.token, ClosedTokenError), ("used", ClosedTokenError), ("never", UnknownTokenError)):
        with pytest.raises(problem):
            kept.use(token, closing=False)


def test_an_activitys_line() -> None:
    run, counter = a_run(), Counter()
    for number in (1, 2):
        effect = ScheduleTask(number, "Work", "arn:activity:work", {}, None, None, f"token {number}")
        run.tasks[number] = Task(run, effect, lambda *_: None)
        counter.offer(run.tasks[number])  # type: ignore[arg-type]
    other, kept = Counter(), again(counter.kept())
    other.restore(kept)
    told: list[OpenTask] = []
    for task in kept["arn:activity:work"]:
        task.take_up(lambda task, _: told.append(task))
    taken = [other.take("arn:activity:work", "worker", 0) for _ in range(3)]
    assert [task and task.token for task in taken] == ["token 1", "token 2", None]
    assert told == taken[:2]


def test_a_map_runs_progress_follows_from_its_children() -> None:
    run = a_run()
    plan = StartMapRun(1, "Each", "arn", "Each", [], None, 2, 0, 0.0, {}, "STANDARD", None)
    run.tasks[1] = MapTask(run, plan, lambda *_: None)
    one = MapRun(run.tasks[1], run.origin, 100.0)  # type: ignore[arg-type]
    one.fill(["1", "2", "3", "4"], [1, 1, 1, 1])
    for child, status in zip(one.children, ("SUCCEEDED", "FAILED", "RUNNING"), strict=False):
        child.run = a_run()
        child.run.standing = child.run.standing.__class__(status=status)
    again_running = a_run()
    again_running.standing = again_running.standing.__class__(redrives=1)
    one.children.append(Child("5", 1, one.children[1].run, redrive_after=0))
    one.children.append(Child("6", 1, again_running, redrive_after=0))
    other = again(one)
    other.take_up()
    assert other.describe() == one.describe()
    assert [child.text for child in other.waiting] == ["4", "5"]
    assert sorted(child.text for child in other.active) == ["1", "2", "3", "6"]


REQUEST = {
    "TrainingJobName": "job", "AlgorithmSpecification": {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
}  # fmt: skip


def training(**more: Any) -> TrainingJob:
    job = TrainingJob("arn:aws:sagemaker:us-east-1:123456789012:training-job/job", {**REQUEST, **more}, lambda _: None)
    job.move("Starting", "InProgress")
    job.move("Downloading")
    job.move("Training")
    job.read_metrics("loss=0.5")
    return job


@pytest.mark.parametrize(("spot", "word"), [(False, "Restarting"), (True, "Interrupted")])
def test_a_training_job_begins_again(spot: bool, word: str) -> None:
    job, told = training(EnableManagedSpotTraining=spot), list[Any]()
    other = again(job)
    assert other.response_object == job.response_object
    assert other.take_up(told.append)
    assert other.response_object["TrainingJobStatus"] == "InProgress"
    transitions = [entry["Status"] for entry in other.response_object["SecondaryStatusTransitions"]]
    assert transitions == ["Starting", "Downloading", "Training", word, "Starting"]
    assert [document["SecondaryStatus"] for document in told] == [word, "Starting"]
    other.move("Completed", "Completed")
    assert other.ended.result()["FinalMetricDataList"][0]["Value"] == 0.5


def test_a_training_job_that_was_stopping_is_stopped() -> None:
    job = training()
    job.stop()
    other = again(job)
    assert not other.take_up(lambda _: None)
    assert (other.ended.result()["TrainingJobStatus"], other.secondary_status) == ("Stopped", "Stopped")


def test_the_end_of_a_training_job_that_nobody_was_told_of() -> None:
    copies: list[Any] = []
    job = TrainingJob("arn", REQUEST, lambda _: copies.append(again(job)))
    job.move("Completed", "Completed")
    told: list[Any] = []
    assert not copies[0].take_up(told.append)
    assert [document["TrainingJobStatus"] for document in told] == ["Completed"]
    assert copies[0].ended.result() == job.ended.result()
    assert not again(job).take_up(told.append)
    assert len(told) == 1


def test_a_transform_job() -> None:
    request = {"TransformJobName": "job", "TransformResources": {}}
    job = TransformJob("arn", request, "model", lambda _: None)
    job.begin()
    other = again(job)
    assert other.take_up(lambda _: None)
    assert (other.model, other.response_object) == ("model", job.response_object)
    job.stop()
    other = again(job)
    assert not other.take_up(lambda _: None)
    assert other.ended.result()["TransformJobStatus"] == "Stopped"


def batch_job(**retry: Any) -> BatchJob:
    definition: Any = SimpleNamespace(
        container_properties={}, parameters={}, retry_strategy=retry, timeout=None, name="d", arn="d",
        propagate_tags=False, platform_capabilities=[],
    )  # fmt: skip
    queue: Any = SimpleNamespace(environments=[], arn="q", name="q")
    job = BatchJob("0123-4567", "arn:aws:batch:us-east-1:123456789012:job/1", {"jobName": "job"}, definition, queue)
    job.begin_attempt("stream/1")
    return job


@pytest.mark.parametrize(("code", "outcome"), [(0, "SUCCEEDED"), (1, "FAILED"), (2, None)])
def test_a_batch_job_is_tried_again_after_a_restart_only_where_its_rules_say_so(code: int, outcome: str | None) -> None:
    job = batch_job(attempts=3, evaluateOnExit=[{"onExitCode": "1", "action": "EXIT"}])
    job.end_attempt(code, "ended")
    other = again(job)
    assert other.take_up()
    assert other.outcome() == (outcome and (outcome, "ended"))


def test_a_batch_job_loses_no_attempt() -> None:
    rules = [{"onStatusReason": "Host EC2*", "action": "EXIT"}, {"onReason": "*", "action": "RETRY"}]
    job = batch_job(attempts=2, evaluateOnExit=rules)
    job.end_attempt(1, "Essential container in task exited")
    job.begin_attempt("stream/2")
    other = again(job)
    assert other.take_up()
    assert (other.status, other.outcome()) == ("RUNNABLE", None)
    assert [attempt["statusReason"] for attempt in other.describe()["attempts"]] == [
        "Essential container in task exited", "Host EC2 (instance i-01234567) terminated.",
    ]  # fmt: skip
    other.finish("SUCCEEDED", "Essential container in task exited")
    ended = again(other)
    assert not ended.take_up()
    assert ended.ended.result() == other.ended.result()


def engine(moved: Any) -> Engine:
    nothing: Any = lambda *_: None  # noqa: E731
    return Engine(nothing, nothing, nothing, nothing, lambda _: True, moved)


def test_nothing_moves_while_the_engine_is_held() -> None:
    moved = threading.Event()
    held = engine(lambda _: moved.set())
    with held.hold():
        held.start(a_run())
        assert not moved.is_set()
    assert moved.wait(30)


def test_an_engine_that_is_held_for_too_long_goes_on_and_says_so() -> None:
    moved = threading.Event()
    held = engine(lambda _: moved.set())

    def hold_until_it_moves() -> None:
        with held.hold(0.01):
            held.start(a_run())
            assert moved.wait(30)

    with pytest.raises(TimeoutError):
        hold_until_it_moves()


def test_a_task_that_was_about_to_be_abandoned_is_abandoned() -> None:
    ended = threading.Event()
    nothing: Any = lambda *_: None  # noqa: E731
    run = a_run()
    task = Task(run, ScheduleTask(1, "Train", "r.sync", {}, None, None, None), nothing)
    before = engine(nothing)
    after = Engine(nothing, lambda task: task.on_abandon(ended.set), nothing, nothing, nothing, nothing)
    before.restore({**before.kept(), "leaving": [task]})
    after.restore(again(before.kept()))
    after.take_up([])
    assert ended.wait(30)


def test_a_run_that_was_kept_is_taken_up() -> None:
    resumed: queue.Queue[int] = queue.Queue()
    done = threading.Event()
    nothing: Any = lambda *_: None  # noqa: E731

    def resume(task: OpenTask) -> None:
        resumed.put(task.number)
        task.tell(MapRunStarted() if isinstance(task, MapTask) else Failed("Broken"))

    taking = Engine(
        nothing, resume, nothing, lambda run: run.status != "RUNNING" and done.set(), lambda _: True, nothing
    )
    run = a_run()
    assert run.walk is not None
    run.walk.start(100.0)
    carry_out(run)
    kept = again(run)
    with taking.hold():
        taking.take_up([kept])
        for task in kept.tasks.values():  # a worker, say, asks at once
            task.tell(Started())
    assert done.wait(30)
    assert {resumed.get(timeout=30), resumed.get(timeout=30)} == {1, 2}  # the second maybe after the end
    assert (kept.status, kept.describe()["error"], kept.tasks) == ("FAILED", "Broken", {})
    # The Wait was over long ago, by the clock on the wall.
    assert "WaitStateExited" in [event["type"] for event in kept.events()]
