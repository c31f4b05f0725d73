"""Every single fault, and every pair: each run is walked once up to where its first fault strikes, and forked there.

A pair's second fault strikes after the first one has: later in the same run, or in the redrive that follows its end.
A pair that does not come about in any scenario does not exist; a single fault that does not is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from opsctl.asl.effects import ScheduleTask
from opsctl.domain.drill.judge import caught, judge, says_what
from opsctl.domain.drill.model import Check, Fault, Kind, Refutation
from opsctl.domain.drill.recovery import Recovery
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.tasks import spoils
from opsctl.domain.drill.walk import Drive


@dataclass(frozen=True)
class Outcome:
    """What a run with these faults came to."""

    faults: tuple[Fault, ...]
    scenario: str
    status: str
    refutations: tuple[Refutation, ...]
    drive: Drive = field(compare=False, repr=False)


class Explorer:
    """The runs of a subject in one scenario."""

    def __init__(self, subject: Subject, scenario: Scenario) -> None:
        self.subject = subject
        self.scenario = scenario
        self.recovery = Recovery(subject)
        self.healthy = Drive(subject.machine, scenario).start().run()
        self.usual = frozenset(asked.state for asked in self.healthy.asked)
        self.calm = frozenset(caught(self.healthy.events))
        self._seen: set[tuple[Fault, Fault]] = set()

    def plain(self) -> Outcome:
        """The run without a fault."""
        return self._outcome((), self.healthy)

    def singles(self, *, merge: bool = False) -> Iterator[Outcome]:
        """Each fault that strikes in this scenario, and a stop between any two moves of the run. A state that is tried
        only after a failure is struck after the first such failure that leads to it."""
        late: dict[str, Fault] = {}
        mute: list[Outcome] = []
        telling = False
        for fault in self.subject.faults:
            if merge and self.subject.classes[fault] is not fault:
                continue
            drive = Drive(self.subject.machine, self.scenario)
            drive.arm(fault)
            drive.start().run()
            if not self._struck(drive, fault):
                continue
            for asked in drive.asked:
                if fault.lasting and asked.state not in self.usual:
                    late.setdefault(asked.state, fault)
            outcome = self._outcome((fault,), drive)
            says = says_what(self.subject, drive)
            telling = telling or says is True
            if says is False:
                mute.append(outcome)
            else:
                yield outcome
        for outcome in mute:
            yield self._muted(outcome) if telling else outcome
        yield from self._late(late)
        yield from self._stops(Drive(self.subject.machine, self.scenario).start(step_by_step=True), ())

    def _muted(self, outcome: Outcome) -> Outcome:
        """Of a failure that the machine tells of without saying what it was, where it says so of others."""
        state = outcome.faults[0].state
        words = f"the message about a failure of {state} does not say that it was {state}, as others do"
        return replace(outcome, refutations=(*outcome.refutations, Refutation(Check.ALERT, state, words)))

    def _late(self, after: Mapping[str, Fault]) -> Iterator[Outcome]:
        for fault in self.subject.faults:
            if fault.state in after:
                drive = Drive(self.subject.machine, self.scenario)
                drive.arm(after[fault.state])
                drive.arm(fault)
                drive.start().run()
                if self._struck(drive, fault):
                    yield self._outcome((after[fault.state], fault), drive)

    def _struck(self, drive: Drive, fault: Fault) -> bool:
        """A fault that nothing came of has not struck."""
        if spoils(fault, drive.containers):
            return any(
                event["type"] in ("ParallelStateSucceeded", "MapStateSucceeded", "MapRunSucceeded")
                for event in drive.events
            )
        struck = any(one is fault for one, _, _ in drive.struck)
        return struck and not (fault.kind is Kind.MISSING and drive.status == "SUCCEEDED")

    def _stops(self, drive: Drive, before: tuple[Fault, ...]) -> Iterator[Outcome]:
        found: list[Outcome] = []
        stopped: set[int] = set()

        def stop(running: Drive) -> None:
            events = len(running.events)
            if events in stopped:
                return
            stopped.add(events)
            found.append(self._stopped(running, before))

        drive.run(on_step=stop)
        yield from found

    def _stopped(self, running: Drive, before: tuple[Fault, ...]) -> Outcome:
        twin = running.fork()
        fault = Fault(twin.blamed, Kind.ABORT, "", after=len(twin.events))
        twin.abort(fault)
        return self._outcome((*before, fault), twin)

    def _outcome(self, faults: tuple[Fault, ...], drive: Drive) -> Outcome:
        refutations = list(judge(self.subject, drive, self.calm))
        if drive.status not in ("SUCCEEDED", "RUNNING"):
            refutations += self.recovery.judge(drive)
        return Outcome(faults, self.scenario.name, drive.status, tuple(dict.fromkeys(refutations)), drive)

    # pairs

    def pairs_of(self, first: Fault, seen: set[tuple[Fault, Fault]] | None = None) -> Iterator[Outcome]:
        """Every pair that begins with this fault; but for those that were `seen` in another scenario."""
        self._seen = set() if seen is None else seen
        drive = Drive(self.subject.machine, self.scenario)
        drive.arm(first)
        drive.start()
        yield from self._seconds(drive, first)
        if drive.status not in ("SUCCEEDED", "RUNNING") and self._struck(drive, first):
            again = drive.fork()
            again.repair()
            if again.redrive():
                yield from self._seconds(again, first, strikes=True)

    def _seconds(self, drive: Drive, first: Fault, *, strikes: bool = False) -> Iterator[Outcome]:
        found: list[Outcome] = []

        stopped: set[Hashable] = set()

        def begun(running: Drive) -> bool:
            return strikes or any(one is first for one, _, _ in running.struck)

        def stop(running: Drive) -> None:
            if begun(running) and (stands := self._stands(running)) not in stopped:
                stopped.add(stands)
                found.append(self._stopped(running, (first,)))

        def ask(running: Drive, effect: ScheduleTask) -> None:
            if not begun(running):
                return
            for second in self._of_state(effect.state):
                if (first, second) in self._seen or any(one.state == second.state for one in running.armed):
                    continue
                self._seen.add((first, second))
                twin = running.fork()
                twin.arm(second)
                twin.run()
                if self._struck(twin, second):
                    found.append(self._outcome((first, second), twin))

        drive.run(on_ask=ask, on_step=stop)
        yield from found

    def _stands(self, drive: Drive) -> Hashable:
        """Equal where a stop comes to the same: a machine that goes round passes there again and again."""
        told = tuple(Counter(one for one in drive.done if one[0] in self.subject.alerts).items())
        names = frozenset(Counter(drive.taken).items())
        asked = drive.asked[-1].state if drive.asked else ""
        return drive.execution.standing(), drive.blamed, asked, frozenset(drive.done), told, names

    def _of_state(self, state: str) -> list[Fault]:
        return [
            fault for fault in self.subject.faults
            if fault.state == state and self.subject.classes[fault] is fault
        ]  # fmt: skip
