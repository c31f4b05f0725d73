"""What a drive notes of tasks, and what can be read off a task that is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from opsctl.asl.definition import Map, Parallel, StateMachine
from opsctl.asl.timestamps import format_timestamp
from opsctl.domain.drill.faults import BRANCH_FAILED
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.redrive_walk import action_of
from opsctl.domain.results import JOB_STATUS

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
ACCOUNT = "us-east-1:123456789012"


@dataclass(frozen=True, slots=True)
class Asked:
    """A task that was asked for; `job` is the name that its service takes once."""

    task: int
    state: str
    resource: str
    at: float
    redrives: int
    job: str | None
    parameters: Any = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A paid task that was ended from elsewhere, and in which redrive that was."""

    state: str
    redrives: int


def paid(resource: str) -> bool:
    """Whether it is work that costs time and money: a job that is waited for, or a worker's."""
    return resource.endswith((".sync", ".sync:2")) or ":activity:" in resource


def spoils(fault: Fault, containers: frozenset[str]) -> bool:
    """Whether it strikes when the branches of a Parallel or Map have all ended well."""
    return fault.state in containers and (
        fault.kind is Kind.OVERSIZED or fault.error == BRANCH_FAILED or fault.expected
    )


def containers_of(machine: StateMachine) -> frozenset[str]:
    """The names of all Parallels and Maps."""
    found, scopes = set(), [machine.scope]
    for scope in scopes:
        for state in scope.states.values():
            if isinstance(state, Parallel | Map):
                found.add(state.name)
                scopes += state.branches if isinstance(state, Parallel) else [state.processor]
    return frozenset(found)


def context_of(machine: str, name: str) -> dict[str, Any]:
    """The context object of a run, as far as the outside knows it."""
    arn = f"arn:aws:states:{ACCOUNT}"
    own = {
        "Id": f"{arn}:execution:{machine}:{name}", "Name": name, "RoleArn": "arn:aws:iam::123456789012:role/drill",
        "StartTime": format_timestamp(START), "RedriveCount": 0,
    }  # fmt: skip
    return {"Execution": own, "StateMachine": {"Id": f"{arn}:stateMachine:{machine}", "Name": machine}}


def stopped(resource: str, text: str) -> str:
    """A job's answer that says that it was stopped."""
    key, _ = JOB_STATUS[action_of(resource)]
    answer = json.loads(text)
    return json.dumps({**answer, key: "Stopped"} if isinstance(answer, dict) else {key: "Stopped"})
