"""The Map Runs of a drive: their child runs are drives of their own, which the same faults strike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import Failed, Outcome, StartMapRun
from opsctl.asl.failures import StateError
from opsctl.asl.validate import parse
from opsctl.domain.cases.map_runs import WalkChild, walk_map_run
from opsctl.domain.cases.model import Record
from opsctl.domain.drill.scenario import Scenario

if TYPE_CHECKING:
    from opsctl.domain.drill.walk import Drive

New = Callable[[StateMachine, Scenario, str, object, float], "Drive"]


def walked_map_run(drive: Drive, effect: StartMapRun, new: New) -> tuple[float, Outcome] | None:
    """After how many seconds a Map Run ends, and how; None where it does not end. `new` makes a drive."""
    try:
        items = drive.world.items(effect)
        inputs = drive.execution.map_run_inputs(effect.task, items)
    except StateError as error:
        return 0.0, Failed(error.error or "", error.cause or "")
    past = drive.children.get(effect.map_run_arn, {}) if effect.redrives else {}
    run = walk_map_run(effect, inputs, len(items), drive.now, _walking(drive, effect, new), past)
    drive.children[effect.map_run_arn] = {child.index: child for child in run.children}
    return None if run.end is None or run.outcome is None else (run.end - drive.now, run.outcome)


def _walking(drive: Drive, effect: StartMapRun, new: New) -> WalkChild:
    machine = parse(effect.processor)

    def walk_child(index: int, text: str, start: float, *_: object) -> Record:
        child = new(machine, drive.scenario, f"{drive.name}-child-{index}", json.loads(text), start)
        child.armed = drive.armed
        child.start().run()
        drive.armed = child.armed
        drive.struck += [(fault, len(drive.events), at) for fault, _, at in child.struck]
        drive.asked += child.asked
        drive.taken += child.taken
        drive.done += child.done
        return _record(child, start)

    return walk_child


def _record(child: Drive, start: float) -> Record:
    run = child.execution
    return Record(
        run.status, None if run.output is None else json.loads(run.output), run.error, run.cause,
        child.now - start, (), frozenset(one.state for one in child.asked), (), (), 0, problem=child.problem or None,
    )  # fmt: skip
