"""Check a run input and start a run with it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsctl.asl.history import RUNNING
from opsctl.domain.conditions import Setting
from opsctl.domain.documents import with_settings
from opsctl.domain.names import check_execution_name
from opsctl.domain.runs import Run
from opsctl.operations.connection import Connection
from opsctl.operations.execution import Started
from opsctl.operations.inputs import check_input

__all__ = ["StartRequest", "Started", "start"]


@dataclass(frozen=True)
class StartRequest:
    """What a run is to be started with; without a name, one is made from the time."""

    document: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    name: str | None = None


def start(connection: Connection, request: StartRequest) -> Started:
    """Check the run input and start a run. The same name and input again, while that run goes on, is the same run.

    Raises UsageError before anything starts, RefusedError for a name in use.
    """
    document = with_settings(request.document, request.settings)
    check_input(connection, document)
    name = _new_name(connection.aws.now()) if request.name is None else request.name
    check_execution_name(name)
    earlier = None if request.name is None else connection.states.find(connection.machine.arn, name)
    arn = connection.states.start(connection.machine.arn, name, json.dumps(document, sort_keys=True))
    run = earlier or Run(name, arn, connection.machine.arn, RUNNING, connection.aws.now())
    return Started(run, resumed=earlier is not None)


def _new_name(now: float) -> str:
    """Short enough for a job prefix even as a rerun: `run-261121-213045-7f` and `-r12` are 24 characters."""
    return f"run-{datetime.fromtimestamp(now, UTC):%y%m%d-%H%M%S}-{secrets.token_hex(1)}"
