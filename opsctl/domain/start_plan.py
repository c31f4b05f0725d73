"""Plan a new run that bypasses some steps and takes their results from another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opsctl.domain.actions import demand_freedom, demand_needs, unguarded
from opsctl.domain.data_modes import COPY
from opsctl.domain.documents import with_settings
from opsctl.domain.driving import drive
from opsctl.domain.findings import Finding, findings
from opsctl.domain.guards import Step
from opsctl.domain.plan import ALWAYS, REUSE, RUN, RUNS, SKIP, Request, RerunPlan, Source, world_of
from opsctl.domain.rerun import planned
from opsctl.domain.results import StepResult
from opsctl.domain.reuse_warnings import reuse_warnings
from opsctl.domain.selection import select

NOTHING = StepResult("UNKNOWN", None, None, ())


def plan_start(source: Source, document: Mapping[str, Any], skip: Sequence[str], data: str = COPY) -> RerunPlan:
    """The plan of a new run with that input, without the steps of `skip`; their results are those of `source.run`,
    which may be "" for none. `data` is one of DATA_MODES.

    Raises UsageError (unknown step), RefusedError (a step cannot be skipped, or what it makes is needed).
    """
    found = findings(source) if source.run else {step.name: _nothing() for step in source.pipeline.steps}
    chosen = select(source, Request(skip=tuple(skip)), found)
    actions = {step.name: _action(step, document, chosen.skipped, found[step.name]) for step in source.pipeline.steps}
    demand_freedom(source.pipeline, chosen, [name for name, (action, _) in actions.items() if action == RUN])
    demand_needs(source, chosen, actions, found)
    steps = tuple(planned(step, source, actions[step.name], found[step.name]) for step in source.pipeline.steps)
    running = [step.name for step in steps if step.action in RUNS]
    full = with_settings(document, drive(source.pipeline, document, running))
    altered = [
        (step.name, found[step.name].altered or "")
        for step in steps if step.action == REUSE and found[step.name].altered
    ]  # fmt: skip
    warnings = reuse_warnings(source, steps, document, altered)
    if source.run and source.run not in source.histories:
        warnings.append(f"AWS has forgotten {source.run}: nothing is known of how its results were made")
    return RerunPlan(
        source.run, None, steps, full, (), tuple(warnings),
        linked=source.linked, prices=source.prices, world=world_of(source), data=data,
    )  # fmt: skip


def _action(step: Step, document: Mapping[str, Any], skipped: frozenset[str], finding: Finding) -> tuple[str, str]:
    if step.name in skipped and step.guard is not None:
        made = f"by --skip; made by {finding.made_by}"
        return (SKIP, "named by --skip") if finding.missing else (REUSE, made)
    if step.guard is None:
        return ALWAYS, unguarded(step)
    return (SKIP, "the run input skips it") if step.guard.bypasses(document) else (RUN, "not skipped")


def _nothing() -> Finding:
    return Finding("no run is named with --reuse-from", False, "", NOTHING)
