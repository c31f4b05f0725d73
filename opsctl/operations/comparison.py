"""Compare two runs of a machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from opsctl.asl.history import RunHistory, read_history
from opsctl.domain.comparison import Difference, Told, differences
from opsctl.domain.costs import instance_types, run_cost
from opsctl.domain.names import slug
from opsctl.domain.results import setup_of
from opsctl.domain.runs import Run
from opsctl.domain.steps import steps_of
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.metrics import metrics_of
from opsctl.operations.prices import prices_for
from opsctl.operations.runs import input_document, resolve


def compare(connection: Connection, one: str, other: str) -> tuple[Told, Told, tuple[Difference, ...], list[str]]:
    """Both runs, what tells them apart, and in a line each what is doubtful about the prices and could not be read.

    Raises UsageError for RUN arguments that mean no run, or one and the same.
    """
    runs = [resolve(connection, wanted) for wanted in (one, other)]
    if runs[0].arn == runs[1].arn:
        raise UsageError(f"{one} and {other} are the same run", "name two; opsctl list shows the runs there are")
    with ThreadPoolExecutor(len(runs)) as pool:
        looked = list(pool.map(lambda run: _look(connection, run), runs))
    prices, doubt = prices_for(connection, instance_types(history for _, history, _ in looked), None)
    now = connection.aws.now()
    before, after = (replace(told, cost=run_cost(history, prices, now)) for told, history, _ in looked)
    unread = [f"{told.run.name}: {fault}" for told, _, faults in looked for fault in faults]
    return before, after, differences(before, after), [*([doubt] if doubt else []), *unread]


def _look(connection: Connection, run: Run) -> tuple[Told, RunHistory, list[str]]:
    """What is known of the run, but for its cost; its history; and what could not be read of it."""
    definition = connection.states.definition_of_run(run.arn)
    history = read_history(connection.states.history(run.arn), definition)
    document = input_document(run.input)
    steps = steps_of(history, definition, document, connection.aws.now())
    names = () if connection.machine.foreign else (slug(step.name) for step in steps if not step.executions)
    metrics, unread = metrics_of(connection, run, names)
    return Told(run, document, setup_of(history), definition, steps, None, metrics), history, unread
