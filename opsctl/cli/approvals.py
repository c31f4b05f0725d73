"""`opsctl approve` and `opsctl reject`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.following import follow, on_machine
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import wait_options
from opsctl.cli.render import duration, emit, facts, iso, moment
from opsctl.cli.terminal import harmless, tell
from opsctl.domain.conditions import ABSENT
from opsctl.domain.redaction import redacted_value
from opsctl.domain.runs import LATEST
from opsctl.errors import OK, UsageError

if TYPE_CHECKING:
    from opsctl.operations.approvals import AnswerPlan
    from opsctl.operations.connection import Connection

MOST_LINES = 40  # of what a gate shows of its message


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("run", default=LATEST),
        click.option("--reason", metavar="TEXT", help="Why; it is sent with the answer."),
        click.option("--step", metavar="STEP", help="Which step, where several wait."),
        click.option("--item", type=click.IntRange(0), metavar="N", help="Which item of a Map, where several wait."),
        click.option("--answer", metavar="JSON", help="Send this as the step's output instead."),
        click.option("--dry-run", is_flag=True, help="Show what would be answered and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        wait_options,
        click.pass_context,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_options
def approve(context: click.Context, run: str, **words: Any) -> None:
    """Approve what a run waits for: a task that goes on once somebody answers it with its task token.

    The token is found in the run's history, also after a redrive, which makes a new one. The step's output becomes
    {"approved": true, "approved_by": <your ARN>, "reason": …, "at": …}, unless --answer says otherwise. What is
    approved is shown first. RUN is @latest by default; a run that it started, such as a deployment, counts as well.

    \b
    Examples:
      opsctl approve --dry-run
      opsctl approve nightly-7 --reason "page accuracy 93 %, up 2" --yes --wait
      opsctl approve nightly-7 --step "Request Approval" --answer '{"Status": "Approved"}'
    """
    context.exit(_answer(context.ensure_object(Invocation), run, True, **words))


@click.command()
@_options
def reject(context: click.Context, run: str, **words: Any) -> None:
    """Reject what a run waits for: a task that goes on once somebody answers it with its task token.

    The step fails with the error Rejected, whose cause is the reason and your ARN: a step that does not provide for a
    rejection never goes on as if it had been approved. A Catch for Rejected takes it up. With --answer the step
    succeeds with that output instead. What is rejected is shown first. RUN is @latest by default.

    \b
    Examples:
      opsctl reject nightly-7 --reason "worse on July's documents"
      opsctl reject --yes --wait
      opsctl reject nightly-7 --answer '{"approved": false}'
    """
    context.exit(_answer(context.ensure_object(Invocation), run, False, **words))


def _answer(
    invocation: Invocation,
    run: str,
    approved: bool,
    *,
    reason: str | None,
    step: str | None,
    item: int | None,
    answer: str | None,
    dry_run: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    from opsctl.operations import approvals, runs
    from opsctl.operations.approvals import Verdict
    from opsctl.operations.start import Started

    verdict = Verdict(approved, reason, ABSENT if answer is None else _json(answer), step, item)
    connection = invocation.connect()
    planned = approvals.plan(connection, runs.resolve(connection, run), verdict)
    shown = _text(planned, connection)
    if dry_run:
        emit(invocation, _document(planned), shown)
        return OK
    agree(invocation, shown, yes, verb="Approve" if planned.approved else "Reject", done="sent")
    approvals.execute(connection, planned)
    connection = _about(invocation, connection, planned.run.machine_arn)
    done = f"{'approved' if approved else 'rejected'} {planned.gate.name} of {planned.run.name}"
    look = f"look at it: opsctl status {planned.run.name}{on_machine(invocation)}"
    tell(done if wait else f"{done}; {look}")
    if wait:
        return follow(invocation, connection, Started(planned.run, resumed=False), timeout, _document(planned))
    emit(invocation, _document(planned), planned.run.name)
    return OK


def _about(invocation: Invocation, connection: Connection, machine: str) -> Connection:
    """The connection to the machine of the gate's run, which the named run may have started; commands in hints are
    about it from here on."""
    if machine == connection.machine.arn:
        return connection
    from opsctl.operations.connection import about

    found = about(connection, machine)
    invocation.machine = found.machine.arn if found.machine.foreign else found.machine.key
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"--answer is not JSON: {error}", """write it as '{"approved": true}', or '"yes"'"""
        ) from error


def _text(planned: AnswerPlan, connection: Connection) -> str:
    gate, now = planned.gate, connection.aws.now()
    header = facts([
        ("APPROVE" if planned.approved else "REJECT", gate.name),
        ("RUN", planned.run.name),
        ("MACHINE", planned.run.machine_arn.rpartition(":")[2]),
        ("ASKED", f"{moment(gate.since)}, {duration(max(now - gate.since, 0))} ago, by {gate.resource}"),
        ("EXPIRES", _expiry(planned, now)),
        ("AS", planned.by),
        ("ANSWER", _sent(planned)),
    ])  # fmt: skip
    return f"{header}\n\n{_message(gate.parameters)}"


def _expiry(planned: AnswerPlan, now: float) -> str:
    expires, heartbeat = planned.gate.expires, planned.gate.heartbeat
    end = "never" if expires is None else f"{moment(expires)}, in {duration(max(expires - now, 0))}"
    return end + (f", or after {heartbeat:.0f} s without a heartbeat" if heartbeat else "")


def _sent(planned: AnswerPlan) -> str:
    if planned.error:
        return f"the error {planned.error}: {planned.cause}"
    return json.dumps(planned.output, ensure_ascii=False)


def _message(parameters: Any) -> str:
    """What the task was asked with, in lines: a message as its reader sees it, else JSON, and a JSON text inside as
    what it says."""
    message = parameters.get("Message") if isinstance(parameters, dict) else None
    if isinstance(message, str) and "\n" in message:
        lines = [str(parameters.get("Subject") or ""), "", *message.splitlines()]
    else:
        lines = json.dumps(_opened(parameters), indent=2, ensure_ascii=False).splitlines()
    more = [f"… and {len(lines) - MOST_LINES} more lines: -o json --dry-run"] if len(lines) > MOST_LINES else []
    return "\n".join([*(harmless(line, colours=False) for line in lines[:MOST_LINES]), *more])


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _opened(inside) for key, inside in value.items()}
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _document(planned: AnswerPlan) -> dict[str, Any]:
    gate = planned.gate
    return {
        "run": planned.run.name,
        "arn": planned.run.arn,
        "step": gate.step,
        "place": gate.place or None,
        "item": gate.item,
        "approved": planned.approved,
        "by": planned.by,
        "reason": planned.reason,
        "answer": None if planned.error else planned.output,
        "error": planned.error,
        "cause": planned.cause,
        "since": iso(gate.since),
        "expires": iso(gate.expires),
        "attempt": gate.attempt,
        "parameters": gate.parameters,
        "input": redacted_value(gate.input),
    }
