"""Redrive: the execution goes on from the states that did not end well.

What AWS does (documented and measured): nothing is entered again. A rerun state's next event points back to its
original Entered event; of a Parallel or Map only the branches and iterations that failed or were aborted run again,
and those that were never reached are started; retries count from zero; the machine's timeout starts anew. A Fail state
fails again at once. A container that has lost its branches, because its own result could not be used, starts them all.
A distributed Map's Map Run goes on as the run it is.
"""

from __future__ import annotations

from opsctl.asl import map_run, map_state
from opsctl.asl.definition import Map, Parallel
from opsctl.asl.events import MAX_EVENTS
from opsctl.asl.failures import StateError
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.timestamps import format_timestamp
from opsctl.asl.walk import ROOT, Walk

PERIOD_SECONDS = 14 * 86_400
LONGEST_SECONDS = 365 * 86_400


def refusal(walk: Walk, now: float) -> str | None:
    """Why the execution cannot be redriven, in the words of DescribeExecution's redriveStatusReason; None if it can."""
    if walk.status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {walk.status} and cannot be redriven"
    events = walk.journal.events
    if len(events) >= MAX_EVENTS - 1:
        return "Execution history event limit exceeded"
    if now - events[-1]["timestamp"] >= PERIOD_SECONDS:
        return "Execution redrivable period exceeded"
    if now - events[0]["timestamp"] >= LONGEST_SECONDS:
        return "Execution has exceeded the max execution time"
    return None


def redrive(walk: Walk) -> None:
    """Go on. The caller has asked `refusal`."""
    events = walk.journal.events
    walk.redrives += 1
    walk.redriven_at = format_timestamp(walk.now)
    walk.status, walk.output, walk.error, walk.cause = "RUNNING", None, None, None
    walk.journal.add(walk.now, "ExecutionRedriven", len(events), {"redriveCount": walk.redrives})
    root = walk.frames[ROOT]
    if walk.machine.timeout is not None:
        walk.timers.set(root, "machine", walk.now + walk.machine.timeout)
    _resume(walk, root)


def _resume(walk: Walk, frame: Frame) -> None:
    if frame.phase is Phase.DONE:
        return
    frame.attempt, frame.retries, frame.started = 0, {}, False
    if isinstance(frame.state, Parallel | Map) and frame.children:
        _resume_container(walk, frame)
        return
    try:
        if map_run.redrive(walk, frame):
            return
    except StateError as problem:
        walk.fail_with(frame, problem)
        return
    if frame.entered:
        frame.phase, frame.link = Phase.RUN, frame.entered
    else:
        frame.phase = Phase.ENTER
    walk.ready.append(frame)


def _resume_container(walk: Walk, frame: Frame) -> None:
    frame.phase, frame.failures = Phase.JOIN, 0
    children = [walk.frames[child] for child in frame.children]
    for child in children:
        _resume(walk, child)
    if isinstance(frame.state, Map):
        try:
            map_state.fill(walk, frame, sum(child.open for child in children))
        except StateError as problem:
            walk.fail_with(frame, problem)
