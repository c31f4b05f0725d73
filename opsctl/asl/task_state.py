"""Task: ask the world for something, and take its answer.

Which events are written depends on the resource: a Lambda function's ARN, an activity's ARN, or an integration
(`arn:aws:states:::service:action`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opsctl.asl.definition import Task
from opsctl.asl.effects import (
    Failed,
    Heartbeat,
    Outcome,
    ScheduleTask,
    Started,
    StartFailed,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.asl.environment import Environment
from opsctl.asl.events import failure, with_input, with_output
from opsctl.asl.failures import DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT, StateError, runtime_failure
from opsctl.asl.flow import Setting
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.payload import Payload
from opsctl.asl.sight import new_token
from opsctl.asl.task_parameters import check_parameters
from opsctl.asl.walk import Walk

_INTEGRATION = "arn:aws:states:::"
_CALLBACK = ".waitForTaskToken"
_CLOCKS = ("timeout", "heartbeat")
_TOO_LARGE = (
    "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
)


@dataclass(frozen=True, slots=True)
class Resource:
    """How the events of a resource are called, and what identifies it in them."""

    prefix: str
    identity: tuple[tuple[str, str], ...]
    callback: bool

    @property
    def activity(self) -> bool:
        """Whether a worker asks for the task."""
        return self.prefix == "Activity"


@lru_cache(maxsize=1024)
def classify(arn: str) -> Resource:
    """The kind of a Task's Resource."""
    if _INTEGRATION in arn:
        service, _, action = arn.partition(":::")[2].partition(":")
        if service == "aws-sdk":
            name, _, action = action.partition(":")
            service = f"{service}:{name}"
        return Resource("Task", (("resourceType", service), ("resource", action)), arn.endswith(_CALLBACK))
    if ":activity:" in arn:
        return Resource("Activity", (), callback=True)
    return Resource("LambdaFunction", (), callback=False)


def run(walk: Walk, frame: Frame, state: Task) -> None:
    """Schedule one attempt."""
    resource = classify(state.resource)
    if resource.activity and walk.activity_exists is not None and not walk.activity_exists(state.resource):
        raise runtime_failure(f"The activity {state.resource} does not exist.")
    frame.token = new_token(walk, frame) if resource.callback else None
    environment = walk.environment(frame)
    arguments = state.flow.arguments(frame.input, environment)
    if arguments.oversized:
        raise StateError(DATA_LIMIT_EXCEEDED, _TOO_LARGE.format(name=state.name))
    check_parameters(dict(resource.identity), arguments, jsonata=state.jsonata)
    view = environment.with_data(frame.input.value).with_states(input=frame.input.value)
    frame.timeout = _seconds(state.timeout, view)
    frame.heartbeat = _seconds(state.heartbeat, view)
    credentials = None if state.credentials is None else state.credentials(view)
    frame.link = walk.journal.add(
        walk.now,
        f"{resource.prefix}Scheduled",
        frame.link,
        _scheduled(resource, state, frame, arguments.text, credentials, walk),
    )
    _ask(walk, frame, state, arguments, credentials)
    if frame.timeout is not None and not resource.activity:
        walk.timers.set(frame, "timeout", walk.now + frame.timeout)


def _ask(walk: Walk, frame: Frame, state: Task, arguments: Payload, credentials: Any) -> None:
    frame.phase, frame.started, frame.task = Phase.TASK, False, walk.next_task
    walk.next_task += 1
    walk.tasks[frame.task] = frame.id
    walk.effects.append(
        ScheduleTask(
            task=frame.task,
            state=state.name,
            resource=state.resource,
            parameters=arguments.value,
            timeout=frame.timeout,
            heartbeat=frame.heartbeat,
            token=frame.token,
            credentials=credentials,
        )
    )


def _seconds(setting: Setting | None, view: Environment) -> int | None:
    return None if setting is None else setting.integer(view)


def _scheduled(
    resource: Resource, state: Task, frame: Frame, text: str, credentials: Any, walk: Walk
) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if frame.timeout is not None:
        limits["timeoutInSeconds"] = frame.timeout
    if frame.heartbeat is not None:
        limits["heartbeatInSeconds"] = frame.heartbeat
    if credentials is not None:
        limits["taskCredentials"] = {"roleArn": credentials.get("RoleArn")}
    if resource.prefix != "Task":
        return {"resource": state.resource, **with_input(text), **limits}
    return {**dict(resource.identity), "region": _region(walk), "parameters": text, **limits}


def _region(walk: Walk) -> str:
    parts = str(walk.base_context.get("Execution", {}).get("Id", "")).split(":")
    return parts[3] if len(parts) > 3 and parts[3] else "us-east-1"


# outcomes


def resolve(walk: Walk, frame: Frame, outcome: Outcome) -> None:
    """What the world says about the frame's task."""
    resource = classify(_task(frame).resource)
    if isinstance(outcome, Heartbeat):
        _restart_heartbeat(walk, frame)
    elif isinstance(outcome, StartFailed):
        kind = "ActivityScheduleFailed" if resource.activity else f"{resource.prefix}StartFailed"
        _failed(walk, frame, resource, kind, outcome.error, outcome.cause)
    else:
        _start(walk, frame, resource, outcome.worker if isinstance(outcome, Started) else None)
        _go_on(walk, frame, resource, outcome)


def _go_on(walk: Walk, frame: Frame, resource: Resource, outcome: Outcome) -> None:
    if isinstance(outcome, Submitted):
        details = with_output(outcome.output, **dict(resource.identity))
        frame.link = walk.journal.add(walk.now, "TaskSubmitted", frame.link, details)
        _restart_heartbeat(walk, frame)
    elif isinstance(outcome, SubmitFailed):
        _failed(walk, frame, resource, "TaskSubmitFailed", outcome.error, outcome.cause)
    elif isinstance(outcome, Failed):
        _failed(walk, frame, resource, f"{resource.prefix}Failed", outcome.error, outcome.cause)
    elif isinstance(outcome, Succeeded):
        _succeeded(walk, frame, resource, Payload(text=outcome.output))


def _start(walk: Walk, frame: Frame, resource: Resource, worker: str | None) -> None:
    """Write the Started event, once; an outcome without a `Started` before it implies one."""
    if frame.started:
        return
    frame.started = True
    details: dict[str, Any] | None = None
    if resource.prefix == "Task":
        details = dict(resource.identity)
    elif resource.activity:
        details = {} if worker is None else {"workerName": worker}
        # The clocks of an activity start when a worker takes it, not when it is offered.
        _restart_heartbeat(walk, frame)
        if frame.timeout is not None:
            walk.timers.set(frame, "timeout", walk.now + frame.timeout)
    frame.link = walk.journal.add(walk.now, f"{resource.prefix}Started", frame.link, details)


def _restart_heartbeat(walk: Walk, frame: Frame) -> None:
    """Only a callback task beats, and only once its request was handed over."""
    if frame.heartbeat is not None and frame.token is not None:
        walk.timers.set(frame, "heartbeat", walk.now + frame.heartbeat)


def _succeeded(walk: Walk, frame: Frame, resource: Resource, output: Payload) -> None:
    try:
        _ = output.value
    except ValueError as error:
        _failed(walk, frame, resource, f"{resource.prefix}Failed", RUNTIME, f"The task's output is no JSON: {error}")
        return
    if output.oversized:
        cause = _TOO_LARGE.format(name=frame.state.name)
        _failed(walk, frame, resource, f"{resource.prefix}Failed", DATA_LIMIT_EXCEEDED, cause)
        return
    _close(walk, frame)
    details = with_output(output.text, **dict(resource.identity))
    frame.link = walk.journal.add(walk.now, f"{resource.prefix}Succeeded", frame.link, details)
    try:
        walk.leave_with_result(frame, output)
    except StateError as problem:
        walk.fail_with(frame, problem)


def _failed(walk: Walk, frame: Frame, resource: Resource, kind: str, error: str, cause: str) -> None:
    _close(walk, frame)
    name, why = error or None, cause or None
    frame.link = walk.journal.add(walk.now, kind, frame.link, failure(name, why, **dict(resource.identity)))
    walk.fail(frame, name, why)


def timed_out(walk: Walk, frame: Frame, kind: str) -> None:
    """TimeoutSeconds or HeartbeatSeconds has passed."""
    resource = classify(_task(frame).resource)
    walk.abandon(frame)
    _close(walk, frame)
    details = failure(TIMEOUT, None, **dict(resource.identity))
    frame.link = walk.journal.add(walk.now, f"{resource.prefix}TimedOut", frame.link, details)
    # Clocks that run out at once are all recorded before the first of them takes effect.
    frame.missed, frame.phase = kind, Phase.FAIL
    walk.ready.append(frame)


def _close(walk: Walk, frame: Frame) -> None:
    if frame.task is not None:
        walk.tasks.pop(frame.task, None)
    frame.task = None
    frame.token = None
    for kind in _CLOCKS:  # and not the machine's own, which the root frame keeps
        frame.timers.pop(kind, None)


def _task(frame: Frame) -> Task:
    if not isinstance(frame.state, Task):
        raise TypeError(f"'{frame.state.name}' is no Task")
    return frame.state
