"""What the expressions in a state can see: variables of its scope and the ones around it, and the context object."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from opsctl.asl.definition import Guarded, Map
from opsctl.asl.environment import Environment
from opsctl.asl.frames import Frame
from opsctl.asl.timestamps import format_timestamp

if TYPE_CHECKING:
    from opsctl.asl.walk import Walk


def environment_of(walk: Walk, frame: Frame) -> Environment:
    """The view from a frame's state. `$` and `$states` are left to the flow, which knows what they mean there."""
    return Environment(
        context=lambda: context_of(walk, frame),
        variable=lambda name: _variable(walk, frame, name),
        random=walk.random,
        now=walk.now,
    )


def _variable(walk: Walk, frame: Frame, name: str) -> Any:
    while name not in frame.variables:
        if frame.parent is None:
            raise KeyError(name)
        frame = walk.frames[frame.parent]
    return frame.variables[name]


def context_of(walk: Walk, frame: Frame) -> dict[str, Any]:
    """The context object (`$$`), its members in AWS's order."""
    given = walk.base_context.get("Execution", {})
    execution = {**({"Id": given["Id"]} if "Id" in given else {}), "Input": walk.input.value, **given}
    # A count that the outside does not know of is not made up: executions of before redrive have none.
    if walk.redrives or "RedriveCount" in given:
        execution["RedriveCount"] = walk.redrives
    if walk.redriven_at is not None:
        execution["RedriveTime"] = walk.redriven_at
    state: dict[str, Any] = {"Name": frame.state.name, "EnteredTime": format_timestamp(frame.entered_at)}
    if isinstance(frame.state, Guarded):
        state["RetryCount"] = frame.attempt
    context = {**walk.base_context, "Execution": execution, "State": state}
    if frame.token is not None:
        context["Task"] = {"Token": frame.token}
    item = _item_of(walk, frame)
    if item is not None:
        context["Map"] = {"Item": item}
    return context


def _item_of(walk: Walk, frame: Frame) -> dict[str, Any] | None:
    """The item of the innermost Map's iteration that the frame is in; None outside any."""
    while frame.parent is not None:
        parent = walk.frames[frame.parent]
        if isinstance(parent.state, Map):
            return {"Index": frame.index, "Value": parent.items[frame.index]}
        frame = parent
    return None


def new_token(walk: Walk, frame: Frame) -> str:
    """A task token: unguessable without the random source, unique to execution and task."""
    execution = walk.base_context.get("Execution", {}).get("Id", "")
    seed = f"{execution}/{frame.id}/{walk.next_task}/{walk.random.getrandbits(128):032x}"
    return hashlib.sha512(seed.encode()).hexdigest()
