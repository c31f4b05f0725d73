"""The function `start_run`, cut off at each of its requests: what waits is started in the end, once, and one at a time.

What a killed call had asked for last may have happened or not; Lambda calls again with the same event. The world is two
small classes with the promises that AWS makes: conditional writes, and one execution for a name and an input.
"""

import hashlib
import io
import itertools
import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from tests.unit.test_functions import ROOT, load

start_run = load(ROOT / "functions/start_run/handler.py", "start_run_handler")
BUCKET = "documents"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:documents-training"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:documents-training:"


class Killed(BaseException):
    """The call was ended from outside: nothing in it can catch that."""


class Line:
    """Carries requests, until it is cut: before the last one reaches AWS, or before its answer comes back."""

    def __init__(self):
        self.left, self.lost = None, "answer"

    def carry(self, request):
        if self.left == 0:
            raise Killed
        last = self.left == 1
        self.left = None if self.left is None else self.left - 1
        if last and self.lost == "request":
            raise Killed
        answer = request()
        if last:
            raise Killed
        return answer


def refuse(code):
    raise ClientError({"Error": {"Code": code, "Message": code}}, "Any")


class Bucket:
    def __init__(self, line):
        self.line, self.objects = line, {}

    def get_object(self, Bucket, Key):  # noqa: N803 - boto3's names
        return self.line.carry(lambda: self._get(Key))

    def put_object(self, Bucket, Key, Body, ContentType, **condition):  # noqa: N803
        return self.line.carry(lambda: self._put(Key, Body, condition))

    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self

    def paginate(self, Bucket, Prefix):  # noqa: N803
        return self.line.carry(lambda: [{"Contents": [{"Key": key} for key in self.objects if key.startswith(Prefix)]}])

    def _get(self, key):
        body = self.objects.get(key) or refuse("NoSuchKey")
        return {"Body": io.BytesIO(body), "ETag": tag(body), "LastModified": datetime.now(UTC)}

    def _put(self, key, body, condition):
        kept = self.objects.get(key)
        if kept is not None and (condition.get("IfNoneMatch") or condition["IfMatch"] != tag(kept)):
            refuse("PreconditionFailed")
        if kept is None and condition.get("IfMatch"):
            refuse("NoSuchKey")
        self.objects[key] = body
        return {"ETag": tag(body)}


def tag(body):
    return f'"{hashlib.sha256(body).hexdigest()}"'


class States:
    """Executions by their names; more than one at a time fails the test."""

    def __init__(self, line):
        self.line, self.runs = line, {}

    def start_execution(self, stateMachineArn, name, input):  # noqa: N803, A002
        assert stateMachineArn == f"{MACHINE}:live"
        return self.line.carry(lambda: self._start(name, input))

    def describe_execution(self, executionArn):  # noqa: N803
        return self.line.carry(lambda: self._describe(executionArn))

    def get_paginator(self, name):
        assert name == "list_executions"
        return self

    def paginate(self, stateMachineArn, statusFilter):  # noqa: N803
        assert (stateMachineArn, statusFilter) == (MACHINE, "RUNNING")
        return self.line.carry(lambda: [{"executions": [{"executionArn": EXECUTION + name} for name in self.going()]}])

    def going(self):
        return [name for name, run in self.runs.items() if run["status"] == "RUNNING"]

    def _start(self, name, text):
        run = self.runs.get(name)
        if run is not None and (run["status"] != "RUNNING" or run["input"] != text):
            refuse("ExecutionAlreadyExists")
        if run is None:
            assert self.going() == [], "one run at a time"
            self.runs[name] = {"status": "RUNNING", "input": text}
        return {"executionArn": EXECUTION + name}

    def _describe(self, arn):
        name = arn.removeprefix(EXECUTION)
        return {"executionArn": arn, **(self.runs.get(name) or refuse("ExecutionDoesNotExist"))}


class Pipeline:
    """The function's world, with the one trigger for data."""

    def __init__(self):
        self.line = Line()
        self.states = States(self.line)
        self.world = start_run.World(Bucket(self.line), self.states, BUCKET)

    def call(self, event, cut=None, lost="answer"):
        """Call the function; whether it came to its end."""
        self.line.left, self.line.lost = cut, lost
        triggers = {"data": {"input": {}, "start": f"{MACHINE}:live", "while_running": "skip"}}
        try:
            start_run._answer(self.world, triggers, event)
        except Killed:
            return False
        finally:
            self.line.left = None
        return True

    def end(self, cut=None, lost="answer"):
        """End what goes on, and tell the function."""
        (name,) = self.states.going()
        self.states.runs[name]["status"] = "SUCCEEDED"
        event = {"source": "aws.states", "detail": {"executionArn": EXECUTION + name}}
        if not self.call(event, cut, lost):
            self.call(event)

    def settle(self):
        """Let runs end until nothing goes on and nothing is due; the names, in their order."""
        while self.states.going():
            self.end()
        self.call({"trigger": "waiting"})
        assert self.states.going() == [], "nothing was forgotten"
        return [name.rpartition("-")[0] for name in self.states.runs]


def arrived(folder, sequencer):
    thing = {"key": f"datasets/{folder}/_READY", "version-id": f"v{sequencer}", "sequencer": sequencer}
    detail = {"bucket": {"name": BUCKET}, "object": thing}
    return {"source": "aws.s3", "time": f"2026-11-22T02:00:{sequencer}Z", "detail": detail}


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_an_arrival_that_is_cut_off_anywhere_starts_one_run(lost):
    for cut in itertools.count(1):
        pipeline = Pipeline()
        whole = pipeline.call(arrived("mortgages", "01"), cut, lost)
        pipeline.call(arrived("mortgages", "01"))
        assert pipeline.settle() == ["mortgages"], cut
        if whole:
            assert cut > 8, "it asks for more than that"
            return


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_an_arrival_that_is_cut_off_and_never_comes_again_is_started_by_the_next_call_once_it_is_on_record(lost):
    for cut in itertools.count(1):
        pipeline = Pipeline()
        whole = pipeline.call(arrived("mortgages", "01"), cut, lost)
        recorded = any("/arrivals/" in key for key in pipeline.world.s3.objects)
        pipeline.call({"trigger": "waiting"})
        assert pipeline.settle() == ["mortgages"] * recorded, cut
        if whole:
            return


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_the_end_of_a_run_that_is_cut_off_anywhere_starts_what_waits_in_turn(lost):
    events = [
        arrived("mortgages", "01"),
        arrived("mortgages", "03"),
        arrived("contracts", "02"),
        arrived("mortgages", "02"),
    ]
    for cut in range(1, 30):
        pipeline = Pipeline()
        for event in events:
            pipeline.call(event)
        pipeline.end(cut, lost)
        for event in events:
            pipeline.call(event)
        assert pipeline.settle() == ["mortgages", "contracts", "mortgages"], cut
        assert len(json.loads(pipeline.world.s3.objects["triggers/documents-training/turn.json"])["run"]) <= 40


def test_a_run_by_hand_is_waited_for():
    pipeline = Pipeline()
    pipeline.states.runs["by-hand"] = {"status": "RUNNING", "input": "{}"}
    pipeline.call(arrived("mortgages", "01"))
    assert list(pipeline.states.runs) == ["by-hand"]
    pipeline.end()
    assert [name.partition("-")[0] for name in pipeline.states.runs] == ["by", "mortgages"]
