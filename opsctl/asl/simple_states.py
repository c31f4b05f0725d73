"""The kinds of state that need nobody else: Pass, Succeed, Fail, Choice, Wait."""

from __future__ import annotations

from opsctl.asl.definition import Choice, Fail, Pass, Succeed, Wait
from opsctl.asl.environment import Environment
from opsctl.asl.failures import StateError, query_failure, runtime_failure
from opsctl.asl.flow import LARGEST_LONG, Setting, bare
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.payload import Payload
from opsctl.asl.timestamps import parse_timestamp
from opsctl.asl.walk import Walk


def run_pass(walk: Walk, frame: Frame, state: Pass) -> None:
    """Hand on the input, or the Result."""
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    result = effective if state.result is None else state.result
    assigned = state.flow.assign(frame.input, result, environment)
    walk.leave(frame, state.flow.output(frame.input, result, environment), state.next, assigned)


def run_succeed(walk: Walk, frame: Frame, state: Succeed) -> None:
    """End the branch with the (filtered) input."""
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    walk.leave(frame, state.flow.output(effective, effective, environment), None, None)


def run_fail(walk: Walk, frame: Frame, state: Fail) -> None:
    """End the branch with an error."""
    environment = _seen(walk.environment(frame), frame.input)
    walk.fail(frame, _words(state.error, environment), _words(state.cause, environment))


def _words(setting: Setting | None, environment: Environment) -> str | None:
    return None if setting is None else setting.words(environment)


def run_choice(walk: Walk, frame: Frame, state: Choice) -> None:
    """Take the first rule that holds, else the Default."""
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    view = _seen(environment, effective)
    for rule in state.rules:
        if rule.condition(view):
            assigned = None if rule.assignments is None else rule.assignments(view)
            output = None if rule.output is None else Payload(rule.output(view))
            walk.leave(frame, output or _passed(state, effective, environment), rule.next, assigned)
            return
    if state.default is None:
        # Not the documented States.NoChoiceMatched: what AWS writes is States.Runtime, which nothing catches.
        raise runtime_failure("Failed to transition out of the state. The state does not point to a next state.")
    assigned = state.flow.assign(frame.input, effective, environment)
    walk.leave(frame, state.flow.output(effective, effective, environment), state.default, assigned)


def _passed(state: Choice, effective: Payload, environment: Environment) -> Payload:
    """What goes on when a rule has no Output of its own: in JSONata the state's Output belongs to the Default."""
    return effective if state.jsonata else state.flow.output(effective, effective, environment)


def _seen(environment: Environment, payload: Payload) -> Environment:
    """The view in which a state's own fields are evaluated."""
    return environment.with_data(payload.value).with_states(input=payload.value)


def run_wait(walk: Walk, frame: Frame, state: Wait) -> None:
    """Wait until the moment comes; one that has passed is no wait at all."""
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    due = _due(state.until, _seen(environment, effective), walk.now)
    frame.phase = Phase.WAIT
    walk.timers.set(frame, "wait", max(due, walk.now))


def waited(walk: Walk, frame: Frame) -> None:
    """The wait is over."""
    environment = walk.environment(frame)
    flow = frame.state.flow
    try:
        effective = flow.arguments(frame.input, environment)
        assigned = flow.assign(frame.input, effective, environment)
        walk.leave(frame, flow.output(effective, effective, environment), frame.state.next, assigned)
    except StateError as problem:
        walk.fail_with(frame, problem)


def _due(until: Setting, environment: Environment, now: float) -> float:
    if until.path and until.field == "SecondsPath" and not until.path.exists(environment):
        raise runtime_failure(f"The SecondsPath parameter does not reference an input value: {until.path.text}")
    value = until.evaluate(environment)
    shown = f"{until.path.text} == {bare(value)}" if until.path else bare(value)
    if until.field.startswith("Timestamp"):
        moment = parse_timestamp(value)
        if moment is None and until.query is not None:
            raise query_failure(
                f"The {until.field} field cannot be parsed as an ISO-8601 extended offset date-time format string: "
                f"{bare(value)}",
                until.field,
                late=True,
            )
        if moment is None:
            raise runtime_failure(
                f"The {until.field} parameter does not reference a valid ISO-8601 extended offset date-time format "
                f"string: {shown}"
            )
        return moment.timestamp()
    if until.query is not None:
        value = until.integer(environment)
    if isinstance(value, bool) or not isinstance(value, int) or value > LARGEST_LONG:
        raise runtime_failure(f"The {until.field} parameter cannot be parsed as a long value: {shown}")
    if value < 0:
        raise runtime_failure(f"The {until.field} parameter references a negative value: {shown}")
    return now + float(value)
