"""The Map Runs of one walk: each is walked ahead on the virtual clock, closed when its end has come, and redriven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import Failed, StartMapRun
from opsctl.asl.failures import StateError
from opsctl.asl.interpreter import Execution
from opsctl.domain.cases.clock import Clock
from opsctl.domain.cases.map_runs import ChildRun, MapRun, WalkChild, child_walk, cut_off, walk_map_run
from opsctl.domain.cases.model import Case, Entry, Record
from opsctl.domain.cases.trail import Trail

ReadItems = Callable[[StartMapRun, str], Any]
"""What the case says an ItemReader reads, of the effect and the iteration that its state is in."""


class StuckError(Exception):
    """The walk cannot go on, for the reason given."""


@dataclass(slots=True)
class _Standing:
    """What is known of a run over all its redrives: where its state stands, its items, and what each child did."""

    line: tuple[Entry, ...]
    inputs: list[str] | None = None
    total: int = 0
    children: dict[int, ChildRun] = field(default_factory=dict)


class MapRunWalks:
    """Walks what an execution asks for; `records` is what the children did that have come to rest."""

    def __init__(
        self,
        case: Case,
        execution: Execution,
        trail: Trail,
        clock: Clock,
        iteration: Callable[[tuple[Entry, ...]], str],
        read: ReadItems,
        walk: Callable[[StateMachine, Case, str], Record],
    ) -> None:
        self._case = case
        self._execution = execution
        self._trail = trail
        self._clock = clock
        self._iteration = iteration
        self._read = read
        self._walk = walk
        self._asked = 0
        self._runs: dict[str, _Standing] = {}
        self._open: dict[int, tuple[MapRun, _Standing, WalkChild]] = {}
        self.records: list[Record] = []

    @property
    def waiting(self) -> list[str]:
        """The states whose runs have not ended."""
        return [standing.line[0].name for _, standing, _ in self._open.values()]

    def begin(self, effect: StartMapRun) -> None:
        """Walk a distributed Map's children, and put the run's end on the clock. Raises StuckError."""
        if effect.redrives and effect.execution_type == "EXPRESS":
            raise StuckError(f"a redrive of the distributed Map {effect.state} cannot be walked: mock the whole state")
        standing = self._standing(effect)
        iteration = self._iteration(standing.line)
        try:
            self._fill(standing, effect, iteration)
        except StateError as error:
            self._clock.put(self._clock.now, effect.task, Failed(error.error or "", error.cause or ""))
            return
        walk_child = child_walk(effect, iteration, self._case, self._walk)
        inputs, past = standing.inputs or [], standing.children
        run = walk_map_run(effect, inputs, standing.total, self._clock.now, walk_child, past)
        self._open[effect.task] = (run, standing, walk_child)
        if run.children and run.children[-1].record.problem:
            raise StuckError(run.children[-1].record.problem)
        if run.end is not None and run.outcome is not None:
            self._clock.put(run.end, effect.task, run.outcome)

    def _standing(self, effect: StartMapRun) -> _Standing:
        """A redriven run is known by its ARN; a new one is the next that the trail has seen."""
        if not effect.redrives:
            self._runs[effect.map_run_arn] = _Standing(self._trail.map_runs[self._asked])
            self._asked += 1
        return self._runs[effect.map_run_arn]

    def _fill(self, standing: _Standing, effect: StartMapRun, iteration: str) -> None:
        if standing.inputs is None:
            items = (effect.items if effect.reader is None else self._read(effect, iteration)) or []
            standing.inputs = self._execution.map_run_inputs(effect.task, items)
            standing.total = len(items)

    def close(self, task: int) -> None:
        """Take over what the children of a run did, up to now; nothing where the task is no run."""
        if task not in self._open:
            return
        run, standing, walk_child = self._open.pop(task)
        for child in cut_off(run.children, self._clock.now, walk_child):
            before = standing.children.get(child.index)
            if child is before:
                continue
            branches, path = standing.line[0].branches, list(child.record.path)
            known = branches.get(child.index, [])
            if before is not None:  # walked again from its start, now with what came after its redrive
                known = known[: len(known) - len(before.record.path)]
                self.records = [record for record in self.records if record is not before.record]
            branches[child.index] = [*known, *path]
            self.records.append(child.record)
            standing.children[child.index] = child
