"""One run on the virtual clock, with faults: the interpreter driven task by task, so that it can be forked anywhere.

Jobs take an hour and everything else seconds, so that what runs side by side overlaps; a job that fails does so at half
of its time. Faults strike the next time that their state is tried. What they did is in the run's events; beside these a
drive keeps what events do not say: which paid work was given up, and which names were taken.
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
from opsctl.asl.failures import TIMEOUT, StateError
from opsctl.asl.interpreter import Execution
from opsctl.asl.payload import LIMIT_BYTES
from opsctl.asl.validate import parse
from opsctl.domain.answers import STAND_IN
from opsctl.domain.cases.clock import Clock, EndOfTimeError, LongestDelays
from opsctl.domain.cases.map_runs import ChildRun, WalkChild, walk_map_run
from opsctl.domain.cases.model import Answer, Record
from opsctl.domain.cases.model import Kind as Answers
from opsctl.domain.cases.query import QueryError, search, view_of
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
    stopped,
)
from opsctl.domain.redrive_walk import action_of, unique_name

JOB, QUESTION, CALL = 3600.0, 600.0, 2.0  # seconds that work takes
LONGEST = 366 * 86_400.0
TOO_LONG = "goes on for more than a year"
MOST_MOVES = 60_000
MOST_ITEMS = 2
RUNNING = "RUNNING"
_TOO_LARGE = json.dumps("x" * LIMIT_BYTES)


class UnwalkableError(Exception):
    """There is no run to drill: an answer is missing, or no run succeeds, as `drive` shows."""

    def __init__(self, words: str, drive: Drive | None = None) -> None:
        super().__init__(words)
        self.drive = drive


Observer = Callable[["Drive", ScheduleTask], None]


class Drive:
    """A run that can be moved, broken, forked, and redriven."""

    def __init__(
        self, machine: StateMachine, scenario: Scenario, name: str = "", document: Any = None, begin: float = START
    ) -> None:
        self.scenario = scenario
        self.name = name or scenario.run
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
        self._children: dict[str, dict[int, ChildRun]] = {}
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
        twin._pending, twin._children = deque(self._pending), dict(self._children)
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
            self.problem = (
                f"waits for ever for {', '.join(effect.state for effect in self._open.values()) or 'nothing'}"
            )
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
        self.asked.append(
            Asked(
                effect.task, effect.state, effect.resource, self.now, self.execution.redrives, job, effect.parameters
            )
        )  # fmt: skip
        fault = self._strike(effect.state)
        took = QUESTION if effect.token and ":activity:" not in effect.resource else CALL
        took = JOB if paid(effect.resource) else took
        if fault is not None and fault.kind is Kind.REFUSED:
            self._note_name(effect, job, fault)
            refused = SubmitFailed if effect.handed_over else Failed
            self._put(effect.task, CALL, refused(fault.error, "the drill's"))
            return
        self._note_name(effect, job, None)
        if fault is not None:
            self._spoilt |= {effect.task}
        self._hand_over(effect)
        if (
            effect.heartbeat is not None
            and effect.token is not None
            and (fault is None or fault.kind is not Kind.SILENCE)
        ):
            self._beat(effect.task)
        if fault is None or fault.kind not in (Kind.HANG, Kind.SILENCE):
            outcome = self._outcome(effect, number, fault)
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

    def _outcome(self, effect: ScheduleTask, number: int, fault: Fault | None) -> Outcome:
        kind = fault.kind if fault else None
        if kind is Kind.OVERSIZED:
            return Succeeded(_TOO_LARGE)
        if kind is Kind.MISSING:
            return Succeeded("{}")
        if fault is not None and kind is Kind.FAILED:
            return Failed(fault.error, "the drill's")
        answer = self._mocked(effect.state, number)
        if answer.kind is Answers.ERROR:
            return Failed(answer.error, answer.cause)
        if answer.kind in (Answers.TIMEOUT, Answers.HEARTBEAT, Answers.NEVER):
            return Failed(TIMEOUT, "")
        text = self._text(effect, answer, number)
        return Succeeded(stopped(effect.resource, text) if kind is Kind.STOPPED else text)

    def _text(self, effect: ScheduleTask, answer: Answer, number: int) -> str:
        value = answer.value
        if answer.kind is Answers.QUERY:
            try:
                value = search(str(answer.value), view_of(effect, number, "", self.name))
            except QueryError as error:
                raise UnwalkableError(f"the mock of {effect.state}: {error}") from error
        text = json.dumps(value)
        if self.name in json.dumps(effect.parameters):
            text = text.replace(STAND_IN, self.name)
            text = text if self.name == self.scenario.run else text.replace(self.scenario.run, self.name)
        return text

    def _mocked(self, state: str, number: int) -> Answer:
        mock = self.scenario.mocks.get(state)
        script = mock.script_for("") or next(iter(mock.iterations.values()), None) if mock else None
        answer = None if script is None else script.answer(min(number, len(script.answers)))
        if answer is None:
            raise UnwalkableError(f"nothing says what {state} answers")
        return answer

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

    # Map Runs

    def _run_children(self, effect: StartMapRun) -> None:
        fault = self._strike(effect.state)
        if fault is not None and fault.kind is Kind.FAILED:
            self._put(effect.task, CALL, Failed(fault.error, "the drill's"))
            return
        try:
            items = self._items(effect)
            inputs = self.execution.map_run_inputs(effect.task, items)
        except StateError as error:
            self._put(effect.task, 0, Failed(error.error or "", error.cause or ""))
            return
        past = self._children.get(effect.map_run_arn, {}) if effect.redrives else {}
        run = walk_map_run(effect, inputs, len(items), self.now, self._child(effect), past)
        self._children[effect.map_run_arn] = {child.index: child for child in run.children}
        if run.end is not None and run.outcome is not None:
            self._put(effect.task, run.end - self.now, run.outcome)

    def _items(self, effect: StartMapRun) -> list[Any]:
        if effect.reader is None:
            return list(effect.items or [])[:MOST_ITEMS]
        answer = self._mocked(effect.state, 1)
        return (list(answer.value) if isinstance(answer.value, list) else [])[:MOST_ITEMS]

    def _child(self, effect: StartMapRun) -> WalkChild:
        machine = parse(effect.processor)

        def walk_child(index: int, text: str, start: float, *_: object) -> Record:
            child = Drive(machine, self.scenario, f"{self.name}-child-{index}", json.loads(text), start)
            child.armed = self.armed
            child.start().run()
            self.armed = child.armed
            self.struck += [(fault, len(self.events), at) for fault, _, at in child.struck]
            self.asked += child.asked
            self.taken += child.taken
            self.done += child.done
            return _record(child, start)

        return walk_child


def _record(child: Drive, start: float) -> Record:
    run = child.execution
    return Record(
        run.status, None if run.output is None else json.loads(run.output), run.error, run.cause,
        child.now - start, (), frozenset(one.state for one in child.asked), (), (), 0, problem=child.problem or None,
    )  # fmt: skip
