"""What a Map's fields come to, inline and distributed alike: its items, their batches, the limits."""

from __future__ import annotations

from typing import Any

from opsctl.asl.definition import Map
from opsctl.asl.environment import Environment
from opsctl.asl.failures import query_failure, runtime_failure
from opsctl.asl.flow import Setting
from opsctl.asl.jsonata import unexpected_type
from opsctl.asl.payload import Payload, to_text

_WHOLE_PERCENTAGE = 100


def items_of(state: Map, effective: Payload, view: Environment, *, objects: bool = False) -> Any:
    """The array that ItemsPath, Items or the input is; with `objects` it may be an object. Raises `StateError`."""
    items = effective.value if state.items is None else state.items.evaluate(view)
    if isinstance(items, list) or (objects and isinstance(items, dict)):
        return items
    if state.jsonata:
        if state.items is not None and state.items.query is not None:
            raise unexpected_type(state.items.query, "Items", "array", items)
        raise query_failure(f"Map state input must be an array but was: {to_text(items)}", None)
    path = state.items.path.text if state.items and state.items.path else "$"
    raise runtime_failure(f'Reference path "{path}" must point to array.')


def concurrency(state: Map, view: Environment) -> int:
    """MaxConcurrency; 0 if there is none. Raises `StateError`."""
    limit = 0 if state.max_concurrency is None else state.max_concurrency.integer(view)
    if limit < 0:
        raise runtime_failure(f"Expected non-negative integer for MaxConcurrency, got '{limit}' instead.")
    return limit


def tolerance(state: Map, view: Environment) -> tuple[int, float]:
    """ToleratedFailureCount and ToleratedFailurePercentage, 0 where there is none. Raises `StateError`."""
    count = 0 if state.tolerated_count is None else state.tolerated_count.integer(view)
    if count < 0:
        raise runtime_failure("ToleratedFailureCount cannot be negative.")
    share = 0.0 if state.tolerated_percentage is None else state.tolerated_percentage.number(view)
    if not 0 <= share <= _WHOLE_PERCENTAGE:
        raise runtime_failure("ToleratedFailurePercentage must be between 0 and 100.")
    return count, share


def tolerated(count: int, share: float, length: int) -> int:
    """How many of `length` items may fail."""
    return max(count, int(length * share / _WHOLE_PERCENTAGE))


def batches(state: Map, items: list[Any], view: Environment) -> list[Any]:
    """The items, or with an ItemBatcher objects of several items each. Raises `StateError`."""
    batcher = state.batcher
    if batcher is None:
        return items
    most = _optional(batcher.most_items, view) or len(items)
    most_bytes = _optional(batcher.most_bytes, view)
    extra = {} if batcher.input is None else {"BatchInput": batcher.input(view)}
    frame_bytes = _bytes({**extra, "Items": []})
    made: list[list[Any]] = []
    room = 0
    for item in items:
        size = 0 if most_bytes is None else _bytes(item) + 1
        if made and len(made[-1]) < most and (most_bytes is None or size <= room):
            made[-1].append(item)
        else:
            made.append([item])
            # A batch's first item has no comma before it.
            room = 0 if most_bytes is None else most_bytes - frame_bytes + 1
        room -= size
    return [{**extra, "Items": batch} for batch in made]


def _bytes(value: Any) -> int:
    return len(to_text(value).encode("utf-8", "surrogatepass"))


def _optional(setting: Setting | None, view: Environment) -> int | None:
    return None if setting is None else setting.integer(view)
