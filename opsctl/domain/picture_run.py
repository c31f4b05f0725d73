"""What a run's history tells of the states of a picture.

A lane of a run is walked in sequence: of two entries into its states that follow each other, the run went from the one
to the other. Branches of one Parallel are told apart by the definition, items of a Map by their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsctl.asl.history import ABORTED, CAUGHT, FAILED, RUNNING, TIMED_OUT, RunHistory, StateRun
from opsctl.asl.unentered import unentered
from opsctl.domain.picture import RunTold, Told
from opsctl.domain.results import one_line
from opsctl.domain.steps import StepStatus

WORST = (FAILED, TIMED_OUT, ABORTED, RUNNING)
TIMED = ("Task", "Parallel", "Map", "Wait")


def run_told(history: RunHistory, definition: Mapping[str, Any], steps: Iterable[StepStatus], now: float) -> RunTold:
    """What is known of each state; of steps what `opsctl status` says."""
    entries: dict[str, list[StateRun]] = {}
    for state in history.states:
        entries.setdefault(state.name, []).append(state)
    told = {state.name: Told(state.status) for state in unentered(definition, history)}
    told |= {name: _state(runs, now) for name, runs in entries.items()}
    told |= {step.name: _step(step, len(entries.get(step.name, ()))) for step in steps if step.name in told}
    return RunTold(told, frozenset(_ways(history)))


def _state(runs: list[StateRun], now: float) -> Told:
    last = runs[-1]
    statuses = {run.status for run in runs} if last.scopes else {last.status}
    status = next((word for word in WORST if word in statuses), last.status)
    caught = status == CAUGHT
    seconds = (last.exited or now) - last.entered if last.type in TIMED else None
    attempts = str(len(last.attempts)) if last.attempts else None
    error = next((one_line(run.error, run.cause) for run in reversed(runs) if run.error), None)
    return Told(FAILED if caught else status, seconds, attempts, error, "caught" if caught else None, len(runs))


def _step(step: StepStatus, entries: int) -> Told:
    attempts = "+".join(map(str, step.generations)) if sum(step.generations) else None
    return Told(step.status, step.seconds, attempts, step.error, step.note, entries)


def _ways(history: RunHistory) -> Iterator[tuple[str, str, bool]]:
    """Each pair of states that followed each other in one lane, and whether the first one's failure led there."""
    before: dict[Any, StateRun] = {}
    for state in history.states:
        place = _place(state)
        if place in before:
            yield before[place].name, state.name, before[place].status == CAUGHT
        before[place] = state


def _place(state: StateRun) -> tuple[tuple[str, int, int | None, int | None], ...]:
    return tuple((scope.name, scope.entered_id, scope.iteration, scope.branch) for scope in state.scopes)
