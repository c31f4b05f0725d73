"""What must hold of every run that something broke in, wherever it ended. Each rule gives its refutations in words.

*Handled* is a fault after which its state was tried again and came to its end. What a Catch took is not handled: the
run may do whatever it likes, but it must not end SUCCEEDED. A Map's tolerated failures, and errors that a Catch names
by itself, are the author's answers. `States.Runtime`, a stop and the machine's own time limit cannot be caught by
anything: there the status rule alone tells, and running siblings are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsctl.asl.events import MAX_EVENTS
from opsctl.asl.failures import RUNTIME
from opsctl.domain.alerts import NOTIFY_FAILURE
from opsctl.domain.drill.model import Check, Fault, Kind, Refutation
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive

SUCCEEDED, FAILED, RUNNING = "SUCCEEDED", "FAILED", "RUNNING"
_FAILURES = ("Failed", "TimedOut", "StartFailed", "SubmitFailed", "ScheduleFailed")


def judge(subject: Subject, drive: Drive, calm: frozenset[str]) -> Iterator[Refutation]:
    """What does not hold of a run that has ended. `calm` are the states that catch something even in a run without
    faults, where that is the answer that somebody gave."""
    blamed = _blamed(drive)
    if drive.problem or drive.status == RUNNING:
        yield Refutation(Check.ENDS, blamed, f"the run {drive.problem or 'does not end'}, and nobody is told")
        return
    if len(drive.events) >= MAX_EVENTS:
        words = f"the history reaches AWS's limit of {MAX_EVENTS:,} events"
        yield Refutation(Check.LIMITS, blamed, words)
    yield from _green(drive, calm)
    yield from _alerts(subject, drive, blamed)
    yield from _own_way(subject, drive)
    yield from _not_retried(subject, drive)
    yield from _siblings(drive)
    yield from same_names(drive.taken)


def _blamed(drive: Drive) -> str:
    return drive.struck[-1][0].state if drive.struck else ""


def _green(drive: Drive, calm: frozenset[str]) -> Iterator[Refutation]:
    if drive.status != SUCCEEDED:
        return
    for state, error in caught(drive.events).items():
        if state not in calm:
            yield Refutation(Check.RED, state, f"{state} fails with {error}, and the run ends SUCCEEDED")
    for fault, _, at in drive.struck:
        again = any(one.state == fault.state and one.at > at for one in drive.asked)
        if fault.kind is Kind.STOPPED and not again:
            words = f"the job of {fault.state} is stopped before it is done, and the run ends SUCCEEDED"
            yield Refutation(Check.RED, fault.state, words)


def caught(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The states that were left by a Catch, with the error."""
    failures: dict[int, str] = {}
    found: dict[str, str] = {}
    for event in events:
        kind = event["type"]
        if kind.endswith(_FAILURES) or kind == "EvaluationFailed":
            failures[event["id"]] = _error(event)
        elif kind.endswith("StateExited") and event["previousEventId"] in failures:
            found[event["stateExitedEventDetails"]["name"]] = failures[event["previousEventId"]]
    return found


def _error(event: Mapping[str, Any]) -> str:
    details: Mapping[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return str(details.get("error") or "an error")


def _alerts(subject: Subject, drive: Drive, blamed: str) -> Iterator[Refutation]:
    own, rule = told(subject, drive)
    if drive.status == SUCCEEDED:
        if own and not caught(drive.events):
            yield Refutation(Check.ALERT, blamed, f"{_messages(own)} told of a failure, and the run ends SUCCEEDED")
        return
    if own + rule != 1:
        by = ", ".join(
            name for name, generation in drive.done if name in subject.alerts and generation == _redrives(drive)
        )
        means = f"by {by}" if by else "neither the machine nor a rule tells of it"
        means += " and by the status rule" if rule and own else ""
        yield Refutation(Check.ALERT, blamed, f"the run ends {drive.status} with {_messages(own + rule)}: {means}")


def told(subject: Subject, drive: Drive) -> tuple[int, int]:
    """How many messages tell of the run's last end: the machine's own, and the status rule's, which keeps quiet where
    it finds the machine's in the history."""
    now = _redrives(drive)
    own = [state for state, generation in drive.done if generation == now and state in subject.alerts]
    asked = [one.state for one in drive.asked if one.redrives == now]
    known = NOTIFY_FAILURE in own or (bool(asked) and asked[-1] in own and _publishes(subject, asked[-1]))
    return len(own), int(subject.rule and drive.status != SUCCEEDED and not known)


def _publishes(subject: Subject, state: str) -> bool:
    return subject.nodes.nodes[state].resource.endswith(":sns:publish")


def _redrives(drive: Drive) -> int:
    return drive.execution.redrives


def _messages(count: int) -> str:
    return {0: "no message", 1: "one message"}.get(count, f"{count} messages")


def _own_way(subject: Subject, drive: Drive) -> Iterator[Refutation]:
    """Every failure that can be caught goes the way that the machine has for failures."""
    struck = [fault for fault, _, _ in drive.struck]
    if drive.status != FAILED or (drive.execution.error == RUNTIME and _by_nature(struck)):
        return
    if any(fault.kind is Kind.ABORT for fault in struck) or _off_the_path(subject, struck):
        return
    own, _ = told(subject, drive)
    state, error = struck[-1].state if struck else "", drive.execution.error
    if subject.alerts and not own:
        way = " and ".join(sorted(subject.alerts))
        words = f"a failure of {state} ends the run with {error} past {way}: only the status rule could tell of it"
        yield Refutation(Check.CAUGHT, state, words)
    elif state in subject.odd and state not in caught(drive.events) and not subject.alerts:
        words = (
            f"nothing catches a failure of {state}, though the states beside it catch every error: it goes another way"
        )
        yield Refutation(Check.CAUGHT, state, words)


def _by_nature(struck: Iterable[Fault]) -> bool:
    """Whether the fault itself is one that nothing can catch."""
    return any(fault.kind is Kind.MISSING for fault in struck)


def _off_the_path(subject: Subject, struck: Iterable[Fault]) -> bool:
    """Whether the way of failures was itself broken."""
    names = subject.nodes.nodes
    tasks = (fault.state for fault in struck if fault.state in names and names[fault.state].type == "Task")
    return any(state not in subject.steps for state in tasks)


def _not_retried(subject: Subject, drive: Drive) -> Iterator[Refutation]:
    if len(drive.struck) != 1 or drive.status == SUCCEEDED:
        return
    fault = drive.struck[0][0]
    if fault.passing and not fault.lasting and fault.state in subject.steps:
        words = f"a single {fault.error}, which passes by itself, ends the run: nothing retries {fault.state}"
        yield Refutation(Check.RETRIED, fault.state, words)


def _siblings(drive: Drive) -> Iterator[Refutation]:
    if drive.status in ("ABORTED", "TIMED_OUT") or drive.execution.error == RUNTIME:
        return
    for lost in (one for one in drive.given_up if one.redrives == _redrives(drive)):
        words = f"a failure of {_blamed(drive)} throws away the work of {lost.state}, which was going on"
        yield Refutation(Check.SIBLINGS, lost.state, words)
        return


def same_names(taken: Iterable[tuple[str, str, str]]) -> Iterator[Refutation]:
    """Jobs that would be asked for under a name that is taken."""
    counted = Counter((kind, name) for kind, name, _ in taken)
    for (kind, name), times in counted.items():
        if times > 1:
            states = list(dict.fromkeys(state for k, n, state in taken if (k, n) == (kind, name)))
            words = f"{' and '.join(states)} asks {times} times for a job of the name {name}, which is taken"
            yield Refutation(Check.NAMES, states[-1], words)
            return
