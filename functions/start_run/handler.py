"""Starts runs when data arrives or a schedule says so: each once, and one at a time unless they may run in parallel.

Called by EventBridge with S3's event for an object (an arrival) and with the status change of an execution that has
ended (now the next may go), and by EventBridge Scheduler: `{"trigger": "schedule", "time": …}`, and `{"trigger":
"waiting"}` to look after what waits, for a status change may get lost. All of them may come twice, late, and at once.
What is decided, and why, is in opsctl/domain/triggers.py; here the world is asked and changed, by conditional writes.
"""

import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from opsctl.domain.triggers import (
    NAME_DAYS,
    PARALLEL,
    Due,
    arrival,
    claim,
    execution_of,
    first_due,
    folder_key,
    goes_on,
    machine_of,
    read_folder,
    run_input,
    scheduled_name,
    turn_key,
    waiting_prefix,
    with_arrival,
    with_start,
)

ROUNDS = 50  # conditional writes that may be lost to others before the invocation gives up, and is retried by Lambda
PAUSE = 0.2  # seconds, at most, before the next
THREADS = 16
DAY = 86_400
LOST = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409"}


class UnknownEvent(Exception):  # noqa: N818 - shown as the function's error
    """The event is none that this function starts runs for."""


class Contended(Exception):  # noqa: N818
    """Too many others wrote the same record at the same time."""


@dataclass(frozen=True)
class World:
    """What the function talks to."""

    s3: Any
    states: Any
    bucket: str


@dataclass(frozen=True)
class Record:
    """A JSON object as it was read: its document, the ETag to replace it under, and its age in seconds."""

    document: Any
    tag: str
    age: float


def handler(event, _context):
    triggers = json.loads(os.environ["TRIGGERS"])
    world = World(boto3.client("s3"), boto3.client("stepfunctions"), os.environ["BUCKET"])
    answer = _answer(world, triggers, event)
    print(json.dumps(answer))
    return answer


def _answer(world, triggers, event):
    data, schedule = triggers.get("data"), triggers.get("schedule")
    if event.get("source") == "aws.s3" and data:
        return _arrived(world, data, event)
    if event.get("source") == "aws.states" and data:
        return {"started": _take_turns(world, data, event["detail"])}
    if event.get("trigger") == "waiting" and data:
        return {"started": _take_turns(world, data)}
    if event.get("trigger") == "schedule" and schedule:
        return _scheduled(world, schedule, event)
    asked = event.get("source") or event.get("trigger")
    raise UnknownEvent(f"no trigger is configured for {asked!r}: set var.triggers, or remove what calls this function")


def _arrived(world, data, event):
    new = arrival(event, world.bucket)
    if isinstance(new, str):
        return {"ignored": new, "started": []}
    if data["while_running"] == PARALLEL:
        begun = _begin(world, data["start"], Due(new.name, run_input(data["input"], new.source)))
        return {"run": new.name, "started": [new.name] * begun + _take_turns(world, data)}
    key = folder_key(machine_of(data["start"]), new.source)
    _change_folder(world, key, lambda folder: with_arrival(folder, key, new))
    # Only now: a run that ends after this look finds the arrival, and one that ended before it is not in the way.
    return {"run": new.name, "started": _take_turns(world, data)}


def _scheduled(world, schedule, event):
    """A moment in which another run goes on is left out for good: the schedule's next one comes."""
    due = Due(scheduled_name(event["time"]), run_input(schedule["input"], None))
    if schedule["while_running"] == PARALLEL or _read(world, _claim_key(due)) is not None:
        begun = _begin(world, schedule["start"], due)
        return {"run": due.name, "started": [due.name] * begun}
    machine = machine_of(schedule["start"])
    for _ in range(ROUNDS):
        turn = _settled_turn(world, schedule["start"], machine)
        if _busy(world, machine, turn, None):
            return {"run": due.name, "skipped": "another run goes on", "started": []}
        if _give_turn(world, schedule["start"], machine, due, turn):
            return {"run": due.name, "started": [due.name]}
        _pause()
    raise Contended(f"another run was started on {machine} each time")


def _take_turns(world, data, ended=None):
    """Start what is due, oldest first, as long as nothing else goes on; returns the names of the runs."""
    started, machine = [], machine_of(data["start"])
    for _ in range(ROUNDS):
        turn = _settled_turn(world, data["start"], machine)
        due = first_due(_folders(world, machine), data["input"])
        if due is None:
            return started
        if data["while_running"] != PARALLEL and _busy(world, machine, turn, ended):
            return started
        if _give_turn(world, data["start"], machine, due, turn):
            started.append(due.name)
        else:
            _pause()
    raise Contended(f"more runs are due on {machine} than one call starts")


def _settled_turn(world, target, machine):
    """The record of whose turn it is (None before the first), once that run is started: whoever was to start it may
    have died."""
    key = turn_key(machine)
    turn = _read(world, key)
    if turn is not None and not turn.document["started"]:
        _start(world, target, turn.document)
        _write(world, key, {**turn.document, "started": True}, turn.tag)
        return _read(world, key)
    return turn


def _give_turn(world, target, machine, due, turn):
    """Make it this run's turn, and start it; False where another was quicker."""
    document = {"version": 1, "run": due.name, "input": due.input, "waiting": due.waiting, "started": False}
    tag = _write(world, turn_key(machine), document, turn.tag if turn else None)
    if tag is None:
        return False
    _start(world, target, document)
    _write(world, turn_key(machine), {**document, "started": True}, tag)
    return True


def _start(world, target, turn):
    _begin(world, target, Due(turn["run"], turn["input"]))
    if turn["waiting"]:
        _change_folder(world, turn["waiting"], lambda folder: with_start(folder, turn["run"]))


def _begin(world, target, due):
    """Claim the run's name and start it: any number of times, with one run. Whether the claim was new."""
    made = claim(due)
    new = _write(world, _claim_key(due), made, None) is not None
    kept = None if new else _read(world, _claim_key(due))
    if kept is not None and (kept.document.get("hash") != made["hash"] or kept.age > NAME_DAYS * DAY):
        return False  # somebody else's run, or one that AWS may have forgotten: its name would be free again
    document = kept.document["input"] if kept else due.input
    try:
        world.states.start_execution(stateMachineArn=target, name=due.name, input=json.dumps(document, sort_keys=True))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False  # it has ended already
    return new


def _busy(world, machine, turn, ended):
    """Whether a run of the machine goes on, whoever started it. The one whose turn it was is asked for by name: lists
    lag behind."""
    pages = world.states.get_paginator("list_executions").paginate(stateMachineArn=machine, statusFilter="RUNNING")
    listed = (entry["executionArn"] for page in pages for entry in page["executions"])
    last = execution_of(machine, turn.document["run"]) if turn else None
    if last and goes_on(_describe(world, last), ended, turn.age):
        return True
    return any(goes_on(_describe(world, arn), ended, 0.0) for arn in listed if arn != last)


def _describe(world, arn):
    try:
        return world.states.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return None


def _folders(world, machine):
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.bucket, Prefix=waiting_prefix(machine))
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    with ThreadPoolExecutor(THREADS) as pool:
        records = list(pool.map(lambda key: _read(world, key), keys))
    return [read_folder(key, record.document) for key, record in zip(keys, records, strict=True) if record]


def _change_folder(world, key, change):
    for _ in range(ROUNDS):
        record = _read(world, key)
        before = None if record is None else read_folder(key, record.document)
        after = change(before)
        if after == before or _write(world, key, after.document(), record.tag if record else None):
            return
        _pause()
    raise Contended(f"s3://{world.bucket}/{key} was changed by others each time")


def _claim_key(due):
    return f"runs/{due.name}/plan.json"


def _read(world, key):
    try:
        answer = world.s3.get_object(Bucket=world.bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return Record(json.loads(answer["Body"].read()), answer["ETag"], time.time() - answer["LastModified"].timestamp())


def _write(world, key, document, tag):
    """Replace the record that has this ETag, or make the first; its new ETag, None where another was quicker."""
    condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
    body = json.dumps(document, indent=2).encode()
    try:
        answer = world.s3.put_object(
            Bucket=world.bucket, Key=key, Body=body, ContentType="application/json", **condition
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in LOST:
            return None
        raise
    return answer["ETag"]


def _pause():
    time.sleep(random.uniform(0, PAUSE))
