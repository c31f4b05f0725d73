"""Faults on purpose: which requests to the sandbox's API are answered late, with an error, or not at all.

A fault names an action (`sagemaker:CreateTrainingJob`, `s3:*`), may look for a text in the request, and applies so many
times, or at a rate that a seed makes repeatable. It meets every request through the front door alike, a client's, a
job's and a state's. The rules are a pure matter of `Fault` and its counts; the gateway carries them out.
"""

from __future__ import annotations

import fnmatch
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import unquote_plus

from opsctl.sandbox import jobfaults
from opsctl.sandbox.actions import UnknownActionError, error_status, find_actions
from opsctl.sandbox.jobfaults import SPOT, JobFault

TRAINING = "sagemaker:CreateTrainingJob"
DROPS = ("request", "answer", "host")
STARTS = ("batch:SubmitJob", TRAINING)  # the requests that start something on a host
ERROR_CODE = re.compile(r"[A-Za-z][\w.:-]{0,127}", re.ASCII)  # a header and XML hold it
ON_SPOT = re.compile(r'"EnableManagedSpotTraining"\s*:\s*true')
DELIVERIES = ("events:delivery", "sns:delivery")  # of an event to a target, of a message to a subscriber
READS = ("Get", "List", "Describe", "Head", "Search", "Query", "Scan", "BatchGet", "Lookup", "Filter")
KNOWN = {
    "action", "match", "error", "status", "delay", "drop", "duplicate", "stale", "reorder", "job", "exit_code",
    "notice", "times", "rate", "seed",
}  # fmt: skip


class BadFaultError(ValueError):
    """What was asked for is no fault; the message says why."""


@dataclass
class Fault:
    """One fault. `delay` is in seconds; `drop` loses the request before it is carried out, or its answer after, or, for
    a request that starts a job, the host on which the job runs, `delay` after its program began; `duplicate` is how
    many times more the request is carried out. `stale` is for how many seconds a question is answered as it was before,
    `reorder` how many deliveries are gathered, to be handed over last first. `job` is what else befalls the job that is
    started, `exit_code` what its program is said to have ended with, `notice` the seconds from SIGTERM to the end of a
    Spot host.

    `seen` counts the requests that it could have met, `applied` those that it did. `lifted` is set when it is cleared,
    so that nobody waits any longer for a late answer.
    """

    id: int
    action: str
    match: str | None = None
    error: str | None = None
    status: int | None = None
    delay: float = 0.0
    drop: str | None = None
    duplicate: int = 0
    stale: float = 0.0
    reorder: int = 0
    job: str | None = None
    exit_code: int | None = None
    notice: float | None = None
    times: int | None = None
    rate: float = 1.0
    seed: int = 0
    seen: int = 0
    applied: int = 0
    lifted: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)
        if self.job == SPOT and self.notice is None:
            self.notice = jobfaults.NOTICE_SECONDS

    def meets(self, action: str, text: str) -> bool:
        """Whether it applies to this request, which is counted. Its dice are thrown once for each request seen."""
        if self.times is not None and self.applied >= self.times:
            return False
        if not self._is_for(action):
            return False
        if self.match is not None and self.match not in text:
            return False
        if self.job == SPOT and action == TRAINING and not ON_SPOT.search(text):
            return False
        self.seen += 1
        if self.rate < 1.0 and self._dice.random() >= self.rate:
            return False
        self.applied += 1
        return True

    def _is_for(self, action: str) -> bool:
        """Deliveries are nothing that a pattern means; only what reads can be stale."""
        if action in DELIVERIES or self.action in DELIVERIES:
            return action == self.action
        if self.stale and not _reads(action):
            return False
        return fnmatch.fnmatchcase(action.lower(), self.action.lower())

    def answer(self, action: str) -> tuple[int, str, str] | None:
        """HTTP status, error code and message of the error that it answers with, if it does."""
        if self.error is None:
            return None
        status = self.status or error_status(action, self.error)
        return status, self.error, f"{self.error} on purpose: fault {self.id} of this sandbox"

    def job_fault(self) -> JobFault | None:
        """What befalls the job that the request starts, if anything."""
        ends = jobfaults.EXIT_CODE if self.exit_code is not None else None
        kind = jobfaults.HOST if self.drop == "host" else self.job or ends
        return JobFault(kind, self.delay, self.notice, self.exit_code) if kind else None

    def document(self) -> dict[str, Any]:
        """As `opsctl sandbox fault list` shows it."""
        names = (
            "id", "action", "match", "error", "status", "delay", "drop", "duplicate", "stale", "reorder", "job",
            "exit_code", "notice", "times", "rate", "seed", "seen", "applied",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


class Faults:
    """The faults of one sandbox, in the order in which they were added. Safe to use from any thread."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._count = 0
        self._lock = threading.Lock()

    @property
    def none(self) -> bool:
        """Whether there are none: then no request need be looked at."""
        return not self._faults

    def add(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Add one and return its document. Raises BadFaultError."""
        action = _action(wanted)
        _check(action, wanted)
        with self._lock:
            self._count += 1
            fault = Fault(self._count, action, **{name: wanted[name] for name in wanted if name != "action"})
            self._faults = [*self._faults, fault]
        return fault.document()

    def documents(self) -> list[dict[str, Any]]:
        """All of them with their counts, the used up ones too: a fault that never applied proves nothing."""
        with self._lock:
            return [fault.document() for fault in self._faults]

    def clear(self, ids: list[int] | None = None) -> list[dict[str, Any]]:
        """Remove these, or all; returns what was removed. Late answers that wait for them are given now."""
        with self._lock:
            gone = [fault for fault in self._faults if ids is None or fault.id in ids]
            self._faults = [fault for fault in self._faults if fault not in gone]
        for fault in gone:
            fault.lifted.set()
        return [fault.document() for fault in gone]

    def take(self, action: str, text: str) -> Fault | None:
        """The first fault that applies to a request; `text` is what it says, its address first."""
        with self._lock:
            return next((fault for fault in self._faults if fault.meets(action, text)), None)


def request_text(environ: Mapping[str, Any], body: bytes) -> str:
    """What `match` is looked for in: path, query and body, forms and addresses decoded."""
    address = f"{environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}"
    text = body.decode("utf-8", "replace")
    form = "urlencoded" in environ.get("CONTENT_TYPE", "")
    return f"{unquote_plus(address)}\n{unquote_plus(text) if form else text}"


def _action(wanted: Mapping[str, Any]) -> str:
    pattern = str(wanted.get("action") or "")
    if pattern.lower() in DELIVERIES:
        return pattern.lower()
    if ":" not in pattern:
        raise BadFaultError(f"{pattern!r} is no action: name a service and one, such as sagemaker:CreateTrainingJob")
    try:
        found = find_actions(pattern)
    except UnknownActionError as error:
        raise BadFaultError(str(error)) from error
    wild = any(sign in pattern for sign in "*?[")
    return f"{found[0].partition(':')[0]}:{pattern.partition(':')[2]}" if wild else found[0]


def _check(action: str, wanted: Mapping[str, Any]) -> None:
    unknown = sorted(wanted.keys() - KNOWN)
    if unknown:
        raise BadFaultError(f"a fault has no {unknown[0]!r}")
    of_job = wanted.get("job") is not None or wanted.get("exit_code") is not None
    effects = ("error", "drop", "delay", "duplicate", "stale", "reorder")
    if not (of_job or any(wanted.get(name) for name in effects)):
        raise BadFaultError("a fault that does nothing: give it an error, a delay, a drop, a duplicate or a job fault")
    if wanted.get("error") and not ERROR_CODE.fullmatch(str(wanted["error"])):
        raise BadFaultError(f"an error's code is a word such as ThrottlingException, not {wanted['error']!r}")
    if wanted.get("error") and wanted.get("drop"):
        raise BadFaultError("an error is an answer: it cannot be dropped as well")
    if wanted.get("duplicate") and (wanted.get("error") or wanted.get("drop") == "request"):
        raise BadFaultError("a request that is not carried out cannot be carried out twice")
    if wanted.get("status") is not None and not wanted.get("error"):
        raise BadFaultError("a status goes with an error")
    if wanted.get("drop") not in (None, *DROPS):
        raise BadFaultError(f"drop is {' or '.join(DROPS)}, not {wanted['drop']!r}")
    if wanted.get("drop") == "host" and action not in STARTS:
        raise BadFaultError(f"only {' and '.join(STARTS)} start something on a host, not {action}")
    _check_delivery(action, wanted)
    _check_stale(action, wanted)
    if of_job:
        _check_job(action, wanted)
    if wanted.get("notice") is not None and wanted.get("job") != SPOT:
        raise BadFaultError(f"a notice goes with the job fault {SPOT}")
    _check_numbers(wanted)


def _check_delivery(action: str, wanted: Mapping[str, Any]) -> None:
    if action in DELIVERIES and any(wanted.get(name) for name in ("error", "drop", "stale")):
        called = "the action that delivers, such as lambda:Invoke"
        raise BadFaultError(f"a delivery is late, doubled or out of order; to refuse or lose it, name {called}")
    if wanted.get("reorder") and action not in DELIVERIES:
        raise BadFaultError(f"only deliveries come out of order ({' and '.join(DELIVERIES)}), not {action}")


def _check_stale(action: str, wanted: Mapping[str, Any]) -> None:
    if not wanted.get("stale"):
        return
    if action.startswith("s3:"):
        raise BadFaultError("S3 is never stale: it answers by what was written last")
    if not any(sign in action for sign in "*?[") and not _reads(action):
        raise BadFaultError(f"only what reads can be stale, and {action} changes something")
    if any(wanted.get(name) for name in ("error", "drop", "duplicate")):
        raise BadFaultError("a stale answer is an answer: it goes with no error, drop or duplicate")


def _reads(action: str) -> bool:
    return action.partition(":")[2].startswith(READS)


def _check_job(action: str, wanted: Mapping[str, Any]) -> None:
    kind = wanted.get("job")
    if kind not in (None, *jobfaults.KINDS):
        raise BadFaultError(f"job is {', '.join(jobfaults.KINDS)}, not {kind!r}")
    if action not in STARTS:
        raise BadFaultError(f"only {' and '.join(STARTS)} start a job, not {action}")
    if wanted.get("error") or wanted.get("drop") or wanted.get("duplicate"):
        raise BadFaultError("a job fault is all that its request meets: no error, drop or duplicate beside it")
    if kind is not None and wanted.get("exit_code") is not None:
        raise BadFaultError(f"a job that is {kind} has the exit code of that: give it one or the other")
    if kind == jobfaults.CORRUPT_MODEL and action != TRAINING:
        raise BadFaultError("a Batch job leaves no model")
    if kind == jobfaults.DISK_FULL and not jobfaults.CAN_FILL:
        raise BadFaultError("only Linux lets another process's disk be full")


def _check_numbers(wanted: Mapping[str, Any]) -> None:
    limits = {
        "status": (400, 599), "delay": (0, 900), "duplicate": (0, 100), "stale": (0, 900), "reorder": (2, 100),
        "exit_code": (0, 255), "notice": (0, 900), "times": (1, math.inf), "rate": (0, 1),
    }  # fmt: skip
    for name, (low, high) in limits.items():
        value = wanted.get(name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            wide = f"of at least {low}" if high == math.inf else f"from {low} to {high}"
            raise BadFaultError(f"{name} is a number {wide}, not {value!r}")
