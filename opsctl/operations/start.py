"""Start a run: check its input first, and where it takes results of another run, plan it like a rerun."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opsctl.asl.history import RUNNING
from opsctl.config import DEPLOYMENT_MACHINE
from opsctl.domain.conditions import Setting
from opsctl.domain.data_modes import COPY
from opsctl.domain.documents import with_settings
from opsctl.domain.engines import Wish
from opsctl.domain.names import check_execution_name
from opsctl.domain.plan import RerunPlan, Source
from opsctl.domain.runs import Run
from opsctl.domain.start_plan import plan_start
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.estimates import with_estimate
from opsctl.operations.execution import Started, proven
from opsctl.operations.handing_over import with_engine
from opsctl.operations.inputs import check_input, input_problems
from opsctl.operations.models import check_model
from opsctl.operations.runs import input_document, refuse_running, resolve
from opsctl.operations.sources import forgotten_source, source_of

__all__ = ["StartRequest", "Started", "new_name", "plan", "start"]


@dataclass(frozen=True)
class StartRequest:
    """What a run is to be started with; without a name, one is made from the time.

    The steps of `skip` are bypassed, and their results taken from the run `reuse_from`, where one is named: copied, or
    read where they lie, as `data` says (one of DATA_MODES). `wish` is which way they are to be copied.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    name: str | None = None
    skip: tuple[str, ...] = ()
    reuse_from: str | None = None
    data: str = COPY
    wish: Wish = field(default_factory=Wish)


def start(connection: Connection, request: StartRequest) -> Started:
    """Check the run input and start a run. The same name and input again, while that run goes on, is the same run.

    Raises UsageError before anything starts, RefusedError for a name in use and for a deployment of no model.
    """
    document = with_settings(request.document, request.settings)
    _check(connection, document)
    name = new_name(connection, request)
    earlier = None if request.name is None else connection.states.find(connection.machine.arn, name)
    arn = connection.states.start(connection.machine.start_arn, name, json.dumps(document, sort_keys=True))
    run = earlier or Run(name, arn, connection.machine.arn, RUNNING, connection.aws.now())
    return Started(run, resumed=earlier is not None)


def plan(connection: Connection, request: StartRequest, name: str) -> RerunPlan:
    """The plan of a run that skips steps; reads, and changes nothing.

    Raises UsageError (unknown step, bad input), RefusedError (a step that cannot be skipped, or whose result is needed
    and is not there).
    """
    if request.reuse_from is not None and not request.skip:
        raise UsageError(
            "--reuse-from takes the results of skipped steps, and none is skipped", "name them with --skip"
        )
    if request.reuse_from is not None and connection.machine.foreign:
        raise UsageError(
            f"where the runs of {connection.machine.name} keep results is not known: none can be reused",
            "--skip alone bypasses a step",
        )
    document = with_settings(request.document, request.settings)
    _check(connection, document)
    source = forgotten_source(connection, "") if request.reuse_from is None else _source(connection, request.reuse_from)
    made = plan_start(source, document, request.skip, request.data)
    prefix = connection.prefix(name).uri
    check_input(connection, made.input_for(prefix))
    return with_estimate(connection, with_engine(connection, proven(source, made, prefix), request.wish))


def _check(connection: Connection, document: Mapping[str, Any]) -> None:
    check_input(connection, document)
    if connection.machine.key == DEPLOYMENT_MACHINE:
        check_model(connection, document)


def new_name(connection: Connection, request: StartRequest) -> str:
    """The run's name: as wanted, or made from the time. Raises UsageError for one that no run can have.

    Short enough for a job prefix even as a rerun: `run-261121-213045-7f` and `-r12` are 24 characters.
    """
    moment = datetime.fromtimestamp(connection.aws.now(), UTC)
    name = f"run-{moment:%y%m%d-%H%M%S}-{secrets.token_hex(1)}" if request.name is None else request.name
    check_execution_name(name)
    return name


def _source(connection: Connection, wanted: str) -> Source:
    """The run whose results are taken; one that AWS has forgotten as long as its results are there."""
    try:
        run = resolve(connection, wanted)
    except RefusedError:
        if wanted.startswith("arn:"):
            raise
        return forgotten_source(connection, wanted)
    refuse_running(run)
    document = input_document(run.input)
    try:
        return source_of(connection, run, {} if input_problems(connection, document) else document)
    except RefusedError:
        return forgotten_source(connection, run.name)
