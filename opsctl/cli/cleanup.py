"""`opsctl cleanup`."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.agreeing import agree
from opsctl.cli.invocation import Invocation
from opsctl.cli.params import age as age_of
from opsctl.cli.params import bytes_count, engine_options
from opsctl.cli.progress import Progress
from opsctl.cli.render import age, emit, iso, moment, printable, size, table
from opsctl.cli.terminal import tell
from opsctl.domain.cleanup import ALL, PARTS, UNNAMED, Criteria, Decision
from opsctl.domain.engines import MAP, WHO, Wish
from opsctl.domain.objects import counted
from opsctl.domain.runs import SUCCEEDED, UNSUCCESSFUL
from opsctl.errors import AWS, OK, RefusedError, UsageError

if TYPE_CHECKING:
    from opsctl.operations.cleanup import CleanupPlan, Result
    from opsctl.operations.connection import Connection

SHOWN = 20
DELETE = "DELETE"
KEEP = "KEEP"


@click.command()
@click.option("--older-than", type=age_of, metavar="AGE", help="Runs that ended longer ago than this (30d, 12h).")
@click.option("--keep-last", type=click.IntRange(0), metavar="N", help="Keep the newest N runs of each machine.")
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice([SUCCEEDED, *UNSUCCESSFUL], case_sensitive=False),
    help="Only runs that ended so. May be repeated.",
)  # fmt: skip
@click.option("--run", "names", multiple=True, metavar="NAME", help="Only this run. May be repeated.")
@click.option("--orphans", is_flag=True, help="Only prefixes that no run was ever started in, and unfinished uploads.")
@click.option(
    "--max-bytes-to-keep", "limit", type=bytes_count, metavar="SIZE", help="Oldest first, until it fits (2TB)."
)
@click.option("--steps", "part", type=click.Choice(PARTS), default=ALL, show_default=True, help="What of a run goes.")
@click.option("--grace", type=age_of, default="14d", show_default=True, help="How long failed runs stay.")
@engine_options
@click.option("--undo", is_flag=True, help="Bring back what the last cleanup deleted, or that of each --run.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def cleanup(context: click.Context, /, wish: Wish, undo: bool, dry_run: bool, yes: bool, **asked: Any) -> None:
    """Delete what old runs keep in S3, after showing what goes, what stays and why.

    A run goes if every option given agrees. Never: what is running, what AWS could still redrive within the grace
    period, what is held (opsctl data hold), what the champion comes from, what an endpoint serves, and what a run that
    stays reads. The plan is written to the bucket's audit log before anything is deleted; in a versioned bucket --undo
    brings it back. Millions of objects are deleted by the deployment's machine `bulk`, which takes the audit log for
    its manifest. An undo always works from here, for that machine may delete no versions: what it deletes can be
    brought back.

    \b
    Examples:
      opsctl cleanup --older-than 30d --keep-last 5
      opsctl cleanup --older-than 7d --steps data --yes
      opsctl cleanup --orphans
      opsctl cleanup --older-than 90d --engine map --dry-run
      opsctl cleanup --undo --run nightly-7
    """
    from opsctl.operations import cleanup as cleanups

    invocation = context.ensure_object(Invocation)
    if undo:
        context.exit(_undo(invocation, asked, wish, dry_run))
    criteria = _criteria(asked)
    connection = invocation.connect()
    with tempfile.TemporaryFile() as manifest:  # has no name: nothing is left of it even after kill -9
        given = {name: value for name, value in asked.items() if value not in (None, (), False)}
        with Progress("found") as progress:
            plan = cleanups.plan(connection, criteria, given, manifest, progress, wish)
        _tell_what_does_not_fit(plan, criteria)
        text = _text(plan, connection.aws.now())
        if dry_run or plan.is_empty:
            emit(invocation, _document(plan, None), text)
            return
        typed = f"delete {plan.objects}" if plan.objects else f"give up {len(plan.uploads)}"
        agree(invocation, text, yes, done="deleted", typed=typed)
        result = _execute(connection, plan)
    emit(invocation, _document(plan, result), _result_text("deleted", result))
    context.exit(_exit_code(result))


def _execute(connection: Connection, plan: CleanupPlan) -> Result:
    from opsctl.operations import cleanup as cleanups

    try:
        with Progress("deleted", plan.objects, plan.bytes) as progress:
            return cleanups.execute(connection, plan, progress)
    except KeyboardInterrupt:
        if plan.engine.name == MAP:
            tell(f"the cleanup goes on: opsctl watch {plan.heading.id} --machine bulk")
        else:
            tell("interrupted; the same command again deletes the rest")
        raise


def _tell_what_does_not_fit(plan: CleanupPlan, criteria: Criteria) -> None:
    left = sum(decision.run.bytes for decision in plan.decisions) - plan.bytes
    if criteria.bytes_to_keep is not None and left > criteria.bytes_to_keep:
        allowed = size(criteria.bytes_to_keep)
        tell(f"warning: {size(left)} stay, more than the {allowed} to keep: the plan says what keeps each run")


def _criteria(asked: dict[str, Any]) -> Criteria:
    wanted = (asked["older_than"], asked["keep_last"], asked["limit"])
    if all(value is None for value in wanted) and not (asked["names"] or asked["statuses"] or asked["orphans"]):
        raise UsageError(
            "say which runs' data may go", "such as --older-than 30d, --keep-last 5, --run NAME, or --orphans"
        )
    return Criteria(
        names=frozenset(asked["names"]),
        older_than=asked["older_than"],
        keep_last=asked["keep_last"],
        statuses=frozenset(asked["statuses"]),
        orphans=asked["orphans"],
        bytes_to_keep=asked["limit"],
        part=asked["part"],
        grace=asked["grace"],
    )


def _undo(invocation: Invocation, asked: dict[str, Any], wish: Wish, dry_run: bool) -> int:
    from opsctl.operations import undo as undoing

    if wish.engine == MAP:
        raise UsageError(
            "an undo works from this machine, for the machine bulk may not delete versions",
            "leave out --engine map; where that takes too long, bring back run by run: --undo --run NAME",
        )
    other = {name: value for name, value in asked.items() if name not in ("names", "part", "grace")}
    if any(value not in (None, (), False) for value in other.values()) or asked["part"] != ALL:
        raise UsageError("--undo goes with --run and --dry-run only", "leave the other options out")
    act, verb = (undoing.rehearse, "would bring back") if dry_run else (undoing.undo, "brought back")
    with Progress(verb) as progress:
        result = act(invocation.connect(), frozenset(asked["names"]), progress)
    if not asked["names"]:  # the last cleanup may be another than the one that was meant: a schedule's, say
        for one in result.cleanups:
            tell(f"of {one.id}, which {one.by} began at {moment(one.at)}")
    document = _result_document(result) | {"cleanups": [one.id for one in result.cleanups]}
    emit(invocation, document, _result_text(verb, result))
    if not (result.done or result.refused):
        of = f" of {', '.join(sorted(asked['names']))}" if asked["names"] else " of the last cleanup"
        raise RefusedError(
            f"nothing{of} is left to bring back",
            "opsctl data list shows what is there; --undo --run NAME goes through every cleanup on record",
        )
    return _exit_code(result)


def _text(plan: CleanupPlan, now: float) -> str:
    asked = [decision for decision in plan.decisions if decision.kept != UNNAMED]
    rows = [_row(decision, now) for decision in asked]
    parts = [table(["ACTION", "RUN", "MACHINE", "STATUS", "AGE", "OBJECTS", "SIZE", "WHY"], rows)] if rows else []
    if plan.uploads:
        parts.append(_uploads_text(plan, now))
    if plan.is_empty:
        parts.append("nothing to clean up")
    if not plan.objects:
        return "\n\n".join(parts)
    back = "can be brought back with --undo" if plan.versioned else "gone for good: the bucket is not versioned"
    what = f"deletes {counted(plan.objects)} ({size(plan.bytes)}); {back}"
    return "\n\n".join([*parts, f"{what}\ndeleted {WHO[plan.engine.name]}: {plan.engine.why}"])


def _uploads_text(plan: CleanupPlan, now: float) -> str:
    """Which they are, for no undo brings them back."""
    uploads = plan.uploads
    lines = [f"gives up {counted(len(uploads), 'unfinished upload')}, for good:"]
    lines += [f"  {printable(upload.key)}, begun {age(now - upload.started)} ago" for upload in uploads[:SHOWN]]
    if len(uploads) > SHOWN:
        lines.append(f"  and {len(uploads) - SHOWN:,} more; -o json lists them all")
    return "\n".join(lines)


def _row(decision: Decision, now: float) -> list[Any]:
    run, goes = decision.run, not decision.kept
    return [
        DELETE if goes else KEEP,
        run.name,
        run.known.machine if run.known else None,
        run.known.status if run.known else None,
        age(now - run.last_used),
        f"{decision.objects if goes else run.objects:,}",
        size(decision.bytes if goes else run.bytes),
        decision.kept or _folders(decision),
    ]


def _folders(decision: Decision) -> str:
    """`whole`, or the folders that go."""
    gone = [folder.name for folder in decision.folders]
    return "whole" if len(gone) == len(decision.run.folders) else ", ".join(gone)


def _document(plan: CleanupPlan, result: Result | None) -> dict[str, Any]:
    return {
        "id": plan.heading.id,
        "bucket": plan.heading.bucket,
        "versioned": plan.versioned,
        "objects": plan.objects,
        "bytes": plan.bytes,
        "engine": {"name": plan.engine.name, "why": plan.engine.why},
        "uploads": [{"key": upload.key, "started": iso(upload.started)} for upload in plan.uploads],
        "runs": [_decision_document(decision) for decision in plan.decisions],
        "result": _result_document(result) if result else None,
    }


def _decision_document(decision: Decision) -> dict[str, Any]:
    run = decision.run
    return {
        "run": run.name,
        "action": KEEP if decision.kept else DELETE,
        "reason": decision.kept,
        "machine": run.known.machine if run.known else None,
        "status": run.known.status if run.known else None,
        "last_used": iso(run.last_used),
        "folders": [
            {"folder": folder.name, "kind": folder.kind, "objects": folder.objects, "bytes": folder.bytes}
            for folder in decision.folders
        ],
        "reads": sorted(run.reads),
    }


def _result_document(result: Result) -> dict[str, Any]:
    return {
        "objects": result.done,
        "changed": result.changed,
        "kept": result.kept,
        "refused": [{"key": item.key, "code": item.code, "message": item.message} for item in result.refused],
    }


def _result_text(verb: str, result: Result) -> str:
    lines = [f"{verb}: {counted(result.done)}"]
    if result.uploads:
        lines.append(f"given up: {counted(result.uploads, 'unfinished upload')}")
    if result.changed:
        lines.append(f"left alone, not what was on record: {counted(result.changed)}")
    lines += [f"kept after all: {printable(name)} ({reason})" for name, reason in sorted(result.kept.items())]
    return "\n".join(lines)


def _exit_code(result: Result) -> int:
    for item in result.refused[:SHOWN]:
        tell(f"error: s3 refused {item.key!r}: {item.code}: {item.message}")
    if len(result.refused) > SHOWN:
        tell(f"error: and {len(result.refused) - SHOWN:,} more keys; -o json lists them all")
    return AWS if result.refused else OK
