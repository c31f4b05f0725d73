"""Look over a deployment: what would keep a run from starting, from going well, or from being heard of.

Every check stands alone: one that may not be made, or for which there is no service, is told of as such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from opsctl.asl.history import RUNNING
from opsctl.aws.health import Health
from opsctl.config import Machine
from opsctl.domain.approvals import Gate
from opsctl.domain.checkup import OK, PROBLEM, UNKNOWN, WARNING, Finding, instances, orphans, quota_finding
from opsctl.domain.runs import Run
from opsctl.errors import OpsError
from opsctl.operations.approvals import open_in
from opsctl.operations.connection import Connection

THREADS = 8
STUCK = 24 * 3600.0  # seconds that an approval may wait before somebody should look
LOOKED_AT = 20  # of the newest runs that go on, of each machine
UNHEARD = "nobody hears of {kind}: no subscription of the topic is confirmed"
SUBSCRIBE = "add one in the module's variable notifications, or confirm the link in the mail that AWS sent"

Check = Callable[[Connection], Iterable[Finding]]


def examine(connection: Connection) -> tuple[Finding, ...]:
    """All findings, check by check. Raises ConfigurationError where not even the credentials are any good."""
    arn = connection.aws.identity()
    checks = CHECKS | {"permissions": lambda connection: _permissions(connection, arn)}
    if connection.context.is_sandbox:
        del checks["quotas"]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda name: _made(connection, name, checks[name]), checks))
    return (*_credentials(connection, arn), *(finding for findings in found for finding in findings))


def _made(connection: Connection, name: str, check: Check) -> list[Finding]:
    try:
        return list(check(connection))
    except OpsError as error:
        return [Finding(name, UNKNOWN, error.message, error.hint)]


def _credentials(connection: Connection, arn: str) -> Iterator[Finding]:
    deployment, account = connection.deployment, arn.split(":")[4]
    if account != deployment.account:
        what = f"{arn} is of another account than the deployment's, {deployment.account}"
        yield Finding("credentials", PROBLEM, what, "choose others with --profile")
    else:
        yield Finding("credentials", OK, arn)
    if connection.aws.region != deployment.region:
        what = f"{connection.aws.region}, and the deployment is in {deployment.region}"
        yield Finding("region", PROBLEM, what, "leave --region out")
    else:
        yield Finding("region", OK, deployment.region)


def _machines(connection: Connection) -> Iterator[Finding]:
    for machine in connection.deployment.machines.values():
        yield _machine(connection, machine)


def _machine(connection: Connection, machine: Machine) -> Finding:
    """Whether what runs start on is what Terraform applied last."""
    name, apply = f"definition: {machine.name}", connection.context.apply_command
    answer = connection.states.machine(machine.arn)
    if answer is None:
        return Finding(name, PROBLEM, "there is no such state machine", f"run {apply}")
    version = connection.states.leads_to(machine.start_arn)
    on_alias = answer if version == machine.arn else connection.states.machine(version) or {}
    texts = {"the machine": answer.get("definition"), "what runs start on": on_alias.get("definition")}
    if machine.sha256 is None:
        return Finding(name, UNKNOWN, "the deployment does not say what it applied", f"run {apply} with this release")
    for which, text in texts.items():
        if hashlib.sha256(str(text).encode()).hexdigest() != machine.sha256:
            what = f"{which} is not what was applied: somebody changed it elsewhere, or an apply was cut off"
            return Finding(
                name, PROBLEM, what, f"look at what {apply.replace(' apply', ' plan')} shows, then run {apply}"
            )
    return Finding(name, OK, f"as applied{_version(version)}")


def _version(arn: str) -> str:
    number = arn.split(":")[7:]
    return f", version {number[0]}" if number else ""


def _topics(connection: Connection) -> Iterator[Finding]:
    for kind, arn in connection.deployment.topics.items():
        heard, pending = Health(connection.aws).subscribers(arn)
        asked = f"; not confirmed yet: {', '.join(pending)}" if pending else ""
        if not heard and kind != "successes":
            yield Finding(f"topic: {kind}", PROBLEM, UNHEARD.format(kind=kind) + asked, SUBSCRIBE)
        elif pending:
            what = f"{len(heard)} confirmed{asked}"
            yield Finding(f"topic: {kind}", WARNING, what, "confirm the link in the mail that AWS sent")
        else:
            yield Finding(f"topic: {kind}", OK, f"{', '.join(heard) or 'nobody hears of successes, as is usual'}")


def _dead_letters(connection: Connection) -> Iterator[Finding]:
    queue = connection.deployment.dead_letters
    if queue is None:
        return
    count = Health(connection.aws).messages(queue)
    if not count:
        yield Finding("dead letters", OK, "none")
        return
    read = f"aws sqs receive-message --queue-url {queue} --attribute-names All shows them"
    yield Finding("dead letters", PROBLEM, f"{count} that could not be delivered: an alert may be among them", read)


def _approvals(connection: Connection) -> Iterator[Finding]:
    now, waiting = connection.aws.now(), 0
    for machine in connection.deployment.machines.values():
        for run, gate in _open_gates(connection, machine):
            waiting += 1
            if now - gate.since > STUCK:
                days = f"{(now - gate.since) / 86400:.0f} days"
                answer = f"opsctl approve {run.name} --machine {machine.key}, or reject"
                yield Finding("approvals", WARNING, f"{run.name} has waited for {gate.name} for {days}", answer)
    yield Finding("approvals", OK, f"{waiting} open" if waiting else "none is open")


def _open_gates(connection: Connection, machine: Machine) -> Iterator[tuple[Run, Gate]]:
    for run in islice(connection.states.runs(machine.arn, RUNNING), LOOKED_AT):
        yield from open_in(connection, run)


def _jobs(connection: Connection) -> Iterator[Finding]:
    health, machines = Health(connection.aws), connection.deployment.machines.values()
    slugs = frozenset(step for machine in machines for step in machine.steps)
    jobs = {"training": health.training_jobs(), "transform": health.transform_jobs()}
    running = [run.name for machine in machines for run in connection.states.runs(machine.arn, RUNNING)]
    total = 0
    for kind, names in jobs.items():
        for name in orphans(names, slugs, running):
            total += 1
            stop = f"aws sagemaker stop-{kind}-job --{kind}-job-name {name}"
            yield Finding("orphaned jobs", WARNING, f"{name} goes on, and the run that started it does not", stop)
    if not total:
        yield Finding("orphaned jobs", OK, "none")


def _quotas(connection: Connection) -> Iterator[Finding]:
    wanted: dict[tuple[str, str], int] = {}
    for machine in connection.deployment.machines.values():
        definition = connection.states.definition(connection.states.leads_to(machine.start_arn))
        for key, count in instances(definition).items():
            wanted[key] = max(wanted.get(key, 0), count)
    limits = Health(connection.aws).quotas("sagemaker") if wanted else {}
    for (kind, use), count in sorted(wanted.items()):
        limit = limits.get(f"{kind} for {use} usage")
        if limit is None:
            yield Finding(f"quota: {kind} for {use} usage", UNKNOWN, "this account has no quota of that name")
        else:
            yield quota_finding(kind, use, count, limit)


def _permissions(connection: Connection, arn: str) -> Iterator[Finding]:
    role = _role_of(arn)
    if connection.context.is_sandbox and connection.context.role is None:
        yield Finding("permissions", OK, "the sandbox's own keys may do everything in it")
        return
    if role is None:
        yield Finding("permissions", OK, "the account's root user may do everything, and should not")
        return
    machine = connection.machine
    needs = {
        "states:StartExecution": [machine.start_arn],
        "states:GetExecutionHistory": [machine.arn.replace(":stateMachine:", ":execution:") + ":x"],
        "states:RedriveExecution": [machine.arn.replace(":stateMachine:", ":execution:") + ":x"],
        "s3:ListBucket": [f"arn:{arn.split(':')[1]}:s3:::{connection.deployment.bucket}"],
        "s3:PutObject": [f"arn:{arn.split(':')[1]}:s3:::{connection.deployment.bucket}/runs/x/plan.json"],
    }
    refused = Health(connection.aws).denied(role, needs)
    remedy = "attach the policy that terraform output -json policies has as operator; to look only, reader is enough"
    for action, resource in refused:
        yield Finding("permissions", WARNING, f"{role} may not {action} on {resource}", remedy)
    if not refused:
        yield Finding("permissions", OK, f"what opsctl does is allowed to {role}")


def _role_of(arn: str) -> str | None:
    """The user or role whose policies a session has (arn:aws:sts::…:assumed-role/ROLE/SESSION); None for root."""
    parts = arn.split(":")
    kind, _, name = parts[5].partition("/")
    if kind == "assumed-role":
        return f"{parts[0]}:{parts[1]}:iam::{parts[4]}:role/{name.split('/')[0]}"
    return arn if kind in ("user", "role") else None


CHECKS: dict[str, Check] = {
    "definitions": _machines, "topics": _topics, "dead letters": _dead_letters, "approvals": _approvals,
    "orphaned jobs": _jobs, "quotas": _quotas,
}  # fmt: skip
