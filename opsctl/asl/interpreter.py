"""An execution of a state machine, without I/O: events and effects out, outcomes and clock ticks in.

Drive it like this: `start`, then again and again: carry out what `effects()` asks for, tell the outcomes with
`resolve`, and call `tick` when `next_timer()` has come, until `status` is no longer `RUNNING`. Times are seconds since
the epoch and must not go backwards. The same machine, input, context, random source and calls always give the same
events. A driver that has other things to do says so with `pause_when`, and calls `go_on` while the execution is `busy`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from random import Random
from typing import Any

from opsctl.asl import forks, map_run, simple_states, snapshots, task_state
from opsctl.asl import redrive as redriving
from opsctl.asl.definition import StateMachine
from opsctl.asl.effects import Effect, Outcome
from opsctl.asl.environment import Environment
from opsctl.asl.events import with_input
from opsctl.asl.frames import Frame
from opsctl.asl.habits import TODAY, Habits
from opsctl.asl.handlers import Handlers
from opsctl.asl.payload import Payload
from opsctl.asl.walk import ROOT, Walk
from opsctl.errors import RefusedError


class Execution:
    """One run of a machine.

    `context` is the context object's part that the outside knows: `{"Execution": {"Id", "Name", "RoleArn", "StartTime",
    "RedriveCount"}, "StateMachine": {"Id", "Name"}}`. `habits` are AWS's of another day, for a comparison with what was
    recorded then; `variables` are assigned before the first state. Raises `ValueError` if `input_text` is no JSON.
    """

    def __init__(
        self,
        machine: StateMachine,
        input_text: str,
        context: Mapping[str, Any] | None = None,
        random: Random | None = None,
        habits: Habits = TODAY,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        payload = Payload(text=input_text)
        _ = payload.value
        self._walk = Walk(machine, payload, context or {}, random or Random(0), Handlers())
        self._walk.habits = habits
        self._walk.given = dict(variables or {})

    # what it has come to

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
        return self._walk.status

    @property
    def output(self) -> str | None:
        """The output as JSON text, once SUCCEEDED."""
        return self._walk.output

    @property
    def error(self) -> str | None:
        """The error's name, if it ended with one."""
        return self._walk.error

    @property
    def cause(self) -> str | None:
        """The error's cause, if it ended with one."""
        return self._walk.cause

    @property
    def redrives(self) -> int:
        """How often it was redriven."""
        return self._walk.redrives

    @property
    def events(self) -> list[dict[str, Any]]:
        """The history so far, as boto3's GetExecutionHistory shows it, timestamps in seconds. Do not change it."""
        return self._walk.journal.events

    def effects(self) -> list[Effect]:
        """What is asked of the world since the last call."""
        effects, self._walk.effects = self._walk.effects, []
        return effects

    def next_timer(self) -> float | None:
        """When `tick` has something to do, in seconds since the epoch."""
        return self._walk.timers.next_due(self._walk.frames)

    def view(self) -> Environment:
        """What the expressions of the outermost state can see now."""
        return self._walk.environment(self._walk.frames[ROOT])

    @property
    def busy(self) -> bool:
        """Whether it has paused where it could go on at once."""
        return self._walk.status == "RUNNING" and any(frame.open for frame in self._walk.ready)

    def pause_when(self, enough: Callable[[], bool]) -> None:
        """Return from whatever makes it move as soon as `enough()`, which is asked after each step of a state."""
        self._walk.pause = enough

    def ask_for_activities(self, exists: Callable[[str], bool]) -> None:
        """Ask `exists` whether there is an activity of that ARN before work is scheduled for it; else all there are."""
        self._walk.activity_exists = exists

    def spoil(self, state: str, error: str) -> None:
        """Let a Parallel or Map fail with this error, the next time that its branches have all ended well."""
        self._walk.spoiled = {**self._walk.spoiled, state: error}

    # what makes it move

    def start(self, now: float) -> None:
        """Begin. Calling it again does nothing."""
        walk = self._walk
        if walk.journal.events:
            return
        role = walk.base_context.get("Execution", {}).get("RoleArn", "")
        with walk.moving(now):
            walk.journal.add(now, "ExecutionStarted", 0, with_input(walk.input.text, roleArn=role))
            root = walk.spawn(walk.machine.scope, walk.input, None, 0, 0)
            root.variables.update(walk.given)
            if walk.machine.timeout is not None:
                walk.timers.set(root, "machine", now + walk.machine.timeout)

    def go_on(self, now: float) -> None:
        """Go on where it has paused."""
        with self._walk.moving(now):
            pass

    def tick(self, now: float) -> None:
        """Fire every timer that is due by `now`, in order."""
        walk = self._walk
        while walk.status == "RUNNING":
            due = self.next_timer()
            if due is None or due > now:
                return
            with walk.moving(now):
                while walk.status == "RUNNING" and (timer := walk.timers.pop_due(due, walk.frames)):
                    self._fire(*timer)

    def _fire(self, frame: Frame, kind: str) -> None:
        walk = self._walk
        if kind == "machine":
            walk.end_timed_out()
        elif kind == "retry":
            walk.retry(frame)
        elif kind == "wait":
            simple_states.waited(walk, frame)
        else:
            task_state.timed_out(walk, frame, kind)

    def resolve(self, task: int, outcome: Outcome, now: float) -> None:
        """Tell an outcome. Outcomes for tasks that are not open are ignored."""
        walk = self._walk
        frame_id = walk.tasks.get(task)
        if walk.status != "RUNNING" or frame_id is None:
            return
        with walk.moving(now):
            walk.handlers.resolve(walk, walk.frames[frame_id], outcome)

    def map_run_inputs(self, task: int, items: list[Any] | dict[str, Any]) -> list[str]:
        """The inputs of a Map Run's children, as JSON texts, made of its items with ItemSelector and ItemBatcher.

        `task` is that of the open `StartMapRun`, `items` are its own or those that were read. Raises `StateError`,
        which is to be answered with `Failed`, and `KeyError` if the task is not open.
        """
        walk = self._walk
        return map_run.child_inputs(walk, walk.frames[walk.tasks[task]], items)

    def stop(self, now: float, error: str | None = None, cause: str | None = None) -> None:
        """StopExecution: abort at once. Does nothing to an execution that has ended."""
        if self._walk.status == "RUNNING":
            self._walk.now = now
            self._walk.end_aborted(error, cause)

    def redrive_refusal(self, now: float) -> str | None:
        """Why it cannot be redriven at `now`, as DescribeExecution words it; None if it can."""
        return redriving.refusal(self._walk, now)

    def redrive(self, now: float) -> None:
        """RedriveExecution: go on from the states that did not end well. Raises `RefusedError`."""
        reason = self.redrive_refusal(now)
        if reason is not None:
            raise RefusedError(reason, "Start a new execution instead.")
        with self._walk.moving(now):
            redriving.redrive(self._walk)

    # keeping it

    def fork(self) -> Execution:
        """A second execution that stands where this one does; what the one does then, the other does not know."""
        execution = Execution.__new__(Execution)
        execution._walk = forks.fork(self._walk)
        return execution

    def standing(self) -> Hashable:
        """Equal for two executions of a machine that have ended, and that a redrive would let go on alike."""
        return forks.standing(self._walk)

    def snapshot(self) -> dict[str, Any]:
        """Everything but the machine, as JSON: `restore` continues from it as if nothing had happened."""
        return snapshots.dump(self._walk)

    @classmethod
    def restore(cls, machine: StateMachine, snapshot: Mapping[str, Any]) -> Execution:
        """The execution of a snapshot. Raises `KeyError` if the snapshot is of another machine."""
        execution = cls.__new__(cls)
        execution._walk = snapshots.load(machine, snapshot, Handlers())
        return execution
