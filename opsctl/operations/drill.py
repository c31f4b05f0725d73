"""`opsctl drill --model`: every fault of a machine, alone and in pairs, walked in the interpreter.

Pairs are shared among the processors. What was walked before an interruption is reported as it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.validate import validate
from opsctl.domain.cases import Case, Suite, definition_of
from opsctl.domain.drill.explore import Explorer
from opsctl.domain.drill.guards import inverted_guards
from opsctl.domain.drill.model import Check, Fault, Refutation
from opsctl.domain.drill.report import Report, Row, Tally, in_order
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.search import scenarios
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.trace import trace
from opsctl.domain.drill.walk import Drive, UnwalkableError
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.documents_yaml import load
from opsctl.operations.graph_files import definition_in, title_of
from opsctl.operations.testing import SUFFIX, located, read_text

CUT_OFF = "the drill was interrupted before it"
FEW = 8  # first faults that a process is given at a time
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A machine to drill: its title, its definition, and the cases that say what its Tasks answer."""

    title: str
    definition: Mapping[str, Any]
    cases: tuple[Case, ...] = ()


def target_in(path: Path, pairs: Sequence[str], files: Sequence[Path], cases: Path | None = None) -> Target:
    """The machine in a file: JSON, YAML, or a template of either; the cases are those beside it, if no others are
    named. Raises UsageError, and ConfigurationError for a template without Terraform."""
    definition = definition_in(path, pairs, files)
    _demand_valid(definition, str(path))
    beside = path.with_name(f"{path.name.split('.')[0]}{SUFFIX}")
    named = cases or (beside if beside.is_file() else None)
    return Target(title_of(path), definition, _cases(definition, named) if named else ())


def target_of(connection: Connection, cases: Path | None = None) -> Target:
    """The deployed machine that runs start on."""
    machine = connection.machine
    definition = connection.states.definition(connection.states.leads_to(machine.start_arn))
    _demand_valid(definition, machine.name)
    return Target(machine.name, definition, _cases(definition, cases) if cases else ())


def _demand_valid(definition: Mapping[str, Any], named: str) -> None:
    errors = [found for found in validate(definition) if found.severity == "ERROR"]
    if errors:
        words = f"{errors[0].location}: {errors[0].message}"
        raise UsageError(f"{named} cannot be walked: {words}", f"opsctl lint {named} shows all that is wrong")


def _cases(definition: Mapping[str, Any], path: Path) -> tuple[Case, ...]:
    source = load(read_text(path), str(path))
    with located(path, source):
        definition_of(source.value)
        try:
            return Suite(definition, source.value, path.name.partition(".")[0]).cases
        except InvalidDefinition as error:
            raise UsageError(f"{path}: {error.message}", error.hint) from error


def drill(target: Target, *, pairs: bool, rule: bool, progress: Progress, processes: int | None = None) -> Report:
    """Walk everything. Raises UsageError for a definition that cannot be walked; a Ctrl-C ends it early, and the report
    says so."""
    subject = Subject(target.definition, rule)
    try:
        chosen = scenarios(subject, target.cases)
    except UnwalkableError as error:
        if error.drive is not None:
            return _hopeless(target, subject, error.drive, str(error))
        raise UsageError(
            f"{target.title} cannot be walked: {error}",
            "say what its Tasks answer, in a file of cases: --cases FILE (docs/testing-definitions.md)",
        ) from error
    explorers = [Explorer(subject, scenario) for scenario in chosen]
    singles, stops, both = Tally(), Tally(), Tally()
    interrupted = ""
    try:
        for explorer in explorers:
            singles.add(explorer.plain())
        for outcome in inverted_guards(subject, chosen[0]):
            singles.add(outcome)
        for explorer in explorers:
            progress(f"{target.title}: single faults, {explorer.scenario.name}")
            _collect(explorer, singles, stops)
        if pairs:
            _walk_pairs(target, subject, chosen, both, lambda words: progress(f"{target.title}: {words}"), processes)
    except KeyboardInterrupt:
        interrupted = (
            f"interrupted after {singles.walked + stops.walked + both.walked:,} runs: what follows is what they showed"
        )
    known = dict(both.traces)
    for tally in (stops, singles):
        known.update(tally.traces)
    return Report(
        target.title, target.definition, tuple(scenario.name for scenario in chosen),
        tuple(_row(subject, fault, singles, interrupted) for fault in subject.faults),
        stops.walked, stops.refuted, len(set(subject.classes.values())),
        both.walked if pairs else None, both.refuted, in_order(known.values()), interrupted,
    )  # fmt: skip


def _hopeless(target: Target, subject: Subject, drive: Drive, why: str) -> Report:
    """The report of a machine of which no run succeeds, though it has an end that would be well."""
    refutation = Refutation(Check.ENDS, drive.blamed, why)
    rows = tuple(Row(fault, why_never="no run succeeds even without it") for fault in subject.faults)
    classes = len(set(subject.classes.values()))
    made = trace(drive, (), refutation)
    return Report(target.title, target.definition, (), rows, 0, 0, classes, None, 0, (made,))


def _collect(explorer: Explorer, singles: Tally, stops: Tally) -> None:
    for outcome in explorer.singles():
        (stops if outcome.faults[-1].after else singles).add(outcome)


def _row(subject: Subject, fault: Fault, singles: Tally, interrupted: str) -> Row:
    return singles.rows.get(fault) or Row(fault, why_never=(interrupted and CUT_OFF) or subject.why_never(fault))


# pairs


def _walk_pairs(
    target: Target,
    subject: Subject,
    chosen: Sequence[Scenario],
    tally: Tally,
    progress: Progress,
    processes: int | None,
) -> None:
    firsts = list(dict.fromkeys(subject.classes.values()))
    parts = [firsts[start : start + FEW] for start in range(0, len(firsts), FEW)]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(processes or usable, len(parts))
    for number, part in enumerate(_parts(target, subject.rule, chosen, parts, workers), 1):
        tally.join(part)
        progress(f"pairs, {100 * number // len(parts)} %")


def _parts(
    target: Target, rule: bool, chosen: Sequence[Scenario], parts: Sequence[Sequence[Fault]], workers: int
) -> Iterator[Tally]:
    if workers < 2:
        _prepare(target.definition, rule, chosen, alone=True)
        yield from map(_pairs, parts)
        return
    settings = (target.definition, rule, chosen)
    pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=_prepare, initargs=settings)
    try:
        for done in as_completed([pool.submit(_pairs, part) for part in parts]):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_EXPLORERS: list[Explorer] = []


def _prepare(definition: Mapping[str, Any], rule: bool, chosen: Sequence[Scenario], *, alone: bool = False) -> None:
    """A process of its own takes no Ctrl-C: the one that started it says when to end."""
    if not alone:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    subject = Subject(definition, rule)
    _EXPLORERS[:] = [Explorer(subject, scenario) for scenario in chosen]


def _pairs(firsts: Iterable[Fault]) -> Tally:
    tally = Tally()
    for first in firsts:
        own = next(one for one in _EXPLORERS[0].subject.faults if one == first)
        seen: set[tuple[Fault, Fault]] = set()
        for explorer in _EXPLORERS:
            for outcome in explorer.pairs_of(own, seen):
                tally.add(outcome)
    return tally
