"""One case walked through the interpreter, on a clock that jumps from event to event.

Each task that the machine asks for is looked up in the case's mocks by state, Map iteration and call; its outcome is
put on the clock. Where there is no mock the walk ends: an error handed to the machine instead might be caught, and go
unseen. Retriers with jitter wait their longest delay, so that times can be expected.
"""

from __future__ import annotations

import json
import re
from collections import deque
from functools import partial
from itertools import chain
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
    StartFailed,
    StartMapRun,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.asl.interpreter import Execution
from opsctl.domain.cases.clock import Clock, EndOfTimeError, LongestDelays
from opsctl.domain.cases.map_run_walks import MapRunWalks, StuckError
from opsctl.domain.cases.model import BEGINNING, Answer, Call, Case, Entry, Kind, Record, Stop
from opsctl.domain.cases.query import QueryError, search, view_of
from opsctl.domain.cases.trail import Trail, iteration_of, map_names
from opsctl.errors import OpsError

_PUBLISH = re.compile(r"(^|:)sns:publish(\.waitForTaskToken)?$")
_ACTIVITY = ":activity:"


def walk_case(machine: StateMachine, case: Case, within: str = "", origin: float | None = None) -> Record:
    """Run a case to its end, or to where it cannot go on.

    For a Map Run's child, `within` is the iteration that it is, and `origin` when the case's clock began.
    """
    return _Walk(machine, case, within, case.start if origin is None else origin).run()


class _Walk:
    def __init__(self, machine: StateMachine, case: Case, within: str, origin: float) -> None:
        self._case = case
        self._within = within
        self._origin = origin
        self._maps = map_names(machine)
        self._trail = Trail(machine)
        self._execution = Execution(machine, json.dumps(case.input), case.context, LongestDelays(case.seed))
        self._clock = Clock(case.start)
        self._asked = 0
        self._open: dict[int, ScheduleTask] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._calls: list[Call] = []
        self._messages: list[tuple[float, Any]] = []
        walk_child = partial(walk_case, origin=self._origin)
        self._map_runs = MapRunWalks(
            case, self._execution, self._trail, self._clock, self._iteration, self._read, walk_child
        )
        self._stops = deque(case.stops)

    def run(self) -> Record:
        problem = None
        try:
            self._execution.start(self._clock.now)
            self._go_on()
            for moment in self._case.redrives:
                if self._execution.status == "SUCCEEDED" or self._execution.status == "RUNNING":
                    break
                self._clock.jump(moment)
                self._redrive()
        except (StuckError, EndOfTimeError) as reason:
            problem = str(reason)
        return self._record(problem)

    def _redrive(self) -> None:
        try:
            self._execution.redrive(self._clock.now)
        except OpsError as error:
            raise StuckError(f"it cannot be redriven: {error.message}") from error
        self._go_on()

    def _go_on(self) -> None:
        """Serve what is asked and jump to what is due, until the execution ends or waits for nothing."""
        self._serve()
        while self._execution.status == "RUNNING":
            timer = self._execution.next_timer()
            answer = self._clock.next_due
            stop = self._case.start + self._stops[0].after if self._stops else None
            due = [moment for moment in (answer, timer, stop) if moment is not None]
            if not due:
                return
            self._clock.jump(min(due))
            if stop is not None and stop <= self._clock.now:
                self._end_from_outside(self._stops.popleft())
            elif answer is not None and answer <= self._clock.now:
                self._tell(*self._clock.take())
            else:
                self._execution.tick(self._clock.now)
            self._serve()

    def _end_from_outside(self, stop: Stop) -> None:
        self._execution.stop(self._clock.now, stop.error, stop.cause)

    def _serve(self) -> None:
        while effects := self._execution.effects():
            self._trail.follow(self._execution.events)
            for effect in effects:
                self._carry_out(effect)
        self._trail.follow(self._execution.events)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, AbandonTask):
            self._abandon(effect.task)
        elif isinstance(effect, StartMapRun):
            self._map_runs.begin(effect)
        else:
            self._call(effect)

    def _call(self, effect: ScheduleTask) -> None:
        line = self._trail.scheduled[self._asked]
        self._asked += 1
        iteration = self._iteration(line)
        number = self._counts[effect.state, iteration] = self._counts.get((effect.state, iteration), 0) + 1
        call = Call(effect.state, number, iteration, self._clock.now - self._origin, effect.resource, effect.parameters)
        self._calls.append(call)
        self._open[effect.task] = effect
        self._answer(effect, call, self._mocked(call))

    def _iteration(self, line: tuple[Entry, ...]) -> str:
        return ".".join(part for part in (self._within, iteration_of(line, self._maps)) if part)

    def _read(self, effect: StartMapRun, iteration: str) -> Any:
        mock = self._case.mocks.get(effect.state)
        number = self._counts[effect.state, iteration] = self._counts.get((effect.state, iteration), 0) + 1
        script = mock.script_for(iteration) if mock else None
        answer = script.answer(number) if script else None
        if answer is None or answer.kind is not Kind.ITEMS:
            raise StuckError(f"no mock for state {effect.state}: its ItemReader reads `items`")
        return answer.value

    def _abandon(self, task: int) -> None:
        self._open.pop(task, None)
        self._map_runs.close(task)
        self._clock.drop(task)

    def _mocked(self, call: Call) -> Answer:
        mock = self._case.mocks.get(call.state)
        script = mock.script_for(call.iteration) if mock else None
        if script is None:
            where = f", iteration {call.iteration}" if call.iteration else ""
            raise StuckError(f"no mock for state {call.state}{where if mock else ''}")
        answer = script.answer(call.number)
        if answer is None:
            where = f" in iteration {call.iteration}" if call.iteration else ""
            raise StuckError(
                f"no mock for call {call.number} of state {call.state}{where}: {len(script.answers)} given"
            )
        return answer

    # answers

    def _answer(self, effect: ScheduleTask, call: Call, answer: Answer) -> None:
        if answer.kind is Kind.ERROR and answer.phase != "run":
            refused = StartFailed if answer.phase == "start" else SubmitFailed
            if refused is SubmitFailed and not effect.handed_over:
                raise StuckError(f"the state {effect.state} submits nothing (no .sync): `phase: submit` cannot happen")
            self._put(effect, answer, refused(answer.error, answer.cause))
            return
        self._hand_over(effect, answer)
        if _PUBLISH.search(effect.resource) and (
            effect.token is not None or answer.kind in (Kind.RESULT, Kind.QUERY)
        ):  # fmt: skip
            self._messages.append((call.at, effect.parameters))
        if answer.kind in (Kind.RESULT, Kind.QUERY):
            self._put(effect, answer, Succeeded(json.dumps(self._result(effect, call, answer))))
        elif answer.kind is Kind.ERROR:
            self._put(effect, answer, Failed(answer.error, answer.cause))
        elif answer.kind is Kind.ITEMS:
            raise StuckError(f"the state {effect.state} reads no items: `items` answer a distributed Map's ItemReader")
        elif answer.kind is Kind.TIMEOUT and effect.timeout is None:
            raise StuckError(f"the state {effect.state} has no TimeoutSeconds: it never times out")
        elif answer.kind is Kind.HEARTBEAT and effect.heartbeat is None:
            raise StuckError(f"the state {effect.state} has no HeartbeatSeconds: it misses no heartbeat")
        if answer.kind not in (Kind.HEARTBEAT, Kind.NEVER):
            self._beat(effect)

    def _hand_over(self, effect: ScheduleTask, answer: Answer) -> None:
        """The service, or an activity's worker, takes the task on."""
        if _ACTIVITY in effect.resource:
            if answer.kind is not Kind.NEVER:
                self._tell(effect.task, Started())
        elif effect.handed_over:
            self._tell(effect.task, Submitted(json.dumps(answer.submitted)))

    def _result(self, effect: ScheduleTask, call: Call, answer: Answer) -> Any:
        if answer.kind is Kind.RESULT:
            return answer.value
        execution = self._case.context["Execution"]["Name"]
        try:
            return search(answer.value, view_of(effect, call.number, call.iteration, execution))
        except QueryError as error:
            raise StuckError(f"the mock of {call.state}: {error}") from error

    def _put(self, effect: ScheduleTask, answer: Answer, outcome: Outcome) -> None:
        self._clock.put(self._clock.now + answer.after, effect.task, outcome)

    def _beat(self, effect: ScheduleTask) -> None:
        if effect.heartbeat is not None and effect.token is not None:
            self._clock.put(self._clock.now + effect.heartbeat / 2, effect.task, Heartbeat())

    def _tell(self, task: int, outcome: Outcome) -> None:
        effect = self._open.get(task)
        self._execution.resolve(task, outcome, self._clock.now)
        if isinstance(outcome, Heartbeat) and effect is not None:
            self._beat(effect)
        elif not isinstance(outcome, Started | Submitted | Heartbeat):
            self._abandon(task)

    # the record

    def _record(self, problem: str | None) -> Record:
        execution, trail = self._execution, self._trail
        waiting = [effect.state for effect in self._open.values()] if execution.status == "RUNNING" else []
        waiting += self._map_runs.waiting
        inner = self._map_runs.records
        return Record(
            status=execution.status,
            output=None if execution.output is None else json.loads(execution.output),
            error=execution.error,
            cause=execution.cause,
            duration=round(self._clock.now - self._case.start, 3),
            path=tuple(entry for entry in trail.root.branches.get(0, ()) if entry.name != BEGINNING),
            entered=frozenset(trail.entered).union(*(child.entered for child in inner)) - {BEGINNING},
            calls=tuple(sorted(chain(self._calls, *(child.calls for child in inner)), key=lambda call: call.at)),
            messages=tuple(
                sorted(chain(self._messages, *(child.messages for child in inner)), key=lambda message: message[0])
            ),
            transitions=sum(trail.entered.values())
            - trail.entered.get(BEGINNING, 0)
            + sum(child.transitions for child in inner),
            events=tuple(event["type"] for event in execution.events),
            problem=problem,
            waiting=", ".join(waiting) or None,
            history=tuple(execution.events),
        )
