"""Plan a rerun: a new, linked execution that runs some steps and reuses what others left behind.

Which steps run, and why, is decided in `opsctl.domain.actions`, from what is left of each (`opsctl.domain.findings`)
and from what the request names (`opsctl.domain.selection`). Here it becomes a plan: the new run's input, what differs
from the source's, and what is worth a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opsctl.domain.actions import Decision, decide
from opsctl.domain.billing import step_cost
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import Change, changes, merged, value_at, with_settings
from opsctl.domain.driving import bypassed, drive
from opsctl.domain.findings import Finding, findings
from opsctl.domain.guards import Step
from opsctl.domain.plan import (
    ALWAYS,
    REUSE,
    RUN,
    RUNS,
    SKIP,
    PlannedStep,
    Request,
    RerunPlan,
    Result,
    Source,
    place_of,
    world_of,
)
from opsctl.domain.results import setup_of
from opsctl.domain.reuse_warnings import group_of, reuse_warnings
from opsctl.domain.runs import of_version
from opsctl.domain.selection import FAILED_STEPS, Selection, choose_steps, select
from opsctl.errors import RefusedError, UsageError

__all__ = [
    "ALWAYS", "FAILED_STEPS", "REUSE", "RUN", "RUNS", "SKIP", "PlannedStep", "Request", "RerunPlan", "Result", "Source",
    "choose_steps", "group_of", "place_of", "plan_rerun", "planned", "root_of",
]  # fmt: skip

OWN_KEYS = ("skip", "reuse", "rerun")  # of the run input: what a plan decides


def plan_rerun(source: Source, request: Request) -> RerunPlan:
    """Raises UsageError (unknown step, contradiction, change to what the plan decides), RefusedError (a needed step has
    no result, nothing would run, or a warning where the request is strict)."""
    found = findings(source)
    chosen = select(source, request, found)
    decision, steps, before, after, document = _settled(source, request, chosen, found)
    named = tuple(step.name for step in source.pipeline.steps if step.name in chosen.named) or _first(source, steps)
    root = root_of(source)
    if source.linked:
        document["rerun"] = {"from": list(named), "of": source.run, "root": root}
    warnings = reuse_warnings(source, steps, after, decision.doubts)
    if warnings and request.strict:
        raise RefusedError(f"--strict: {warnings[0]}", "run that step again too with --from, or leave --strict out")
    if source.changed:
        before_it, since = map(of_version, source.versions)
        warnings.append(
            f"the definition has changed since {source.run}{before_it}: the new run walks the current one{since}"
        )
    return RerunPlan(
        source.run, root, steps, document, tuple(_changes(source, before, after)), tuple(warnings),
        named=named, linked=source.linked, prices=source.prices, world=world_of(source), data=request.data,
    )  # fmt: skip


def _settled(
    source: Source, request: Request, chosen: Selection, found: Mapping[str, Finding]
) -> tuple[Decision, tuple[PlannedStep, ...], Mapping[str, Any], Mapping[str, Any], Any]:
    """The decision with the steps, and the inputs that bring it about: decided again as long as the machine enters a
    step that was not to run, for it may know no way around it."""
    forced: frozenset[str] = frozenset()
    while True:
        decision = decide(source, chosen, found, forced)
        steps = tuple(planned(s, source, decision.actions[s.name], found[s.name]) for s in source.pipeline.steps)
        before, after, document = _inputs(source, request, steps)
        more = _not_bypassed(source, steps, document) - forced
        if not more:
            return decision, steps, before, after, document
        forced |= more


def _not_bypassed(source: Source, steps: Sequence[PlannedStep], document: Any) -> frozenset[str]:
    if source.definition is None:
        return frozenset()
    around = bypassed(source.definition, source.pipeline, document)
    return frozenset(step.name for step in steps if step.action not in RUNS and step.name not in around)


def _inputs(
    source: Source, request: Request, steps: Sequence[PlannedStep]
) -> tuple[Mapping[str, Any], Mapping[str, Any], Any]:
    """The source's input, the same with the request's changes, and with the guards' settings too.

    Raises RefusedError for an input that is no object, where something would have to be set in it.
    """
    if not isinstance(source.input, Mapping):
        if request.settings or request.merge or any(step.action not in RUNS for step in steps):
            raise RefusedError(
                f"the input of {source.run} is no object: nothing can be set in it, no guard either",
                "start a new run with a sound input: opsctl start --input FILE",
            )
        return {}, {}, source.input
    own = OWN_KEYS if source.linked else ()
    before = {key: value for key, value in source.input.items() if key not in own}
    after = _changed_input(before, source, request)
    running = [step.name for step in steps if step.action in RUNS]
    return before, after, with_settings(after, drive(source.pipeline, after, running))


def root_of(source: Source) -> str:
    """The run that the lineage began with."""
    if not source.linked:
        return source.root or source.run
    return str(source.input.get("rerun", {}).get("root") or source.run)


def _first(source: Source, steps: Sequence[PlannedStep]) -> tuple[str, ...]:
    """The steps that run and come after none that runs: where the rerun begins, where nobody named a step."""
    running = {step.name for step in steps if step.action == RUN}
    return tuple(
        step.name for step in source.pipeline.steps if step.name in running and not step.ancestors & running
    )  # fmt: skip


def planned(step: Step, source: Source, decided: tuple[str, str], finding: Finding) -> PlannedStep:
    """The step as decided, with what is known of how it went before."""
    action, reason = decided
    known = not finding.result.missing
    plain = PlannedStep(step.name, step.slug, action, reason, step.branch, finding.result.seconds if known else None)
    if known:
        plain = replace(plain, cost=step_cost(finding.result, source.prices))
    if action != REUSE:
        return plain
    return replace(plain, made_by=finding.made_by, result=source.results.get(step.slug))


def _changed_input(before: Mapping[str, Any], source: Source, request: Request) -> dict[str, Any]:
    """The source's input with the request's changes. Raises UsageError for a change to what the plan decides."""
    steps = source.pipeline.steps
    guarded = {s.path for step in steps if step.guard for s in (*step.guard.bypass, *step.guard.enter)}
    own = OWN_KEYS if source.linked else ()
    paths = [setting.path for setting in request.settings]
    paths += [tuple(change.path.split(".")) for change in changes({}, request.merge)]
    for path in paths:
        if path[0] in own or path in guarded:
            raise UsageError(
                f"{'.'.join(path)} is decided by the plan", "say with --from, --only and --skip which steps run"
            )
    return with_settings(merged(before, request.merge), request.settings)


def _changes(source: Source, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """What differs between the inputs. Where the source's was silent, its setup step, or a default, decided."""
    history = source.histories.get(source.run)
    setup = setup_of(history) if history else None
    data = setup.data_source if setup else source.default_data_source
    decided = {
        "hyperparameters": setup.hyperparameters if setup else source.defaults,
        "data": {"source": ABSENT if data is None else data},
    }
    for change in changes(before, after):
        silent = change.before is ABSENT
        yield replace(change, default=value_at(decided, change.path.split("."))) if silent else change
