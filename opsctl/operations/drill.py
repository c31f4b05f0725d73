"""`opsctl drill --model`: every fault of a machine, alone and in pairs, walked in the interpreter.

What was walked before an interruption is reported as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsctl.asl.diagnostics import InvalidDefinition
from opsctl.asl.validate import validate
from opsctl.domain.cases import Suite, definition_of
from opsctl.domain.drill.explore import Explorer
from opsctl.domain.drill.guards import inverted_guards
from opsctl.domain.drill.jobs import careless_jobs
from opsctl.domain.drill.kept import broken_cases
from opsctl.domain.drill.model import Check, Fault, Refutation, Trace
from opsctl.domain.drill.report import CUT_OFF, Report, Row, Tally, in_order
from opsctl.domain.drill.scenario import Scenario
from opsctl.domain.drill.search import scenarios
from opsctl.domain.drill.subject import Subject
from opsctl.domain.drill.trace import trace
from opsctl.domain.drill.world import UnwalkableError
from opsctl.errors import UsageError
from opsctl.operations.connection import Connection
from opsctl.operations.documents_yaml import load
from opsctl.operations.drill_pairs import walked_pairs
from opsctl.operations.graph_files import definition_in, title_of
from opsctl.operations.testing import SUFFIX, located, read_text

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """A machine to drill: its title, its definition, and the cases that say what its Tasks answer, and what is to
    come of it."""

    title: str
    definition: Mapping[str, Any]
    suite: Suite | None = None


def target_in(path: Path, pairs: Sequence[str], files: Sequence[Path], cases: Path | None = None) -> Target:
    """The machine in a file: JSON, YAML, or a template of either; the cases are those beside it, if no others are
    named. Raises UsageError, and ConfigurationError for a template without Terraform."""
    definition = definition_in(path, pairs, files)
    _demand_valid(definition, str(path))
    beside = path.with_name(f"{path.name.split('.')[0]}{SUFFIX}")
    named = cases or (beside if beside.is_file() else None)
    return Target(title_of(path), definition, _suite(definition, named) if named else None)


def target_of(connection: Connection, cases: Path | None = None) -> Target:
    """The deployed machine that runs start on."""
    machine = connection.machine
    definition = connection.start_definition()
    _demand_valid(definition, machine.name)
    return Target(machine.name, definition, _suite(definition, cases) if cases else None)


def _demand_valid(definition: Mapping[str, Any], named: str) -> None:
    errors = [found for found in validate(definition) if found.severity == "ERROR"]
    if errors:
        words = ": ".join(filter(None, (errors[0].location, errors[0].message)))
        raise UsageError(f"{named} cannot be walked: {words}", f"opsctl lint {named} shows all that is wrong")


def _suite(definition: Mapping[str, Any], path: Path) -> Suite:
    source = load(read_text(path), str(path))
    with located(path, source):
        definition_of(source.value)
        try:
            return Suite(definition, source.value, path.name.partition(".")[0], lenient=True)
        except InvalidDefinition as error:
            raise UsageError(f"{path}: {error.message}", error.hint) from error


@dataclass
class _Walked:
    """What was walked, until it is all."""

    cases: Tally = field(default_factory=Tally)
    singles: Tally = field(default_factory=Tally)
    stops: Tally = field(default_factory=Tally)
    pairs: Tally = field(default_factory=Tally)

    @property
    def runs(self) -> int:
        return sum(tally.walked for tally in (self.cases, self.singles, self.stops, self.pairs))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The most telling of each refutation: of one fault where one will do."""
        known: dict[Refutation, Trace] = {}
        for tally in (self.pairs, self.stops, self.singles, self.cases):
            known.update(tally.traces)
        return in_order(known.values())


def drill(target: Target, *, pairs: bool, rule: bool, progress: Progress, processes: int | None = None) -> Report:
    """Walk everything. Raises UsageError for a definition that cannot be walked; a Ctrl-C ends it early, and the report
    says so."""
    subject = Subject(target.definition, rule)
    walked = _Walked()
    chosen: list[Scenario] = []
    interrupted = ""
    try:
        for made in broken_cases(target.suite) if target.suite else ():
            walked.cases.add_case(made)
        chosen += scenarios(subject, target.suite.cases if target.suite else ())
        _walk(target.title, subject, chosen, walked, progress)
        if pairs:
            told = f"{target.title}: pairs"
            for share, part in walked_pairs(subject, chosen, processes):
                walked.pairs.join(part)
                progress(f"{told}, {share:.0%}")
    except UnwalkableError as error:
        return _hopeless(target, subject, walked.cases, error)
    except KeyboardInterrupt:
        interrupted = f"interrupted after {walked.runs:,} runs: what follows is what they showed"
    return Report(
        target.title, target.definition, tuple(scenario.name for scenario in chosen),
        tuple(_row(subject, fault, walked.singles, interrupted) for fault in subject.faults),
        walked.stops.walked, walked.stops.refuted, len(set(subject.classes.values())),
        walked.pairs.walked if pairs else None, walked.pairs.refuted, walked.traces, interrupted,
        walked.cases.walked, walked.cases.refuted,
    )  # fmt: skip


def _walk(title: str, subject: Subject, chosen: Sequence[Scenario], walked: _Walked, progress: Progress) -> None:
    """The runs in which nothing is broken, and every single fault."""
    explorers = [Explorer(subject, scenario) for scenario in chosen]
    for explorer in explorers:
        walked.singles.add(explorer.plain())
    for outcome in (*inverted_guards(subject, chosen[0]), *careless_jobs(subject, chosen)):
        walked.singles.add(outcome)
    for explorer in explorers:
        progress(f"{title}: single faults, {explorer.scenario.name}")
        for outcome in explorer.singles():
            (walked.stops if outcome.faults[-1].after else walked.singles).add(outcome)


def _hopeless(target: Target, subject: Subject, cases: Tally, error: UnwalkableError) -> Report:
    """The report of a machine of which no run succeeds, though it has an end that would be well, or cases say so.
    Raises UsageError where nothing tells whether one should."""
    traces = list(cases.traces.values())
    if error.drive is not None:
        traces.insert(0, trace(error.drive, (), Refutation(Check.ENDS, error.drive.blamed, str(error))))
    if not traces:
        raise UsageError(
            f"{target.title} cannot be walked: {error}",
            "say what it is given and what its Tasks answer: --cases FILE (docs/testing-definitions.md)",
        ) from error
    rows = tuple(Row(fault, why_never="no run succeeds even without it") for fault in subject.faults)
    classes = len(set(subject.classes.values()))
    return Report(
        target.title, target.definition, (), rows, 0, 0, classes, None, 0, tuple(traces),
        cases=cases.walked, cases_refuted=cases.refuted,
    )  # fmt: skip


def _row(subject: Subject, fault: Fault, singles: Tally, interrupted: str) -> Row:
    return singles.rows.get(fault) or Row(fault, why_never=(interrupted and CUT_OFF) or subject.why_never(fault))
