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

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import Failed, Outcome, StartMapRun, Succeeded
from opsctl.asl.map_results import EXCEEDED, EXCEEDED_CAUSE, Child, exports, result_text, tolerates, written
from opsctl.asl.timestamps import format_timestamp
from opsctl.asl.validate import parse
from opsctl.domain.cases.model import Case, Record, Stop

_UNLIMITED = 10_000
"""Children that AWS runs at a time where MaxConcurrency says nothing."""

Moments = tuple[float, ...]
WalkChild = Callable[[int, str, float, Moments, Moments], Record]
"""Of a child's index, input, start, and the moments at which it is redriven and at which it is stopped: what it did."""


@dataclass(frozen=True, slots=True)
class ChildRun:
    """One child: when it started, what it did, for how many items it stands, when it was redriven and stopped."""

    index: int
    input: str
    start: float
    record: Record
    items: int
    redriven: Moments = ()
    stopped: Moments = ()

    @property
    def begun(self) -> float:
        """When it was last set to work."""
        return self.redriven[-1] if self.redriven else self.start

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

    def walk_child(index: int, text: str, start: float, redriven: Moments, stopped: Moments) -> Record:
        own = replace(
            case, input=json.loads(text), context=_context(case.context, effect, index, start), start=start,
            stops=tuple(Stop(moment - start) for moment in stopped), redrives=redriven, begin=None,
        )  # fmt: skip
        return walk(machine, own, f"{iteration}.{index}" if iteration else str(index))

    return walk_child


def _context(parent: Mapping[str, Any], effect: StartMapRun, index: int, start: float) -> dict[str, Any]:
    arn, name = effect.map_run_arn.replace(":mapRun:", ":execution:"), f"child-{index}"
    own = {"Id": f"{arn}:{name}", "Name": name, "StartTime": format_timestamp(start), "RedriveCount": 0}
    return {**parent, "Execution": {**parent["Execution"], **own}}


def walk_map_run(
    effect: StartMapRun, inputs: Sequence[str], total: int, now: float, walk_child: WalkChild,
    past: Mapping[int, ChildRun],
) -> MapRun:  # fmt: skip
    """Walk all children of a run over `total` items that begins at `now`; where it is redriven, `past` holds what each
    has done before, and those that succeeded rest."""
    children = _all_children(effect, inputs, total, now, walk_child, past)
    broken = _broken_at(effect, children, total)
    if broken is not None:
        return MapRun(cut_off(children, broken, walk_child), broken, Failed(EXCEEDED, EXCEEDED_CAUSE))
    end = max((child.end for child in children), default=now)
    if end == math.inf:
        return MapRun(tuple(children), None, None)
    return MapRun(tuple(children), end, Succeeded(_result(effect, children)))


def cut_off(children: Sequence[ChildRun], at: float, walk_child: WalkChild) -> tuple[ChildRun, ...]:
    """The children of a run that ends at a moment: those that had begun, stopped where they were."""
    begun = (child for child in children if child.begun < at or child.end <= at)
    return tuple(child if child.end <= at else _stopped(child, at, walk_child) for child in begun)


def _stopped(child: ChildRun, at: float, walk_child: WalkChild) -> ChildRun:
    stopped = (*child.stopped, at)
    record = walk_child(child.index, child.input, child.start, child.redriven, stopped)
    return replace(child, record=record, stopped=stopped)


def _all_children(
    effect: StartMapRun, inputs: Sequence[str], total: int, now: float, walk_child: WalkChild,
    past: Mapping[int, ChildRun],
) -> list[ChildRun]:  # fmt: skip
    """The children in the order in which they start, up to where the run breaks off."""
    places = effect.max_concurrency or _UNLIMITED
    busy: list[float] = []
    children: list[ChildRun] = []
    for index, text in enumerate(inputs):
        before = past.get(index)
        if before is not None and not before.failed:
            children.append(before)
            continue
        start = heapq.heappop(busy) if len(busy) >= places else now
        failures = sum(child.items for child in children if child.failed and child.end <= start)
        if start == math.inf or not tolerates(effect, failures, total):
            break
        items = 1 if len(inputs) == total else len(json.loads(text)["Items"])
        children.append(_begun(index, text, start, items, before, walk_child))
        if children[-1].record.problem is not None:
            break
        heapq.heappush(busy, children[-1].end)
    return children


def _begun(
    index: int, text: str, start: float, items: int, before: ChildRun | None, walk_child: WalkChild
) -> ChildRun:  # fmt: skip
    """A child that starts, or that is redriven: walked from its first start again, for mocks count their calls."""
    if before is None:
        return ChildRun(index, text, start, walk_child(index, text, start, (), ()), items)
    redriven = (*before.redriven, start)
    return replace(before, record=walk_child(index, text, before.start, redriven, before.stopped), redriven=redriven)


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
