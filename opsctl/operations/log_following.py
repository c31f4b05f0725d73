"""The logs of a run's steps as they are written: of one step until it has ended, or of all until the run has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from opsctl.asl.history import RUNNING, RunHistory
from opsctl.aws.logs import Logs
from opsctl.domain import log_choice
from opsctl.domain.job_logs import NoLog, source_of
from opsctl.domain.log_choice import Part
from opsctl.domain.runs import Run
from opsctl.errors import ThrottledError
from opsctl.operations.connection import Connection
from opsctl.operations.log_readers import Reader, reader_of
from opsctl.operations.logs import Line, Tell, Wanted, fresh, heading, no_log
from opsctl.operations.watch import follow

QUIET = 2  # looks without a new line after which an attempt that has ended has nothing more to say


def read_on(connection: Connection, run: Run, wanted: Wanted, tell: Tell) -> Iterator[Line]:
    """The lines of what a run does from now on; with `wanted.tail`, the last ones before that too, else all that the
    present attempts wrote. `tell` hears of each attempt that begins. Throttling slows this down and never ends it."""
    step = None
    if wanted.step is not None:
        step = log_choice.task_named(connection.states.definition_of_run(run.arn), wanted.step)
    following = _Following(connection, run, wanted, step, tell)
    for sight in follow(connection, run, tick=connection.aws.poll_seconds):
        following.look_at(sight.history)
        yield from following.lines()
        if following.is_done(sight.history):
            return
    while following.is_open:
        yield from following.lines()
        connection.aws.sleep(connection.aws.poll_seconds)


@dataclass
class _Followed:
    """One attempt; its reader is made once its log is known to be somewhere."""

    part: Part
    tail: int | None
    reader: Reader | None = None
    quiet: int = 0

    @property
    def is_open(self) -> bool:
        return self.part.attempt.ended is None or self.quiet < QUIET


@dataclass
class _Following:
    """The attempts that are followed, by key; None for those of before, which are not meant."""

    connection: Connection
    run: Run
    wanted: Wanted
    step: str | None
    tell: Tell
    attempts: dict[tuple[int, int], _Followed | None] = field(default_factory=dict)
    has_looked: bool = False

    @property
    def is_open(self) -> bool:
        return any(followed.is_open for followed in self.attempts.values() if followed)

    def is_done(self, history: RunHistory) -> bool:
        """Whether the one step that is followed has ended, and all that it wrote was read."""
        if self.step is None or self.is_open:
            return False
        entries = [state for state in history.states if state.name == self.step]
        return bool(entries) and all(state.status != RUNNING for state in entries)

    def look_at(self, history: RunHistory) -> None:
        """Take up what has begun since the last look, and note what has ended."""
        steps = [self.step] if self.step else log_choice.tasks_of(history)
        parts = [part for name in steps for part in log_choice.parts_of(history, name)]
        if not self.has_looked:
            self._look_first(history, parts)
        for part in parts:
            followed = self.attempts.setdefault(part.key, _Followed(part, None))
            if followed:
                followed.part = part

    def lines(self) -> Iterator[Line]:
        """What was written since the last look."""
        for followed in self.attempts.values():
            if followed and followed.is_open:
                yield from self._lines_of(followed)

    def _look_first(self, history: RunHistory, parts: list[Part]) -> None:
        self.has_looked = True
        first = log_choice.latest(parts) if self.step else log_choice.at_work(history)
        self.attempts |= {part.key: None for part in parts}
        self.attempts |= {part.key: _Followed(part, self.wanted.tail) for part in first}
        if self.step and not parts:
            self.tell(f"{self.step} has not begun yet")

    def _lines_of(self, followed: _Followed) -> Iterator[Line]:
        new = False
        try:
            reader = followed.reader = followed.reader or self._reader(followed)
            if reader:
                for line in fresh(followed.part, reader, self.wanted, followed.tail):
                    new = True
                    yield line
                followed.tail = None
        except ThrottledError:
            return
        followed.quiet = 0 if new else followed.quiet + (followed.part.attempt.ended is not None)

    def _reader(self, followed: _Followed) -> Reader | None:
        part = followed.part
        made = reader_of(Logs(self.connection.aws), part, source_of(part.attempt), self.run.name, self.wanted.since)
        if not isinstance(made, NoLog):
            self.tell(f"{heading(part)}: {made.where}")
            return made
        if part.attempt.ended is not None or made.child:
            followed.quiet = QUIET
            if self.step or made.child:
                self.tell(no_log(part, made).message)
        return None
