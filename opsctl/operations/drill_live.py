"""`opsctl drill --live`: the faults of a machine that is deployed in the sandbox, made for real.

One run without a fault comes first: it shows what each state asks for, by which a fault meets one state of one run and
no other, and what the runs behind it need not do again. Then each fault has a run of its own, several at a time, which
takes the results of the steps before its state from that first one. When it has ended, it is judged, and brought back
as `opsctl redrive` does it. Whatever happens, the faults that were added are cleared, and the runs that were started
are stopped.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from opsctl.asl.history import RUNNING, SUCCEEDED
from opsctl.domain.drill import live
from opsctl.domain.drill.live import Made
from opsctl.domain.drill.model import Check, Fault, Kind, Line, Refutation, Trace
from opsctl.domain.drill.report import CUT_OFF, Count, Report, Row
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.trace import lines_of
from opsctl.domain.names import slug
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.drill_live_ground import Ground
from opsctl.operations.drill_live_rows import Played, Progress, Rows
from opsctl.operations.sandbox_mailbox import Mailbox

NEWEST = 200  # successful runs that are looked through for one that did everything
BEGINNING = re.compile(r"drill-[0-9a-f]{4}-000")
PARTIAL = re.compile(r"^drill-[0-9a-f]{4}-(?!000$)|-r\d+$")  # runs of a drill, and reruns, that reuse what is done
ROW_SECONDS = 4.0  # that a fault takes besides what its runs do: to plan, to look, to be told, to judge


@dataclass(frozen=True)
class LivePlan:
    """What a drill will do: of `every` fault that can be made those that it makes, and those that it leaves, with the
    reasons; `seconds` is what a run took of late, None where none has succeeded."""

    subject: Subject = field(repr=False)
    every: tuple[Made, ...] = field(repr=False)
    made: tuple[Made, ...]
    left: tuple[tuple[Fault, str], ...]
    at_once: int
    seconds: float | None

    @property
    def likely_seconds(self) -> float | None:
        """How long it will likely take: of each fault a part of a run, and what brings it back, which together do about
        what a run does; jobs that run at the same time share the processors."""
        if self.seconds is None:
            return None
        beside = min(self.at_once, os.cpu_count() or 1) if self.subject.paid else self.at_once
        return self.seconds + len(self.made) * (self.seconds + ROW_SECONDS) / beside


def plan(connection: Connection, at_once: int, states: Sequence[str] = ()) -> LivePlan:
    """What would be drilled, of all states or of these (names or slugs); reads, and changes nothing.

    Raises RefusedError outside of a sandbox, UsageError for a state that there is not.
    """
    if not connection.context.is_sandbox:
        raise RefusedError(
            "a live drill breaks things for real, and this is no sandbox",
            "opsctl sandbox up, and deploy there; or opsctl drill --model",
        )
    definition = connection.start_definition()
    subject = Subject(definition)
    made, left = live.made_of(subject)
    wanted = {slug(name) for name in states}
    unknown = wanted - {slug(name) for name in subject.nodes.nodes}
    if unknown:
        raise UsageError(f"{connection.machine.name} has no state {min(unknown)}", "opsctl graph shows them")
    every = tuple(made)
    if wanted:
        made = [one for one in made if slug(one.fault.state) in wanted]
        left = [one for one in left if slug(one[0].state) in wanted]
    return LivePlan(subject, every, tuple(made), tuple(left), at_once, _seconds(connection))


def _seconds(connection: Connection) -> float | None:
    """What a whole run took of late: best that with which a drill began."""
    newest = islice(connection.states.runs(connection.machine.arn, SUCCEEDED), NEWEST)
    whole = [run for run in newest if run.stopped and not PARTIAL.search(run.name)]
    chosen = next((run for run in whole if BEGINNING.fullmatch(run.name)), next(iter(whole), None))
    return None if chosen is None or chosen.stopped is None else chosen.stopped - chosen.started


def drill(connection: Connection, planned: LivePlan, document: Mapping[str, Any], progress: Progress) -> Report:
    """Play everything. Raises OpsError if not even a run without a fault succeeds; a Ctrl-C ends it early, and the
    report says so."""
    ground = Ground(connection, planned.subject.definition)
    rows = Rows(ground, planned.subject, f"drill-{secrets.token_hex(2)}", document)
    interrupted = ""
    try:
        progress(f"{rows.first}: a run without a fault")
        rows.begin()
        rows.play(planned.made, planned.every, planned.at_once, progress)
    except KeyboardInterrupt:
        count = f"{len(rows.done)} of {len(planned.made)} faults"
        interrupted = f"interrupted after {count}: what follows is what they showed"
    finally:
        ground.end()
    return _report(connection.machine.name, planned, rows, interrupted)


def _report(title: str, planned: LivePlan, rows: Rows, interrupted: str) -> Report:
    played = {row.made.fault: row for row in rows.done}
    alerts, approvals = _alerts(rows.ground.mailbox, rows.done), Count("approvals", *rows.ground.approvals.counts)
    found = [played.get(one.fault) or Played(one, "", never=CUT_OFF) for one in planned.made]
    table = [Row(row.made.fault, _ends(row), tuple(row.refuted), row.never) for row in found]
    table += [Row(fault, why_never=why) for fault, why in planned.left]
    order = {name: number for number, name in enumerate(planned.subject.nodes.nodes)}
    stops = [row for row in table if row.fault.kind is Kind.ABORT]
    ends = [end for row in found for end in _ends(row)]
    objects = (sum(row.objects[0] for row in found), sum(row.objects[1] for row in found))
    well = Count("ends", len(ends), sum(end != RUNNING for end in ends))
    counts = (well, Count("objects", *objects), alerts, approvals)
    return Report(
        title, planned.subject.definition, (f"as {rows.first}",),
        tuple(sorted(table, key=lambda row: order[row.fault.state])),
        sum(bool(row.ends) for row in stops), sum(bool(row.refuted) for row in stops), len(planned.made), None, 0,
        (*(_trace(row, one) for row in found for one in row.refuted), *_of_approvals(rows, approvals, interrupted)),
        interrupted, counts=counts,
    )  # fmt: skip


def _of_approvals(rows: Rows, count: Count, interrupted: str) -> Iterator[Trace]:
    """What does not hold of the approvals that all runs asked for; an interrupted drill leaves some unanswered."""
    told = list(rows.ground.approvals.twice)
    if count.expected != count.found and not interrupted:
        told.append(f"{count.expected} approvals were asked for, and {count.found} could be answered")
    for words in told:
        refutation = Refutation(Check.ALERT, "", words)
        yield Trace(refutation, (), rows.first, (Line(0.0, "", f"REFUTED {Check.ALERT}: {words}"),), {}, ())


def _ends(row: Played) -> tuple[str, ...]:
    return (row.observed.status,) if row.observed else ()


def _alerts(mailbox: Mailbox, played: Sequence[Played]) -> Count:
    """Every message that had to be there, and those that are there when all is over: some come late."""
    expected = found = 0
    for row in played:
        if row.observed is None:
            continue
        wanted, now = int(row.observed.status != SUCCEEDED), mailbox.alerts_of(row.run)
        if now not in (wanted, row.observed.alerts):
            row.refute(Check.ALERT, f"there are {now} messages about {row.run} in the end, not {wanted}")
        expected, found = expected + wanted, found + now
    return Count("alerts", expected, found)


def _trace(row: Played, refutation: Refutation) -> Trace:
    events = row.observed.events if row.observed else ()
    begin = float(events[0]["timestamp"]) if events else 0.0
    last = float(events[-1]["timestamp"]) - begin if events else 0.0
    end = Line(last, refutation.at, f"REFUTED {refutation.check}: {refutation.words}")
    return Trace(refutation, (row.made.fault,), row.run, (*lines_of(events, begin), end), {}, tuple(events))
