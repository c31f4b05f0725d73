"""`opsctl status --verbose`: of each step that ran its attempts, its input and its output, as much as can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from opsctl.cli.render import duration, moment
from opsctl.cli.status_document import value_of
from opsctl.domain.results import ended_as, one_line

if TYPE_CHECKING:
    from opsctl.operations.status import Attempt, RunStatus, StateRun

LINES = 40
WIDTH = 200
WHOLE = "all of it: -o json"


def details(found: RunStatus) -> Iterator[str]:
    """A block for each step that ran: its latest entry."""
    entries: dict[str, list[StateRun]] = {}
    for state in found.history.states:
        entries.setdefault(state.name, []).append(state)
    for step in found.steps:
        if step.name in entries:
            yield "\n".join(_block(entries[step.name]))


def _block(entries: list[StateRun]) -> Iterator[str]:
    state = entries[-1]
    more = f" (the last of {len(entries)} entries; {WHOLE})" if len(entries) > 1 else ""
    yield f"{state.name}{more}"
    yield from _value("input", state.input)
    for number, attempt in enumerate(state.attempts):
        yield f"  attempt {number + 1}: {_attempt(attempt)}"
    yield from _value("output", state.output)


def _attempt(attempt: Attempt) -> str:
    told = [
        ended_as(attempt),
        f"asked for at {moment(attempt.scheduled)}",
        None if attempt.ended is None else f"took {duration(attempt.ended - attempt.scheduled)}",
        f"in redrive {attempt.generation}" if attempt.generation else None,
        attempt.job.arn or attempt.job.name,
        one_line(attempt.error, attempt.cause) or None,
    ]
    return ", ".join(part for part in told if part)


def _value(name: str, text: str | None) -> Iterator[str]:
    """A JSON text, indented; long ones are cut, and say so."""
    if text is None:
        yield f"  {name}: none"
        return
    lines = json.dumps(value_of(text), indent=2, ensure_ascii=False).splitlines()
    yield f"  {name}:"
    for line in lines[:LINES]:
        cut = len(line) - WIDTH
        yield f"    {line}" if cut <= 0 else f"    {line[:WIDTH]}… ({cut:,} more characters; {WHOLE})"
    if len(lines) > LINES:
        yield f"    … {len(lines) - LINES:,} more lines; {WHOLE}"
