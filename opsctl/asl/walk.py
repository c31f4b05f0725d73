"""The walk through a machine: the rules that all kinds of state share.

Theory of operation. A walk has frames (`frames.py`), of which those in `ready` can move. A move of a frame is either
to enter its state, which writes the Entered event, or to run it, which is the work of the state's handler
(`handlers.py`). Frames move in turn, as AWS's do, so siblings interleave event by event. A handler ends in one of:

    leave(frame, …)       the state is done: Exited, then the next state or the end of the frame
    fail(frame, …)        the state has failed: Retry, Catch, or the end of the frame
    waiting               the frame left `ready`; a timer, a task's outcome or its children bring it back

When a frame ends, its parent's handler hears of it; when the root ends, the execution does. An error that nobody
caught fails the parent's state in turn, after its other branches were aborted. `States.Runtime` is never caught: it
ends the execution on the spot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from opsctl.asl.definition import Catcher, Guarded, Scope, StateMachine
from opsctl.asl.effects import AbandonTask, Effect
from opsctl.asl.environment import Environment
from opsctl.asl.events import HistoryFullError, Journal, failure, with_output
from opsctl.asl.failures import DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT, QueryError, StateError, matches
from opsctl.asl.flow import error_output
from opsctl.asl.frames import Frame, Phase
from opsctl.asl.habits import TODAY
from opsctl.asl.payload import Payload
from opsctl.asl.retrying import wait_to_retry
from opsctl.asl.sight import environment_of
from opsctl.asl.stopping import abort, drop_children
from opsctl.asl.telling import told
from opsctl.asl.timers import Timers
from opsctl.asl.variables import assign

if TYPE_CHECKING:
    from opsctl.asl.handlers import Handlers

_FULL = "The execution reached the maximum number of history events (25000)."
_TOO_LARGE = (
    "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
)
_TOO_DEEP = "The execution's data is nested too deeply."
ROOT = 0


class Walk:
    """The state of an execution and its rules. `now` is the moment of the call that is being served."""

    def __init__(
        self, machine: StateMachine, payload: Payload, context: Mapping[str, Any], random: Random, handlers: Handlers
    ) -> None:
        self.machine = machine
        self.input = payload
        self.base_context = context
        self.random = random
        self.handlers = handlers
        self.habits = TODAY
        self.now = 0.0
        self.pause: Callable[[], bool] | None = None
        self.activity_exists: Callable[[str], bool] | None = None
        self.status = "RUNNING"
        self.output: str | None = None
        self.error: str | None = None
        self.cause: str | None = None
        self.journal = Journal()
        self.timers = Timers()
        self.frames: dict[int, Frame] = {}
        self.given: dict[str, Any] = {}
        """Variables that the outside assigned before the first state."""
        self.ready: deque[Frame] = deque()
        self.tasks: dict[int, int] = {}
        """The frame that waits for each open task."""
        self.effects: list[Effect] = []
        self.spoiled: Mapping[str, str] = {}
        """The Parallels and Maps that are to fail with an error where they would have succeeded next."""
        self.stored_bytes: int | None = None
        """No less than what all variables have together; None until the first is assigned."""
        self.redrives = int(context.get("Execution", {}).get("RedriveCount", 0))
        self.redriven_at: str | None = None
        self.next_frame = ROOT
        self.next_task = 1

    # moving

    def spawn(self, scope: Scope, payload: Payload, parent: Frame | None, index: int, link: int) -> Frame:
        """Begin to walk a scope."""
        frame = Frame(
            id=self.next_frame,
            parent=None if parent is None else parent.id,
            index=index,
            scope=scope,
            state=scope.states[scope.start_at],
            input=payload,
            link=link,
        )
        self.next_frame += 1
        self.frames[frame.id] = frame
        if parent is not None:
            parent.children.append(frame.id)
        self.ready.append(frame)
        return frame

    def drain(self) -> None:
        """Move frames until all wait, the execution has ended or `pause` says that it is enough for now."""
        ready, pause = self.ready, self.pause
        while ready:
            frame = ready.popleft()
            if frame.phase is Phase.ENTER:
                self._enter(frame)
                ready.append(frame)
            elif frame.phase is Phase.RUN:
                self._run(frame)
            elif frame.phase is Phase.FAIL:
                self.fail(frame, TIMEOUT, None, heartbeat=frame.missed == "heartbeat")
            else:  # a branch that was stopped while it was its turn
                continue
            if pause is not None and pause():
                return

    @contextmanager
    def moving(self, now: float) -> Iterator[None]:
        """Serve one call: whatever it sets off goes on until all frames wait, nothing can go on, or it is to pause."""
        self.now = now
        try:
            yield
            self.drain()
        except HistoryFullError:
            self.end_failed(len(self.journal.events), RUNTIME, _FULL)
        except RecursionError:
            self.end_failed(len(self.journal.events), RUNTIME, _TOO_DEEP)

    def _enter(self, frame: Frame) -> None:
        state = frame.state
        frame.came_from = frame.link
        frame.entered = self.journal.entered(self.now, state.type, frame.link, state.name, frame.input.text)
        frame.link = frame.entered
        frame.entered_at = self.now
        frame.phase = Phase.RUN
        if frame.attempt or frame.retries:
            frame.attempt = 0
            frame.retries = {}

    def _run(self, frame: Frame) -> None:
        try:
            self.handlers.run(self, frame)
        except StateError as problem:
            self.fail_with(frame, problem)

    # leaving

    def leave(self, frame: Frame, output: Payload, next_state: str | None, assigned: dict[str, Any] | None) -> None:
        """The state is done. Raises `StateError` if its output, or what it assigns, is too large."""
        state = frame.state
        if output.oversized:
            raise StateError(DATA_LIMIT_EXCEEDED, _TOO_LARGE.format(name=state.name))
        shown = assign(self, frame, assigned) if assigned else None
        frame.link = self.journal.exited(self.now, state.type, frame.link, state.name, output.text, shown)
        frame.input, frame.run_arn = output, ""
        if next_state is None:
            self._finish(frame, output)
            return
        frame.state = frame.scope.states[next_state]
        frame.phase = Phase.ENTER
        frame.entered = 0
        self.ready.append(frame)

    def leave_with_result(self, frame: Frame, result: Payload) -> None:
        """The state's work is done: make its output and go on. Raises `StateError`."""
        state, environment = frame.state, self.environment(frame)
        assigned = state.flow.assign(frame.input, result, environment)
        self.leave(frame, state.flow.output(frame.input, result, environment), state.next, assigned)

    def leave_container(self, frame: Frame, result: Payload, succeeded: int) -> None:
        """Leave a Parallel or Map whose Succeeded event was written.

        The Exited event passes that event by, and so does an EvaluationFailed; any other failure points at it.
        """
        try:
            self._refuse_spoiled(frame)
            self.leave_with_result(frame, result)
        except QueryError as problem:
            self.fail_with(frame, problem)
        except StateError as problem:
            frame.link = succeeded
            self.fail_with(frame, problem)

    def _refuse_spoiled(self, frame: Frame) -> None:
        error = self.spoiled.get(frame.state.name)
        if error is not None:
            self.spoiled = {name: other for name, other in self.spoiled.items() if name != frame.state.name}
            raise StateError(error, f"The state '{frame.state.name}' was made to fail.")

    def _finish(self, frame: Frame, output: Payload) -> None:
        frame.phase = Phase.DONE
        if frame.parent is not None:
            self.handlers.child_done(self, self.frames[frame.parent], frame, output)
            return
        self.output = output.text
        self._end("SUCCEEDED", "ExecutionSucceeded", frame.link, with_output(output.text))

    # failing

    def fail_with(self, frame: Frame, problem: StateError) -> None:
        """The state has failed with what an expression or a rule raised."""
        self.fail(frame, problem.error, told(self, frame, problem))

    def fail(self, frame: Frame, error: str | None, cause: str | None, *, heartbeat: bool = False) -> None:
        """The state has failed; the event that says so, if there is one, is the frame's link."""
        state = frame.state
        if error == RUNTIME:
            self.end_failed(frame.link, error, cause)
            return
        if isinstance(state, Guarded):
            for child in frame.children:
                abort(self, self.frames[child], frame.link)
            if wait_to_retry(self, frame, state, error, heartbeat=heartbeat):
                return
            before = frame.link
            self.handlers.given_up(self, frame)
            for catcher in state.catchers:
                if matches(error, catcher.errors, heartbeat=heartbeat):
                    self._catch(frame, catcher, error_output(error, cause), before)
                    return
        self._fail_frame(frame, error, cause)

    def retry(self, frame: Frame) -> None:
        """The retrier's time has come."""
        frame.attempt += 1
        frame.phase = Phase.RUN
        self.ready.append(frame)

    def _catch(self, frame: Frame, catcher: Catcher, caught: Payload, before: int) -> None:
        """Go on where the Catcher says; `before` is the event before the one with which a Parallel or Map failed."""
        drop_children(self, frame)
        try:
            output, assigned = catcher.handle(frame.input, caught, self.environment(frame))
            self.leave(frame, output, catcher.next, assigned)
        except StateError as problem:
            if isinstance(problem, QueryError):  # AWS goes back to before the failure, and lets the state fail anew
                frame.link = before
            cause_told = told(self, frame, problem)
            if isinstance(problem, QueryError):
                self.handlers.given_up(self, frame)
            self._fail_frame(frame, problem.error, cause_told)

    def _fail_frame(self, frame: Frame, error: str | None, cause: str | None) -> None:
        frame.phase = Phase.FAILED
        if frame.parent is None:
            self.end_failed(frame.link, error, cause)
        else:
            self.handlers.child_failed(self, self.frames[frame.parent], frame, error, cause)

    def abandon(self, frame: Frame) -> None:
        """Nobody waits for the frame's task any more."""
        if frame.task is not None:
            self.tasks.pop(frame.task, None)
            self.effects.append(AbandonTask(frame.task))
            frame.task = None

    # ending

    def end_failed(self, link: int, error: str | None, cause: str | None) -> None:
        """The execution fails."""
        self.error, self.cause = error, cause
        self._end("FAILED", "ExecutionFailed", link, failure(error, cause))

    def end_timed_out(self) -> None:
        """The machine's TimeoutSeconds has passed."""
        self._end("TIMED_OUT", "ExecutionTimedOut", 0, {})

    def end_aborted(self, error: str | None, cause: str | None) -> None:
        """StopExecution."""
        self.error, self.cause = error, cause
        self._end("ABORTED", "ExecutionAborted", 0, failure(error, cause))

    def _end(self, status: str, kind: str, link: int, details: dict[str, Any]) -> None:
        self.status = status
        self.journal.add(self.now, kind, link, details)
        self.ready.clear()
        for frame in self.frames.values():
            frame.timers.clear()
            self.abandon(frame)
            if frame.open:
                frame.phase = Phase.ABORTED

    def environment(self, frame: Frame) -> Environment:
        """What expressions in the frame's state can see."""
        return environment_of(self, frame)
