"""Faults that can be made for real in the sandbox: what each takes there, and by what a run's request is known.

A fault of the model becomes one of the sandbox's: an error that the service answers with, a request that is lost, an
answer that never comes, a job that is struck. What only an answer's content breaks stays the model's alone. So that a
matrix takes minutes, retries pause for a second, and the state that hangs has a time limit of seconds, in a version of
the machine that only the drill's runs walk.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from opsctl.asl.failures import matches
from opsctl.domain.drill.faults import PERMISSIONS, service_of
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.drill.subject import Subject

LIMIT_SECONDS = 5
PAUSE_SECONDS = 1
NEVER_SECONDS = 600
RUN = "\0"  # stands for a run's name in a mark
FUNCTION = "lambda:Invoke"
TRAINING = "sagemaker:CreateTrainingJob"
STARTS = ("batch:SubmitJob", TRAINING)
TELLING = 14  # characters besides a run's name that make a text its state's own
WINDOWS = range(12, 200)  # characters before a run's name
CONTENT = "only what an answer holds makes it: opsctl drill --model walks it"
GENERIC = "InternalFailure"  # an error that no service models: Step Functions calls it by the service's own
CODES = {"SageMaker.ResourceLimitExceededException": "ResourceLimitExceeded"}
ENDS = {"killed": "killed", "out-of-memory": "out of memory", "disk-full": "its disk is full"}
_ATTEMPT = re.compile(r"-d\d+r\d+$")  # ends a job's name, and differs from try to try


@dataclass(frozen=True)
class Made:
    """A fault of the model, and what makes it for real: so many requests (`times`) for `action` that carry the state's
    mark meet `effect`. `limited` says that the state's time limit is a short one, `stops` what is stopped from outside
    once the fault is met: the `job`, or the `run`; `retried` that an entry of the state's Retry takes it."""

    fault: Fault
    action: str
    effect: Mapping[str, Any] = field(compare=False)
    times: int = 1
    limited: bool = False
    stops: str = ""
    retried: bool = False


def made_of(subject: Subject) -> tuple[list[Made], list[tuple[Fault, str]]]:
    """The faults that can be made, and those that cannot, each with the reason."""
    made: list[Made] = []
    left: list[tuple[Fault, str]] = []
    by_state: dict[str, list[Fault]] = {}
    for fault in subject.faults:
        by_state.setdefault(fault.state, []).append(fault)
    for name, faults in by_state.items():
        state = subject.nodes.nodes[name].state
        once = [fault for fault in faults if not (fault.lasting or fault.expected)]
        why = _unreachable(state)
        own = [] if why else [*_refusals(faults, state), *filter(None, (_made(fault, state) for fault in once))]
        made += own if why else [*own, *_more(name, state)]
        kinds = {one.fault.kind for one in own}
        left += [(fault, why or CONTENT) for fault in once if fault.kind not in kinds]
    return made, left


def _unreachable(state: Mapping[str, Any]) -> str:
    """Why no request of a state can be met."""
    if state["Type"] != "Task":
        return "it is no service's: opsctl drill --model walks it"
    resource = str(state["Resource"])
    if ":states:::" not in resource:
        return "the sandbox asks no service for it: opsctl drill --model walks it"
    if resource.endswith(".waitForTaskToken") and not resource.endswith("sns:publish.waitForTaskToken"):
        return "somebody has to answer it: opsctl drill --model walks it"
    return ""


def _refusals(faults: Sequence[Fault], state: Mapping[str, Any]) -> Iterator[Made]:
    """For each entry of the state's Retry an error that it takes, once and every time; and one that none takes."""
    seen: set[tuple[int, bool]] = set()
    for fault in faults:
        if fault.kind is not Kind.REFUSED or fault.error == PERMISSIONS:
            continue
        entry = _retrier(state, fault.error)
        if (entry, fault.lasting) in seen or (entry < 0 and fault.lasting):
            continue
        seen.add((entry, fault.lasting))
        tries = 1 + int(state["Retry"][entry].get("MaxAttempts", 3)) if entry >= 0 and fault.lasting else 1
        yield Made(fault, action_of(state), _refusal(fault.error), tries, retried=entry >= 0)


def _made(fault: Fault, state: Mapping[str, Any]) -> Made | None:
    action = action_of(state)
    if fault.kind is Kind.FAILED and action in STARTS:
        return Made(fault, action, {"exit_code": 1})
    if fault.kind is Kind.HANG:
        return Made(fault, action, _hanging(action), limited=True)
    if fault.kind is Kind.STOPPED and action in STARTS:
        return Made(fault, action, _hanging(action), stops="job")
    return None


def _more(name: str, state: Mapping[str, Any]) -> Iterator[Made]:
    """What the model tells no difference of: a job's other ways to fail, and a stop while the state is at work."""
    action = action_of(state)
    for job, words in ENDS.items() if action in STARTS else ():
        yield Made(Fault(name, Kind.FAILED, f"States.TaskFailed ({words})"), action, {"job": job})
    if action == TRAINING:
        yield Made(Fault(name, Kind.CORRUPT, ""), action, {"job": "corrupt-model"})
        if (state.get("Parameters") or {}).get("EnableManagedSpotTraining") is True:
            yield Made(Fault(name, Kind.INTERRUPTED, ""), action, {"job": "spot-interruption"})
    yield Made(Fault(name, Kind.ABORT, ""), action, _hanging(action), stops="run")


def _refusal(error: str) -> dict[str, Any]:
    service, _, name = error.partition(".")
    if name == "SdkClientException":
        return {"drop": "request"}
    modelled = not name.startswith(("Amazon", "AWS")) or service in ("Lambda", "States")
    return {"error": CODES.get(error) or (name if modelled and name != "AWSLambdaException" else GENERIC)}


def _hanging(action: str) -> dict[str, Any]:
    """No answer, or, when the fault is cleared, one that changes nothing."""
    return {"job": "hangs"} if action in STARTS else {"delay": NEVER_SECONDS, "error": GENERIC}


def _retrier(state: Mapping[str, Any], error: str) -> int:
    """The number of the entry of Retry that takes an error, -1 if none does."""
    entries = state.get("Retry") or ()
    return next((at for at, entry in enumerate(entries) if matches(error, tuple(entry["ErrorEquals"]))), -1)


def action_of(state: Mapping[str, Any]) -> str:
    """What a Task asks its service for, as IAM writes it."""
    service, action = service_of(str(state["Resource"]))
    return f"{service.removesuffix(' (sdk)')}:{action[:1].upper()}{action[1:]}"


# versions of the machine


def quickened(definition: Mapping[str, Any], hangs: str | None = None) -> dict[str, Any]:
    """The definition with short pauses between retries and, for a state that hangs, a short time limit."""
    changed = copy.deepcopy(dict(definition))
    for name, state in _states(changed):
        for entry in state.get("Retry") or ():
            entry["IntervalSeconds"] = PAUSE_SECONDS
            entry.pop("BackoffRate", None)
            entry.pop("MaxDelaySeconds", None)
            entry["BackoffRate"] = 1
        if name == hangs:
            state.pop("TimeoutSecondsPath", None)
            state["TimeoutSeconds"] = LIMIT_SECONDS
            if int(state.get("HeartbeatSeconds", 0)) >= LIMIT_SECONDS:
                state["HeartbeatSeconds"] = LIMIT_SECONDS - 1
    return changed


def _states(scope: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in scope["States"].items():
        yield name, state
        for inner in (*(state.get("Branches") or ()), state.get("ItemProcessor"), state.get("Iterator")):
            if inner:
                yield from _states(inner)


# marks


def marks(parameters: Mapping[str, str], actions: Mapping[str, str], run: str) -> dict[str, str]:
    """By state, a text that its requests hold, with the run's name in it, and no other state's of the same action do.

    `parameters` are those that each state asked with in the run of this name. A state without such a text is left out.
    The run's bare name is in much that others ask for on its behalf: what has more besides is taken first.
    """
    documents = {state: json.loads(text) for state, text in parameters.items()}
    said = {state: _said(document, actions[state]) for state, document in documents.items()}
    found: dict[str, str] = {}
    for state, texts in said.items():
        others = [json.dumps(run)] if actions[state] == "states:StartExecution" else []  # the run's own start
        for name in said:
            if name != state and actions[name] == actions[state]:
                others += [_written(documents[name]), *said[name]]
        around = list(_around(_written(documents[state].get("Payload")), run)) if actions[state] == FUNCTION else []
        for text in (*sorted(texts, key=lambda one: _vagueness(one, run)), *around):
            if run in text and not any(text in other for other in others):
                found[state] = text.replace(run, RUN)
                break
    return found


def _vagueness(text: str, run: str) -> tuple[bool, bool, int]:
    return text.endswith(run), len(text) < len(run) + TELLING, len(text)


def mark_of(mark: str, run: str) -> str:
    """The text that a run's requests hold."""
    return mark.replace(RUN, run)


def _said(value: Any, action: str, key: str = "") -> list[str]:
    """The texts of a request as its service is sent them: values, and two lines of them at a time; of a function's
    payload, which is sent as it is written, also values with their names."""
    if isinstance(value, dict):
        return [text for name, one in value.items() for text in _said(one, action, name)]
    if isinstance(value, list):
        return [text for one in value for text in _said(one, action, key)]
    if not isinstance(value, str):
        return []
    lines = value.split("\n")
    pairs = (f"{one}\n{two}" for one, two in pairwise(lines))
    named = [f'"{key}":{json.dumps(value)}'] if action == FUNCTION else []
    return [_ATTEMPT.sub("-d", text) for text in (value, *pairs, *lines)] + named


def _written(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _around(text: str, run: str) -> Iterator[str]:
    """The run's name with ever more of what comes before it, and a little of what comes after."""
    for wide in WINDOWS:
        for found in re.finditer(re.escape(run), text):
            yield from (text[max(0, found.start() - wide) : found.end() + after] for after in (1, 2))
