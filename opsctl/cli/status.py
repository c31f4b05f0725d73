"""`opsctl status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, facts, iso, moment, table
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.results import one_line
from opsctl.domain.runs import LATEST
from opsctl.operations import runs
from opsctl.operations.status import RunStatus, StepStatus, describe

HEADERS = ["STEP", "STATUS", "ATTEMPTS", "STARTED", "DURATION", "JOB", "ERROR"]


@click.command()
@click.argument("run", default=LATEST)
@click.pass_context
def status(context: click.Context, run: str) -> None:
    """Show a run and what became of each of its steps. RUN is @latest by default.

    \b
    Examples:
      opsctl status
      opsctl status nightly-7
      opsctl status @failed -o json --query "steps[?status=='FAILED'].[step, error]"
    """
    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    found = describe(connection, runs.resolve(connection, run))
    emit(invocation, _document(found), _text(found, connection.machine.name, connection.aws.now()))


def _text(found: RunStatus, machine: str, now: float) -> str:
    run = found.run
    header = facts([
        ("RUN", run.name),
        ("MACHINE", machine),
        ("STATUS", run.status),
        ("STARTED", moment(run.started)),
        ("DURATION", duration((run.stopped or now) - run.started)),
        ("REDRIVES", run.redrives or None),
        ("RERUN OF", _lineage(run.input)),
        ("ERROR", one_line(run.error, run.cause) or None),
    ])  # fmt: skip
    return f"{header}\n\n{table(HEADERS, [_row(step) for step in found.steps])}"


def _row(step: StepStatus) -> list[Any]:
    clock = None if step.started is None else (moment(step.started) or "").split()[1]
    note = step.error or step.note
    return [step.name, step.status, step.attempts or None, clock, duration(step.seconds), step.job, note]


def _lineage(text: str | None) -> str | None:
    """What the run is a rerun of; None too for an input that somebody made up."""
    document = runs.input_document(text)
    source, steps = value_at(document, ("rerun", "of")), value_at(document, ("rerun", "from"))
    known = source is not ABSENT and isinstance(steps, list)
    return f"{source}, from {', '.join(map(str, steps))}" if known else None


def _document(found: RunStatus) -> dict[str, Any]:
    run, history = found.run, found.history
    return {
        "run": run.name,
        "arn": run.arn,
        "status": run.status,
        "started": iso(run.started),
        "stopped": iso(run.stopped),
        "redrives": run.redrives,
        "error": run.error,
        "cause": run.cause,
        "input": _json(run.input),
        "output": _json(run.output),
        "steps": [{**_step_document(step), "entries": _entries(found, step.name)} for step in found.steps],
        "states": [{"state": state.name, "type": state.type, "status": state.status} for state in history.states],
    }


def _step_document(step: StepStatus) -> dict[str, Any]:
    fields = asdict(step)
    branch = [{"state": name, "branch": number} for name, number in step.branch]
    return {"step": fields.pop("name"), **fields, "started": iso(step.started), "branch": branch}


def _entries(found: RunStatus, name: str) -> list[dict[str, Any]]:
    """Each entry into the step with its input, output and attempts."""
    return [
        {
            "status": state.status,
            "entered": iso(state.entered),
            "exited": iso(state.exited),
            "input": _json(state.input),
            "output": _json(state.output),
            "attempts": [
                asdict(attempt)
                | {key: iso(getattr(attempt, key)) for key in ("scheduled", "started", "ended")}
                | {key: _json(getattr(attempt, key)) for key in ("parameters", "submitted", "output")}
                for attempt in state.attempts
            ],
        }
        for state in found.history.states
        if state.name == name
    ]


def _json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return text
