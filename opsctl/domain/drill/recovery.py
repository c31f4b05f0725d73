"""From an end that was not wished for back to success: AWS's redrive where it helps, else a rerun by opsctl's own plan.

What broke has been put right by then. A redrive is done by the interpreter itself. A rerun is planned by `plan_rerun`
from the run's history, as `opsctl rerun` does it, and its input is walked as a new run. Both must succeed, repeat no
step that was completed, and take no name twice. Ends that stand alike are recovered once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from opsctl.asl.history import RunHistory, read_history
from opsctl.domain.drill.judge import SUCCEEDED, same_names, told
from opsctl.domain.drill.model import Check, Refutation
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive
from opsctl.domain.findings import findings
from opsctl.domain.plan import ALWAYS, RUNS, Request, RerunPlan, Source
from opsctl.domain.rerun import plan_rerun
from opsctl.errors import OpsError


@dataclass
class Recovered:
    """What a way back came to: its status, the states it asked for, the names that it took, what does not hold."""

    status: str
    asked: tuple[str, ...]
    taken: tuple[tuple[str, str, str], ...]
    problem: str = ""
    always: frozenset[str] = frozenset()
    alerts: int = 0
    refused: str = ""


@dataclass
class Recovery:
    """The ways back from the ends of a subject's runs, remembered by where they stand."""

    subject: Subject
    redriven: dict[Hashable, Recovered] = field(default_factory=dict)
    rerun: dict[Hashable, Recovered] = field(default_factory=dict)

    def judge(self, drive: Drive) -> Iterator[Refutation]:
        """What does not hold of the ways back from where a run has ended."""
        native = self._redriven(drive)
        done = self._completed(drive)
        last = drive.struck[-1][0].state if drive.struck else ""
        if native.status == SUCCEEDED:
            yield from self._repeats("a redrive", native, done - self._inside_failed(drive), last)
            yield from _names(self.subject, drive, native)
            if native.alerts:
                yield Refutation(Check.ALERT, last, "a redrive that succeeds tells of a failure")
        again = self._rerun(drive)
        if again.status != SUCCEEDED:
            if native.status != SUCCEEDED:
                why = again.problem or again.status
                yield Refutation(
                    Check.RECOVERY, last, f"no way leads back: a redrive ends {native.status}, a rerun: {why}"
                )
            elif not again.refused:
                yield Refutation(Check.RECOVERY, last, f"a rerun does not succeed: {again.problem or again.status}")
            return
        yield from self._repeats(
            "a rerun", again, done & self.subject.paid | (done & again.always & self.subject.paid), last
        )
        yield from _names(self.subject, drive, again)

    def _redriven(self, drive: Drive) -> Recovered:
        key = (drive.scenario.name, drive.execution.standing(), drive.status)
        if key not in self.redriven:
            twin = drive.fork()
            twin.repair()
            before = len(twin.asked), len(twin.taken)
            if twin.redrive():
                twin.run()
                alerts = sum(told(self.subject, twin))
            else:
                alerts = 0
            asked, taken = twin.asked[before[0] :], twin.taken[before[1] :]
            self.redriven[key] = Recovered(
                twin.status, tuple(one.state for one in asked), tuple(taken), twin.problem, alerts=alerts
            )  # fmt: skip
        return self.redriven[key]

    def _completed(self, drive: Drive) -> frozenset[str]:
        """The steps whose work is done, wherever the run ended; of what comes round, nothing is said."""
        return frozenset(state for state, _ in drive.done) & self.subject.steps - self.subject.looping

    def _inside_failed(self, drive: Drive) -> frozenset[str]:
        """What lies in a Parallel or Map whose own result was lost: AWS runs all of it again."""
        lost = {fault.state for fault, _, _ in drive.struck if fault.state in drive.containers}
        nodes = self.subject.nodes.nodes
        return frozenset(name for name, node in nodes.items() if any(outer.name in lost for outer in node.containers))

    def _repeats(self, way: str, found: Recovered, done: frozenset[str], last: str) -> Iterator[Refutation]:
        again = [state for state in dict.fromkeys(found.asked) if state in done]
        if again:
            words = f"{way} repeats {' and '.join(again)}, which {'was' if len(again) == 1 else 'were'} completed"
            yield Refutation(Check.REPEATED, last or again[0], words)

    # reruns

    def _rerun(self, drive: Drive) -> Recovered:
        events = drive.events
        key = (drive.scenario.name, _steps_key(drive, self.subject))
        if key not in self.rerun:
            self.rerun[key] = self._planned(drive, read_history(events, self.subject.definition))
        return self.rerun[key]

    def _planned(self, drive: Drive, history: RunHistory) -> Recovered:
        document = drive.scenario.document
        subject = self.subject
        source = Source(
            run=drive.name, input=document, pipeline=subject.pipeline, histories={drive.name: history}, results={},
            linked=isinstance(document, dict) and _ours(subject), definition=subject.definition,
        )  # fmt: skip
        try:
            plan = self._plan(source)
        except OpsError as error:
            return Recovered("REFUSED", (), (), error.message, refused=error.message)
        name = f"{drive.name}-r1"
        new = Drive(
            subject.machine, drive.scenario, name, plan.input_for(f"s3://drill/runs/{name}/") if plan else document
        )
        new.start().run()
        always = frozenset(step.name for step in plan.steps if step.action == ALWAYS) if plan else frozenset()
        run = {step.name for step in plan.steps if step.action in RUNS} if plan else set()
        asked = tuple(one.state for one in new.asked)
        stray = [state for state in asked if plan and state in subject.steps and state not in run]
        problem = new.problem or (
            f"it enters {stray[0]}, which the plan leaves out" if stray else new.execution.error or ""
        )
        status = "STRAY" if stray else new.status
        return Recovered(status, asked, tuple(new.taken), problem, always)

    def _plan(self, source: Source) -> RerunPlan | None:
        """As `opsctl rerun` plans it: from what failed; where nothing did, from what was never done."""
        found = findings(source)
        if all(finding.missing for finding in found.values()):
            return None  # nothing is done: a new run is the way
        undone = [
            step.name for step in source.pipeline.steps if found[step.name].missing and not found[step.name].skipped
        ]
        failed = [name for name in undone if found[name].result.runs]
        return plan_rerun(source, Request(steps=tuple(failed or undone[:1])))


def _names(subject: Subject, drive: Drive, found: Recovered) -> Iterator[Refutation]:
    before = {(kind, name) for kind, name, _ in drive.taken}
    yield from same_names(subject, [*drive.taken, *(one for one in found.taken if (one[0], one[1]) in before)])


def _steps_key(drive: Drive, subject: Subject) -> Hashable:
    """What a plan depends on: of each step, whether it was asked for, and whether it is done."""
    done = {state for state, _ in drive.done}
    return tuple(
        (one, one in done) for one in dict.fromkeys(asked.state for asked in drive.asked) if one in subject.steps
    )  # fmt: skip


def _ours(subject: Subject) -> bool:
    settings = [setting for step in subject.pipeline.steps if step.guard for setting in step.guard.bypass]
    return bool(settings) and all(setting.path[:1] == ("skip",) for setting in settings)
