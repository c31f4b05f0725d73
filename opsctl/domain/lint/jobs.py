"""Rules about jobs: the states that wait for paid work (`.sync`), and the names that work goes by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from opsctl.domain.lint.findings import Remark
from opsctl.domain.lint.graphs import on_cycles
from opsctl.domain.lint.machine import GENERIC_ERRORS, Machine, Node

_SAGEMAKER = re.compile(r":states:::(?:aws-sdk:)?sagemaker:create(\w*Job)(?:\.sync(?::2)?)?$", re.IGNORECASE)
_NAMED = {
    "states:startExecution": "Name",
    "sfn:startExecution": "Name",
    "transcribe:startTranscriptionJob": "TranscriptionJobName",
    "bedrock:createModelCustomizationJob": "JobName",
}
_ALWAYS_NEW = re.compile(r"uuid|\$random|\$now\(|\$millis\(", re.IGNORECASE)
_OF_THE_RUN = re.compile(r"Execution\.(Name|Id|StartTime|Input)|(?<!\$)\$(\.|states\.input|(?!states\b)[A-Za-z_])")
_OF_THE_ITEM = re.compile(r"Map\.Item|(?<!\$)\$(\.|states\.input|(?!states\b)[A-Za-z_])")


def colliding_names(machine: Machine) -> Iterator[Remark]:
    """JOB_NAME_COLLIDES: a name that AWS takes only once, and that comes again on a retry, a redrive or another run."""
    looping = _looping(machine)
    for node in machine.nodes.values():
        field, name = _job_name(node)
        if field and name is not None and not _ALWAYS_NEW.search(name):
            when = [] if _is_constant(node, field) else list(_collisions(node, name, node.name in looping))
            if when or _is_constant(node, field):
                said = " and ".join(when) or "in every run"
                yield Remark(_name_location(node, field), f"The {field} of '{node.name}' is the same {said}.")


def paid_retries(machine: Machine) -> Iterator[Remark]:
    """PAID_RETRY: a Retry that runs a job again which failed by itself, or all branches with their jobs."""
    for node in machine.nodes.values():
        if node.is_job:
            for index in _retriers_of_failures(node):
                message = f"When the job of '{node.name}' fails, it is run again and paid again, for the same failure."
                yield Remark(f"{node.location}/Retry[{index}]", message)
        elif machine.has_jobs(node):
            for index in _effective(node):
                message = f"A retry of '{node.name}' runs every job inside it again, also those that were completed."
                yield Remark(f"{node.location}/Retry[{index}]", message)


def endless_jobs(machine: Machine) -> Iterator[Remark]:
    """SYNC_WITHOUT_TIMEOUT: a job that the run may wait for until it is a year old."""
    for node in machine.nodes.values():
        if node.is_job and not {"TimeoutSeconds", "TimeoutSecondsPath"} & node.state.keys():
            until = "for up to a year"
            if "TimeoutSeconds" in machine.definition:
                until = "until the time limit of the whole run, which no Catch takes"
            message = f"'{node.name}' waits for its job without a limit: if the event of its end is lost, {until}."
            yield Remark(node.location, message)


def _effective(node: Node) -> list[int]:
    """Which of the state's retriers retry at all."""
    return [index for index, entry in enumerate(node.state.get("Retry") or ()) if entry.get("MaxAttempts", 3) != 0]


def _retriers_of_failures(node: Node) -> Iterator[int]:
    """The retriers that take what a failed job raises; one with no attempts keeps its errors from those behind it."""
    taken: set[str] = set()
    for index, entry in enumerate(node.state.get("Retry") or ()):
        errors = set(entry["ErrorEquals"])
        reached = {"States.TaskFailed", "States.Timeout"} if "States.ALL" in errors else errors & GENERIC_ERRORS
        if reached - taken and entry.get("MaxAttempts", 3) != 0:
            yield index
        taken |= reached


def _job_name(node: Node) -> tuple[str, str | None]:
    """The field that names what the Task makes, and what is written there; None if it is not."""
    field = _name_field(node.resource)
    value: Any = node.parameters.get(f"{field}.$", node.parameters.get(field))
    return field, value if isinstance(value, str) else None


@cache
def _name_field(resource: str) -> str:
    sagemaker = _SAGEMAKER.search(resource)
    if sagemaker:
        return sagemaker[1][0].upper() + sagemaker[1][1:] + "Name"
    return next((field for action, field in _NAMED.items() if f":{action}" in resource), "")


def _name_location(node: Node, field: str) -> str:
    holder = "Parameters" if "Parameters" in node.state else "Arguments"
    suffix = "" if field in node.parameters else ".$"
    return f"{node.location}/{holder}/{field}{suffix}"


def _is_constant(node: Node, field: str) -> bool:
    value = node.parameters.get(field)
    return isinstance(value, str) and not value.startswith("{%")


def _collisions(node: Node, name: str, loops: bool) -> Iterator[str]:
    if not _OF_THE_RUN.search(name):
        yield "in every run"
    if not node.starts_once:
        yield from _repetitions(node, name)
    if any(container.type == "Map" for container in node.containers) and not _OF_THE_ITEM.search(name):
        yield "in every iteration"
    if loops:
        yield "each time its loop comes round"


def _repetitions(node: Node, name: str) -> Iterator[str]:
    if _effective(node) and "RetryCount" not in name:
        yield "on every retry"
    if "RedriveCount" not in name:
        yield "on a redrive"
    retrying = next((container for container in node.containers if _effective(container)), None)
    if retrying is not None:
        yield f"when '{retrying.name}' is retried (RetryCount starts again at 0)"


def _looping(machine: Machine) -> frozenset[str]:
    """The named jobs to which the flow, or a Catch, can lead back."""
    named = [node.name for node in machine.nodes.values() if _name_field(node.resource)]
    if not named:
        return frozenset()
    edges = {
        name: [*machine.flow[name], *(catcher.target for catcher in node.catchers)]
        for name, node in machine.nodes.items()
    }
    return frozenset(on_cycles(edges).intersection(named))
