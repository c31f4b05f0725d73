"""A distributed Map's children on the virtual clock.

Children know nothing of each other, so each is walked by itself from the moment at which it gets a free place until its
end. Where a run ends early (more failures than are tolerated, or nobody waits for it any more), the children that were
at work are walked once more and stopped at that moment: what they would have done later is in no record.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opsctl.asl import StateMachine, parse
from opsctl.asl.effects import Failed, Outcome, StartMapRun, Succeeded
from opsctl.asl.map_results import EXCEEDED, EXCEEDED_CAUSE, Child, exports, result_text, tolerates, written
from opsctl.asl.timestamps import format_timestamp
from opsctl.domain.cases.model import Case, Record, Stop

_UNLIMITED = 10_000
"""Children that AWS runs at a time where MaxConcurrency says nothing."""

WalkChild = Callable[[int, str, float, float | None], Record]
"""Of a child's index, input, start and, where it is stopped, the moment of that: what it did."""


@dataclass(frozen=True, slots=True)
class ChildRun:
    """One child: when it started, what it did, and for how many items it stands."""

    index: int
    input: str
    start: float
    record: Record
    items: int

    @property
    def end(self) -> float:
        """When it ended; never, for one that waits for ever."""
        return math.inf if self.record.status == "RUNNING" else self.start + self.record.duration

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.record.status not in ("SUCCEEDED", "RUNNING")


@dataclass(frozen=True, slots=True)
class MapRun:
    """A walked run. `end` is None for one that waits for ever."""

    children: tuple[ChildRun, ...]
    end: float | None
    outcome: Outcome | None


def child_walk(
    effect: StartMapRun, iteration: str, case: Case, walk: Callable[[StateMachine, Case, str], Record]
) -> WalkChild:  # fmt: skip
    """How the run's children are walked: with the case's own mocks, each as the iteration that it is."""
    machine = parse(effect.processor)

    def walk_child(index: int, text: str, start: float, stopped: float | None) -> Record:
        own = replace(
            case, input=json.loads(text), context=_context(case.context, effect, index, start), start=start,
            stop=None if stopped is None else Stop(stopped - start), redrives=0, begin=None,
        )  # fmt: skip
        return walk(machine, own, f"{iteration}.{index}" if iteration else str(index))

    return walk_child


def _context(parent: Mapping[str, Any], effect: StartMapRun, index: int, start: float) -> dict[str, Any]:
    arn, name = effect.map_run_arn.replace(":mapRun:", ":execution:"), f"child-{index}"
    own = {"Id": f"{arn}:{name}", "Name": name, "StartTime": format_timestamp(start), "RedriveCount": 0}
    return {**parent, "Execution": {**parent["Execution"], **own}}


def walk_map_run(
    effect: StartMapRun, inputs: Sequence[str], total: int, now: float, walk_child: WalkChild
) -> MapRun:  # fmt: skip
    """Walk all children of a run over `total` items that begins at `now`."""
    children = _all_children(effect, inputs, total, now, walk_child)
    broken = _broken_at(effect, children, total)
    if broken is not None:
        return MapRun(cut_off(children, broken, walk_child), broken, Failed(EXCEEDED, EXCEEDED_CAUSE))
    end = max((child.end for child in children), default=now)
    if end == math.inf:
        return MapRun(tuple(children), None, None)
    return MapRun(tuple(children), end, Succeeded(_result(effect, children)))


def cut_off(children: Sequence[ChildRun], at: float, walk_child: WalkChild) -> tuple[ChildRun, ...]:
    """The children of a run that ends at a moment: those that had begun, stopped where they were."""
    return tuple(
        child
        if child.end <= at
        else ChildRun(
            child.index, child.input, child.start, walk_child(child.index, child.input, child.start, at), child.items
        )
        for child in children
        if child.start < at or child.end <= at
    )


def _all_children(
    effect: StartMapRun, inputs: Sequence[str], total: int, now: float, walk_child: WalkChild
) -> list[ChildRun]:  # fmt: skip
    """The children in the order in which they start, up to where the run breaks off."""
    places = effect.max_concurrency or _UNLIMITED
    busy: list[float] = []
    children: list[ChildRun] = []
    for index, text in enumerate(inputs):
        start = heapq.heappop(busy) if len(busy) >= places else now
        failures = sum(child.items for child in children if child.failed and child.end <= start)
        if start == math.inf or not tolerates(effect, failures, total):
            break
        items = 1 if len(inputs) == total else len(json.loads(text)["Items"])
        children.append(ChildRun(index, text, start, walk_child(index, text, start, None), items))
        if children[-1].record.problem is not None:
            break
        heapq.heappush(busy, children[-1].end)
    return children


def _broken_at(effect: StartMapRun, children: Sequence[ChildRun], total: int) -> float | None:
    """When more children have failed than are tolerated."""
    failures = 0
    for child in sorted((child for child in children if child.failed), key=lambda child: child.end):
        failures += child.items
        if not tolerates(effect, failures, total):
            return child.end
    return None


def _result(effect: StartMapRun, children: Sequence[ChildRun]) -> str:
    if exports(effect):
        return written(effect, effect.map_run_arn, [_exported(effect, child) for child in children])[0]
    outputs = [json.dumps(child.record.output) if not child.failed else None for child in children]
    return result_text(outputs, effect.writer)


def _exported(effect: StartMapRun, child: ChildRun) -> Child:
    record, name = child.record, f"child-{child.index}"
    arn = effect.map_run_arn.replace(":mapRun:", ":execution:")
    failure = {key: value for key, value in (("Error", record.error), ("Cause", record.cause)) if value is not None}
    return {
        "ExecutionArn": f"{arn}:{name}", "Input": child.input, "Output": json.dumps(record.output), "Name": name,
        "StartDate": format_timestamp(child.start), "StateMachineArn": arn.replace(":execution:", ":stateMachine:"),
        "Status": record.status, "StopDate": format_timestamp(child.end), **failure,
    }  # fmt: skip
