"""`opsctl lineage`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from opsctl.cli.invocation import Invocation
from opsctl.cli.render import duration, emit, iso, moment, status_word, writable
from opsctl.cli.terminal import tell
from opsctl.domain.conditions import ABSENT
from opsctl.domain.lineage import Descendant, Kin
from opsctl.domain.runs import LATEST

UNKNOWN = "UNKNOWN"


@click.command()
@click.argument("run", default=LATEST)
@click.pass_context
def lineage(context: click.Context, run: str) -> None:
    """Show the tree of reruns and redrives that a run belongs to. RUN is @latest by default.

    Of each rerun: the steps it ran from, how its input differs from that of the run it repeats, and which results it
    reused from where. A run that AWS has forgotten is known by what it left in the bucket.

    \b
    Examples:
      opsctl lineage
      opsctl lineage nightly-7-r2
      opsctl lineage nightly-7 -o json --query "reruns[].[run, status]"
    """
    from opsctl.operations.lineage import lineage as find_lineage

    invocation = context.ensure_object(Invocation)
    connection = invocation.connect()
    found = find_lineage(connection, run)
    for note in found.notes:
        tell(f"note: {note}")
    now = connection.aws.now()
    emit(invocation, _document(found.root, found.wanted), "\n".join(_tree(found.root, found.wanted, now)))


def _tree(root: Descendant, wanted: str, now: float) -> Iterator[str]:
    """The lines of the tree, by a stack of our own: a lineage may be deep."""
    down, branch, last_branch = ("│  ", "├─ ", "└─ ") if writable("│├└─") else ("|  ", "|- ", "`- ")
    waiting = [(root, "", "")]
    while waiting:
        node, first, rest = waiting.pop()
        stem = down if node.reruns else "   "
        yield first + _headline(node.kin, wanted, now)
        for line in _details(node):
            yield f"{rest}{stem}{line}"
        for child in reversed(node.reruns):
            last = child is node.reruns[-1]
            waiting.append((child, rest + (last_branch if last else branch), rest + ("   " if last else down)))


def _headline(kin: Kin, wanted: str, now: float) -> str:
    run = kin.run
    told = [kin.name, status_word(run.status if run else UNKNOWN)]
    if run:
        told += [f"{moment(run.started)}", f"{duration((run.stopped or now) - run.started)}"]
    return "  ".join([*told, *(["<- this run"] if kin.name == wanted else [])])


def _details(node: Descendant) -> Iterator[str]:
    kin = node.kin
    if note := _note(kin):
        yield note
    if kin.run and kin.run.redrives:
        times = "once" if kin.run.redrives == 1 else f"{kin.run.redrives} times, the last"
        yield f"redriven {times} at {moment(kin.run.redriven)}" if kin.run.redriven else f"redriven {times}"
    if kin.steps:
        yield f"from {', '.join(kin.steps)}"
    if node.changes is None:
        yield "how its input differs is not known any more"
    for change in node.changes or ():
        yield f"{change.path}: {_text(change.before)} -> {_text(change.after)}"
    by_run: dict[str, list[str]] = {}
    for step, made_by in kin.reused.items():
        by_run.setdefault(made_by, []).append(step)
    for made_by, steps in by_run.items():
        yield f"reused from {made_by}: {', '.join(steps)}"


def _note(kin: Kin) -> str | None:
    if kin.run:
        return None
    left = "its claim is all that is left of it" if kin.claim else "nothing is left of it"
    return f"AWS does not know it, or not any more; {left}"


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.isprintable() and value:
        return value
    return "nothing" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _document(root: Descendant, wanted: str) -> dict[str, Any]:
    """The tree as JSON, the leaves first for the same reason as above."""
    order = [root]
    for node in order:
        order += node.reruns
    made: dict[str, dict[str, Any]] = {}
    for node in reversed(order):
        made[node.kin.name] = _node(node, wanted) | {"reruns": [made[child.kin.name] for child in node.reruns]}
    return made[root.kin.name]


def _node(node: Descendant, wanted: str) -> dict[str, Any]:
    kin, run = node.kin, node.kin.run
    return {
        "run": kin.name,
        "arn": run.arn if run else None,
        "asked_for": kin.name == wanted,
        "status": run.status if run else UNKNOWN,
        "started": iso(run.started) if run else None,
        "stopped": iso(run.stopped) if run else None,
        "redrives": run.redrives if run else 0,
        "redriven": iso(run.redriven) if run else None,
        "of": kin.of,
        "from": list(kin.steps),
        "changes": None if node.changes is None else [
            {"path": change.path}
            | {key: value for key, value in (("before", change.before), ("after", change.after)) if value is not ABSENT}
            for change in node.changes
        ],
        "reused": [{"step": step, "run": made_by} for step, made_by in kin.reused.items()],
        "note": _note(kin),
    }  # fmt: skip
