"""The logs of a run's steps: of the attempts that are meant, one after the other, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opsctl.asl.history import RUNNING, SUCCEEDED, RunHistory, read_history
from opsctl.aws.logs import LogEvent, Logs
from opsctl.domain import log_choice
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.job_logs import NoLog, source_of
from opsctl.domain.log_choice import Part
from opsctl.domain.names import slug
from opsctl.domain.runs import Run
from opsctl.errors import OpsError, RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.log_readers import Reader, reader_of
from opsctl.operations.runs import input_document
from opsctl.operations.waiting import outcome_of

_HOST = re.compile(r"algo-\d+")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """Which logs, and which of their lines; `since` in seconds since the epoch."""

    step: str | None = None
    attempt: int | None = None
    failed: bool = False
    since: float | None = None
    tail: int | None = None
    grep: re.Pattern[str] | None = None

    def keeps(self, event: LogEvent) -> bool:
        """Whether an event is one of those lines."""
        if self.since is not None and event.at < self.since:
            return False
        return self.grep is None or self.grep.search(event.message) is not None


@dataclass(frozen=True)
class Line:
    """One event of the log of one attempt; `host` only where its job runs on several."""

    at: float
    part: Part
    stream: str
    message: str
    host: str | None = None


def choose(connection: Connection, run: Run, wanted: Wanted) -> tuple[Part, ...]:
    """The attempts whose logs are meant.

    Raises UsageError for an unknown step or attempt, RefusedError where there is none: the step did not run, none
    failed.
    """
    history = read_history(connection.states.history(run.arn))
    if wanted.step is None:
        return _unnamed(run, history, wanted)
    definition = connection.states.definition_of_run(run.arn)
    step = log_choice.task_named(definition, wanted.step)
    parts = log_choice.parts_of(history, step)
    if not parts:
        raise _did_not_run(run, history, step, log_choice.scopes_around(definition, step))
    return log_choice.failed_parts(history, step) if wanted.failed else _of_step(parts, step, wanted)


def is_step(connection: Connection, word: str) -> bool:
    """Whether a step of the machine has that name, in any case, or that slug."""
    try:
        log_choice.task_named(connection.start_definition(), word)
    except UsageError:
        return False
    return True


def read(connection: Connection, run: Run, parts: tuple[Part, ...], wanted: Wanted, tell: Tell) -> Iterator[Line]:
    """The lines of those attempts, one attempt after the other; `tell` hears what is read.

    Raises RefusedError where the attempts have no log, OpsError where none of their logs is there.
    """
    logs, missing, found = Logs(connection.aws), list[str](), False
    for part in parts:
        reader = reader_of(logs, part, source_of(part.attempt), run.name, wanted.since)
        if isinstance(reader, NoLog):
            if len(parts) == 1:
                raise no_log(part, reader)
            tell(no_log(part, reader).message)
            continue
        tell(f"{heading(part)}: {reader.where}")
        yield from fresh(part, reader, wanted, wanted.tail)
        if reader.missing and part.attempt.status == RUNNING:
            tell(f"{heading(part)} has written nothing yet")
            found = True
        elif reader.missing:
            missing.append(f"{heading(part)} left no log: {reader.missing}")
        found = found or not reader.missing
    if missing and not found:
        raise OpsError(missing[0], "it wrote nothing, or its log group no longer keeps lines as old as that")
    for text in missing:
        tell(text)


def heading(part: Part) -> str:
    """An attempt in words: `Train Text Model, attempt 2 of 2`."""
    attempt = f", attempt {part.number} of {part.total}" if part.total > 1 else ""
    return f"{part.step}{attempt}" + (f" ({part.place})" if part.place else "")


def label(part: Part) -> str:
    """An attempt in a word: `train-text-model`, `train-text-model#2`."""
    return slug(part.step) + (f"#{part.number}" if part.total > 1 else "")


def fresh(part: Part, reader: Reader, wanted: Wanted, tail: int | None) -> Iterator[Line]:
    """The lines that a reader has and did not give before; with `tail`, only the last of them."""
    events = reader.new() if tail is None else iter(reader.last(tail, wanted.keeps))
    for event in events:
        if wanted.keeps(event):
            host = _HOST.search(event.stream) if reader.streams > 1 else None
            yield Line(event.at, part, event.stream, event.message, host[0] if host else None)


def no_log(part: Part, reason: NoLog) -> RefusedError:
    """The error for an attempt whose work writes no log."""
    hint = reason.hint
    if reason.child:
        machine = reason.child.replace(":execution:", ":stateMachine:").rpartition(":")[0]
        hint = f"opsctl logs {reason.child.rpartition(':')[2]} --machine {machine}"
    return RefusedError(f"{heading(part)} has no log: {reason.why}", hint)


def _unnamed(run: Run, history: RunHistory, wanted: Wanted) -> tuple[Part, ...]:
    if wanted.failed:
        return log_choice.failed_parts(history)
    if history.status == RUNNING:
        found = log_choice.at_work(history)
    elif history.status == SUCCEEDED:
        found = log_choice.everything(history)
    else:
        step = outcome_of(run.name, history).step
        found = _of_step(log_choice.parts_of(history, step), step, wanted) if step else ()
    if not found:
        raise RefusedError(f"no step of {run.name} has a log", f"opsctl status {run.name} shows what it did")
    if wanted.attempt is None:
        return found
    if len({part.step for part in found}) > 1:
        raise UsageError("--attempt needs a STEP: the run has several", f"opsctl status {run.name} shows them")
    return _of_step(log_choice.parts_of(history, found[0].step), found[0].step, wanted)


def _of_step(parts: tuple[Part, ...], step: str, wanted: Wanted) -> tuple[Part, ...]:
    if wanted.attempt is not None:
        return (log_choice.numbered(parts, step, wanted.attempt),)
    return log_choice.latest(parts)


def _did_not_run(run: Run, history: RunHistory, step: str, around: tuple[str, ...]) -> RefusedError:
    map_run = next((state for state in history.states if state.map_run and state.name in around), None)
    if map_run:
        why = f"{step} runs in the executions of {map_run.name}, each with a history of its own"
        return RefusedError(why, f"aws stepfunctions list-executions --map-run-arn {map_run.map_run}")
    made_by = value_at(input_document(run.input), ("reuse", slug(step), "run"))
    if made_by is not ABSENT:
        hint = f"opsctl logs {made_by} {slug(step)}"
        return RefusedError(f"{step} did not run in {run.name}: its result is that of {made_by}", hint)
    if history.status == RUNNING:
        return RefusedError(f"{step} has not begun in {run.name}", "add -f to wait for it")
    return RefusedError(f"{step} did not run in {run.name}", f"opsctl status {run.name} shows what did")
