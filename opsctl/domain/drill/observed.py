"""What must hold of a run that was really broken, by its history and by what was told of it. Each rule gives its
refutations in words, as for walked runs (opsctl/domain/drill/judge.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsctl.asl.history import CAUGHT, FAILED, RUNNING, SUCCEEDED, RunHistory
from opsctl.domain.drill.judge import caught
from opsctl.domain.drill.model import Check, Fault, Kind, Refutation
from opsctl.domain.drill.subject import Subject

LOST = ("ABORTED", "TIMED_OUT")


@dataclass(frozen=True)
class Observed:
    """A run that a fault has met, when it is over: its events and what they come to, and how many messages there are
    that tell of something else than success."""

    run: str
    fault: Fault
    events: Sequence[Mapping[str, Any]]
    history: RunHistory
    alerts: int

    @property
    def status(self) -> str:
        """How it ended."""
        return self.history.status


def judged(subject: Subject, seen: Observed, calm: frozenset[str]) -> Iterator[Refutation]:
    """What does not hold of a run that has ended. `calm` are the states that catch something even without a fault."""
    fault, state = seen.fault, seen.fault.state
    if seen.status == RUNNING:
        yield Refutation(Check.ENDS, state, "the run does not end")
        return
    yield from _green(seen, calm)
    wanted = int(seen.status != SUCCEEDED)
    if seen.alerts != wanted:
        words = f"the run ends {seen.status} with {_messages(seen.alerts)}"
        yield Refutation(Check.ALERT, state, words)
    if fault.kind is Kind.INTERRUPTED and seen.status != SUCCEEDED:
        words = f"{state} loses its Spot host, which is to cost time only, and the run ends {seen.status}"
        yield Refutation(Check.RETRIED, state, words)
    tries = sum(len(one.attempts) for one in seen.history.states if one.name == state)
    if fault.passing and not fault.lasting and tries == 1 and seen.status not in LOST:
        words = f"a single {fault.error}, which passes by itself, ends the run: nothing retries {state}"
        yield Refutation(Check.RETRIED, state, words)
    if seen.status not in LOST:
        yield from _siblings(subject, seen)


def _green(seen: Observed, calm: frozenset[str]) -> Iterator[Refutation]:
    if seen.status != SUCCEEDED:
        return
    for state, error in caught(seen.events).items():
        if state not in calm:
            yield Refutation(Check.RED, state, f"{state} fails with {error}, and the run ends SUCCEEDED")
    last = [one for one in seen.history.states if one.name == seen.fault.state][-1:]
    if seen.fault.kind is Kind.STOPPED and last and len(last[0].attempts) == 1:
        words = f"the job of {seen.fault.state} is stopped before it is done, and the run ends SUCCEEDED"
        yield Refutation(Check.RED, seen.fault.state, words)
    if seen.fault.kind is Kind.CORRUPT:
        words = f"the model that {seen.fault.state} leaves is cut off, and the run ends SUCCEEDED"
        yield Refutation(Check.RED, seen.fault.state, words)


def _messages(count: int) -> str:
    return {0: "no message", 1: "one message"}.get(count, f"{count} messages")


def _siblings(subject: Subject, seen: Observed) -> Iterator[Refutation]:
    for one in seen.history.states:
        if one.name in subject.paid and one.name != seen.fault.state and one.status not in (SUCCEEDED, FAILED, CAUGHT):
            words = f"a failure of {seen.fault.state} throws away the work of {one.name}, which was going on"
            yield Refutation(Check.SIBLINGS, one.name, words)


def reads(parameters: str, model: str) -> bool:
    """Whether a job that is asked for with these parameters is given what another wrote below this place."""
    return f'"{model.rstrip("/")}/' in parameters


def completed(subject: Subject, history: RunHistory) -> frozenset[str]:
    """The states whose paid work a run has completed."""
    return frozenset(one.name for one in history.states if one.name in subject.paid and one.status == SUCCEEDED)


def repeated(subject: Subject, seen: Observed, later: RunHistory, *, native: bool) -> Iterator[Refutation]:
    """The completed paid steps that the redrive, or the rerun, has worked on again. What a stopped job left is not
    complete, nor is a model that is cut off, though their tasks have succeeded."""
    since = seen.history.redrives + 1 if native else 0
    again = {one.name for one in later.states if any(attempt.generation >= since for attempt in one.attempts)}
    spoilt = {seen.fault.state} if seen.fault.kind in (Kind.STOPPED, Kind.CORRUPT) else set()
    way = "redrive" if native else "rerun"
    for name in sorted(completed(subject, seen.history) & again - spoilt):
        yield Refutation(Check.REPEATED, name, f"the {way} repeats {name}, which was completed")
