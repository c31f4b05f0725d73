"""Drives executions: one thread moves every interpreter, a pool carries out what they ask for.

The thread takes commands from a queue (start, an outcome, stop) and timers from a heap, so an execution is never
touched by two threads and its events come in the order in which things were told. An execution that has much to do at
once pauses after a `STRIDE` and goes on behind what was asked for meanwhile, so none keeps the others, or a
StopExecution, waiting. Requests of integrations run in the pool; jobs wait in threads of their own and only report
their end.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any

from opsctl.asl.effects import (
    AbandonTask,
    Effect,
    Failed,
    Outcome,
    ScheduleTask,
    Started,
    StartFailed,
    StartMapRun,
    SubmitFailed,
    Submitted,
    Succeeded,
)
from opsctl.asl.failures import StateError
from opsctl.asl.interpreter import Execution
from opsctl.errors import RefusedError
from opsctl.sandbox.endings import Endings
from opsctl.sandbox.runs import Run
from opsctl.sandbox.standstill import SECONDS, hold
from opsctl.sandbox.tasks import MapTask, OpenTask, Task
from opsctl.sandbox.timers import Timers
from opsctl.sandbox.tokens import Tokens

WORKERS = 64
STRIDE = 0.05
"""Seconds; a single state may take longer, for one expression has about a second."""
FINAL = (Succeeded, Failed, StartFailed, SubmitFailed)
logger = logging.getLogger(__name__)


class Engine:
    """Moves executions. `changed` hears of each start and end, `moved` of each move, in the engine's thread; they must
    not block, and nor must `activity_exists`, which is asked for ARNs. `resume` takes up a task that was begun by a
    server before this one."""

    def __init__(
        self,
        begin: Callable[[Task], None],
        resume: Callable[[Any], None],
        begin_map: Callable[[MapTask], None],
        changed: Callable[[Run], None],
        activity_exists: Callable[[str], bool],
        moved: Callable[[Run], None],
    ) -> None:
        self._begin = begin
        self._resume = resume
        self._begin_map = begin_map
        self._changed = changed
        self._activity_exists = activity_exists
        self._moved = moved
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._timers = Timers()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="integration")
        self.tokens = Tokens()
        self._endings = Endings()
        self._now = 0.0
        self._stride_ends = 0.0
        threading.Thread(target=self._loop, name="engine", daemon=True).start()

    def start(self, run: Run) -> None:
        """Begin to walk an execution."""
        self._commands.put(partial(self._start, run))

    def stop(self, run: Run, error: str | None = None, cause: str | None = None) -> None:
        """Abort an execution, and return when that is done."""
        done: Future[None] = Future()
        self._commands.put(partial(self._stop, run, error, cause, done))
        done.result()

    def redrive(self, run: Run, token: str | None) -> float:
        """Go on with an execution that did not end well; returns when that began, in seconds.

        A client token that was accepted before changes nothing and gives the same answer. Raises RefusedError.
        """
        begun: Future[float] = Future()
        self._commands.put(partial(self._redrive, run, token, begun))
        return begun.result()

    def map_inputs(self, task: MapTask, items: list[Any] | dict[str, Any]) -> list[str]:
        """The inputs of a Map Run's children; none if the execution has ended. Raises StateError."""
        made: Future[list[str]] = Future()
        self._commands.put(partial(self._map_inputs, task, items, made))
        return made.result()

    def answer(self, token: str, outcome: Outcome) -> None:
        """Tell an outcome by task token. Raises UnknownTokenError or ClosedTokenError."""
        task = self.tokens.use(token, closing=isinstance(outcome, FINAL))
        self._commands.put(partial(self._answer, task, outcome))

    def hold(self, seconds: float = SECONDS) -> AbstractContextManager[None]:
        """Stand still between two moves, with all done that was asked for before. Raises TimeoutError: see there."""
        return hold(self._commands.put, seconds)

    def kept(self) -> dict[str, Any]:
        """What is to outlive the server, besides the executions themselves. While it stands still."""
        return {"now": self._now, "tokens": self.tokens, "leaving": self._endings.kept()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Have what a server before this one kept."""
        self._now, self.tokens = kept["now"], kept["tokens"]
        self._endings.restore(kept["leaving"])

    def take_up(self, runs: Iterable[Run]) -> None:
        """Go on with executions that were kept, and with tasks that were about to end. Before anybody asks for them."""
        for task in self._endings.kept():
            task.take_up(self._told)
            self._commands.put(partial(self._leave, task))
        for run in runs:
            for task in run.tasks.values():
                task.take_up(self._told)
            self._commands.put(partial(self._take_up, run))

    # everything below runs in the engine's thread

    def _loop(self) -> None:
        while True:
            command: Callable[[], None] | None = None
            with suppress(queue.Empty):
                command = self._commands.get(timeout=self._timers.patience(time.time()))
            try:
                if command is not None:
                    command()
                self._fire()
            except Exception:
                logger.exception("the engine met something unforeseen")

    def _fire(self) -> None:
        """Tick every execution whose timer is due."""
        now = self._clock()
        for run in self._timers.due(now):
            self._move(run, lambda walk: walk.tick(now))

    def _take_up(self, run: Run) -> None:
        """Time has passed meanwhile, as it has on AWS: what is due already is due at once."""
        walk = run.walk
        if walk is None:
            return
        if not walk.events:
            self._start(run)
            return
        for task in list(run.tasks.values()):
            self._pool.submit(self._resume, task)
        self._move(run, lambda walk: walk.tick(self._clock()))

    def _leave(self, task: OpenTask) -> None:
        self._pool.submit(self._resume, task).add_done_callback(lambda _: self._endings.end(task))

    def _start(self, run: Run) -> None:
        self._changed(run)
        self._move(run, lambda walk: walk.start(self._clock()))

    def _answer(self, task: Task, outcome: Outcome) -> None:
        """Take an answer by token; one that comes before TaskSubmitted waits for it."""
        if task.submitted:
            self._resolve(task, outcome)
        elif isinstance(outcome, FINAL):
            task.early = outcome

    def _resolve(self, task: OpenTask, outcome: Outcome) -> None:
        run, number = task.run, task.number
        if isinstance(outcome, FINAL):
            run.tasks.pop(number, None)
            self.tokens.close(task.token)
        self._move(run, lambda walk: walk.resolve(number, outcome, self._clock()))
        if isinstance(outcome, Started) and isinstance(task, Task):
            task.started = True
        if isinstance(outcome, Submitted) and isinstance(task, Task):
            task.accepted, task.submitted = outcome.output, True
            if task.early is not None:
                self._resolve(task, task.early)

    def _stop(self, run: Run, error: str | None, cause: str | None, done: Future[None]) -> None:
        try:
            self._move(run, lambda walk: walk.stop(self._clock(), error, cause))
        finally:
            done.set_result(None)

    def _redrive(self, run: Run, token: str | None, begun: Future[float]) -> None:
        now = self._clock()
        accepted = run.tokens.seen(token, now)
        if accepted is not None:
            begun.set_result(accepted)
            return
        try:
            run.reopen(now)
        except RefusedError as refusal:
            begun.set_exception(refusal)
            return
        except Exception as error:  # a fault, and nobody may wait for its answer
            begun.set_exception(error)
            raise
        run.tokens.accept(token, now)
        self._changed(run)
        # The answer comes after the first move, so that what was asked for last also shows.
        self._move(run, lambda walk: walk.redrive(now))
        begun.set_result(now)

    def _move(self, run: Run, step: Callable[[Execution], None]) -> None:
        """Take one step of an execution and carry out what follows. A step that raises ends the execution FAILED."""
        walk = run.walk
        if walk is None:
            return
        self._stride_ends = time.monotonic() + STRIDE
        walk.pause_when(self._stride_is_over)
        walk.ask_for_activities(self._activity_exists)
        try:
            step(walk)
        except Exception as error:
            logger.exception("the interpreter failed in %s", run.arn)
            self._finish(run, fault=f"The sandbox failed: {error!r}")
            return
        self._moved(run)
        for effect in walk.effects():
            self._carry_out(run, effect)
        if walk.status != "RUNNING":
            self._finish(run)
            return
        self._timers.arm(run, walk.next_timer())
        if walk.busy and not run.goes_on:
            run.goes_on = True
            self._commands.put(partial(self._go_on, run))

    def _go_on(self, run: Run) -> None:
        run.goes_on = False
        self._move(run, lambda walk: walk.go_on(self._clock()))

    def _stride_is_over(self) -> bool:
        return time.monotonic() > self._stride_ends

    def _carry_out(self, run: Run, effect: Effect) -> None:
        if isinstance(effect, ScheduleTask):
            self._schedule(run, effect)
        elif isinstance(effect, StartMapRun):
            mapped = MapTask(run, effect, self._told)
            run.tasks[effect.task] = mapped
            self._begin_map(mapped)
        else:
            self._abandon(run, effect)

    def _told(self, task: OpenTask, outcome: Outcome) -> None:
        self._commands.put(partial(self._resolve, task, outcome))

    def _map_inputs(self, task: MapTask, items: list[Any] | dict[str, Any], made: Future[list[str]]) -> None:
        walk = task.run.walk
        try:
            made.set_result([] if walk is None else walk.map_run_inputs(task.number, items))
        except StateError as problem:
            made.set_exception(problem)
        except Exception as error:  # a fault, and somebody waits
            made.set_exception(error)
            raise

    def _schedule(self, run: Run, effect: ScheduleTask) -> None:
        task = Task(run, effect, self._told)
        run.tasks[effect.task] = task
        self.tokens.open(task)
        self._pool.submit(self._begin, task)

    def _abandon(self, run: Run, effect: AbandonTask) -> None:
        task = run.tasks.pop(effect.task, None)
        if task is not None:
            self.tokens.close(task.token)
            self._endings.begin(task)

    def _finish(self, run: Run, fault: str | None = None) -> None:
        for number in list(run.tasks):
            self._abandon(run, AbandonTask(number))
        run.armed = None
        if fault is None:
            run.close(self._clock())
        else:
            run.give_up(self._clock(), fault)
        run.ended.set_result(run.describe())
        self._changed(run)

    def _clock(self) -> float:
        """Now, never going backwards."""
        self._now = max(self._now, time.time())
        return self._now
