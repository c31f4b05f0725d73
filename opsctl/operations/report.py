"""Everything about a run for one page: from AWS, each part at the same time as the others, or from saved files.

A part that cannot be had is no reason to have no report: it is left out, and the page says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from opsctl.asl.history import RunHistory, read_history
from opsctl.aws.logs import Logs
from opsctl.domain.costs import RunCost, instance_types, run_cost
from opsctl.domain.job_logs import NoLog, source_of
from opsctl.domain.lineage import Descendant
from opsctl.domain.log_choice import Part, failed_parts
from opsctl.domain.names import slug
from opsctl.domain.redaction import redacted, redacted_value
from opsctl.domain.report import Failure, Report
from opsctl.domain.results import ended_as, one_line, setup_of
from opsctl.domain.runs import Run
from opsctl.domain.steps import StepStatus, steps_of
from opsctl.domain.timeline import timeline
from opsctl.domain.walked import walked
from opsctl.errors import OpsError, RefusedError
from opsctl.operations.connection import Connection
from opsctl.operations.graph import picture_of
from opsctl.operations.lineage import lineage
from opsctl.operations.log_readers import reader_of
from opsctl.operations.logs import Wanted, fresh, heading
from opsctl.operations.metrics import metrics_of
from opsctl.operations.offline import prices_in
from opsctl.operations.prices import prices_for
from opsctl.operations.runs import input_document
from opsctl.operations.saved import load_definition, load_history
from opsctl.operations.status import RunStatus, describe_saved

LINES = 40  # of each log
FAILURES = 12  # that are told of; a Map may have thousands
CAUSE = 4000  # letters
OFFLINE = "not known offline: this report was made of a saved history"
Found = TypeVar("Found")


def report(connection: Connection, run: Run, command: Callable[[RunStatus], str | None]) -> Report:
    """The report of a run; `command` makes of what became of it the command to go on with.

    Raises UsageError for a run whose history is gone.
    """
    definition = connection.states.definition_of_run(run.arn)
    history = read_history(connection.states.history(run.arn), definition)
    now = connection.aws.now()
    document = _input(run.input)
    steps = steps_of(history, definition, document, now)
    gaps: dict[str, str] = {}
    with ThreadPoolExecutor(4) as pool:
        parts: dict[str, Any] = {
            "metrics": pool.submit(_tried, lambda: _metrics(connection, run, steps), ({}, [])),
            "costs": pool.submit(_tried, lambda: _cost(connection, history, now), None),
            "lineage": pool.submit(_tried, lambda: _lineage(connection, run), None),
            "errors": pool.submit(_tried, lambda: _failures(history, Logs(connection.aws), run), ()),
        }
        found = {name: part.result() for name, part in parts.items()}
    metrics, unread = found["metrics"][0]
    gaps |= {name: why for name, (_, why) in found.items() if why} | ({"metrics": "; ".join(unread)} if unread else {})
    status = RunStatus(run, history, steps)
    return Report(
        _told(run), connection.machine.name, now, picture_of(run, history, definition, steps, now), steps,
        timeline(history, steps, now), redacted_value(document), setup_of(history), metrics, found["costs"][0],
        found["lineage"][0], found["errors"][0], command(status), gaps,
    )  # fmt: skip


def report_saved(path: Path, definition: Path | None) -> tuple[Report, list[str]]:
    """The report of a saved history, and what is doubtful about it. Raises UsageError as `describe_saved` does."""
    found, doubts = describe_saved(path, definition)
    events = load_history(path)
    run, history = found.run, found.history
    machine = load_definition(definition) if definition else walked(events, history)
    now = run.stopped or run.started
    cost = run_cost(history, prices_in(events), now)
    gaps = dict.fromkeys(("metrics", "lineage"), OFFLINE)
    picture = picture_of(run, history, machine, found.steps, now)
    return Report(
        _told(run), "", now, picture, found.steps, timeline(history, found.steps, now),
        redacted_value(_input(run.input)), setup_of(history),
        cost=cost, failures=_failures(history, None, run), gaps=gaps,
    ), doubts  # fmt: skip


def _tried(work: Callable[[], Found], otherwise: Found) -> tuple[Found, str | None]:
    """What a part of the report is made from, or why it cannot be had."""
    try:
        return work(), None
    except OpsError as error:
        return otherwise, error.message


def _told(run: Run) -> Run:
    """The run, without credentials in what it says of its end: a Fail state often hands a job's cause on."""
    return replace(run, error=run.error and redacted(run.error), cause=run.cause and redacted(run.cause))


def _input(text: str | None) -> Any:
    """The run's input; as text where it is no JSON, which a history that was cut off may hold."""
    try:
        return input_document(text)
    except ValueError:
        return text


def _metrics(connection: Connection, run: Run, steps: tuple[StepStatus, ...]) -> tuple[Mapping[str, Any], list[str]]:
    if connection.machine.foreign:
        raise RefusedError("the machine is not one of this deployment's: where its jobs' figures are is not known")
    return metrics_of(connection, run, (slug(step.name) for step in steps if not step.executions))


def _cost(connection: Connection, history: RunHistory, now: float) -> RunCost:
    prices, _ = prices_for(connection, instance_types([history]), None)
    return run_cost(history, prices, now)


def _lineage(connection: Connection, run: Run) -> Descendant:
    return lineage(connection, run.arn).root


def _failures(history: RunHistory, logs: Logs | None, run: Run) -> tuple[Failure, ...]:
    """The attempts that failed, with the ends of their logs."""
    try:
        parts = failed_parts(history)
    except RefusedError:  # none did
        return ()
    return tuple(_failure(part, logs, run) for part in islice(parts, FAILURES))


def _failure(part: Part, logs: Logs | None, run: Run) -> Failure:
    attempt = part.attempt
    told = Failure(heading(part), ended_as(attempt), one_line(attempt.error, attempt.cause), _cause(attempt.cause))
    if logs is None:
        return Failure(told.what, told.status, told.error, told.cause, missing=OFFLINE)
    try:
        lines, missing = _end_of_log(part, logs, run)
    except OpsError as error:
        lines, missing = (), error.message
    return Failure(told.what, told.status, told.error, told.cause, lines, missing)


def _end_of_log(part: Part, logs: Logs, run: Run) -> tuple[tuple[str, ...], str | None]:
    """The last lines, or why there are none."""
    reader = reader_of(logs, part, source_of(part.attempt), run.name, None)
    if isinstance(reader, NoLog):
        return (), reader.why
    lines = tuple(redacted(line.message) for line in fresh(part, reader, Wanted(tail=LINES), LINES))
    return lines, None if lines else reader.missing or "it wrote nothing"


def _cause(cause: str | None) -> str:
    """The cause without credentials, indented where it is JSON."""
    try:
        text = json.dumps(redacted_value(json.loads(cause or "")), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = redacted(cause or "")
    return text if len(text) <= CAUSE else f"{text[:CAUSE]}… ({len(text) - CAUSE:,} more letters)"
