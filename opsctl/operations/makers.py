"""The runs that made what another run reused, as far as AWS still knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opsctl.asl.history import RunHistory, read_history
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import value_at
from opsctl.domain.runs import Run
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection


def history_of(connection: Connection, run: Run, walked: Mapping[str, Any] | None = None) -> RunHistory | None:
    """The run's history, read with the definition that it walked, if given; None where AWS has forgotten it."""
    try:
        return read_history(connection.states.history(run.arn), walked)
    except UsageError:
        return None


def reused_by(document: Any) -> dict[str, str]:
    """By slug, the run that made what a run with that input reused."""
    entries = value_at(document, ("reuse",))
    rows = entries.items() if isinstance(entries, Mapping) else ()
    makers = {step: value_at(entry, ("run",)) for step, entry in rows}
    return {step: maker for step, maker in makers.items() if maker is not ABSENT and isinstance(maker, str)}


def makers_of(connection: Connection, run: Run, document: Any) -> dict[str, RunHistory]:
    """By name, the histories of those runs, itself left out; none of a machine that is not ours."""
    if connection.machine.foreign:
        return {}
    return dict(histories_of(connection, run.machine_arn, sorted(set(reused_by(document).values()) - {run.name})))


def histories_of(connection: Connection, machine_arn: str, names: Iterable[str]) -> Iterator[tuple[str, RunHistory]]:
    """Of the machine's runs of those names, those that AWS still knows."""
    for name in names:
        other = connection.states.find(machine_arn, name)
        history = history_of(connection, other) if other else None
        if history is not None:
            yield name, history
