"""A run's status as JSON: all that is known of it, nothing cut."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from opsctl.cli.render import iso
from opsctl.domain.redaction import redacted_value

if TYPE_CHECKING:
    from opsctl.operations.status import MapRun, RunStatus, StateRun, StepStatus


def status_document(found: RunStatus) -> dict[str, Any]:
    """The run, its steps with every entry into them and every attempt, and what they started."""
    run = found.run
    entries: dict[str, list[dict[str, Any]]] = {step.name: [] for step in found.steps}
    for state in found.history.states:
        if state.name in entries:
            entries[state.name].append(_entry(state))
    return {
        "run": run.name,
        "arn": run.arn,
        "version": run.version,
        "alias": run.alias,
        "status": run.status,
        "started": iso(run.started),
        "stopped": iso(run.stopped),
        "redrives": run.redrives,
        "redriven": iso(run.redriven),
        "error": run.error,
        "cause": redacted_value(run.cause),
        "input": value_of(run.input),
        "output": value_of(run.output),
        "steps": [_step(found, step) | {"entries": entries[step.name]} for step in found.steps],
        "states": [{"state": state.name, "type": state.type, "status": state.status} for state in found.history.states],
    }


def value_of(text: str | None) -> Any:
    """The value that a JSON text stands for, without credentials; the text itself where it is none."""
    try:
        return None if text is None else redacted_value(json.loads(text))
    except (ValueError, RecursionError):
        return redacted_value(text)


def _step(found: RunStatus, step: StepStatus) -> dict[str, Any]:
    fields = asdict(step)
    children = {arn: found.children.get(arn) for arn in fields.pop("executions")}
    map_runs = {arn: found.map_runs.get(arn) for arn in fields.pop("map_runs")}
    return {
        "step": fields.pop("name"),
        **fields,
        "started": iso(step.started),
        "branch": [{"state": name, "branch": number} for name, number in step.branch],
        "children": [_child(arn, child) for arn, child in children.items()],
        "map_runs": [_map_run(arn, map_run) for arn, map_run in map_runs.items()],
    }


def _child(arn: str, child: RunStatus | str | None) -> dict[str, Any]:
    from opsctl.operations.status import RunStatus

    return status_document(child) if isinstance(child, RunStatus) else {"arn": arn, "unread": child}


def _map_run(arn: str, map_run: MapRun | str | None) -> dict[str, Any]:
    from opsctl.operations.status import MapRun

    return asdict(map_run) if isinstance(map_run, MapRun) else {"arn": arn, "unread": map_run}


def _entry(state: StateRun) -> dict[str, Any]:
    return {
        "status": state.status,
        "entered": iso(state.entered),
        "exited": iso(state.exited),
        "input": value_of(state.input),
        "output": value_of(state.output),
        "attempts": [
            asdict(attempt)
            | {"cause": redacted_value(attempt.cause)}
            | {key: iso(getattr(attempt, key)) for key in ("scheduled", "started", "ended")}
            | {key: value_of(getattr(attempt, key)) for key in ("parameters", "submitted", "output")}
            for attempt in state.attempts
        ],
    }
