"""How a run ended, as a message that a person can act on.

Two callers compose alerts: the machine itself, which hands over the failures it caught, and the status rule, which
knows only the execution's history (a time limit, an abort, an error that no Catch can catch). Both come to the same
text, whose last line is the command to type next. Each attempt of a run is told once: by the rule unless the machine's
own message went out.

What a service reports as the cause is mostly a JSON document of which one sentence matters; that sentence is taken out.
Causes can hold what a job's environment held, so anything that looks like a credential is struck out before it is
mailed, and long ones are shortened in the middle: what failed stands at the start, and how it ended at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import ABORTED, CAUGHT, FAILED, SUCCEEDED, TIMED_OUT, Attempt, RunHistory, StateRun
from opsctl.domain.messages import subject
from opsctl.domain.redaction import redacted

CAUSE_LIMIT = 1000
FIRST_STEP = "Prepare Run"
NOTIFY_FAILURE = "Notify Failure"
NOTIFY_SUCCESS = "Notify Success"
DESCRIBE_STATE = "Describe Failure"  # where the machine comes to with the failures that it caught
RUNBOOKS = "docs/runbooks/"  # in the repository
BULK = "-bulk"  # what the name of the machine for manifests ends with
DEFAULT = "-training"  # what the name of the machine ends with that is meant where a command names none
BATCH_LOG_GROUP = "/aws/batch/job"  # Batch's own, where a job definition names no other

_CONTAINERS = ("Fail", "Map", "Parallel")
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_SCANNED = 20_000  # characters of a cause that are looked at


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed, with the error name and the cause as the service gave them. `outcome` says, where the machine
    put things back, what they are now, and `again` then the step from which a rerun makes everything anew."""

    step: str
    error: str
    cause: str = ""
    outcome: str = ""
    again: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A notification: `subject` is ASCII of at most 99 characters; `attributes` are what subscribers filter by."""

    subject: str
    message: str
    attributes: Mapping[str, str]


def compose(
    execution_arn: str, status: str, failures: Sequence[Failure], *, caught: bool = True, runbooks: str = RUNBOOKS
) -> Alert:
    """The alert for an execution that ended, or is about to end, as `status` (FAILED, TIMED_OUT, ABORTED); `caught` is
    whether the machine itself told of the failures, `runbooks` where the pages of docs/runbooks are to be read."""
    machine, run = execution_arn.split(":", 7)[6:]
    steps = ", ".join(failure.step for failure in failures)
    lines = [f"Run:     {run}", f"Machine: {machine}", f"Status:  {status}"]
    for failure in failures:
        lines.append("")
        lines += [f"Step:    {failure.step}"] if failure.step else []
        lines += [f"Error:   {failure.error}"] if failure.error else []
        lines += [f"Cause:   {cause}"] if (cause := _indented(readable_cause(failure.cause))) else []
        lines += [f"Now:     {failure.outcome}"] if failure.outcome else []
    lines += [
        "",
        f"Console: {console_link(execution_arn)}",
        f"Runbook: {runbooks}{'failed-run.md' if status == FAILED else 'stopped-run.md'}",
        f"Next:    {next_command(machine, run, failures if caught else (), _where(machine))}",
    ]
    attributes = {"kind": "failure", "machine": machine, "run": run, "status": status}
    return Alert(
        subject=subject(f"{machine}: {run} {status}" + (f" at {steps}" if steps else "")),
        message="\n".join(lines),
        attributes=attributes | ({"step": steps} if steps else {}),
    )


def compose_success(execution_arn: str) -> Alert:
    """The message about an execution that succeeded without telling so itself."""
    machine, run = execution_arn.split(":", 7)[6:]
    lines = [
        f"Run:     {run}",
        f"Machine: {machine}",
        f"Status:  {SUCCEEDED}",
        "",
        f"Console: {console_link(execution_arn)}",
    ]
    attributes = {"kind": "success", "machine": machine, "run": run, "status": SUCCEEDED}
    return Alert(subject(f"{machine}: {run} succeeded"), "\n".join(lines), attributes)


def next_command(machine: str, run: str, caught: Sequence[Failure], where: str = "") -> str:
    """The command that takes the run from here; alerts, `status` and `watch` all say this one. `where` are options
    that name the machine.

    What the machine caught is done for AWS, and only a rerun helps. A run that ended otherwise (a time limit, a stop,
    an error that nothing caught) can mostly be redriven, and `opsctl redrive` sees whether. The machine that works
    through manifests has no steps to rerun from: whoever started it plans anew.
    """
    if machine.endswith(BULK):
        return f"opsctl status {run} --machine {machine}"
    steps = list(dict.fromkeys(failure.again or failure.step for failure in caught if failure.step))
    if not steps:
        return f"opsctl redrive {run}{where}"
    if steps[0] == FIRST_STEP:
        return f"opsctl start{where}, once the cause is put right: nothing has run yet"
    return f"opsctl rerun {run}" + "".join(f' --from "{step}"' for step in steps) + where


def _where(machine: str) -> str:
    return "" if machine.endswith(DEFAULT) else f" --machine {machine}"


def reported_failures(documents: Any) -> tuple[Failure, ...]:
    """The machine's own list of failures: `[{"step": …, "failure": {"Error": …, "Cause": …}}]`."""
    found = []
    for document in documents if isinstance(documents, list) else []:
        output = document.get("failure") or {}
        put_back = [str(document.get(key) or "") for key in ("outcome", "again")]
        found.append(
            Failure(document.get("step") or "", output.get("Error") or "", output.get("Cause") or "", *put_back)
        )
    return tuple(found)


def caught_in(history: RunHistory, describe_state: str = DESCRIBE_STATE) -> tuple[Failure, ...]:
    """What the machine says that it caught, if it came as far as that since its last redrive and then failed."""
    return (_described(history, describe_state) or _listed(history)) if history.status == FAILED else ()


def failures_in(history: RunHistory, describe_state: str) -> tuple[Failure, ...]:
    """What failed in an execution, by its history; at least one failure, without a step if none can be told.

    If the machine came as far as `describe_state`, what it caught is in that state's parameters. Otherwise it is what
    each state came to when it was last entered: failed, caught, or cut off while it was at work; and what the run's own
    cause lists besides, such as a job that succeeded for AWS but was stopped.
    """
    caught = _described(history, describe_state)
    if caught:
        return caught
    latest = {state.name: state for state in history.states}.values()
    working = [state for state in latest if state.type not in _CONTAINERS and state.status != SUCCEEDED]
    failed = [state for state in working if state.status == FAILED]
    found = failed + [state for state in working if state.status == CAUGHT or state.type == "Task"]
    listed = _listed(history)
    found = list(dict.fromkeys(found)) or [state for state in latest if state.status == FAILED and not listed]
    failures = [_failure(state, history) for state in found]
    failures += [failure for failure in listed if failure.step not in {state.name for state in found}]
    return tuple(failures) or (Failure("", history.error or history.status, history.cause or ""),)


def was_told(history: RunHistory, notify_state: str, topic: str) -> bool:
    """Whether the machine told its end itself since it was last redriven: by a state of this name, or, as a definition
    may call that state anything, by a publish to the topic after which it began no other task."""
    begun = 0  # the latest entry into a task that is no publish to the topic
    told = 0
    for state in history.states:
        sent = [attempt for attempt in state.attempts if _published(attempt, topic)]
        if state.type == "Task" and not sent:
            begun = max(begun, state.entered_id)
        if any(_succeeded_now(attempt, history) for attempt in (state.attempts if state.name == notify_state else ())):
            return True
        if any(_succeeded_now(attempt, history) for attempt in sent):
            told = max(told, state.entered_id)
    return told > begun


def readable_cause(cause: str) -> str:
    """The sentence that matters in a service's cause, without credentials, at most 1,000 characters."""
    return _shortened(redacted(_sentence(cause)[:_SCANNED].strip()))


def _succeeded_now(attempt: Attempt, history: RunHistory) -> bool:
    return attempt.status == SUCCEEDED and attempt.generation == history.redrives


def _published(attempt: Attempt, topic: str) -> bool:
    try:
        return attempt.resource.startswith(("sns:publish", "aws-sdk:sns:publish")) and (
            json.loads(attempt.parameters or "")["TopicArn"] == topic
        )
    except (ValueError, RecursionError, LookupError, TypeError):  # left out of the history, or not of this shape
        return False


def console_link(execution_arn: str) -> str:
    """Where AWS's console shows an execution."""
    _, partition, _, region, _ = execution_arn.split(":", 4)
    console = f"https://{region}.{_CONSOLES.get(partition, _CONSOLES['aws'])}/states/home?region={region}"
    return f"{console}#/v2/executions/details/{execution_arn}"


def _failure(state: StateRun, history: RunHistory) -> Failure:
    if state.error is None and history.status in (ABORTED, TIMED_OUT):  # ended from outside, for the run's own reason
        return Failure(state.name, history.error or history.status, history.cause or "")
    return Failure(state.name, state.error or state.status, state.cause or "")


def _described(history: RunHistory, describe_state: str) -> tuple[Failure, ...]:
    calls = [attempt for state in history.states if state.name == describe_state for attempt in state.attempts]
    if not calls or calls[-1].generation != history.redrives:
        return ()
    try:
        return reported_failures(json.loads(calls[-1].parameters or "")["Payload"]["failures"])
    except (
        ValueError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # left out of the history, or not of this shape
        return ()


def _listed(history: RunHistory) -> tuple[Failure, ...]:
    """The failures that a Fail state put into the run's cause (CausePath)."""
    try:
        return reported_failures(json.loads(history.cause or ""))
    except (ValueError, RecursionError, AttributeError):  # a cause in words, or not of this shape
        return ()


def _sentence(cause: str) -> str:
    try:
        document = json.loads(cause)
    except (ValueError, RecursionError):
        return cause
    if not isinstance(document, dict):
        return cause
    for words in (_function_words(document), _training_words(document), _batch_words(document)):
        if words:
            return words
    return cause


def _function_words(document: Mapping[str, Any]) -> str:
    return str(document.get("errorMessage") or "")


def _training_words(document: Mapping[str, Any]) -> str:
    name = document.get("TrainingJobName")
    if not document.get("FailureReason"):
        return _training_end(str(name), document) if name and document.get("TrainingJobStatus") else ""
    # A failure file may end with a newline, or there is none: "AlgorithmError: , exit code: 137".
    reason = re.sub(r"\s*, exit code: ", ", exit code: ", str(document["FailureReason"])).replace(":, exit", ": exit")
    return reason + (f" (training job {name})" if name else "")


def _training_end(name: str, document: Mapping[str, Any]) -> str:
    """How a job ended that gives no reason, as a stopped one: `training job x ended Stopped (MaxRuntimeExceeded)`."""
    status, detail = document["TrainingJobStatus"], document.get("SecondaryStatus")
    transitions = document.get("SecondaryStatusTransitions")
    last = transitions[-1] if isinstance(transitions, list) and transitions else None
    message = last.get("StatusMessage") if isinstance(last, Mapping) else None
    words = f"training job {name} ended {status}"
    words += f" ({detail})" if detail and detail != status else ""
    return words + (f": {message}" if message else "")


def _batch_words(document: Mapping[str, Any]) -> str:
    container = document.get("Container")
    container = container if isinstance(container, Mapping) else {}
    words = [str(document.get("StatusReason") or ""), str(container.get("Reason") or "")]
    if container.get("ExitCode") is not None:
        words.append(f"exit code {container['ExitCode']}")
    if container.get("LogStreamName"):
        words.append(f"log stream {container['LogStreamName']} in {_batch_log_group(container)}")
    return "; ".join(word for word in words if word)


def _batch_log_group(container: Mapping[str, Any]) -> str:
    configuration = container.get("LogConfiguration")
    options = configuration.get("Options") if isinstance(configuration, Mapping) else None
    return str((options if isinstance(options, Mapping) else {}).get("awslogs-group") or BATCH_LOG_GROUP)


def _indented(text: str) -> str:
    return "\n         ".join(line.strip() for line in text.splitlines() if line.strip())


def _shortened(text: str) -> str:
    if len(text) <= CAUSE_LIMIT:
        return text
    half = (CAUSE_LIMIT - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
