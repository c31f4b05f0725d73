"""What became of each step of a run, from its history and, where it is known, its definition.

SUCCEEDED, FAILED, RUNNING, ABORTED and TIMED_OUT are the history's words; a step whose job did not end well FAILED,
whatever its task said. WAITING is a task that waits for somebody to answer its token. Of a step that was not entered,
the definition tells whether the run passed it by (SKIPPED, or REUSED where another run's result stands in for it) or
never came to it (NOT REACHED); without a definition such a step is not known of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsctl.asl.history import RUNNING, SUCCEEDED, RunHistory, StateRun
from opsctl.asl.unentered import NOT_REACHED, SKIPPED, unentered
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.guards import Pipeline, Step, all_states, read_pipeline
from opsctl.domain.results import StepResult, job_name, step_result

REUSED = "REUSED"
WAITING = "WAITING"
FAILED = "FAILED"
CALLBACK = ".waitForTaskToken"
ACTIVITY = ":activity:"
NESTED = "states:startExecution.sync"

Branch = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StepStatus:
    """One step of a run. Times are seconds since the epoch, `seconds` how long it took, or has been going, in all its
    attempts; `generations` counts the attempts of the run itself and of each redrive; `note` says what the status does
    not: where a reused result comes from, how many items of a Map failed."""

    name: str
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    job: str | None
    error: str | None
    branch: Branch
    note: str | None = None
    generations: tuple[int, ...] = ()
    executions: tuple[str, ...] = ()  # ARNs of the executions that it started and waits or waited for
    map_runs: tuple[str, ...] = ()  # ARNs


def steps_of(
    history: RunHistory, definition: Mapping[str, Any] | None, document: Any, now: float
) -> tuple[StepStatus, ...]:
    """Every step, in the definition's order or else in order of entry; `document` is the run's input. States that are
    there for failures, and those that the definition does not have, come last, and only where they ran."""
    runs: dict[str, list[StateRun]] = {}
    for state in history.states:
        runs.setdefault(state.name, []).append(state)
    pipeline = read_pipeline(definition) if definition else Pipeline((), {})
    distributed = _distributed(definition, history)
    fates = {state.name: state.status for state in unentered(definition, history)} if definition else {}
    rows = []
    for name, step in _in_order(pipeline, distributed, runs):
        entered = tuple(runs.get(name, ()))
        if entered:
            rows.append(_ran(name, replace(history, states=entered), step.branch if step else (), now))
        elif step and name == step.name:
            rows.append(_not_entered(step, fates.get(name, NOT_REACHED), history, document))
        else:
            rows.append(_absent(name, fates.get(name, NOT_REACHED), ()))
    return tuple(rows)


def why(result: StepResult) -> str | None:
    """Why the step has no result, in one line; None where it has one."""
    return result.error or result.missing


def _distributed(definition: Mapping[str, Any] | None, history: RunHistory) -> frozenset[str]:
    """The Maps whose items run as executions of their own, which this history knows nothing of."""
    seen = {state.name for state in history.states if state.map_run}
    told = dict(all_states(definition)) if definition else {}
    modes = {
        name: state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") for name, state in told.items()
    }
    return frozenset(seen | {name for name, mode in modes.items() if mode == "DISTRIBUTED"})


def _in_order(
    pipeline: Pipeline, distributed: Iterable[str], runs: Mapping[str, list[StateRun]]
) -> Iterator[tuple[str, Step | None]]:
    """The names of the steps, with what the definition says of them; a distributed Map stands for the steps inside."""
    seen: set[str] = set()
    for step in pipeline.steps:
        name = next((scope for scope, _ in step.branch if scope in distributed), step.name)
        if name not in seen:
            seen.add(name)
            yield name, step
    known = {step.name for step in pipeline.steps}
    for name, entries in runs.items():
        if name not in seen | known and (entries[0].type == "Task" or name in distributed):
            yield name, None


def _not_entered(step: Step, fate: str, history: RunHistory, document: Any) -> StepStatus:
    if step.guard and step.guard.bypasses(document):
        made_by = value_at(document, ("reuse", step.slug, "run"))
        if made_by is not ABSENT:
            return replace(_absent(step.name, REUSED, step.branch), note=f"from {made_by}")
        if history.status == RUNNING:
            fate = SKIPPED
    return _absent(step.name, fate, step.branch)


def _absent(name: str, status: str, branch: Branch) -> StepStatus:
    return StepStatus(name, status, 0, None, None, None, None, branch)


def _ran(name: str, history: RunHistory, branch: Branch, now: float) -> StepStatus:
    result = step_result(history, name)
    attempts = [attempt for run in result.runs for attempt in run.attempts]
    status = _status(result)
    counts = [attempt.generation for attempt in attempts]
    return StepStatus(
        name,
        status,
        len(attempts),
        min(run.entered for run in result.runs),
        sum(_worked(run, now) for run in result.runs),
        job_name(attempts[-1]) if attempts else None,
        why(result) if status == FAILED else result.error,
        branch,
        _note(result.runs, status),
        tuple(counts.count(number) for number in range(max(counts, default=0) + 1)),
        tuple(_executions(result.runs)),
        tuple(run.map_run for run in result.runs if run.map_run),
    )


def _status(result: StepResult) -> str:
    if result.status == "CAUGHT" or (result.status == SUCCEEDED and result.missing):
        return FAILED
    return WAITING if result.status == RUNNING and any(map(_waits, result.runs)) else result.status


def _waits(run: StateRun) -> bool:
    last = run.attempts[-1] if run.attempts else None
    return run.status == RUNNING and last is not None and last.status == RUNNING and CALLBACK in last.resource


def _worked(run: StateRun, now: float) -> float:
    """The time spent in attempts, not the time between a failure and its redrive; of a Map the time since its entry."""
    if run.type == "Map":
        return (run.exited or now) - run.entered
    return sum((attempt.ended or now) - attempt.scheduled for attempt in run.attempts)


def _note(runs: tuple[StateRun, ...], status: str) -> str | None:
    """Of several entries, the items of a Map, how many are as the step as a whole is; of one that runs, whom it waits
    for."""
    if len(runs) < 2:
        return _awaited(runs[-1]) if runs and status == RUNNING else None
    alike = len(runs) if status == SUCCEEDED else sum(run.status == status for run in runs) or 1
    return f"{len(runs):,} items" if alike == len(runs) else f"{alike:,} of {len(runs):,} items"


def _awaited(run: StateRun) -> str | None:
    """The activity whose task no worker has taken yet: AWS waits for one for up to a year."""
    last = run.attempts[-1] if run.attempts else None
    waits = last is not None and ACTIVITY in last.resource and last.status == RUNNING and last.started is None
    return f"waits for a worker of the activity {last.resource.rpartition(':')[2]}" if last and waits else None


def execution_of(run: StateRun) -> str | None:
    """The ARN of the execution that the state's last attempt started and waits or waited for."""
    last = run.attempts[-1] if run.attempts else None
    arn = last.job.arn if last and last.resource.startswith(NESTED) else None
    return arn if arn and ":execution:" in arn else None


def _executions(runs: tuple[StateRun, ...]) -> Iterator[str]:
    """Those that did not succeed first."""
    for run in sorted(runs, key=lambda run: run.status == SUCCEEDED):
        if arn := execution_of(run):
            yield arn
