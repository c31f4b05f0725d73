"""Carry out a plan: prove it, claim a name, copy what is reused (or leave it where it lies), verify it, start.

Nothing is lost and nothing started twice, wherever this is cut off. The claim makes the name ours
(`opsctl.operations.claims`); copies can be made again (`opsctl.operations.copies`); starting the same name with the
same input is the same run. So the same command again finds its claim by the plan's hash and goes on where it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from opsctl.domain.data_modes import IN_PLACE
from opsctl.domain.engines import MAP
from opsctl.domain.plan import RUNS, RerunPlan, Source
from opsctl.domain.reuse_costs import lenders
from opsctl.domain.runs import RUNNING, Run
from opsctl.errors import RefusedError
from opsctl.operations import intents
from opsctl.operations.claims import claimed, same_input
from opsctl.operations.connection import Connection
from opsctl.operations.copies import OnProgress, Watch, copy_result, unwatched, verify_in_place


@dataclass(frozen=True)
class Started:
    """The run that a request became; `resumed` if the same request had started it before: it goes on, or has
    succeeded."""

    run: Run
    resumed: bool


def proven(source: Source, made: RerunPlan, prefix: str) -> RerunPlan:
    """The plan, walked through the definition: with how many transitions it makes, and what cannot be known before.
    Where no history tells what the tasks answer, there is no walk.

    Raises RefusedError where the machine, given the planned input, would not run exactly the planned steps.
    """
    from opsctl.domain.proof import prove  # with the interpreter and all: too much for a --help

    if source.definition is None or not source.histories:
        return made
    own = [source.histories[source.run]] if source.run in source.histories else []
    others = [history for name, history in source.histories.items() if name != source.run]
    expected = [step.name for step in made.steps if step.action in RUNS]
    proof = prove(source.definition, made.input_for(prefix), expected, [*own, *others])
    if proof.problem:
        raise RefusedError(
            f"this cannot be planned: {proof.problem}", "look at the definition: opsctl lint shows what its guards do"
        )
    doubts = (proof.doubt,) if proof.doubt else ()
    return replace(made, transitions=proof.transitions, warnings=(*made.warnings, *doubts))


def execute(
    connection: Connection, made: RerunPlan, name: str | None, on_progress: OnProgress, watch: Watch = unwatched
) -> Started:
    """Claim a name, copy, verify, start.

    Raises RefusedError: the name is taken, or a reused result has changed; ConfigurationError: not allowed to start.
    """
    wanted = name
    if made.reused:
        connection.states.demand_start(connection.machine.start_arn)
    name, running = claimed(connection, made, wanted)
    if running is not None:
        return Started(running, resumed=True)
    copies_here = bool(made.reused) and not connection.machine.foreign
    if copies_here:  # after the claim: see intents
        intents.demand_none(connection, {name, *(lenders(made) if made.data == IN_PLACE else ())})
    for step in made.reused:
        if made.data == IN_PLACE:
            verify_in_place(connection, step, on_progress)
        else:
            by_map = made.engine is not None and made.engine.name == MAP
            copy_result(connection, step, connection.prefix(name, step.slug), on_progress, watch, by_map=by_map)
    if copies_here:  # again: a copy may take hours, and the claim of one that was cut off be older than a cleanup
        intents.demand_none(connection, {name})
    document = made.input_for(connection.prefix(name).uri)
    try:
        arn = connection.states.start(connection.machine.start_arn, name, json.dumps(document, sort_keys=True))
    except RefusedError:
        run = connection.states.find(connection.machine.arn, name)
        if run is not None and same_input(run, document):  # another process made it of the same plan, and it has ended
            return Started(run, resumed=True)
        if run is not None and wanted is None and connection.machine.foreign:  # its name was all of the claim
            return execute(connection, made, None, on_progress, watch)
        raise
    return Started(Run(name, arn, connection.machine.arn, RUNNING, connection.aws.now()), resumed=False)
