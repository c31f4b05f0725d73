"""Map, inline: the same scope for each item of an array, at most MaxConcurrency at a time.

The events differ from Parallel's in their links: an iteration that follows another one is linked to the last event
inside it, the state's Succeeded and Exited events to the last MapIterationSucceeded, a retry to the event that failed.
"""

from __future__ import annotations

from opsctl.asl import map_run
from opsctl.asl.definition import Map
from opsctl.asl.environment import Environment
from opsctl.asl.failures import StateError
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.map_settings import batches, concurrency, items_of, tolerance, tolerated
from opsctl.asl.payload import Payload, array_of
from opsctl.asl.stopping import abort, drop_children
from opsctl.asl.walk import Walk

_MOST_AT_ONCE = 40


def run(walk: Walk, frame: Frame, state: Map) -> None:
    """Start the first iterations."""
    if state.distribution is not None:
        map_run.run(walk, frame, state, state.distribution)
        return
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    view = environment.with_data(effective.value).with_states(input=effective.value)
    items = items_of(state, effective, view)
    frame.link = frame.opened = walk.journal.add(walk.now, "MapStateStarted", frame.link, {"length": len(items)})
    frame.limit = _limit(state, view)
    frame.tolerated = tolerated(*tolerance(state, view), len(items))
    frame.items = batches(state, items, view)
    frame.selected = effective
    frame.phase = Phase.JOIN
    frame.begun = 0
    frame.failures = 0
    if not frame.items:
        _finish(walk, frame)
        return
    fill(walk, frame, 0)


def fill(walk: Walk, frame: Frame, running: int) -> None:
    """Start iterations until as many run as may. Raises `StateError` if an item's input cannot be made."""
    while running < frame.limit and frame.begun < len(frame.items):
        _begin(walk, frame, frame.opened)
        running += 1


def _limit(state: Map, view: Environment) -> int:
    return min(concurrency(state, view), _MOST_AT_ONCE) or _MOST_AT_ONCE


def _begin(walk: Walk, frame: Frame, link: int) -> None:
    """Start the next iteration."""
    state, index = frame.state, frame.begun
    if not isinstance(state, Map):
        raise TypeError(f"'{state.name}' is no Map")
    frame.begun += 1
    started = walk.journal.add(walk.now, "MapIterationStarted", link, {"name": state.name, "index": index})
    child = walk.spawn(state.processor, Payload(frame.items[index]), frame, index, started)
    if state.selector is not None and frame.selected is not None:
        value = frame.selected.value
        child.input = Payload(state.selector(walk.environment(child).with_data(value).with_states(input=value)))


def child_done(walk: Walk, parent: Frame, child: Frame, output: Payload) -> None:
    """An iteration has ended well: start the next, or end the state."""
    parent.results[child.index] = output
    details = {"name": parent.state.name, "index": child.index}
    parent.link = walk.journal.add(walk.now, "MapIterationSucceeded", child.link, details)
    _go_on(walk, parent, child)


def child_failed(walk: Walk, parent: Frame, child: Frame, error: str | None, cause: str | None) -> None:
    """An iteration has failed: tolerate it, or abort the others and fail as it did."""
    details = {"name": parent.state.name, "index": child.index}
    failed = walk.journal.add(walk.now, "MapIterationFailed", child.link, details)
    parent.failures += 1
    if parent.failures <= parent.tolerated:
        parent.link = failed
        _go_on(walk, parent, child)
        return
    for identity in parent.children:
        sibling = walk.frames[identity]
        if sibling.open and sibling is not child:
            details = {"name": parent.state.name, "index": sibling.index}
            walk.journal.add(walk.now, "MapIterationAborted", child.link, details)
        abort(walk, sibling, child.link)
    parent.link = child.link
    walk.fail(parent, error, cause)


def _go_on(walk: Walk, parent: Frame, child: Frame) -> None:
    if parent.begun < len(parent.items):
        try:
            _begin(walk, parent, child.link)
        except StateError as problem:
            walk.fail_with(parent, problem)
    elif len(parent.results) + parent.failures == len(parent.items):
        _finish(walk, parent)


def _finish(walk: Walk, frame: Frame) -> None:
    succeeded = walk.journal.add(walk.now, "MapStateSucceeded", frame.link)
    result = array_of(frame.results[index] for index in sorted(frame.results))
    drop_children(walk, frame)
    walk.leave_container(frame, result, succeeded)


def given_up(walk: Walk, frame: Frame) -> None:
    """No retry is left."""
    frame.link = walk.journal.add(walk.now, "MapStateFailed", frame.link)
