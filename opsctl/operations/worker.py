"""A worker outside AWS: it takes an activity's tasks, runs a command for each, and answers with what came of it.

Each thread fetches a task, works on it and answers before it fetches the next, so no task waits in the worker. Nothing
but a missing activity ends the worker: lost connections, throttling and expired credentials are said and tried again.
A fetch that is under way when the worker is told to drain is waited for, since AWS may have given it a task already.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from opsctl.aws.activities import Activity, NoActivityError, Task
from opsctl.aws.session import Aws
from opsctl.aws.surroundings import surroundings
from opsctl.config import Options, choose_context, read_deployment
from opsctl.domain.work import INTERRUPTED, NO_COMMAND, TIMED_OUT, Answer, answer, failure
from opsctl.errors import ConfigurationError, OpsError, UsageError
from opsctl.operations import commands

ACTIVITY_ARN = re.compile(r"arn:aws[a-z-]*:states:([a-z0-9-]+):\d{12}:activity:[^:/]+")
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each further try of a request that failed; the last one again and again."""
ANSWER_SECONDS = 900.0
"""How long an answer is tried to be delivered."""
_LOOK_SECONDS = 0.5
_GONE = "gone"

Tell = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """`heartbeat` and `timeout` (None: none) are in seconds; `most` is the number of tasks after which it ends."""

    command: Sequence[str]
    name: str
    concurrency: int = 1
    heartbeat: float = 30.0
    timeout: float | None = None
    most: int | None = None


@dataclass
class Tally:
    """What became of the tasks: answered with an output, answered with a failure, or not waited for any more."""

    succeeded: int = 0
    failed: int = 0
    gone: int = 0


@dataclass
class Shift:
    """One worker at work. `drain` and `abort` may be called from a signal handler."""

    activity: Activity
    settings: Settings
    tell: Tell
    environment: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)
    problem: OpsError | None = None
    _draining: threading.Event = field(default_factory=threading.Event)
    _aborting: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _taken: int = 0
    _fetching: int = 0
    _reached: bool = False

    def drain(self) -> None:
        """Fetch nothing more, and end when what was fetched is answered."""
        self._draining.set()

    def abort(self) -> None:
        """End the commands that run, and answer their tasks with `Worker.Interrupted`."""
        self._draining.set()
        self._aborting.set()

    def work(self) -> Tally:
        """Work until told to drain, or `most` tasks are done. Raises what ended it, if something did."""
        threads = [threading.Thread(target=self._guarded) for _ in range(self.settings.concurrency)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a join without a time would keep signals from being handled
                thread.join(_LOOK_SECONDS)
        if self.problem is not None:
            raise self.problem
        return self.tally

    def _guarded(self) -> None:
        try:
            while self._may_fetch():
                task, number = self._fetched()
                if task is not None:
                    self._do(task, number)
        except OpsError as error:
            self.problem = error
            self.drain()

    def _may_fetch(self) -> bool:
        """Wait until one more task may be fetched; False when there is to be none any more."""
        most = self.settings.most
        while not self._draining.is_set():
            with self._lock:
                if most is None or self._taken + self._fetching < most:
                    self._fetching += 1
                    return True
                if self._taken >= most:
                    return False
            self._draining.wait(_LOOK_SECONDS)
        return False

    def _fetched(self) -> tuple[Task | None, int]:
        """The next task, None if none came, and how many there have been with it."""
        task = None
        try:
            task = self._tried(lambda: self.activity.poll(self.settings.name), until=self._draining.is_set)
        finally:
            with self._lock:
                self._fetching -= 1
                self._taken += task is not None
                number = self._taken
        return task, number

    def _do(self, task: Task, number: int) -> None:
        began = time.monotonic()
        self.tell(f"task {number}: started")
        found = self._answer(task, number, began)
        if found is None or not self._delivered(task, found):
            self._count("gone")
            self.tell(f"task {number}: nobody waits for it any more: its time was up, or its run has ended")
            return
        took = f"after {time.monotonic() - began:.1f} s"
        self._count("failed" if found.output is None else "succeeded")
        self.tell(f"task {number}: {f'failed ({found.error})' if found.output is None else 'succeeded'} {took}")

    def _answer(self, task: Task, number: int, began: float) -> Answer | None:
        """Run the command; None where nobody waits for the answer any more."""
        with ExitStack() as stack:
            try:
                kept = tempfile.TemporaryDirectory(prefix="opsctl-task-", ignore_cleanup_errors=True)
                given = Path(stack.enter_context(kept)) / "input.json"
                given.write_text(task.input, encoding="utf-8", errors="replace")
            except OSError as error:
                return failure(NO_COMMAND, f"there is no room for the task's input: {error.strerror}")
            try:
                ended = commands.run(
                    self.settings.command,
                    given,
                    environment=self.environment,
                    every=min(_LOOK_SECONDS, self.settings.heartbeat),
                    look=self._watch(task, began),
                    on_line=lambda line: self.tell(f"task {number}: {line}"),
                )
            except OSError as error:
                return failure(NO_COMMAND, f"{self.settings.command[0]}: {error.strerror}")
        return None if ended.ended_by == _GONE else answer(ended)

    def _watch(self, task: Task, began: float) -> Callable[[], str | None]:
        """What is asked again and again while the command runs: a word ends it. Sends the heartbeats."""
        last = began

        def look() -> str | None:
            nonlocal last
            now = time.monotonic()
            if self._aborting.is_set():
                return INTERRUPTED
            if self.settings.timeout is not None and now - began >= self.settings.timeout:
                return TIMED_OUT
            if now - last < self.settings.heartbeat:
                return None
            last = now
            try:
                return None if self.activity.beat(task) else _GONE
            except OpsError as error:
                self.tell(f"a heartbeat was not delivered: {error.message}")
                return None

        return look

    def _delivered(self, task: Task, found: Answer) -> bool:
        """Whether AWS took the answer. One whose own answer was lost on the wire is refused the second time, and then
        counted as not waited for: that it was taken cannot be told."""
        deadline = time.monotonic() + ANSWER_SECONDS

        def send() -> bool:
            if found.output is not None:
                return self.activity.succeed(task, found.output)
            return self.activity.fail(task, found.error, found.cause)

        return bool(self._tried(send, until=lambda: time.monotonic() > deadline))

    def _tried(self, request: Callable[[], T], until: Callable[[], bool]) -> T | None:
        """The request's result, however often it must be sent; None once `until` says so.

        Raises OpsError where trying again is of no use: no such activity, or no way to AWS from the beginning.
        """
        said = ""
        for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
            if until():
                return None
            try:
                result = request()
                self._reached = True
            except NoActivityError:
                raise
            except OpsError as error:
                if isinstance(error, ConfigurationError) and not self._reached:
                    raise
                if error.message != said:
                    self.tell(f"{error.message}; trying again")
                said = error.message
                _pause(pause, until)
            else:
                return result
        return None

    def _count(self, what: str) -> None:
        with self._lock:
            setattr(self.tally, what, getattr(self.tally, what) + 1)


def _pause(seconds: float, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        time.sleep(_LOOK_SECONDS)


def reach(options: Options, activity: str) -> tuple[Activity, dict[str, str]]:
    """The activity of that ARN, for which no deployment is needed, or of that name in the deployment's account; and the
    environment in which a command reaches the same AWS.

    Raises ConfigurationError (no credentials, no deployment to look the name up in), UsageError for what is neither.
    """
    context = choose_context(options)
    parts = ACTIVITY_ARN.fullmatch(activity)
    if parts:
        aws = Aws(context, context.region or parts[1])
        return Activity(aws, activity), surroundings(aws, os.environ)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", activity):
        raise UsageError(f"{activity!r} is neither an activity's name nor its ARN", "arn:aws:states:…:activity:NAME")
    deployment = read_deployment(context)
    machine = deployment.machine(options.machine)
    arn = machine.arn.replace(":stateMachine:", ":activity:", 1).rpartition(":")[0] + f":{activity}"
    aws = Aws(context, context.region or deployment.region)
    return Activity(aws, arn), surroundings(aws, os.environ)
