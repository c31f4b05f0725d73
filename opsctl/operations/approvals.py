"""Answer the task that a run waits at: approve it or reject it. The task token comes from the run's history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from opsctl.asl.history import RUNNING, read_history
from opsctl.asl.payload import LIMIT_BYTES
from opsctl.domain.approvals import REJECTED, Gate, choose_gate, gates_to_come, open_gates, started_by
from opsctl.domain.conditions import ABSENT
from opsctl.domain.runs import Run
from opsctl.errors import OpsError, RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.inputs import refuse_struck_out
from opsctl.operations.runs import input_document

LONGEST_CAUSE = 32_768
LOOKED_AT = 50  # of the newest runs, for those that wait for an approval while the one that was meant does not
MOST_READ = 5
DEEPEST = 3  # runs started by runs started by …


@dataclass(frozen=True)
class Verdict:
    """What is said of a gate: yes or no, why, and another answer to send than the usual one (any JSON value)."""

    approved: bool
    reason: str | None = None
    answer: Any = ABSENT
    step: str | None = None
    item: int | None = None


@dataclass(frozen=True)
class AnswerPlan:
    """A gate and what it will be answered with: an output, or an error and its cause."""

    run: Run
    gate: Gate
    approved: bool
    by: str
    reason: str | None
    output: Any
    error: str | None = None
    cause: str | None = None


def plan(connection: Connection, run: Run, verdict: Verdict) -> AnswerPlan:
    """Find the gate that is open, in the run or in one that it started, and make the answer to it.

    Raises RefusedError where none is open, several are and none is named, or its token cannot be known; UsageError for
    a name that no open gate has and for an answer that AWS would not take.
    """
    refuse_struck_out(verdict.answer, "the answer")
    open_ones = open_in(connection, run)
    if not open_ones:
        raise _nothing_waits(connection, run)
    gate = choose_gate([gate for _, gate in open_ones], verdict.step, verdict.item)
    run = next(owner for owner, other in open_ones if other is gate)
    if gate.token is None:
        raise RefusedError(f"{gate.unknown}", f"opsctl stop {run.name} ends the run, if nobody can answer it")
    return answer_to(connection, run, gate, verdict)


def answer_to(connection: Connection, run: Run, gate: Gate, verdict: Verdict) -> AnswerPlan:
    """The answer to a gate whose token is known. Raises UsageError for one that AWS would not take."""
    by = connection.aws.identity()
    if verdict.answer is not ABSENT or verdict.approved:
        usual = {"approved": True, "approved_by": by, "reason": verdict.reason, "at": _now(connection)}
        output = usual if verdict.answer is ABSENT else verdict.answer
        if len(_text(output).encode()) > LIMIT_BYTES:
            raise UsageError(
                f"the answer has more than {LIMIT_BYTES:,} bytes", "AWS takes no more; give a link instead"
            )
        return AnswerPlan(run, gate, verdict.approved, by, verdict.reason, output)
    cause = f"{verdict.reason} (rejected by {by})" if verdict.reason else f"rejected by {by}"
    if len(cause) > LONGEST_CAUSE:
        raise UsageError(
            f"the reason has more than {LONGEST_CAUSE:,} characters", "AWS takes no more; give a link instead"
        )
    return AnswerPlan(run, gate, verdict.approved, by, verdict.reason, ABSENT, REJECTED, cause)


def execute(connection: Connection, planned: AnswerPlan) -> None:
    """Send the answer. Raises RefusedError, with what the run does now, where somebody else was first."""
    run, token = planned.run, str(planned.gate.token)
    try:
        if planned.error is None:
            connection.states.succeed_task(token, _text(planned.output), run.arn)
        else:
            connection.states.fail_task(token, planned.error, planned.cause or "", run.arn)
    except RefusedError as error:
        raise RefusedError(f"{planned.gate.name} of {run.name}: {error.message}", _now_at(connection, run)) from error


def open_in(connection: Connection, run: Run, depth: int = 0) -> list[tuple[Run, Gate]]:
    """The open gates of a run and of the runs that its steps started, whether they wait for those or not."""
    events = list(connection.states.history(run.arn))
    found = [] if run.ended else [(run, gate) for gate in _gates(connection, run, events)]
    for arn in started_by(read_history(events))[-MOST_READ:] if depth < DEEPEST else ():
        try:
            child = connection.states.describe(arn)
            found += open_in(connection, child, depth + 1)
        except OpsError:  # of another account or region, or not for these eyes: its own run is still to be named
            continue
    return found


def _gates(connection: Connection, run: Run, events: list[dict[str, Any]]) -> tuple[Gate, ...]:
    definition = connection.states.definition_of_run(run.arn)
    machine = {"Id": run.machine_arn, "Name": run.machine_arn.rpartition(":")[2]}
    names = {
        "Execution": {"Id": run.arn, "Name": run.name, "Input": input_document(run.input)},
        "StateMachine": machine,
    }
    return open_gates(events, read_history(events, definition), definition, names)


def _nothing_waits(connection: Connection, run: Run) -> RefusedError:
    others = _waiting_runs(connection, run)
    hint = f"these runs do: {', '.join(others)}" if others else None
    if run.ended:
        return RefusedError(f"{run.name} waits for no approval: it has ended {run.status}", hint)
    history = read_history(connection.states.history(run.arn))
    working = [state.name for state in history.states if state.type == "Task" and state.status == RUNNING]
    doing = f"it is at {', '.join(dict.fromkeys(working))}" if working else "no step of it is at work"
    to_come = gates_to_come(connection.states.definition_of_run(run.arn))
    none = "" if to_come else ", and no state of its machine waits for a task token"
    return RefusedError(f"{run.name} waits for no approval now: {doing}{none}", hint)


def _waiting_runs(connection: Connection, run: Run) -> list[str]:
    """Other runs of the machine that wait for an answer, of the few newest that go on."""
    newest = islice(connection.states.runs(connection.machine.arn), LOOKED_AT)
    others = islice((other for other in newest if other.status == RUNNING and other.arn != run.arn), MOST_READ)
    found = []
    for other in others:
        try:
            if any(gate.token for _, gate in open_in(connection, connection.states.describe(other.arn), DEEPEST)):
                found.append(other.name)
        except OpsError:  # a courtesy: what keeps it from being given is not what the command is about
            continue
    return found


def _now_at(connection: Connection, run: Run) -> str:
    now = connection.states.describe(run.arn)
    if now.ended:
        return f"{run.name} has ended {now.status}"
    history = read_history(connection.states.history(run.arn))
    working = dict.fromkeys(state.name for state in history.states if state.type == "Task" and state.status == RUNNING)
    return f"{run.name} goes on" + (f", now at {', '.join(working)}" if working else "")


def _now(connection: Connection) -> str:
    return datetime.fromtimestamp(connection.aws.now(), UTC).isoformat(timespec="seconds")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
