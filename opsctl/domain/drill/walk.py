"""One run on the virtual clock, with faults: the interpreter driven task by task, so that it can be forked anywhere.

Jobs take an hour and everything else seconds, so that what runs side by side overlaps, but at most half of what their
states allow them; a job that fails does so at half of its time. Faults strike the next time that their state is tried.
What they did is in the run's events; beside these a drive keeps what events do not say: which paid work was given up,
and which names were taken.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import (
    AbandonTask,
    Effect,
    Failed,
    Heartbeat,
    Outcome,
    ScheduleTask,
    Started,
    StartMapRun,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.asl.interpreter import Execution
from opsctl.domain.cases.clock import Clock, EndOfTimeError, LongestDelays
from opsctl.domain.cases.map_runs import ChildRun
from opsctl.domain.drill.children import walked_map_run
from opsctl.domain.drill.model import Fault, Kind
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.tasks import (
    START,
    Asked,
    GivenUp,
    containers_of,
    context_of,
    paid,
    spoils,
)
from opsctl.domain.drill.world import World
from opsctl.domain.redrive_walk import action_of, unique_name

JOB, QUESTION, CALL = 3600.0, 600.0, 2.0  # seconds that work takes
LONGEST = 366 * 86_400.0
TOO_LONG = "goes on for more than a year"
MOST_MOVES = 60_000
RUNNING = "RUNNING"


Observer = Callable[["Drive", ScheduleTask], None]


class Drive:
    """A run that can be moved, broken, forked, and redriven."""

    def __init__(
        self, machine: StateMachine, scenario: Scenario, name: str = "", document: Any = None, begin: float = START
    ) -> None:
        self.scenario = scenario
        self.name = name or scenario.run
        self.world = World(scenario, self.name)
        self.machine = machine
        document = scenario.document if document is None else document
        context = context_of(scenario.machine, self.name)
        self.execution = Execution(machine, json.dumps(document), context, LongestDelays(0))
        self.containers = containers_of(machine)
        self.armed: tuple[Fault, ...] = ()
        self.struck: list[tuple[Fault, int, float]] = []
        self.asked: list[Asked] = []
        self.taken: list[tuple[str, str, str]] = []
        self.given_up: list[GivenUp] = []
        self.done: list[tuple[str, int]] = []
        self.problem = ""
        self._counts: dict[str, int] = {}
        self._clock = Clock(begin)
        self._open: dict[int, ScheduleTask | StartMapRun] = {}
        self._pending: deque[Effect] = deque()
        self.children: dict[str, dict[int, ChildRun]] = {}
        self._spoilt: frozenset[int] = frozenset()
        self._blamed = 0

    def fork(self) -> Drive:
        """A second drive that stands where this one does."""
        twin = Drive.__new__(Drive)
        twin.__dict__.update(self.__dict__)
        twin.execution = self.execution.fork()
        for name in ("struck", "asked", "taken", "given_up", "done"):
            setattr(twin, name, list(getattr(self, name)))
        twin._clock, twin._counts, twin._open = self._clock.fork(), dict(self._counts), dict(self._open)
        twin._pending, twin.children = deque(self._pending), dict(self.children)
        return twin

    @property
    def now(self) -> float:
        """Seconds since the epoch, on the run's own clock."""
        return self._clock.now

    @property
    def status(self) -> str:
        """The run's."""
        return self.execution.status

    @property
    def events(self) -> list[dict[str, Any]]:
        """The run's history."""
        return self.execution.events

    @property
    def blamed(self) -> str:
        """The state that was entered last."""
        entered = (event.get("stateEnteredEventDetails") for event in reversed(self.events))
        return str(next((details["name"] for details in entered if details), ""))

    def arm(self, fault: Fault) -> None:
        """Let a fault strike the next time that its state is tried."""
        if spoils(fault, self.containers):
            self.execution.spoil(fault.state, fault.error)
            self.struck.append((fault, len(self.events), self.now))
        else:
            self.armed = (*self.armed, fault)

    def repair(self) -> None:
        """Nothing is broken any more."""
        self.armed = ()

    def start(self, *, step_by_step: bool = False) -> Drive:
        """Begin the run; `step_by_step` so that it can be stopped behind its very first event."""
        if step_by_step:
            self.execution.pause_when(lambda: True)
        self.execution.start(self.now)
        return self

    def redrive(self) -> bool:
        """Redrive the run, a minute later; False where it cannot be."""
        self._clock = Clock(self.now + 60)  # on which nothing is due any more
        if self.execution.redrive_refusal(self.now) is not None:
            return False
        self._open = {}
        self._pending.clear()
        self.execution.redrive(self.now)
        return True

    def abort(self, fault: Fault) -> None:
        """Stop the run."""
        self.struck.append((fault, len(self.events), self.now))
        self.execution.stop(self.now)
        self._pending.clear()
        self.execution.effects()

    # moving

    def run(
        self, on_ask: Observer | None = None, on_step: Callable[[Drive], None] | None = None,
        most: int = MOST_MOVES,
    ) -> Drive:  # fmt: skip
        """Go on to the end. `on_ask` sees each task before it is answered, `on_step` each single move of a state."""
        if on_step is not None:
            self.execution.pause_when(lambda: True)
        moves = 0
        while self._move(on_ask, on_step):
            moves += 1
            if moves > most or self.now - START > LONGEST:
                self.problem = TOO_LONG if moves <= most else "goes round for ever"
                break
        return self

    def _move(self, on_ask: Observer | None, on_step: Callable[[Drive], None] | None) -> bool:
        self._pending.extend(self.execution.effects())
        if on_step is not None and self.status == RUNNING:
            on_step(self)
        if self._pending:
            self._serve(self._pending[0], on_ask)
            return True
        if self.status != RUNNING:
            return False
        if self.execution.busy:
            self.execution.go_on(self.now)
            return True
        return self._jump()

    def _serve(self, effect: Effect, on_ask: Observer | None) -> None:
        if isinstance(effect, ScheduleTask) and on_ask is not None:
            on_ask(self, effect)
        self._pending.popleft()
        if isinstance(effect, AbandonTask):
            self._abandoned(effect.task)
        elif isinstance(effect, StartMapRun):
            self._open[effect.task] = effect
            self._run_children(effect)
        else:
            self._open[effect.task] = effect
            self._call(effect)

    def _jump(self) -> bool:
        timer, due = self.execution.next_timer(), self._clock.next_due
        moments = [moment for moment in (timer, due) if moment is not None]
        if not moments:
            waiting = ", ".join(effect.state for effect in self._open.values())
            self.problem = f"waits for ever for {waiting or 'nothing'}"
            return False
        try:
            self._clock.jump(min(moments))
        except EndOfTimeError:
            self.problem = TOO_LONG
            return False
        if due is not None and due <= self.now:
            self._tell(*self._clock.take())
        else:
            self._blamed = -1
            self.execution.tick(self.now)
        return True

    def _tell(self, task: int, outcome: Outcome) -> None:
        self._blamed = task
        if isinstance(outcome, Heartbeat):
            self._beat(task)
        elif not isinstance(outcome, Started | Submitted):
            effect = self._open.pop(task, None)
            if effect is not None and isinstance(outcome, Succeeded) and task not in self._spoilt:
                self.done.append((effect.state, self.execution.redrives))
        self.execution.resolve(task, outcome, self.now)

    def _abandoned(self, task: int) -> None:
        """What nobody waits for any more; the timed-out task itself is no victim of another."""
        effect = self._open.pop(task, None)
        self._clock.drop(task)
        if isinstance(effect, ScheduleTask) and paid(effect.resource) and not self._own_limit(effect):
            self.given_up.append(GivenUp(effect.state, self.execution.redrives))

    def _own_limit(self, effect: ScheduleTask) -> bool:
        silent = [fault for fault, _, _ in self.struck if fault.kind in (Kind.HANG, Kind.SILENCE)]
        return self._blamed == -1 and any(fault.state == effect.state for fault in silent)

    # answering

    def _call(self, effect: ScheduleTask) -> None:
        number = self._counts[effect.state] = self._counts.get(effect.state, 0) + 1
        name = unique_name(effect.resource, effect.parameters)
        job = None if name is None else str(name)
        redrives, parameters = self.execution.redrives, effect.parameters
        self.asked.append(Asked(effect.task, effect.state, effect.resource, self.now, redrives, job, parameters))
        fault = self._strike(effect.state)
        took = QUESTION if effect.token and ":activity:" not in effect.resource else CALL
        took = JOB if paid(effect.resource) else took
        took = took if effect.timeout is None else min(took, effect.timeout / 2)
        if fault is not None and fault.kind is Kind.REFUSED:
            self._note_name(effect, job, fault)
            refused = SubmitFailed if effect.handed_over else Failed
            self._put(effect.task, min(CALL, took), refused(fault.error, "the drill's"))
            return
        self._note_name(effect, job, None)
        if fault is not None:
            self._spoilt |= {effect.task}
        self._hand_over(effect)
        if effect.token is not None and (fault is None or fault.kind is not Kind.SILENCE):
            self._beat(effect.task)
        if fault is None or fault.kind not in (Kind.HANG, Kind.SILENCE):
            outcome = self.world.outcome(effect, number, fault)
            self._put(effect.task, took if isinstance(outcome, Succeeded) else took / 2, outcome)

    def _strike(self, state: str) -> Fault | None:
        """The fault that hits the state now, if one does; of several, the one that was armed last."""
        fault = next((one for one in reversed(self.armed) if one.state == state), None)
        if fault is None:
            return None
        self.struck.append((fault, len(self.events), self.now))
        if not fault.lasting:
            self.armed = tuple(one for one in self.armed if one is not fault)
        return fault

    def _hand_over(self, effect: ScheduleTask) -> None:
        if ":activity:" in effect.resource:
            self._tell(effect.task, Started())
        elif effect.handed_over:
            self._tell(effect.task, Submitted("{}"))

    def _beat(self, task: int) -> None:
        effect = self._open.get(task)
        if isinstance(effect, ScheduleTask) and effect.heartbeat is not None:
            self._put(task, effect.heartbeat * 0.9, Heartbeat())

    def _put(self, task: int, after: float, outcome: Outcome) -> None:
        self._clock.put(self.now + after, task, outcome)

    def _note_name(self, effect: ScheduleTask, job: str | None, fault: Fault | None) -> None:
        """A request that was clearly refused takes no name; one whose answer was lost may have."""
        if job is not None and (fault is None or (fault.passing and not fault.error.endswith("ThrottledException"))):
            self.taken.append((action_of(effect.resource), job, effect.state))

    def _run_children(self, effect: StartMapRun) -> None:
        fault = self._strike(effect.state)
        if fault is not None and fault.kind is Kind.FAILED:
            self._put(effect.task, CALL, Failed(fault.error, "the drill's"))
        elif (ended := walked_map_run(self, effect, Drive)) is not None:
            self._put(effect.task, *ended)
