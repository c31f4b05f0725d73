"""An estimate for a plan, from the newest runs of its machine."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from opsctl.asl.history import read_history
from opsctl.domain.costs import instance_types
from opsctl.domain.estimate import Past, estimated, untimed
from opsctl.domain.plan import RerunPlan
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.prices import prices_for

LOOKED_AT = 10  # runs: what none of them did is likely to be new


def with_estimate(connection: Connection, made: RerunPlan) -> RerunPlan:
    """The plan with what steps of which nothing is known took in past runs; as it was where there is none such."""
    if not untimed(made):
        return made
    runs = connection.states.runs(connection.machine.arn, page_size=LOOKED_AT)
    for run in islice(runs, LOOKED_AT):
        try:
            past = Past(run.name, read_history(connection.states.history(run.arn)))
        except UsageError:  # AWS has forgotten it since it was listed
            continue
        made = _estimated(connection, made, past)
        if not untimed(made):
            break
    return made


def _estimated(connection: Connection, made: RerunPlan, past: Past) -> RerunPlan:
    """A plan that comes from no run has the prices that it is estimated with."""
    prices, _ = prices_for(connection, instance_types([past.history]), None)
    return estimated(made if made.source else replace(made, prices=prices), past, prices)
