"""Plan a rerun from what is left of a run; `execute` carries it out."""

from __future__ import annotations

from typing import Any

from opsctl.domain.alerts import caught_in
from opsctl.domain.data_modes import IN_PLACE
from opsctl.domain.documents import merged, with_settings
from opsctl.domain.names import rerun_name
from opsctl.domain.plan import REUSE, SKIP, Request, RerunPlan, Source
from opsctl.domain.rerun import plan_rerun
from opsctl.domain.runs import Run
from opsctl.errors import RefusedError, UsageError
from opsctl.operations.claims import likely_name
from opsctl.operations.connection import Connection
from opsctl.operations.execution import execute, proven
from opsctl.operations.handing_over import with_engine
from opsctl.operations.inputs import check_input, in_one_line, input_problems
from opsctl.operations.runs import input_document, refuse_running
from opsctl.operations.sources import source_of

__all__ = ["execute", "likely_name", "plan"]


def plan(connection: Connection, run: Run, request: Request) -> RerunPlan:
    """The plan for a rerun of an ended run (as `resolve` returns it); reads, and changes nothing.

    Raises RefusedError (still running, an input that no run can have, a needed step has no result or one that the run
    put back, or the machine would not walk as planned), UsageError (unknown step, bad changes to the input).
    """
    refuse_running(run)
    if request.data == IN_PLACE and connection.machine.foreign:
        raise UsageError(
            f"where the runs of {connection.machine.name} keep results is not known: nothing is copied anyway",
            "leave --data out",
        )
    document = _sound_input(connection, run, request)
    source = source_of(connection, run, document)
    made = plan_rerun(source, request)
    _refuse_put_back(connection, source, made)
    prefix = connection.prefix(rerun_name(made.root or run.name, 1)).uri
    check_input(connection, made.input_for(prefix))
    return with_engine(connection, proven(source, made, prefix), request.wish)


def _refuse_put_back(connection: Connection, source: Source, made: RerunPlan) -> None:
    """Raise RefusedError where the run put back what it had done, by its own account, and the plan builds on it."""
    again = {failure.again for failure in caught_in(source.histories[source.run]) if failure.again}
    for step in made.steps:
        if step.name in again and step.action in (REUSE, SKIP):
            raise RefusedError(
                f"{source.run} failed, and put back what it had done from {step.name} on",
                f'opsctl rerun {source.run} --from "{step.name}"{connection.on_machine}',
            )


def _sound_input(connection: Connection, run: Run, request: Request) -> Any:
    """The run's input: anything may start an execution, with any input, and the request may mend what was wrong.

    Raises RefusedError with what is wrong even so.
    """
    document = input_document(run.input)
    found = input_problems(connection, document)
    if found and isinstance(document, dict):
        mended = with_settings(merged(document, request.merge), request.settings)
        found = [problem for problem in input_problems(connection, mended) if problem in found]
    if found:
        raise RefusedError(
            f"the input of {run.name} cannot be run again: {in_one_line(found)}",
            "start a new run with a sound input: opsctl start --input FILE",
        )
    return document
