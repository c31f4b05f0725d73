"""Gates: tasks that wait until somebody answers with their task token.

A gate is open while the newest attempt of its state is at work. Each attempt has a token of its own, also after a
redrive: the tokens of earlier ones are refused. The token is looked for where the definition passes it on; a state that
does not pass it on waits for an answer that nobody can give.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import RUNNING, Attempt, RunHistory, StateRun, seconds
from opsctl.domain.guards import all_states
from opsctl.domain.names import slug
from opsctl.domain.task_tokens import Asked, masked, passes_on, token_of
from opsctl.errors import RefusedError, UsageError

CALLBACK = ".waitForTaskToken"
ACTIVITY = ":activity:"
STARTS = ":startExecution"  # with .sync, with a task token or with neither
EXECUTION = ":execution:"
REJECTED = "Rejected"
Events = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Gate:
    """An open one of the `run` of that name. `token` is None where it cannot be known, and `unknown` then says why;
    `parameters` are what the task was asked with, the token left out. Times are seconds since the epoch; `heartbeat` a
    number of seconds."""

    run: str
    step: str
    place: str
    item: int | None
    resource: str
    since: float
    attempt: int
    token: str | None
    unknown: str | None
    parameters: Any
    input: Any
    expires: float | None
    heartbeat: float | None

    @property
    def name(self) -> str:
        """Step and place in words."""
        return f"{self.step} ({self.place})" if self.place else self.step


def open_gates(
    events: Events, history: RunHistory, definition: Mapping[str, Any], names: Mapping[str, Any]
) -> tuple[Gate, ...]:
    """The gates that wait now, in the order in which they were entered. `names` are those of the context object that
    are known: the execution's, its name at least, and the machine's."""
    states = dict(all_states(definition))
    waiting = [state for state in history.states if state.type == "Task" and _waits(state)]
    return tuple(_gate(state, states.get(state.name, {}), events, history, definition, names) for state in waiting)


def gates_to_come(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all states that wait for a task token."""
    return tuple(name for name, state in all_states(definition) if str(state.get("Resource", "")).endswith(CALLBACK))


def started_by(history: RunHistory) -> tuple[str, ...]:
    """The ARNs of the executions that a run's steps started, in the order in which they did."""
    attempts = (attempt for state in history.states for attempt in state.attempts)
    jobs = (attempt.job for attempt in attempts if STARTS in attempt.resource)
    return tuple(job.arn for job in jobs if job.arn and EXECUTION in job.arn)


def choose_gate(gates: Sequence[Gate], step: str | None, item: int | None) -> Gate:
    """The gate that is meant, which may be one whose token is unknown.

    Raises RefusedError where several are open and none is named, UsageError where none has that name.
    """
    if step is None and item is None and len(gates) > 1:
        answerable = [gate for gate in gates if gate.token]
        if len(answerable) == 1:
            return answerable[0]
    found = [gate for gate in gates if step is None or slug(step) == slug(gate.step)]
    if not found:
        raise UsageError(f"no step {step!r} waits for an approval", _waiting(gates, step))
    found = [gate for gate in found if item is None or gate.item == item]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no item {item} waits for an approval", _waiting(gates, None))
    how = "--step" if len({gate.step for gate in found}) > 1 else "--item"
    if len({gate.run for gate in found}) > 1:
        how = "its own run as RUN, and the machine of that with --machine"
    raise RefusedError(f"{len(found)} steps wait for an approval", f"say which one with {how}: {_listed(found)}")


def _waits(state: StateRun) -> bool:
    if state.status != RUNNING or not state.attempts or state.attempts[-1].status != RUNNING:
        return False
    resource = state.attempts[-1].resource
    return resource.endswith(CALLBACK) or ACTIVITY in resource


def _gate(
    state: StateRun,
    source: Mapping[str, Any],
    events: Events,
    history: RunHistory,
    definition: Mapping[str, Any],
    names: Mapping[str, Any],
) -> Gate:
    attempt = state.attempts[-1]
    jsonata = source.get("QueryLanguage", definition.get("QueryLanguage")) == "JSONata"
    parameters, given = _json(attempt.parameters), _json(state.input)
    asked = Asked(source, jsonata, parameters, given, _names(names, state))
    token = None if ACTIVITY in attempt.resource else token_of(asked)
    timeout, heartbeat = _limits(events, attempt)
    limits = [_end_of_run(events, history, definition), None if timeout is None else attempt.scheduled + timeout]
    iterations = [scope.iteration for scope in state.scopes if scope.iteration is not None]
    return Gate(
        names["Execution"]["Name"],
        state.name,
        _place(state),
        iterations[-1] if iterations else None,
        attempt.resource,
        attempt.scheduled,
        len(state.attempts),
        token,
        None if token else _unknown(state.name, attempt.resource, asked),
        masked(parameters, token),
        given,
        min((limit for limit in limits if limit is not None), default=None),
        heartbeat,
    )


def _unknown(step: str, resource: str, asked: Asked) -> str:
    if ACTIVITY in resource:
        activity = resource.rpartition(":")[2]
        return f"{step} waits for a worker of the activity {activity}, which alone is given the task's token"
    if passes_on(asked):
        return f"{step} waits for a task token that the history does not let tell from the other texts of its message"
    return f"{step} waits for a task token that its definition does not pass on: it is nowhere in the history"


def _names(names: Mapping[str, Any], state: StateRun) -> dict[str, Any]:
    known = {**names, "State": {"Name": state.name}}
    iteration = state.scopes[-1].iteration if state.scopes else None
    return known if iteration is None else {**known, "Map": {"Item": {"Index": iteration}}}


def _limits(events: Events, attempt: Attempt) -> tuple[float | None, float | None]:
    """The attempt's own time limit and the longest time between two signs of life, as it was scheduled with."""
    for event in reversed(events):
        details = event.get("taskScheduledEventDetails") or {}
        if details and details.get("parameters") == attempt.parameters:
            return details.get("timeoutInSeconds"), details.get("heartbeatInSeconds")
    return None, None


def _end_of_run(events: Events, history: RunHistory, definition: Mapping[str, Any]) -> float | None:
    """When the whole run times out; a redrive gives it all of its time again."""
    limit = definition.get("TimeoutSeconds")
    if not isinstance(limit, int | float) or history.started is None:
        return None
    redriven = [event["timestamp"] for event in events if event.get("type") == "ExecutionRedriven"]
    return (seconds(redriven[-1]) if redriven else history.started) + limit


def _place(state: StateRun) -> str:
    parts = []
    for scope in state.scopes:
        if scope.iteration is not None:
            parts.append(f"item {scope.iteration} of {scope.name}")
        elif scope.branch is not None:
            parts.append(f"branch {scope.branch + 1} of {scope.name}")
    return ", ".join(parts)


def _waiting(gates: Sequence[Gate], wanted: str | None) -> str:
    by_slug = {slug(gate.step): gate.step for gate in gates}
    near = difflib.get_close_matches(slug(wanted or ""), by_slug, n=1, cutoff=0.5)
    return f"did you mean {by_slug[near[0]]}" if near else f"these do: {_listed(gates)}"


def _listed(gates: Sequence[Gate]) -> str:
    several = len({gate.run for gate in gates}) > 1
    return ", ".join(gate.name + (f" of {gate.run}" if several else "") for gate in gates)


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text
