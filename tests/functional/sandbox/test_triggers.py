"""Runs that data and schedules start: the function's package, behind rules and schedules as the module makes them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opsctl import sandbox
from tests.functional.sandbox.cloud import ACCOUNT, Cloud, unique, wait_for
from tests.functional.sandbox.test_events import LAMBDA
from tests.functional.sandbox.test_scheduler import schedule, soon

PACKAGE = Path(__file__).parents[3] / "functions/dist/start_run.zip"
PATTERN = "datasets/*/_READY"


class Pipeline:
    """A bucket, a machine whose runs go on until they are told to end, and the function that starts them."""

    def __init__(self, cloud: Cloud, while_running: str = "skip", **schedule: Any) -> None:
        self.cloud = cloud
        self.bucket = unique("pipeline")
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.machine = cloud.machine({"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}})
        data = {"input": {"skip": {"evaluate": True}}, "start": self.machine, "while_running": while_running}
        scheduled = {"input": {}, "start": self.machine, "while_running": while_running}
        variables = {"BUCKET": self.bucket, "TRIGGERS": json.dumps({"data": data, "schedule": scheduled})}
        self.function = cloud.function(
            "",
            Handler="handler.handler",
            Timeout=120,
            Code={"ZipFile": PACKAGE.read_bytes()},
            Environment={"Variables": variables},
        )
        self.watch(PATTERN)
        status = {"stateMachineArn": [self.machine], "status": ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]}
        self.rule({"source": ["aws.states"], "detail": status})

    def watch(self, pattern: str) -> None:
        """Let the function be called for new objects with such keys."""
        thing = {"bucket": {"name": [self.bucket]}, "object": {"key": [{"wildcard": pattern}]}}
        self.rule({"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": thing})

    def rule(self, pattern: dict[str, Any]) -> None:
        events, name = self.cloud.client("events"), unique("rule")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": LAMBDA + self.function}])

    def put(self, key: str) -> None:
        self.cloud.client("s3").put_object(Bucket=self.bucket, Key=key, Body=b"")

    def call(self, event: dict[str, Any]) -> dict[str, Any]:
        """Call the function and wait for what it answers."""
        answer = self.cloud.client("lambda").invoke(FunctionName=self.function, Payload=json.dumps(event))
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        return told

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the oldest first."""
        found = self.cloud.client("stepfunctions").list_executions(stateMachineArn=self.machine)["executions"]
        return sorted(found, key=lambda run: run["startDate"])

    def started(self, count: int) -> list[dict[str, Any]]:
        wait_for(lambda: len(self.runs()) >= count, f"{count} runs")
        return self.runs()

    def stop(self, run: dict[str, Any]) -> None:
        self.cloud.client("stepfunctions").stop_execution(executionArn=run["executionArn"])

    def calls(self, count: int) -> list[dict[str, Any]]:
        """What the function answered, once it has so many times."""
        lines = self.cloud.logs(f"/aws/lambda/{self.function}")
        answers = [json.loads(line) for line in lines if line.startswith("{")]
        return answers if len(answers) == count else []

    def record(self, key: str) -> Any:
        return json.loads(self.cloud.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def folder(self) -> dict[str, Any]:
        """The one record of what arrived."""
        prefix = f"triggers/{self.machine.rpartition(':')[2]}/arrivals/"
        listed = self.cloud.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return self.record(listed[0]["Key"]) if len(listed) == 1 else {}

    def input(self, run: dict[str, Any]) -> Any:
        described = self.cloud.client("stepfunctions").describe_execution(executionArn=run["executionArn"])
        return json.loads(described["input"])


def arrived(bucket: str, key: str, sequencer: str = "0066A0", version: str = "one") -> dict[str, Any]:
    """S3's event, as EventBridge delivers it."""
    thing = {"key": key, "size": 0, "etag": "d41d8cd9", "version-id": version, "sequencer": sequencer}
    return {
        "version": "0",
        "id": unique("event"),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-22T02:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": thing, "reason": "PutObject"},
    }


@pytest.mark.parametrize("while_running", ["skip", "parallel"])
def test_one_event_that_is_delivered_five_times_at_once_starts_one_run(cloud: Cloud, while_running: str) -> None:
    pipeline = Pipeline(cloud, while_running)
    event = arrived(pipeline.bucket, "datasets/mortgages/_READY")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(pipeline.call, [event] * 5))
    (run,) = pipeline.runs()
    assert {answer["run"] for answer in answers} == {run["name"]}
    assert run["name"].startswith("mortgages-")
    source = f"s3://{pipeline.bucket}/datasets/mortgages/"
    assert pipeline.input(run) == {"data": {"source": source}, "skip": {"evaluate": True}}
    assert pipeline.record(f"runs/{run['name']}/plan.json")["input"] == pipeline.input(run)
    pipeline.stop(run)
    assert pipeline.call(event) == {"run": run["name"], "started": []}, "once more, after the run has ended"
    assert len(pipeline.runs()) == 1


def test_what_s3_and_eventbridge_deliver_five_times_starts_one_run(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    fault = {"action": "lambda:Invoke", "duplicate": 4, "match": pipeline.function}
    added = sandbox.add_fault(cloud.directory, fault)
    pipeline.put("datasets/mortgages/_READY")
    (run,) = pipeline.started(1)
    calls = wait_for(lambda: pipeline.calls(5), "five calls to be over")
    (document,) = sandbox.clear_faults(cloud.directory, (added["id"],))
    assert document["applied"] == 1
    assert [call["run"] for call in calls] == [run["name"]] * 5
    assert [name for call in calls for name in call["started"]] == [run["name"]]
    assert len(pipeline.runs()) == 1


def test_a_marker_that_two_rules_match_starts_one_run_and_other_objects_none(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    pipeline.watch("datasets/mortgages/*")
    pipeline.put("runs/nightly/_READY")
    pipeline.put("datasets/_READY")
    pipeline.put("datasets/mortgages/")
    pipeline.put("datasets/mortgages/_READY")
    (run,) = pipeline.started(1)
    wait_for(lambda: pipeline.folder().get("started") == run["name"], "the start to be on record")
    assert len(pipeline.runs()) == 1


def test_data_that_comes_while_a_run_goes_on_starts_one_run_when_it_ends(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    by_hand = cloud.start(pipeline.machine, name="by-hand")
    for number in range(3):
        pipeline.put("datasets/mortgages/_READY")
        wait_for(
            lambda wanted=number + 1: len(pipeline.folder().get("seen", [])) == wanted, "the arrival to be recorded"
        )
    newest = pipeline.folder()["newest"]["name"]
    assert [run["name"] for run in pipeline.runs()] == ["by-hand"]
    pipeline.stop({"executionArn": by_hand})
    _, run = pipeline.started(2)
    assert run["name"] == newest
    pipeline.stop(run)
    wait_for(lambda: pipeline.folder()["newest"]["name"] == pipeline.folder()["started"], "the start to be on record")
    assert pipeline.call({"trigger": "waiting"}) == {"started": []}
    assert len(pipeline.runs()) == 2


def test_folders_take_turns(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    folders = ["mortgages", "contracts", "invoices"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(pipeline.call, [arrived(pipeline.bucket, f"datasets/{name}/_READY") for name in folders]))
    for count in (1, 2, 3):
        runs = pipeline.started(count)
        assert [run["status"] for run in runs].count("RUNNING") == 1
        pipeline.stop(runs[-1])
    assert {run["name"].partition("-")[0] for run in pipeline.runs()} == set(folders)
    assert pipeline.call({"trigger": "waiting"}) == {"started": []}


def test_a_run_that_ends_before_the_arrival_is_recorded_is_followed_all_the_same(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    first = arrived(pipeline.bucket, "datasets/mortgages/_READY", "01", "one")
    second = arrived(pipeline.bucket, "datasets/mortgages/_READY", "02", "two")
    pipeline.call(first)
    (run,) = pipeline.runs()
    pipeline.stop(run)
    told = {"executionArn": run["executionArn"], "redriveCount": 0}
    with ThreadPoolExecutor(4) as pool:
        ended = {"source": "aws.states", "detail": told}
        list(pool.map(pipeline.call, [ended, second, ended, second]))
    names = [run["name"] for run in pipeline.runs()]
    assert len(names) == 2
    assert len(set(names)) == 2


def test_a_start_that_was_cut_off_is_finished_by_the_next_call(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    turn = {"version": 1, "run": "mortgages-0123456789ab", "input": {"skip": {}}, "waiting": None, "started": False}
    key = f"triggers/{pipeline.machine.rpartition(':')[2]}/turn.json"
    cloud.client("s3").put_object(Bucket=pipeline.bucket, Key=key, Body=json.dumps(turn).encode())
    assert pipeline.call(arrived(pipeline.bucket, "datasets/contracts/_READY"))["started"] == []
    (run,) = pipeline.runs()
    assert run["name"] == "mortgages-0123456789ab"
    pipeline.stop(run)
    assert pipeline.started(2)[1]["name"].startswith("contracts-")


def test_in_parallel_each_arrival_starts_its_run(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud, "parallel")
    for version in ("one", "two"):
        pipeline.call(arrived(pipeline.bucket, "datasets/mortgages/_READY", version=version))
    assert [run["status"] for run in pipeline.runs()] == ["RUNNING", "RUNNING"]


def test_a_schedule_starts_a_run_for_its_moment_and_leaves_out_one_that_comes_too_soon(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    told = '{"time":"<aws.scheduler.scheduled-time>","trigger":"schedule"}'
    expression = soon("Europe/Berlin")
    schedule(
        cloud,
        expression,
        {"Arn": LAMBDA + pipeline.function, "Input": told},
        ScheduleExpressionTimezone="Europe/Berlin",
    )
    (run,) = pipeline.started(1)
    assert run["name"].startswith("schedule-")
    assert run["name"].endswith(expression[-5:-1].replace(":", ""))
    again = {"trigger": "schedule", "time": "2026-11-22T02:00:00Z"}
    skipped = {"run": "schedule-261122-020000", "skipped": "another run goes on", "started": []}
    assert pipeline.call(again) == skipped
    pipeline.stop(run)
    assert pipeline.call(again) == {"run": "schedule-261122-020000", "started": ["schedule-261122-020000"]}
    assert pipeline.call(again) == {"run": "schedule-261122-020000", "started": []}


def test_what_no_trigger_is_configured_for_fails_with_the_remedy(cloud: Cloud) -> None:
    pipeline = Pipeline(cloud)
    answer = cloud.client("lambda").invoke(FunctionName=pipeline.function, Payload='{"source": "aws.ec2"}')
    told = json.loads(answer["Payload"].read())
    assert told["errorType"] == "UnknownEvent"
    assert told["errorMessage"] == (
        "no trigger is configured for 'aws.ec2': set var.triggers, or remove what calls this function"
    )
