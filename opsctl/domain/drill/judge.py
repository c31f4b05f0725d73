"""What must hold of every run that something broke in, wherever it ended. Each rule gives its refutations in words.

*Handled* is a fault after which its state was tried again and came to its end. What a Catch took is not handled: the
run may do whatever it likes, but it must not end SUCCEEDED. A Map's tolerated failures, and errors that a Catch names
by itself, are the author's answers. `States.Runtime`, a stop and the machine's own time limit cannot be caught by
anything: there the status rule alone tells, and running siblings are lost.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsctl.asl.events import MAX_EVENTS
from opsctl.asl.failures import RUNTIME
from opsctl.domain.alerts import NOTIFY_FAILURE
from opsctl.domain.drill.faults import TOO_MANY_FAILED, is_distributed
from opsctl.domain.drill.model import Check, Fault, Kind, Refutation
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.walk import Drive
from opsctl.domain.guards import all_states

SUCCEEDED, FAILED, RUNNING = "SUCCEEDED", "FAILED", "RUNNING"
LONGEST = 160  # letters of why a state cannot go on
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
    yield from _green(subject, drive, calm)
    yield from _alerts(subject, drive, blamed)
    yield from _siblings(subject, drive)
    yield from _own_way(subject, drive)
    yield from _not_retried(subject, drive)
    yield from same_names(subject, drive.taken)


def _blamed(drive: Drive) -> str:
    return drive.struck[-1][0].state if drive.struck else ""


def _green(subject: Subject, drive: Drive, calm: frozenset[str]) -> Iterator[Refutation]:
    if drive.status != SUCCEEDED:
        return
    errors = {fault.state: fault.error for fault, _, _ in drive.struck if fault.error}
    for state, told_error in caught(drive.events).items():
        error = errors.get(state, told_error)
        if state not in calm and error not in subject.expected.get(state, ()):
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
    if not struck or any(fault.kind is Kind.ABORT for fault in struck):
        return
    own, _ = told(subject, drive)
    state, error = struck[-1].state, drive.execution.error
    if error == RUNTIME:
        why = f"{error}: {drive.execution.cause}"[:LONGEST]
        words = f"a failure of {state} leads to {drive.blamed}, which cannot go on from there: {why}"
        yield Refutation(Check.CAUGHT, state, words)
        return
    if struck[-1].expected:
        return  # where an answer leads is the author's wish
    if subject.alerts and not own and not _off_the_path(subject, struck):
        way = " and ".join(sorted(subject.alerts))
        words = f"a failure of {state} ends the run with {error} past {way}: only the status rule could tell of it"
        yield Refutation(Check.CAUGHT, state, words)
    elif state in subject.odd and state not in caught(drive.events):
        words = (
            f"nothing catches a failure of {state}, though the states beside it catch every error: it goes another way"
        )
        yield Refutation(Check.CAUGHT, state, words)


def _by_nature(struck: Iterable[Fault]) -> bool:
    """Whether the fault itself is one that nothing can catch."""
    return any(fault.kind is Kind.MISSING for fault in struck)


def _off_the_path(subject: Subject, struck: Iterable[Fault]) -> bool:
    """Whether what tells was itself broken."""
    return any(fault.state in subject.alerts for fault in struck)


def says_what(subject: Subject, drive: Drive) -> bool | None:
    """Whether the way of failures is told which state failed, or with what; None where the machine tells of nothing."""
    fault, _, at = drive.struck[-1]
    if (
        drive.status != FAILED
        or not told(subject, drive)[0]
        or fault.kind not in (Kind.FAILED, Kind.REFUSED, Kind.HANG)
        or fault.expected
    ):
        return None
    later = [asked for asked in drive.asked if asked.at >= at and asked.state not in subject.steps]
    text = json.dumps([asked.parameters for asked in later])
    return any(word in text for word in (fault.state, fault.error, *_of_items(subject, fault.state)))


def _of_items(subject: Subject, state: str) -> Iterator[str]:
    """By what a machine knows of the failure of an item of a distributed Map, whose history is another one."""
    for outer in subject.nodes.nodes[state].containers:
        if is_distributed(outer.state):
            yield from (outer.name, TOO_MANY_FAILED)


def _not_retried(subject: Subject, drive: Drive) -> Iterator[Refutation]:
    """Of the fault that struck last: whether its state was tried again, at whatever it was."""
    if not drive.struck or len([one for one, _, _ in drive.struck if one is drive.struck[-1][0]]) != 1:
        return
    fault, _, at = drive.struck[-1]
    if any(_side_by_side(subject, fault.state, other.state) for other, _, _ in drive.struck):
        return  # the other's failure may have ended it before it was tried again
    again = any(asked.state == fault.state and asked.at > at for asked in drive.asked)
    ended = drive.status in ("ABORTED", "TIMED_OUT") or drive.execution.error == RUNTIME
    if fault.passing and not fault.lasting and not again and not ended:
        costs = "ends the run" if fault.state in subject.steps else "takes away what tells of a failure"
        words = f"a single {fault.error}, which passes by itself, {costs}: nothing retries {fault.state}"
        yield Refutation(Check.RETRIED, fault.state, words)


def _side_by_side(subject: Subject, one: str, other: str) -> bool:
    """Whether two states lie in two branches of a Parallel, or in one Map."""
    for outer in subject.nodes.nodes[one].containers if one != other else ():
        parts = [dict(all_states(branch)) for branch in outer.state.get("Branches") or ()]
        mine = [one in part for part in parts]
        if any(other in part for part, own in zip(parts, mine, strict=True) if not own):
            return True
        if outer.type == "Map" and outer in subject.nodes.nodes[other].containers:
            return True
    return False


def _siblings(subject: Subject, drive: Drive) -> Iterator[Refutation]:
    if drive.status in ("ABORTED", "TIMED_OUT") or drive.execution.error == RUNTIME:
        return
    for lost in (one for one in drive.given_up if one.redrives == _redrives(drive)):
        culprit = _culprit(subject, drive, lost.state)
        words = f"a failure of {culprit} throws away the work of {lost.state}, which was going on"
        yield Refutation(Check.SIBLINGS, lost.state, words)
        return


def _culprit(subject: Subject, drive: Drive, lost: str) -> str:
    """Whose failure ended a state's work: of what was struck beside it, the last; in a Map, its own in another item."""
    struck = [fault.state for fault, _, _ in reversed(drive.struck)]
    beside = (state for state in struck if _side_by_side(subject, lost, state))
    return next(beside, lost if lost in struck else _blamed(drive))


def same_names(subject: Subject, taken: Iterable[tuple[str, str, str]]) -> Iterator[Refutation]:
    """Jobs that would be asked for under a name that is taken, where nobody meant them to be."""
    nodes = subject.nodes.nodes
    taken = [one for one in taken if one[2] not in nodes or not nodes[one[2]].starts_once]
    counted = Counter((kind, name) for kind, name, _ in taken)
    for (kind, name), times in counted.items():
        if times > 1:
            states = list(dict.fromkeys(state for k, n, state in taken if (k, n) == (kind, name)))
            ask = "asks" if len(states) == 1 else "ask"
            words = f"{' and '.join(states)} {ask} {times} times for a job of the name {name}, which is taken"
            yield Refutation(Check.NAMES, states[-1], words)
            return
