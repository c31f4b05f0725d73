"""Whose name a run's name is.

A run of our own machines is claimed by an object, `runs/<name>/plan.json`, written only if it is not there: of several
writers one wins. The claim carries the plan's hash, so the same plan finds its own claim again, and goes on where it
was cut off. A run of it that goes on or has succeeded is all that the plan wants; after one that came to a bad end the
same plan is another try, under the next name. A claim with another hash belongs to someone else's rerun.

Any other machine has no bucket of ours. There the name is claimed by StartExecution itself, which lets the same name
with the same input be the same run, and nothing else.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.conditions import ABSENT
from opsctl.domain.data_modes import COPY
from opsctl.domain.documents import changes
from opsctl.domain.names import check_execution_name, rerun_name
from opsctl.domain.objects import Place
from opsctl.domain.plan import REUSE, PlannedStep, RerunPlan
from opsctl.domain.redaction import redacted_value
from opsctl.domain.runs import UNSUCCESSFUL, Run
from opsctl.errors import RefusedError
from opsctl.operations.connection import Connection
from opsctl.operations.runs import input_document

SHOWN = 3
OTHER_NAME = "choose another --name, or leave it out"


@dataclass(frozen=True)
class Standing:
    """How a name stands to a plan: free, or ours with the run if it is started already, or `taken` for a reason."""

    free: bool
    run: Run | None = None
    taken: str | None = None


def likely_name(connection: Connection, made: RerunPlan, wanted: str | None = None) -> str:
    """The name that the new run would get now.

    Raises UsageError for a wanted name that no run can have, RefusedError for one that is taken.
    """
    for name in _candidates(made, wanted):
        standing = _standing(connection, made, name)
        if standing.taken is None:
            return name
    raise _taken(standing, wanted)


def claimed(connection: Connection, made: RerunPlan, wanted: str | None) -> tuple[str, Run | None]:
    """A name that is ours, and the run if it was started before. Raises as `likely_name`: another may be quicker."""
    for name in _candidates(made, wanted):
        standing = _standing(connection, made, name) if connection.machine.foreign else _claim(connection, made, name)
        if standing.taken is None:
            return name, standing.run
    raise _taken(standing, wanted)


def copied_by(connection: Connection, run: str) -> dict[str, tuple[int, int]]:
    """By slug, the objects and bytes that a run took over, as its claim says; {} where it has none."""
    steps = _content(connection.storage.read(_place(connection, run))).get("steps")
    rows = [row for row in steps if isinstance(row, dict)] if isinstance(steps, list) else []
    found = {str(row.get("step")): (row.get("objects"), row.get("bytes")) for row in rows}
    return {step: (one, two) for step, (one, two) in found.items() if isinstance(one, int) and isinstance(two, int)}


def claimed_input(connection: Connection, run: str) -> Mapping[str, Any]:
    """The input that a run was claimed with; {} where it has no claim."""
    document = _content(connection.storage.read(_place(connection, run))).get("input")
    return document if isinstance(document, dict) else {}


def same_input(run: Run, document: Any) -> bool:
    """Whether a run was started with this very input, as StartExecution sees it: 0 is not false."""
    return json.dumps(input_document(run.input), sort_keys=True) == json.dumps(document, sort_keys=True)


def _candidates(made: RerunPlan, wanted: str | None) -> Iterable[str]:
    if wanted is None:
        return (rerun_name(made.root or made.source, number) for number in itertools.count(1))
    check_execution_name(wanted)
    return [wanted]


def _taken(standing: Standing, name: str | None) -> RefusedError:
    return RefusedError(f"the name {name} is taken by {standing.taken}", OTHER_NAME)


def _standing(connection: Connection, made: RerunPlan, name: str) -> Standing:
    run = connection.states.find(connection.machine.arn, name)
    if connection.machine.foreign:
        return _of_run(made, run) if run else Standing(free=True)
    content = connection.storage.read(_place(connection, name))
    return _of_claim(connection, made, _content(content), run, name) if content is not None else _unclaimed(made, run)


def _claim(connection: Connection, made: RerunPlan, name: str) -> Standing:
    place = _place(connection, name)
    new = connection.storage.claim(place, _claim_content(connection, made, name))
    run = connection.states.find(connection.machine.arn, name)
    if not new:
        return _of_claim(connection, made, _content(connection.storage.read(place)), run, name)
    if run is not None:  # started by something that claims no names
        connection.storage.delete(place)
    return _unclaimed(made, run)


def _of_claim(
    connection: Connection, made: RerunPlan, claim: Mapping[str, Any], run: Run | None, name: str
) -> Standing:
    if claim.get("hash") == made.hash:
        return _ours(made, run)
    kind = "rerun" if claim.get("root") else "start"
    return Standing(free=False, taken=f"another {kind}{_difference(connection, made, claim, name)}")


def _ours(made: RerunPlan, run: Run | None) -> Standing:
    if run is None or run.status not in UNSUCCESSFUL:
        return Standing(free=False, run=run)
    kind = "rerun" if made.root else "start"
    return Standing(free=False, taken=f"the same {kind}, which ended {run.status}")


def _unclaimed(made: RerunPlan, run: Run | None) -> Standing:
    return Standing(free=True) if run is None else Standing(free=False, taken=f"another run{_inputs(made.input, run)}")


def _of_run(made: RerunPlan, run: Run) -> Standing:
    if not same_input(run, made.input):
        return Standing(free=False, taken=f"another run{_inputs(made.input, run)}")
    return _ours(made, run)


def _inputs(mine: Mapping[str, Any], run: Run) -> str:
    """What differs; nothing for a run that is no rerun, where a rerun was wanted."""
    theirs = input_document(run.input)
    alike = isinstance(theirs, dict) and ("rerun" in theirs) == ("rerun" in mine)
    return _told(theirs, mine) if alike else ""


def _difference(connection: Connection, made: RerunPlan, claim: Mapping[str, Any], name: str) -> str:
    """What another rerun of that name does otherwise, as its claim tells."""
    theirs = claim.get("input")
    if not isinstance(theirs, dict):
        return ""
    told = _told(theirs, made.input_for(connection.prefix(name).uri))
    if told:
        return told
    if claim.get("data", COPY) != made.data:
        return f": --data is {claim.get('data', COPY)} there and {made.data} here"
    if claim.get("of") == made.source:
        return ": what it reuses was another then"
    return f": of {claim.get('of')}, not of {made.source}"


def _told(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    differing = [change for change in changes(theirs, mine) if not change.path.startswith("reuse.")]
    shown = [
        f"{one.path} is {_text(one.before, one.path)} there and {_text(one.after, one.path)} here"
        for one in differing[:SHOWN]
    ]
    more = f", and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return f": {', '.join(shown)}{more}" if shown else ""


def _text(value: Any, path: str) -> str:
    return "nothing" if value is ABSENT else json.dumps(redacted_value(value, path), ensure_ascii=False)


def _place(connection: Connection, name: str) -> Place:
    return Place(connection.deployment.bucket, connection.prefix(name).key + "plan.json")


def _claim_content(connection: Connection, made: RerunPlan, name: str) -> bytes:
    document = {
        "version": 1,
        "hash": made.hash,
        "run": name,
        "of": made.source,
        "root": made.root,
        "data": made.data,
        "input": made.input_for(connection.prefix(name).uri),
        "steps": [_claimed_step(step) for step in made.steps],
    }
    return json.dumps(document, indent=2).encode()


def _claimed_step(step: PlannedStep) -> dict[str, Any]:
    what = {"step": step.slug, "action": step.action, "made_by": step.made_by}
    taken = step.result if step.action == REUSE else None
    return what | ({"objects": taken.objects, "bytes": taken.bytes} if taken else {})


def _content(content: bytes | None) -> Mapping[str, Any]:
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
