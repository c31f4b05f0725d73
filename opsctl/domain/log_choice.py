"""Which attempts' logs are meant: of the step that was named, of all that failed, or of the one to blame."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import ABORTED, RUNNING, SUCCEEDED, Attempt, RunHistory, StateRun
from opsctl.asl.outline import Outlined, outline
from opsctl.domain.job_logs import NoLog, source_of
from opsctl.domain.names import slug
from opsctl.domain.results import ended_as, step_result
from opsctl.errors import RefusedError, UsageError

NEAREST = 3


@dataclass(frozen=True)
class Part:
    """One attempt of a step: the `number`th of `total`, counted over all entries into the step. `key` tells the
    attempts of a run apart, in a later reading of the history too; `place` says which item of a Map it worked on."""

    step: str
    number: int
    total: int
    place: str
    attempt: Attempt
    state: StateRun
    key: tuple[int, int]


def task_named(definition: Mapping[str, Any], wanted: str) -> str:
    """The Task state that a STEP argument means: its name, in any case, or its slug.

    Raises UsageError with the nearest names and the branches that they are in, or for a state that does no work.
    """
    states = outline(definition)
    found = next((state for state in states.values() if wanted == state.name), None)
    found = found or next((state for state in states.values() if slug(wanted) == slug(state.name)), None)
    tasks = [state for state in states.values() if state.type == "Task"]
    if found is None:
        raise UsageError(f"no step {wanted!r}", _suggestion(tasks, wanted, states))
    if found.type != "Task":
        raise UsageError(f"{found.name!r} is a {found.type} state and does no work", _suggestion(tasks, wanted, states))
    return found.name


def scopes_around(definition: Mapping[str, Any], step: str) -> tuple[str, ...]:
    """The names of the Parallel and Map states around a step, innermost first."""
    states, found = outline(definition), list[str]()
    scope = states[step].scope
    while scope is not None and scope not in found:
        found.append(scope)
        scope = states[scope].scope
    return tuple(found)


def parts_of(history: RunHistory, step: str) -> tuple[Part, ...]:
    """All attempts of a step, in the order in which they were asked for."""
    entries = [state for state in history.states if state.name == step]
    attempts = [(index, attempt, state) for state in entries for index, attempt in enumerate(state.attempts)]
    attempts.sort(key=lambda found: found[1].scheduled)
    return tuple(
        Part(step, number, len(attempts), place_of(state), attempt, state, (state.entered_id, index))
        for number, (index, attempt, state) in enumerate(attempts, 1)
    )


def latest(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The last attempt of each place: of each item of a Map, of the last turn of a loop."""
    return tuple({tuple(scope.iteration for scope in part.state.scopes): part for part in parts}.values())


def failed_parts(history: RunHistory, step: str | None = None) -> tuple[Part, ...]:
    """The attempts that failed, of one step or of every step that has no result; where none did, those that were
    aborted. Raises RefusedError where there are none of those either."""
    steps = [step] if step else [name for name in tasks_of(history) if step_result(history, name).missing]
    lost = [part for name in steps for part in parts_of(history, name) if _is_lost(part.attempt)]
    found = [part for part in lost if part.attempt.status != ABORTED] or lost
    if not step:
        found = [part for part in found if not isinstance(source_of(part.attempt), NoLog)] or found
    if not found:
        raise RefusedError(f"no attempt of {step} failed" if step else "no step failed", "leave out --failed")
    return tuple(found)


def numbered(parts: Sequence[Part], step: str, number: int) -> Part:
    """The `number`th attempt of a step. Raises UsageError with how many there are."""
    if not 1 <= number <= len(parts):
        many = f"{len(parts)} attempts" if len(parts) > 1 else "1 attempt"
        raise UsageError(f"there is no attempt {number} of {step}: it had {many}", "leave --attempt out for the last")
    return parts[number - 1]


def at_work(history: RunHistory) -> tuple[Part, ...]:
    """What a run that goes on is doing now; between two steps, what it did last."""
    parts = [part for name in tasks_of(history) for part in parts_of(history, name)]
    with_log = [part for part in parts if not isinstance(source_of(part.attempt), NoLog)] or parts
    running = [part for part in with_log if part.attempt.status == RUNNING]
    return tuple(running or sorted(with_log, key=lambda part: part.attempt.scheduled)[-1:])


def everything(history: RunHistory) -> tuple[Part, ...]:
    """The last attempt of every step that has a log, in the order in which the steps began."""
    parts = [part for name in tasks_of(history) for part in latest(parts_of(history, name))]
    return tuple(part for part in parts if not isinstance(source_of(part.attempt), NoLog))


def tasks_of(history: RunHistory) -> list[str]:
    """The names of the Tasks that a run entered, in order."""
    return list(dict.fromkeys(state.name for state in history.states if state.type == "Task"))


def place_of(state: StateRun) -> str:
    """Which items of which Maps a state works on, in words; empty outside of any Map."""
    items = [f"item {scope.iteration} of {scope.name}" for scope in state.scopes if scope.iteration is not None]
    return ", ".join(items)


def _is_lost(attempt: Attempt) -> bool:
    return ended_as(attempt) not in (SUCCEEDED, RUNNING)


def _suggestion(tasks: Sequence[Outlined], wanted: str, states: Mapping[str, Outlined]) -> str:
    by_slug = {slug(state.name): state for state in tasks}
    near = [by_slug[found] for found in difflib.get_close_matches(slug(wanted), by_slug, n=NEAREST, cutoff=0.5)]
    shown = ", ".join(state.name + _inside(state, states) for state in near or tasks)
    return ("did you mean " if near else "the steps are: ") + shown


def _inside(state: Outlined, states: Mapping[str, Outlined]) -> str:
    if state.scope is None or state.scope not in states:
        return ""
    return f" (branch {state.branch + 1} of {state.scope})" if state.branch is not None else f" (in {state.scope})"
