"""One case walked through the interpreter, on a clock that jumps from event to event.

Each task that the machine asks for is looked up in the case's mocks by state, Map iteration and call; its outcome is
put on the clock. Where there is no mock the walk ends: an error handed to the machine instead might be caught, and go
unseen. Retriers with jitter wait their longest delay, so that times can be expected.
"""

from __future__ import annotations

import heapq
import json
import re
from random import Random
from typing import Any

from opsctl.asl import Execution, StateMachine
from opsctl.asl.effects import (
    AbandonTask,
    Effect,
    Failed,
    Heartbeat,
    Outcome,
    ScheduleTask,
    Started,
    StartFailed,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.domain.cases.model import BEGINNING, Answer, Call, Case, Kind, Record
from opsctl.domain.cases.query import QueryError, search
from opsctl.domain.cases.trail import Trail, iteration_of, map_names
from opsctl.errors import OpsError

_PUBLISH = re.compile(r"(^|:)sns:publish(\.waitForTaskToken)?$")
_ACTIVITY = ":activity:"
_END_OF_TIME = 253_370_764_800.0
"""The first second of the year 9999, beyond which timestamps cannot be written much longer."""
_CALLBACK = ".waitForTaskToken"
_HANDED_OVER = (".sync", ".sync:2", _CALLBACK)


class _Stuck(Exception):  # noqa: N818 it ends the walk, and is no error of the program
    """The walk cannot go on, for the reason given."""


class _LongestDelays(Random):
    """A source of reproducible numbers in which jitter takes its upper end."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def walk_case(machine: StateMachine, case: Case) -> Record:
    """Run a case to its end, or to where it cannot go on."""
    return _Walk(machine, case).run()


class _Walk:
    def __init__(self, machine: StateMachine, case: Case) -> None:
        self._case = case
        self._maps = map_names(machine)
        self._trail = Trail(machine)
        self._execution = Execution(machine, json.dumps(case.input), case.context, _LongestDelays(case.seed))
        self._now = case.start
        self._due: list[tuple[float, int, int, Outcome]] = []
        self._order = 0
        self._asked = 0
        self._open: dict[int, ScheduleTask] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._calls: list[Call] = []
        self._published: list[Any] = []
        self._stop = None if case.stop is None else case.start + case.stop.after

    def run(self) -> Record:
        problem = None
        try:
            self._execution.start(self._now)
            self._go_on()
            for _ in range(self._case.redrives):
                if self._execution.status == "SUCCEEDED" or self._execution.status == "RUNNING":
                    break
                self._redrive()
        except _Stuck as reason:
            problem = str(reason)
        return self._record(problem)

    def _redrive(self) -> None:
        try:
            self._execution.redrive(self._now)
        except OpsError as error:
            raise _Stuck(f"it cannot be redriven: {error.message}") from error
        self._go_on()

    def _go_on(self) -> None:
        """Serve what is asked and jump to what is due, until the execution ends or waits for nothing."""
        self._serve()
        while self._execution.status == "RUNNING":
            timer = self._execution.next_timer()
            answer = self._due[0][0] if self._due else None
            due = [moment for moment in (answer, timer, self._stop) if moment is not None]
            if not due:
                return
            self._now = max(self._now, min(due))
            if self._now > _END_OF_TIME:
                raise _Stuck("the virtual clock has come to the year 9999")
            if self._stop is not None and self._stop <= self._now:
                self._end_from_outside()
            elif answer is not None and answer <= self._now:
                _, _, task, outcome = heapq.heappop(self._due)
                self._tell(task, outcome)
            else:
                self._execution.tick(self._now)
            self._serve()

    def _end_from_outside(self) -> None:
        stop, self._stop = self._case.stop, None
        if stop is not None:
            self._execution.stop(self._now, stop.error, stop.cause)

    def _serve(self) -> None:
        while effects := self._execution.effects():
            self._trail.follow(self._execution.events)
            for effect in effects:
                self._carry_out(effect)
        self._trail.follow(self._execution.events)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, AbandonTask):
            self._abandon(effect.task)
        elif isinstance(effect, ScheduleTask):
            self._call(effect)
        else:
            raise _Stuck(f"a {type(effect).__name__} cannot be answered by a mock: mock the whole Map state")

    def _call(self, effect: ScheduleTask) -> None:
        line = self._trail.scheduled[self._asked]
        self._asked += 1
        iteration = iteration_of(line, self._maps)
        number = self._counts[effect.state, iteration] = self._counts.get((effect.state, iteration), 0) + 1
        call = Call(
            effect.state, number, iteration, self._now - self._case.start, effect.resource, effect.parameters
        )  # fmt: skip
        self._calls.append(call)
        self._open[effect.task] = effect
        self._answer(effect, call, self._mocked(call))

    def _abandon(self, task: int) -> None:
        self._open.pop(task, None)
        if any(entry[2] == task for entry in self._due):
            self._due = [entry for entry in self._due if entry[2] != task]
            heapq.heapify(self._due)

    def _mocked(self, call: Call) -> Answer:
        mock = self._case.mocks.get(call.state)
        script = mock.script_for(call.iteration) if mock else None
        if script is None:
            where = f", iteration {call.iteration}" if call.iteration else ""
            raise _Stuck(f"no mock for state {call.state}{where if mock else ''}")
        answer = script.answer(call.number)
        if answer is None:
            where = f" in iteration {call.iteration}" if call.iteration else ""
            raise _Stuck(f"no mock for call {call.number} of state {call.state}{where}: {len(script.answers)} given")
        return answer

    # answers

    def _answer(self, effect: ScheduleTask, call: Call, answer: Answer) -> None:
        if answer.kind is Kind.ERROR and answer.phase != "run":
            refused = StartFailed if answer.phase == "start" else SubmitFailed
            if refused is SubmitFailed and not effect.resource.endswith(_HANDED_OVER):
                raise _Stuck(f"the state {effect.state} submits nothing (no .sync): `phase: submit` cannot happen")
            self._put(effect, answer, refused(answer.error, answer.cause))
            return
        self._hand_over(effect, answer)
        if _PUBLISH.search(effect.resource) and (
            effect.token is not None or answer.kind in (Kind.RESULT, Kind.QUERY)
        ):  # fmt: skip
            self._published.append(effect.parameters)
        if answer.kind in (Kind.RESULT, Kind.QUERY):
            self._put(effect, answer, Succeeded(json.dumps(self._result(effect, call, answer))))
        elif answer.kind is Kind.ERROR:
            self._put(effect, answer, Failed(answer.error, answer.cause))
        elif answer.kind is Kind.TIMEOUT and effect.timeout is None:
            raise _Stuck(f"the state {effect.state} has no TimeoutSeconds: it never times out")
        elif answer.kind is Kind.HEARTBEAT and effect.heartbeat is None:
            raise _Stuck(f"the state {effect.state} has no HeartbeatSeconds: it misses no heartbeat")
        if answer.kind not in (Kind.HEARTBEAT, Kind.NEVER):
            self._beat(effect)

    def _hand_over(self, effect: ScheduleTask, answer: Answer) -> None:
        """The service, or an activity's worker, takes the task on."""
        if _ACTIVITY in effect.resource:
            if answer.kind is not Kind.NEVER:
                self._tell(effect.task, Started())
        elif effect.resource.endswith(_HANDED_OVER):
            self._tell(effect.task, Submitted(json.dumps(answer.submitted)))

    def _result(self, effect: ScheduleTask, call: Call, answer: Answer) -> Any:
        if answer.kind is Kind.RESULT:
            return answer.value
        view = {
            "parameters": effect.parameters, "state": effect.state, "call": call.number, "iteration": call.iteration,
            "token": effect.token, "execution": self._case.context["Execution"]["Name"],
        }  # fmt: skip
        try:
            return search(answer.value, view)
        except QueryError as error:
            raise _Stuck(f"the mock of {call.state}: {error}") from error

    def _put(self, effect: ScheduleTask, answer: Answer, outcome: Outcome) -> None:
        self._push(self._now + answer.after, effect.task, outcome)

    def _beat(self, effect: ScheduleTask) -> None:
        if effect.heartbeat is not None and effect.token is not None:
            self._push(self._now + effect.heartbeat / 2, effect.task, Heartbeat())

    def _push(self, at: float, task: int, outcome: Outcome) -> None:
        self._order += 1
        heapq.heappush(self._due, (at, self._order, task, outcome))

    def _tell(self, task: int, outcome: Outcome) -> None:
        effect = self._open.get(task)
        self._execution.resolve(task, outcome, self._now)
        if isinstance(outcome, Heartbeat) and effect is not None:
            self._beat(effect)
        elif not isinstance(outcome, Started | Submitted | Heartbeat):
            self._abandon(task)

    # the record

    def _record(self, problem: str | None) -> Record:
        execution, trail = self._execution, self._trail
        waiting = [effect.state for effect in self._open.values()] if execution.status == "RUNNING" else []
        return Record(
            status=execution.status,
            output=None if execution.output is None else json.loads(execution.output),
            error=execution.error,
            cause=execution.cause,
            duration=round(self._now - self._case.start, 3),
            path=tuple(entry for entry in trail.root.branches.get(0, ()) if entry.name != BEGINNING),
            entered=frozenset(trail.entered) - {BEGINNING},
            calls=tuple(self._calls),
            published=tuple(self._published),
            transitions=sum(trail.entered.values()) - trail.entered.get(BEGINNING, 0),
            events=tuple(event["type"] for event in execution.events),
            problem=problem,
            waiting=", ".join(waiting) or None,
        )
