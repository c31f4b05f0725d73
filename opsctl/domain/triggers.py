"""Runs that data or a schedule starts: which run an event means, and whose turn it is.

An event means one run, whose name is made from the event, however often it is delivered and however many rules match
it. With `while_running = "skip"` one run goes at a time: what arrives meanwhile waits in the bucket, below
`triggers/<machine>/`, where no rule looks:

- `arrivals/<folder>.json`, one for each folder in which data arrives: the newest arrival, and the one that a run was
  last started for. While the two differ, a run is due; an arrival that came between them is covered by that run, which
  reads the whole folder.
- `turn.json`: the run that was last given its turn. Whoever replaces it, by a conditional write, may start the next;
  whoever finds it unstarted (its owner died) starts it: the same name with the same input is the same run.

Sources: EventBridge delivers at least once and in no order, and so does S3 (docs.aws.amazon.com: S3 EventBridge,
"Event ordering and duplicate events"); of one key the sequencers tell which event came later, right-padded with zeros.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.names import event_name

DATA_SETS = "datasets/"
PARALLEL, SKIP = "parallel", "skip"
WAITING = "triggers/"
SEEN = 100  # names of arrivals that a folder's record remembers
NAME_DAYS = 80  # for 90 days AWS refuses the name of a run that has ended; after fewer we no longer rely on it
SETTLING = 300.0  # seconds after which an execution that was started must be known to DescribeExecution

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?Z?")


@dataclass(frozen=True)
class Arrival:
    """An object that has arrived: the name of its run, the folder that it lies in, and what orders it among others."""

    name: str
    source: str
    key: str
    time: str
    sequencer: str = ""

    def document(self) -> dict[str, str]:
        """As JSON holds it."""
        return {"name": self.name, "key": self.key, "time": self.time, "sequencer": self.sequencer}


@dataclass(frozen=True)
class Due:
    """A run to be started: `waiting` is the key of the record that it is taken from, if it is."""

    name: str
    input: Mapping[str, Any]
    waiting: str | None = None


@dataclass(frozen=True)
class Folder:
    """What has arrived in one folder; `key` is where the record lies."""

    key: str
    source: str
    newest: Arrival
    started: str | None
    seen: tuple[str, ...]

    @property
    def waits(self) -> bool:
        """Whether a run is due for it."""
        return self.newest.name != self.started

    def document(self) -> dict[str, Any]:
        """As the record holds it."""
        return {
            "version": 1,
            "source": self.source,
            "newest": self.newest.document(),
            "started": self.started,
            "seen": list(self.seen),
        }


def arrival(event: Mapping[str, Any], bucket: str) -> Arrival | str:
    """What S3's event "Object Created" says has arrived in the bucket, or why it starts no run."""
    detail = event["detail"]
    thing, key = detail["object"], str(detail["object"]["key"])
    folder, _, last = key.rpartition("/")
    if detail["bucket"]["name"] != bucket:
        return f"{detail['bucket']['name']} is not this pipeline's bucket"
    if not key.startswith(DATA_SETS) or folder == DATA_SETS.rstrip("/"):
        return f"{key} lies in no folder below {DATA_SETS}"
    if not last:
        return f"{key} is a folder without an object in it"
    sequencer = str(thing.get("sequencer") or "")
    version = thing.get("version-id")
    same = [version] if version not in (None, "", "null") else [thing.get("etag"), sequencer]
    words = folder.removeprefix(DATA_SETS)
    name = event_name(words, json.dumps([bucket, key, *same]))
    return Arrival(name, f"s3://{bucket}/{folder}/", key, str(event.get("time") or ""), sequencer)


def scheduled_name(time: str) -> str:
    """The name of the run of a schedule's moment, `schedule-261122-020000` (UTC): the scheduled time, not the time of
    the call, so that a moment that is delivered twice is one run. Raises ValueError."""
    parts = _TIME.fullmatch(time)
    if parts is None:
        raise ValueError(f"the schedule's time must be like 2026-11-22T02:00:00Z, not {time!r}")
    year, month, day, hour, minute, second = parts.groups(default="00")
    return f"schedule-{year[2:]}{month}{day}-{hour}{minute}{second}"


def run_input(given: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """The run input of a trigger, with the folder of the data that has arrived."""
    if source is None:
        return dict(given)
    return {**given, "data": {**(given.get("data") or {}), "source": source}}


def waiting_prefix(machine: str) -> str:
    """Below which the arrivals of a machine wait; takes the machine's ARN."""
    return f"{WAITING}{machine.rpartition(':')[2]}/arrivals/"


def turn_key(machine: str) -> str:
    """Where it stands whose turn it is on a machine; takes the machine's ARN."""
    return f"{WAITING}{machine.rpartition(':')[2]}/turn.json"


def folder_key(machine: str, source: str) -> str:
    """Where the record of a folder lies."""
    words = source.partition(f"/{DATA_SETS}")[2]
    return f"{waiting_prefix(machine)}{event_name(words, source)}.json"


def machine_of(target: str) -> str:
    """The machine that a start at an alias or a version of it starts."""
    return ":".join(target.split(":")[:7])


def read_folder(key: str, document: Mapping[str, Any]) -> Folder:
    """A record as it was written."""
    newest = Arrival(source=document["source"], **document["newest"])
    return Folder(key, document["source"], newest, document["started"], tuple(document["seen"]))


def with_arrival(folder: Folder | None, key: str, new: Arrival) -> Folder:
    """The record after an arrival: the very same for one that it knows, or that is older than its newest."""
    if folder is None:
        return Folder(key, new.source, new, None, (new.name,))
    if new.name in folder.seen or _older(new, folder.newest):
        return folder
    return Folder(key, folder.source, new, folder.started, (*folder.seen, new.name)[-SEEN:])


def with_start(folder: Folder, name: str) -> Folder:
    """The record after the run of that name was started: the very same where a run for its newest data was, too."""
    if not folder.waits:
        return folder
    return Folder(folder.key, folder.source, folder.newest, name, folder.seen)


def claim(due: Due) -> dict[str, Any]:
    """The claim `runs/<name>/plan.json` of the run, which makes its name ours (opsctl/operations/claims.py). Its hash
    is the event's, not the input's: a trigger that is given another input meanwhile starts no second run."""
    return {
        "version": 1,
        "hash": hashlib.sha256(f"trigger {due.name}".encode()).hexdigest(),
        "run": due.name,
        "of": None,
        "root": None,
        "input": due.input,
        "steps": [],
    }


def execution_of(machine: str, name: str) -> str:
    """The ARN of the machine's execution of that name."""
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"


def first_due(folders: Iterable[Folder], given: Mapping[str, Any]) -> Due | None:
    """Of the folders that wait, the one whose newest data has waited longest."""
    waiting = [folder for folder in folders if folder.waits]
    if not waiting:
        return None
    chosen = min(waiting, key=lambda folder: (folder.newest.time, folder.newest.name))
    return Due(chosen.newest.name, run_input(given, chosen.source), chosen.key)


def goes_on(described: Mapping[str, Any] | None, ended: Mapping[str, Any] | None, age: float) -> bool:
    """Whether an execution still runs, or is about to.

    `described` is DescribeExecution's answer, None for one that it does not know; `age` is how many seconds ago the
    execution was started, as far as we know. DescribeExecution lags behind, so an event that says that the execution
    has ended (`ended`, the detail of its status change) outweighs an answer about the same redrive.
    """
    if described is None:
        return age < SETTLING
    if described["status"] != "RUNNING":
        return False
    same = ended is not None and ended["executionArn"] == described["executionArn"]
    return not (same and ended and (described.get("redriveCount") or 0) <= (ended.get("redriveCount") or 0))


def _older(one: Arrival, other: Arrival) -> bool:
    """Whether it is certain that it came earlier: equal times say nothing."""
    if one.key == other.key and one.sequencer and other.sequencer:
        width = max(len(one.sequencer), len(other.sequencer))
        return one.sequencer.ljust(width, "0").lower() < other.sequencer.ljust(width, "0").lower()
    return one.time < other.time
