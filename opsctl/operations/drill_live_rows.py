"""The rows of a live drill: a run for each fault, broken, judged, and brought back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from opsctl.asl.history import SUCCEEDED, RunHistory
from opsctl.domain.data_modes import IN_PLACE
from opsctl.domain.drill import live
from opsctl.domain.drill.judge import caught
from opsctl.domain.drill.live import Made
from opsctl.domain.drill.model import Check, Kind, Refutation
from opsctl.domain.drill.observed import LOST, Observed, judged, reads, repeated
from opsctl.domain.drill.subject import Subject
from opsctl.domain.plan import Request, RerunPlan
from opsctl.domain.redrive import RERUN
from opsctl.domain.runs import Run
from opsctl.errors import OpsError
from opsctl.operations import redrive, rerun, start
from opsctl.operations.drill_live_ground import LONGEST_SECONDS, Ground
from opsctl.operations.execution import execute

NOT_MET = "not met: no request of the state came to the fault"
NOT_REACHED = "not met: no run came to the state"
UNREAD = "not met: no job of the run reads the model that it leaves"
UNMARKED = "not met: its requests hold nothing that tells them from those of other runs and states"
Progress = Callable[[str], None]


@dataclass
class Played:
    """What became of one fault; `objects` are those that had to be there afterwards, and that were."""

    made: Made
    run: str
    observed: Observed | None = None
    refuted: list[Refutation] = field(default_factory=list)
    never: str = ""
    objects: tuple[int, int] = (0, 0)

    def refute(self, check: Check, words: str) -> None:
        """Add a refutation."""
        self.refuted.append(Refutation(check, self.made.fault.state, words))


class Rows:
    """All runs of one drill: the first, named `<name>-000`, without a fault."""

    def __init__(self, ground: Ground, subject: Subject, name: str, document: Mapping[str, Any]) -> None:
        self.ground, self.subject, self.name, self.document = ground, subject, name, dict(document)
        self.done: list[Played] = []
        self._ways: dict[str, Made] = {}  # by a state of failures, the fault that led there first
        self._asked: dict[str, str] = {}  # by state, what the first run asked for
        self._marks: dict[str, str] = {}
        self._lock = Lock()

    @property
    def first(self) -> str:
        """The run without a fault."""
        return f"{self.name}-000"

    def begin(self) -> None:
        """The run without a fault. Raises OpsError if it does not succeed."""
        made = start.start(self.ground.connection, start.StartRequest(self.document, name=self.first))
        self.ground.note(made.run.arn)
        run = self.ground.ended(made.run.arn)
        events, self._usual = self.ground.read(run.arn)
        if run.status != SUCCEEDED:
            raise OpsError(f"{self.first}, a run without a fault, ends {run.status}", f"opsctl status {self.first}")
        self.ground.longest = LONGEST_SECONDS + 10 * ((run.stopped or run.started) - run.started)
        self._calm = frozenset(caught(events))
        self._learn(self._usual, self.first)

    def play(self, faults: Sequence[Made], others: Sequence[Made], at_once: int, progress: Progress) -> None:
        """A run for each; those of states that only a failure leads to come last. One of `others` shows the way to such
        states where no fault of those to play does."""
        usual = {one.name for one in self._usual.states}
        rows = [Played(made, f"{self.name}-{number:03}") for number, made in enumerate(faults, 1)]
        self._play([row for row in rows if row.made.fault.state in usual], at_once, progress)
        late = [row for row in rows if row.made.fault.state not in usual]
        if any(row.made.fault.state not in self._ways for row in late):
            self._scout(others)
        for row in late:
            row.never = "" if row.made.fault.state in self._ways else NOT_REACHED
        self.done += [row for row in late if row.never]
        self._play([row for row in late if not row.never], at_once, progress)

    def _scout(self, faults: Sequence[Made]) -> None:
        """Break the earliest state that can be, to see where its failure leads."""
        entered = {one.name: one.entered for one in self._usual.states}
        able = [one for one in faults if one.fault.state in entered and not (one.limited or one.stops or one.retried)]
        for made in sorted(able, key=lambda one: entered[one.fault.state])[:1]:
            self._break(Played(made, f"{self.name}-scout"))

    def _play(self, rows: Sequence[Played], at_once: int, progress: Progress) -> None:
        pool = ThreadPoolExecutor(at_once)
        try:
            for future in as_completed([pool.submit(self._row, row) for row in rows]):
                row = future.result()
                self.done.append(row)
                progress(f"{len(self.done)} faults done: {row.made.fault.words}")
        except BaseException:
            self.ground.over.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _row(self, row: Played) -> Played:
        try:
            self._break(row)
            if row.observed is not None and row.observed.status != SUCCEEDED:
                self._bring_back(row, row.observed)
        except OpsError as error:
            row.refute(Check.RECOVERY if row.observed else Check.ENDS, f"{row.run}: {error.message}")
        return row

    # broken

    def _break(self, row: Played) -> None:
        before = self._ways.get(row.made.fault.state)
        faults = [one for one in (before, row.made) if one is not None]
        if any(one.fault.state not in self._marks for one in faults):
            row.never = UNMARKED
            return
        if row.made.fault.kind is Kind.CORRUPT and not self._read(row.made.fault.state):
            row.never = UNREAD
            return
        numbers: list[int] = []
        met: dict[int, int] = {}
        try:
            for one in faults:
                numbers.append(self.ground.add(one, live.mark_of(self._marks[one.fault.state], row.run)))
            arn = self._start(row, faults[0])
            if row.made.stops:
                self.ground.stop(row.made, arn, numbers[-1])
            run = self.ground.ended(arn)
        finally:
            met = self.ground.clear(numbers)
        events, history = self.ground.read(run.arn)
        if not met.get(numbers[-1]):
            row.never = NOT_MET
            return
        row.observed = Observed(row.run, row.made.fault, events, history, self.ground.told(row.run, run.status))
        row.refuted += judged(self.subject, row.observed, self._calm)
        self._look_for_ways(row, row.observed)

    def _read(self, state: str) -> bool:
        """Whether a job reads the model that a training job leaves."""
        place = json.loads(self._asked[state]).get("OutputDataConfig", {}).get("S3OutputPath")
        others = (asked for name, asked in self._asked.items() if name in self.subject.paid and name != state)
        return bool(place) and any(reads(asked, place) for asked in others)

    def _start(self, row: Played, first: Made) -> str:
        """Start a run, with the results of what comes before its first fault taken from the run without one."""
        connection, version = self.ground.connection, self.ground.version(row.made)
        walked = replace(connection, machine=replace(connection.machine, alias=version)) if version else connection
        skip = tuple(self._before(first.fault.state))
        request = start.StartRequest(self.document, name=row.run)
        if skip:
            request = replace(request, skip=skip, reuse_from=self.first, data=IN_PLACE)
            arn = execute(walked, start.plan(connection, request, row.run), row.run, lambda _: None).run.arn
        else:
            arn = start.start(walked, request).run.arn
        self.ground.note(arn)
        return arn

    def _before(self, state: str) -> Iterator[str]:
        """The jobs with a guard that the first run had completed before it came to a state: they are what takes time,
        and what a person has answered is asked again."""
        if self.ground.connection.machine.foreign:
            return
        entered = min(one.entered for one in self._usual.states if one.name == state)
        ended = {one.name: one.exited for one in self._usual.states if one.status == SUCCEEDED and one.exited}
        for step in self.subject.pipeline.steps:
            if step.guard and step.name in self.subject.paid and ended.get(step.name, entered + 1) <= entered:
                yield step.slug

    def _look_for_ways(self, row: Played, seen: Observed) -> None:
        if seen.status in LOST or row.made.limited:
            return
        with self._lock:
            usual = {one.name for one in self._usual.states}
            new = {one.name for one in seen.history.states} - usual - self._ways.keys()
            self._ways.update(dict.fromkeys(new, row.made))
            if new:
                self._learn(seen.history, row.run)

    def _learn(self, history: RunHistory, run: str) -> None:
        """By what a run's requests are known, from those that one has made."""
        nodes = self.subject.nodes.nodes
        for one in history.states:
            if one.type == "Task" and one.name in nodes and one.attempts and one.attempts[0].parameters:
                self._asked.setdefault(one.name, one.attempts[0].parameters.replace(run, self.first))
        actions = {name: live.action_of(nodes[name].state) for name in self._asked}
        self._marks = {**live.marks(self._asked, actions, self.first), **self._marks}

    # brought back

    def _bring_back(self, row: Played, seen: Observed) -> None:
        ground, connection = self.ground, self.ground.connection
        failed = connection.states.describe(ground.arn(row.run))
        before = ground.objects(row.run)
        planned = self._rerun(row, failed)
        if planned is not None:
            made = execute(connection, planned, f"{row.run}-r1", lambda _: None)
        else:
            made = redrive.execute(connection, failed)
        ground.note(made.run.arn)
        native = made.run.arn == failed.arn
        way = "redrive" if native else "rerun"
        run = ground.ended(made.run.arn, failed.redrives + 1 if native else 0)
        _, history = ground.read(run.arn)
        if run.status != SUCCEEDED:
            row.refute(Check.RECOVERY, f"the {way} of {row.run} ends {run.status}")
        row.refuted += repeated(self.subject, seen, history, native=native)
        row.objects = self._objects(row, seen, before, run.name)
        if row.objects[0] != row.objects[1]:
            row.refute(Check.RECOVERY, f"of {row.objects[0]} objects of {row.run}, {row.objects[1]} are found again")

    def _rerun(self, row: Played, failed: Run) -> RerunPlan | None:
        """As `opsctl redrive` would rerun it, None where it would redrive natively; where a model was cut off, from the
        step that left it, for the one that failed is not to blame."""
        connection = self.ground.connection
        if row.made.fault.kind is Kind.CORRUPT:
            return rerun.plan(connection, failed, Request((row.made.fault.state,)))
        return redrive.plan(connection, failed, Request(()), RERUN if row.made.limited else None).rerun

    def _objects(self, row: Played, seen: Observed, before: Mapping[str, str], later: str) -> tuple[int, int]:
        """All that the failed run had written is there still; what it had completed is in the rerun too, as it was."""
        expected, found = len(before), len(before.keys() & self.ground.objects(row.run).keys())
        if later == row.run:
            return expected, found
        there = self.ground.objects(later)
        done = {one.name for one in seen.history.states if one.status == SUCCEEDED and one.type == "Task"}
        done -= {seen.fault.state} if seen.fault.kind is Kind.CORRUPT else set()
        folders = tuple(f"{step.slug}/" for step in self.subject.pipeline.steps if step.name in done)
        kept = [key for key in before if key.startswith(folders) and "/checkpoints/" not in key]
        return expected + len(kept), found + sum(there.get(key) == before[key] for key in kept)
