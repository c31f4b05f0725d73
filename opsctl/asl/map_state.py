"""Map, inline: the same scope for each item of an array, at most MaxConcurrency at a time.

The events differ from Parallel's in their links: an iteration that follows another one is linked to the last event
inside it, the state's Succeeded and Exited events to the last MapIterationSucceeded, a retry to the event that failed.
"""

from __future__ import annotations

from typing import Any

from opsctl.asl.definition import Map
from opsctl.asl.environment import Environment
from opsctl.asl.failures import StateError, query_failure, runtime_failure
from opsctl.asl.flow import Setting
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.jsonata import unexpected_type
from opsctl.asl.payload import Payload, array_of, to_text
from opsctl.asl.walk import Walk

EXCEEDED = "States.ExceedToleratedFailureThreshold"
_MOST_AT_ONCE = 40
_WHOLE_PERCENTAGE = 100


def run(walk: Walk, frame: Frame, state: Map) -> None:
    """Start the first iterations."""
    environment = walk.environment(frame)
    effective = state.flow.arguments(frame.input, environment)
    view = environment.with_data(effective.value).with_states(input=effective.value)
    items = _items(state, effective, view)
    frame.link = frame.opened = walk.journal.add(walk.now, "MapStateStarted", frame.link, {"length": len(items)})
    frame.limit = _limit(state, view)
    frame.tolerated = _tolerated(state, view, len(items))
    frame.items = _batches(state, items, view)
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


def _items(state: Map, effective: Payload, view: Environment) -> list[Any]:
    items = effective.value if state.items is None else state.items.evaluate(view)
    if not isinstance(items, list) and state.jsonata:
        if state.items is not None and state.items.query is not None:
            raise unexpected_type(state.items.query, "Items", "array", items)
        raise query_failure(f"Map state input must be an array but was: {to_text(items)}", None)
    if not isinstance(items, list):
        path = state.items.path.text if state.items and state.items.path else "$"
        raise runtime_failure(f'Reference path "{path}" must point to array.')
    return items


def _limit(state: Map, view: Environment) -> int:
    if state.max_concurrency is None:
        return _MOST_AT_ONCE
    limit = state.max_concurrency.integer(view)
    if limit < 0:
        raise runtime_failure(f"Expected non-negative integer for MaxConcurrency, got '{limit}' instead.")
    return min(limit, _MOST_AT_ONCE) or _MOST_AT_ONCE


def _tolerated(state: Map, view: Environment, length: int) -> int:
    """How many iterations may fail."""
    count = 0 if state.tolerated_count is None else state.tolerated_count.integer(view)
    if count < 0:
        raise runtime_failure("ToleratedFailureCount cannot be negative.")
    share = 0.0 if state.tolerated_percentage is None else state.tolerated_percentage.number(view)
    if not 0 <= share <= _WHOLE_PERCENTAGE:
        raise runtime_failure("ToleratedFailurePercentage must be between 0 and 100.")
    return max(count, int(length * share / _WHOLE_PERCENTAGE))


def _batches(state: Map, items: list[Any], view: Environment) -> list[Any]:
    """The items, or with an ItemBatcher objects of several items each."""
    batcher = state.batcher
    if batcher is None:
        return items
    most = _optional(batcher.most_items, view) or len(items)
    most_bytes = _optional(batcher.most_bytes, view)
    extra = {} if batcher.input is None else {"BatchInput": batcher.input(view)}
    batches: list[list[Any]] = []
    for item in items:
        if batches and len(batches[-1]) < most and _fits(extra, [*batches[-1], item], most_bytes):
            batches[-1].append(item)
        else:
            batches.append([item])
    return [{**extra, "Items": batch} for batch in batches]


def _optional(setting: Setting | None, view: Environment) -> int | None:
    return None if setting is None else setting.integer(view)


def _fits(extra: dict[str, Any], batch: list[Any], most_bytes: int | None) -> bool:
    return most_bytes is None or len(to_text({**extra, "Items": batch}).encode()) <= most_bytes


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
        walk.abort(sibling, child.link)
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
    walk.journal.add(walk.now, "MapStateSucceeded", frame.link)
    result = array_of(frame.results[index] for index in sorted(frame.results))
    walk.drop_children(frame)
    try:
        walk.leave_with_result(frame, result)
    except StateError as problem:
        walk.fail_with(frame, problem)


def given_up(walk: Walk, frame: Frame) -> None:
    """No retry is left."""
    frame.link = walk.journal.add(walk.now, "MapStateFailed", frame.link)
