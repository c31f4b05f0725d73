"""Which model a rollback goes back to: the champion before the present one, or another that was in production."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from opsctl.domain.champions import Champion
from opsctl.errors import RefusedError, UsageError

PREFIX = "rollback-"
DIGITS = 16


@dataclass(frozen=True)
class Way:
    """From the champion on record, None where there is none that can be read, to an earlier one."""

    present: Champion | None
    target: Champion


def choose(present: Champion | None, promotions: Sequence[Champion], wanted: str | None) -> Way:
    """The way back to the run `wanted`, or to the champion before the present one. `promotions` is the history, the
    newest last.

    Raises RefusedError where there is nothing to go back to or the model serves already, UsageError for a run that was
    never champion.
    """
    if wanted is None:
        return Way(present, _before(present, promotions))
    if present is not None and wanted == present.run:
        raise RefusedError(
            f"{wanted} is the champion already",
            "opsctl champion history shows the ones before it; a deployment that was cut off is rerun: opsctl rerun "
            "--machine deployment",
        )
    found = [one for one in promotions if one.run == wanted]
    known = present.previous if present is not None and present.previous is not None else None
    if not found and known is not None and known.run == wanted:
        found = [known]
    if not found:
        names = list(dict.fromkeys(one.run for one in promotions))
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
        raise UsageError(
            f"{wanted} was never champion",
            (f"did you mean {near[0]}; " if near else "")
            + "any run is deployed by opsctl start --machine deployment --set run=NAME",
        )
    return Way(present, found[-1])


def _before(present: Champion | None, promotions: Sequence[Champion]) -> Champion:
    if present is not None:
        if present.previous is None:
            raise RefusedError(
                f"{present.run} is the first champion: there is none to go back to",
                "name a run that was in production with --to",
            )
        return present.previous
    if promotions:
        runs = ", ".join(dict.fromkeys(one.run for one in reversed(promotions)))
        raise RefusedError(
            "no champion is on record, so none is known to be the one before it",
            f"these were in production, the newest first: {runs}; name one with --to",
        )
    raise RefusedError("no model was ever in production: there is nothing to go back to")


def execution_name(way: Way, number: int) -> str:
    """The name of the `number`th deployment that goes this way: the same whoever goes it, and when, so that a command
    that is repeated rolls back once. The next promotion makes another way of it."""
    ends = [[one.deployment, one.promoted_at, one.run, one.model.etag] for one in (way.present, way.target) if one]
    digest = hashlib.sha256(json.dumps([ends, way.target.machine]).encode()).hexdigest()[:DIGITS]
    return f"{PREFIX}{digest}" + (f"-{number}" if number > 1 else "")
