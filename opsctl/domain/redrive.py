"""Redrive or rerun: which of the two helps an ended run, and what a redrive would do.

RedriveExecution resumes the same execution from the states that did not end well: same input, same definition, no state
before them. That helps where nothing caught the failure, and after a time limit or a stop. A failure that was caught is
done, to AWS: the run that then ended in a Fail state enters that state again and fails again. There a rerun helps, and
so it does wherever AWS does not redrive any more, or the input is to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.asl.history import CAUGHT, FAILED, SUCCEEDED, RunHistory, StateRun
from opsctl.asl.unentered import SKIPPED, unentered
from opsctl.domain.results import one_line, step_result
from opsctl.domain.runs import RUNNING, UNSUCCESSFUL, Run
from opsctl.errors import RefusedError

if TYPE_CHECKING:
    from opsctl.domain.guards import Step
    from opsctl.domain.redrive_walk import Foreseen

NATIVE, RERUN = "native", "rerun"
REDRIVABLE, BY_MAP_RUN = "REDRIVABLE", "REDRIVABLE_BY_MAP_RUN"
RUN, REUSE, SKIP, OPEN = "RUN", "REUSE", "SKIP", "OPEN"
CONTAINERS = ("Parallel", "Map")
NEAREST = 3


@dataclass(frozen=True)
class Prospect:
    """Whether a redrive helps, None where that is doubtful; `reason` says why, as the end of a sentence."""

    helps: bool | None
    reason: str


@dataclass(frozen=True)
class Choice:
    """The way to take, `native` or `rerun`, and why."""

    way: str
    reason: str


@dataclass(frozen=True)
class RedriveStep:
    """What a redrive does with one state. `seconds` is what its work took: kept with REUSE, spent again with RUN."""

    name: str
    action: str
    reason: str
    seconds: float | None = None


def refuse_ended_well(run: Run) -> None:
    """Raise RefusedError for a run that neither way is for: running, succeeded, or a Map Run's child."""
    if run.status == SUCCEEDED:
        hint = f'to run a step of it again: opsctl rerun {run.name} --from "STEP"'
        raise RefusedError(f"{run.name} has SUCCEEDED: there is nothing to redrive", hint)
    if run.redrive_status == BY_MAP_RUN:
        reason = run.redrive_reason or "AWS redrives it with the Map Run that it is a child of"
        raise RefusedError(f"{run.name} cannot be redriven alone: {reason}", "redrive the run that the Map Run is of")
    if run.status == RUNNING:
        hint = f"wait for its end (opsctl status {run.name}), or end it: opsctl stop {run.name}"
        raise RefusedError(f"{run.name} is still running", hint)
    if run.status not in UNSUCCESSFUL:
        raise RefusedError(f"{run.name} is {run.status}, and only a run that ended can be redriven")


def choose(run: Run, prospect: Prospect, *, insisted: str | None, changed: bool) -> Choice:
    """The way to take. Raises RefusedError where `native` is insisted on and would not help."""
    against = _against_native(run, prospect)
    if insisted == NATIVE and against:
        hint = f"a rerun helps: opsctl redrive {run.name} --rerun"
        raise RefusedError(f"a native redrive of {run.name} is refused: {against}", hint)
    if insisted == RERUN:
        return Choice(RERUN, "as --rerun says")
    if changed:
        return Choice(RERUN, "the input changes, and a redrive keeps it")
    doubtful = prospect.helps is None and insisted != NATIVE
    return Choice(RERUN, against or prospect.reason) if against or doubtful else Choice(NATIVE, prospect.reason)


def prospect_of(history: RunHistory, foreseen: Foreseen | None) -> Prospect:
    """Whether a redrive of a run with this history helps."""
    left = open_states(history)
    ended_in = next((state for state in left if state.type == "Fail"), None)
    if ended_in is not None:
        return Prospect(helps=False, reason=_ended_in_fail(history, ended_in))
    happened, blamed = _what_happened(history, left), _culprits(history)
    if foreseen is not None and foreseen.fails_at and foreseen.certain:
        return Prospect(helps=False, reason=_would_fail(history, foreseen))
    if blamed and (foreseen is None or foreseen.fails_at):
        return Prospect(None, f"{happened}; {blamed}, which a redrive keeps: it may well end FAILED again")
    if foreseen is None or foreseen.fails_at:
        return Prospect(helps=True, reason=f"{happened}; what would come after cannot be foreseen")
    return Prospect(helps=True, reason=happened)


def open_states(history: RunHistory) -> tuple[StateRun, ...]:
    """The states that a redrive takes up: those that did not end well, and of a Parallel or Map what is in it."""
    latest = {(s.name, *[scope.iteration for scope in s.scopes]): s for s in history.states}
    left = [state for state in latest.values() if state.status not in (SUCCEEDED, CAUGHT)]
    current = [state for state in left if not _left_behind(state, history)]
    around = {scope.entered_id for state in current for scope in state.scopes}
    return tuple(state for state in current if state.entered_id not in around)


def redrive_steps(history: RunHistory, foreseen: Foreseen | None) -> tuple[RedriveStep, ...]:
    """What a redrive would do, state by state: of the Tasks, and of any other state that did not end well."""
    left = open_states(history)
    again = _started_again(history, left)
    names = dict.fromkeys(s.name for s in history.states if s.type == "Task" or s in left)
    found = [_step(name, [s for s in history.states if s.name == name], left, again) for name in names]
    later = dict.fromkeys(name for name in (foreseen.asked if foreseen else ()) if name not in names)
    return (*found, *(RedriveStep(name, RUN, "comes after") for name in later))


def steps_left_open(
    history: RunHistory, foreseen: Foreseen | None, definition: Mapping[str, Any], steps: Iterable[Step], document: Any
) -> tuple[RedriveStep, ...]:
    """Those of the definition's steps that may come after as well: a Choice decides, by an answer that could only be
    guessed. `document` is the run's input."""
    if foreseen is None or foreseen.certain:
        return ()
    passed = (state.name for state in unentered(definition, history) if state.status == SKIPPED)
    known = {*foreseen.asked, *(state.name for state in history.states), *passed}
    left = [step for step in steps if step.name not in known]
    may = [step for step in left if not (step.guard and step.guard.bypasses(document))]
    return tuple(RedriveStep(step.name, OPEN, "may come after: what is answered until then decides") for step in may)


def redrive_warnings(history: RunHistory, foreseen: Foreseen | None) -> Iterator[str]:
    """What somebody should know before a redrive."""
    left = open_states(history)
    failed = [state.name for state in left if state.status == FAILED and state.attempts]
    if failed:
        yield f"the input stays as it is: if that made {_names(failed)} fail, it fails again; --set makes it a rerun"
    for state in left:
        yield from _state_warnings(state, history)
    if caught := _caught(history):
        yield f"{_names(caught)} failed and was caught: a redrive does not run it again"
    for step, name in foreseen.repeated if foreseen else ():
        yield f"{step} would ask for a job {name} again, and its service takes a name only once: give it RedriveCount"


def _state_warnings(state: StateRun, history: RunHistory) -> Iterator[str]:
    """What is special about taking up a state again."""
    last = state.attempts[-1] if state.attempts else None
    if state.status == FAILED and last and last.status == SUCCEEDED:
        yield f"the work of {state.name} succeeded, and its answer could not be used: the work is done again"
    if last and last.resource.startswith("states:startExecution."):
        yield f"{state.name} starts its nested execution anew, from the beginning"
    if state.type in CONTAINERS:
        yield f"{state.name} lost its result ({state.error or state.status}): all of its branches run again"
    elif state.scopes and "States.DataLimitExceeded" in (state.error, history.error):
        yield f"after States.DataLimitExceeded AWS may run all branches of {state.scopes[-1].name} again"


def _against_native(run: Run, prospect: Prospect) -> str | None:
    if run.redrive_status not in (None, REDRIVABLE):
        return f"AWS does not redrive it: {run.redrive_reason or run.redrive_status}"
    return prospect.reason if prospect.helps is False else None


def _ended_in_fail(history: RunHistory, last: StateRun) -> str:
    blamed = _culprits(history)
    why = f" ({blamed})" if blamed else ""
    return (
        f"the run ended in its Fail state {last.name!r}{why}: RedriveExecution enters that state again and fails with "
        "the same error"
    )


def _would_fail(history: RunHistory, foreseen: Foreseen) -> str:
    name = foreseen.fails_at
    for state in open_states(history):
        if state.name == name and foreseen.error and state.attempts:
            again = f"would do its work again and fail with {foreseen.error} again"
            return f"{name} {again}: its definition cannot use the answer"
        if state.name == name and foreseen.error:
            return f"{name} would fail with {foreseen.error} again: its input and its definition stay as they are"
    blamed = _culprits(history)
    kept = f"a redrive keeps what happened before ({blamed})" if blamed else "a redrive changes nothing before that"
    return f"the run would only go on to {name!r} and end FAILED: {kept}"


def _culprits(history: RunHistory) -> str:
    """The Tasks that are to blame although the run went on after them."""
    names = dict.fromkeys(state.name for state in history.states if state.type == "Task")
    results = {name: step_result(history, name) for name in names}
    undone = [
        f"{name}: {result.missing}" for name, result in results.items() if result.status == SUCCEEDED and result.missing
    ]
    caught = _caught(history)
    return "; ".join(([f"{_names(caught)} failed and was caught"] if caught else []) + undone)


def _caught(history: RunHistory) -> list[str]:
    """The Tasks whose failure was caught, by themselves or by the Parallel or Map around them."""
    around = {state.entered_id for state in history.states if state.status == CAUGHT}
    found = [
        state.name
        for state in history.states
        if state.type == "Task"
        and (state.status == CAUGHT or (state.status == FAILED and around & {s.entered_id for s in state.scopes}))
    ]
    return list(dict.fromkeys(found))


def _what_happened(history: RunHistory, left: Sequence[StateRun]) -> str:
    names = _names(dict.fromkeys(state.name for state in left if state.status == history.status) or ["the run"])
    if history.status == "TIMED_OUT":
        return f"the run reached its time limit at {names}, and a redrive starts that anew"
    if history.status == "ABORTED":
        return f"the run was stopped at {names}"
    return f"{names} failed and nothing caught it"


def _left_behind(state: StateRun, history: RunHistory) -> bool:
    """Whether the run has left the Parallel or Map that the state is in."""
    inside = {scope.entered_id for scope in state.scopes}
    around = [other for other in history.states if other.entered_id in inside]
    return any(other.status in (SUCCEEDED, CAUGHT) for other in around)


def _started_again(history: RunHistory, left: Iterable[StateRun]) -> frozenset[str]:
    """The states inside of a Parallel or Map that starts all its branches again."""
    whole = {state.entered_id for state in left if state.type in CONTAINERS}
    return frozenset(s.name for s in history.states if whole & {scope.entered_id for scope in s.scopes})


def _step(name: str, entries: Sequence[StateRun], left: Sequence[StateRun], again: frozenset[str]) -> RedriveStep:
    taken_up = [state for state in entries if state in left]
    seconds = _work(taken_up or entries)
    if name in again:
        return RedriveStep(name, RUN, "completed, and is run again with all that its Parallel or Map does", seconds)
    if taken_up:
        return RedriveStep(name, RUN, _why_again(taken_up, len(entries)), seconds)
    last = entries[-1]
    if last.status == CAUGHT:
        return RedriveStep(name, SKIP, "failed and was caught: stays as it is", seconds)
    return RedriveStep(name, REUSE, "completed", seconds)


def _why_again(taken_up: Sequence[StateRun], of: int) -> str:
    first = next((state for state in taken_up if state.status == FAILED), taken_up[0])
    words = {
        FAILED: f"failed: {one_line(first.error, first.cause) or 'no error is told'}",
        "TIMED_OUT": "was cut off by the run's time limit",
        "ABORTED": "was aborted",
    }
    some = f"{len(taken_up)} of {of} entries: " if of > 1 else ""
    return f"{some}{words.get(first.status, first.status)}; starts from zero"


def _work(entries: Iterable[StateRun]) -> float:
    attempts = [attempt for state in entries for attempt in state.attempts]
    return sum(attempt.ended - attempt.scheduled for attempt in attempts if attempt.ended is not None)


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - NEAREST} more" if len(listed) > NEAREST else ""
    return ", ".join(listed[:NEAREST]) + more
