"""Check a run input before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opsctl.config import DEPLOYMENT_MACHINE, INFERENCE_MACHINE
from opsctl.domain import deployments, inference
from opsctl.domain.redaction import STRUCK_OUT, struck_out
from opsctl.domain.run_input import problems
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection


def check_input(connection: Connection, document: Mapping[str, Any]) -> None:
    """Raise UsageError with what is wrong with a run input."""
    refuse_struck_out(document, "the run input")
    found = input_problems(connection, document)
    if found:
        raise UsageError(f"the run input is refused: {in_one_line(found)}", "nothing was started")


def refuse_struck_out(value: Any, named: str) -> None:
    """Raise UsageError where a value is what opsctl shows in place of a credential: it was copied from an output."""
    place = next(struck_out(value), None)
    if place is not None:
        raise UsageError(
            f"{named} has {STRUCK_OUT} at {place}: opsctl shows that in place of what looks like a credential",
            "write the value itself there; nothing was started or sent",
        )


def input_problems(connection: Connection, document: Any) -> list[str]:
    """What is wrong with a run input for this machine, one line each.

    Nobody knows of a foreign machine, or of one that prepares no runs: of a definition of one's own, or of `bulk`.
    """
    machine = connection.machine
    if machine.key == DEPLOYMENT_MACHINE:
        return deployments.problems(document)
    if machine.key == INFERENCE_MACHINE:
        return inference.problems(document)
    if machine.foreign or not machine.steps:
        return []
    return problems(document, steps=machine.steps, hyperparameters=machine.hyperparameters, needs=machine.needs)


def in_one_line(found: Sequence[str]) -> str:
    """One or more problems as one sentence."""
    more = f"; and {len(found) - 1} more: {'; '.join(found[1:])}" if found[1:] else ""
    return f"{found[0]}{more}"
