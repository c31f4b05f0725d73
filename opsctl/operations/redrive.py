"""Redrive an ended run: find out whether RedriveExecution helps, and take a rerun from the failed steps if not."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsctl.asl.history import RunHistory, read_history
from opsctl.aws.jobs import Jobs
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.graph import all_states
from opsctl.domain.guards import read_pipeline
from opsctl.domain.names import rerun_name
from opsctl.domain.plan import Request, RerunPlan
from opsctl.domain.redrive import (
    NATIVE,
    RERUN,
    Choice,
    RedriveStep,
    choose,
    prospect_of,
    redrive_steps,
    redrive_warnings,
    refuse_ended_well,
    steps_left_open,
)
from opsctl.domain.redrive_walk import foresee
from opsctl.domain.runs import RUNNING, SUCCEEDED, Run, of_version, version_number
from opsctl.domain.selection import FAILED_STEPS
from opsctl.domain.stop import jobs_of
from opsctl.errors import RefusedError
from opsctl.operations import rerun
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document
from opsctl.operations.start import Started

SHOWN = 3


@dataclass(frozen=True)
class RedrivePlan:
    """Which way is taken and why. `steps` are what a native redrive does; `rerun` is the plan of the other way."""

    run: Run
    choice: Choice
    steps: tuple[RedriveStep, ...]
    warnings: tuple[str, ...]
    rerun: RerunPlan | None = None


def in_progress(run: Run) -> Started | None:
    """The run to follow where somebody has redriven it already, and it goes on."""
    return Started(run, resumed=True) if run.status == RUNNING and run.redrives else None


def plan(connection: Connection, run: Run, request: Request, insisted: str | None = None) -> RedrivePlan:
    """The way to take with an ended run (as `resolve` returns it); reads, and changes nothing.

    `request` holds changes to the input, if any; `insisted` is `native` or `rerun`. Raises RefusedError where neither
    way is possible, or the one that is insisted on would not help, and whatever a rerun's plan raises.
    """
    refuse_ended_well(run)
    events = list(connection.states.history(run.arn))
    walked = connection.states.definition_of_run(run.arn)
    history, foreseen = read_history(events, walked), foresee(walked, run, events)
    changed = bool(request.settings or request.merge)
    if history.status == RUNNING:
        return _just_redriven(run, wants_rerun=changed or insisted == RERUN)
    choice = choose(run, prospect_of(history, foreseen), insisted=insisted, changed=changed)
    later = (*_still_at_work(connection, run, history), *_later(connection, run))
    if choice.way != NATIVE:
        planned = rerun.plan(connection, run, replace(request, steps=(FAILED_STEPS,)))
        return RedrivePlan(run, choice, (), later, planned)
    old = _definition_warning(connection, run, walked, history)
    warnings = (*redrive_warnings(history, foreseen), *old, *later)
    of_machine, document = read_pipeline(walked).steps, input_document(run.input)
    steps = redrive_steps(history, foreseen) + steps_left_open(history, foreseen, walked, of_machine, document)
    return RedrivePlan(run, choice, steps, warnings)


def execute(connection: Connection, run: Run) -> Started:
    """Redrive a run; one that somebody else has redriven meanwhile is followed like our own, even to an end it has had.

    Raises RefusedError with AWS's reason where it does not redrive the run.
    """
    try:
        ours = connection.states.redrive(run.arn, str(uuid.uuid4()))
    except RefusedError:
        now = connection.states.describe(run.arn)
        if now.redrives > run.redrives:
            return Started(now, resumed=True)
        raise
    now = run if ours else connection.states.describe(run.arn)
    redrives = max(now.redrives if not ours else 0, run.redrives + 1)
    return Started(replace(now, status=RUNNING, stopped=None, redrives=redrives), resumed=not ours)


def _just_redriven(run: Run, *, wants_rerun: bool) -> RedrivePlan:
    """What is left to do with a run that somebody has redriven since it was looked at: to follow it."""
    if wants_rerun:
        refuse_ended_well(replace(run, status=RUNNING))
    return RedrivePlan(run, Choice(NATIVE, "somebody has redriven it just now, and it goes on"), (), ())


def _still_at_work(connection: Connection, run: Run, history: RunHistory) -> Iterator[str]:
    """Jobs that the run no longer waits for and that have not stopped yet: they write where the next ones will."""
    jobs = Jobs(connection.aws)
    for state in map(jobs.look, jobs_of(run.name, history)):
        if state.status and not state.stopped:
            yield f"the job {state.job.id} of {state.job.step} is still {state.status}: let it end first, or stop it"


def _later(connection: Connection, run: Run) -> Iterator[str]:
    """What has become of reruns of this run, as far as it bears on doing its work once more."""
    family = {run.name}
    root = value_at(input_document(run.input), ("rerun", "root"))
    for number in itertools.count(1):
        name = rerun_name(root if isinstance(root, str) else run.name, number)
        found = connection.states.find(connection.machine.arn, name)
        if found is None:
            return
        source = value_at(input_document(found.input), ("rerun", "of"))
        if name in family or (source is not ABSENT and source not in family):
            continue  # without a source it is of a machine whose input is not ours: there the name is all
        family.add(name)
        if found.status in (RUNNING, SUCCEEDED):
            was = "has SUCCEEDED since" if found.status == SUCCEEDED else "is RUNNING"
            yield f"{name}, a rerun of {run.name}, {was}"


def _definition_warning(
    connection: Connection, run: Run, walked: Mapping[str, Any], history: RunHistory
) -> Iterator[str]:
    latest = connection.states.leads_to(connection.machine.start_arn)
    current = connection.states.definition(latest)
    if current == walked:
        return
    before, after = dict(all_states(walked)), dict(all_states(current))
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    entered = {state.name for state in history.states}
    shown = sorted(changed, key=lambda name: name not in entered)[:SHOWN]
    which = f" ({', '.join(shown)}{', …' if len(changed) > SHOWN else ''})" if changed else ""
    yield (
        f"the definition has changed since {run.name} was started{which}: a redrive walks the old one"
        f"{of_version(run.version)}, without the change; a rerun takes the new one{of_version(version_number(latest))}"
    )
