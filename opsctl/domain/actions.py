"""What happens to each step: RUN, REUSE, SKIP or ALWAYS, and why.

What is named runs, and what comes after a step that runs, runs. Any other step that has a result, made in the source
run or reused there, is reused, at any depth of reruns. One that never completed runs as well, unless a named step needs
it: then there is nothing to plan, and the error names it. A step that the source run skipped without a result stays
skipped. Where the request says exactly what runs, or where to stop, everything else is reused or skipped. A step
without a guard that can be driven always runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from opsctl.domain.findings import Finding
from opsctl.domain.guards import Pipeline, Step
from opsctl.domain.plan import ALWAYS, REUSE, RUN, SKIP, Source
from opsctl.domain.selection import Selection
from opsctl.errors import RefusedError

ANOTHER = "name its alternative"
NO_GUARD = "has no guard in the definition"


@dataclass(frozen=True)
class Decision:
    """By step name: (action, reason); and what is worth a warning, by the steps that it is about."""

    actions: Mapping[str, tuple[str, str]]
    doubts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def decide(source: Source, chosen: Selection, found: Mapping[str, Finding], forced: Collection[str] = ()) -> Decision:
    """`forced` are steps that no run input leads past while the others run.

    Raises RefusedError: a step that runs needs one that has no result, a guard bypasses a step that has to run, or
    nothing would run."""
    _refuse_forced(source.pipeline, chosen, forced)
    running = _running(source.pipeline, chosen, found, forced)
    demand_freedom(source.pipeline, chosen, running)
    _demand_ancestors(source, chosen, running, found)
    actions = {step.name: _action(source, step, chosen, running, found) for step in source.pipeline.steps}
    demand_needs(source, chosen, actions, found)
    if not running and not any(action == RUN for action, _ in actions.values()):
        raise RefusedError(
            f"nothing would run: every step of {source.run} has a result or is skipped",
            "name what is to run again with --from",
        )
    return Decision(actions, _doubts(source, chosen, actions, found))


def unguarded(step: Step) -> str:
    """Why a step always runs."""
    return step.undrivable or NO_GUARD


def _refuse_forced(pipeline: Pipeline, chosen: Selection, forced: Collection[str]) -> None:
    for step in pipeline.steps:
        if step.name in forced and (chosen.exact or step.name in chosen.excluded):
            how = "skipped" if step.name in chosen.excluded else "left out"
            raise RefusedError(
                f"{step.name} cannot be {how}: no setting of the run input leads past it", f"name it too, or {ANOTHER}"
            )


def _running(
    pipeline: Pipeline, chosen: Selection, found: Mapping[str, Finding], forced: Collection[str]
) -> dict[str, str]:
    """The steps that run, with the reason. Repeated until no guard bypasses a step that has to run."""
    word = "--only" if chosen.exact else "--from"
    running = {step.name: f"named by {word}" for step in pipeline.steps if step.name in chosen.named}
    running |= dict.fromkeys(forced, "no setting of the run input leads past it")
    size = -1
    while size != len(running) and not chosen.exact:
        size = len(running)
        for step in pipeline.steps:
            free = step.name not in running and step.name not in chosen.excluded and step.guard is not None
            instead = free and _alternative(pipeline, step, running)
            reason = _reason(pipeline, step, running, found) if free and not instead else None
            if reason:
                running[step.name] = reason
    return running


def _reason(pipeline: Pipeline, step: Step, running: Mapping[str, str], found: Mapping[str, Finding]) -> str | None:
    before = [other.name for other in pipeline.steps if other.name in running and other.name in step.ancestors]
    if before:
        return f"comes after {before[-1]}"
    finding = found[step.name]
    if finding.unusable and not finding.skipped:
        return f"no result to reuse: {finding.unusable}"
    together = sorted((step.guard.covers if step.guard else frozenset()) & running.keys())
    return f"its guard would bypass {together[0]} as well" if together else None


def _alternative(pipeline: Pipeline, step: Step, running: Collection[str]) -> str | None:
    """A running step in whose place the step would run: some Choice leads to the one or to the other, never to both,
    as the run's input says. Where a Task's result says it, either may have to run."""
    for crossing in pipeline.crossings:
        if step.name in crossing.ahead and crossing.decision.from_input:
            others = crossing.ahead & set(running) - step.ancestors
            for name in sorted(others):
                if all(name in missed or step.name in missed for missed in crossing.misses.values()):
                    return name
    return None


def demand_freedom(pipeline: Pipeline, chosen: Selection, running: Collection[str]) -> None:
    """Raise RefusedError for a step that has to be bypassed and cannot be, alone or at all."""
    for step in pipeline.steps:
        if step.guard is None:
            if step.name in chosen.skipped:
                raise RefusedError(f"{step.name} cannot be skipped: it {unguarded(step)}", "leave --skip out")
        elif step.name not in running and (together := sorted(step.guard.covers & set(running))):
            how = "skipped" if step.name in chosen.excluded else "left out"
            raise RefusedError(
                f"{step.name} cannot be {how}: {step.guard.choice!r} would bypass {together[0]} as well",
                f'let it run too: --{"only" if chosen.exact else "from"} "{step.name}"',
            )


def _demand_ancestors(
    source: Source, chosen: Selection, running: Mapping[str, str], found: Mapping[str, Finding]
) -> None:
    steps = source.pipeline.steps
    named = [step for step in steps if step.name in chosen.named]
    needed = frozenset().union(*(step.ancestors for step in named)) - chosen.named - chosen.skipped
    lost = [
        step
        for step in steps
        if step.name in needed and step.guard and found[step.name].unusable
        and not running.get(step.name, "").startswith("comes after")
        and (source.linked or not found[step.name].skipped)  # a foreign machine went without it before
        and not _gone_without(source, named, step, found[step.name])
    ]  # fmt: skip
    if lost:
        word = "--only" if chosen.exact else "--from"
        reasons = "; ".join(f"{step.name} ({found[step.name].unusable})" for step in lost)
        first = lost if chosen.exact else [s for s in lost if not s.ancestors & {other.name for other in lost}]
        options = " ".join(f'{word} "{step.name}"' for step in first)
        altered = [step for step in lost if found[step.name].missing is None]
        more = f'; or take it as it is now: --skip "{altered[0].name}"' if altered else ""
        emptied = sorted({run for step in lost if (run := found[step.name].emptied)})
        if emptied:
            more += f"; what a cleanup deleted may come back: opsctl cleanup --undo --run {' --run '.join(emptied)}"
        message = f"{named[-1].name} needs steps that have no result: {reasons}"
        raise RefusedError(message, f"start earlier: {options}{more}")


def _gone_without(source: Source, named: Sequence[Step], step: Step, finding: Finding) -> bool:
    """Whether the source run came to every named step that this one lies before, and did not enter it on the way: what
    it found had it go past, and so it will again, or not."""
    history = source.histories.get(source.run)
    entered = {state.name for state in history.states} if history else set()
    after = {other.name for other in named if step.name in other.ancestors}
    return not finding.skipped and not finding.result.runs and after <= entered


def _action(
    source: Source, step: Step, chosen: Selection, running: Mapping[str, str], found: Mapping[str, Finding]
) -> tuple[str, str]:
    if step.guard is None:
        return ALWAYS, unguarded(step)
    if step.name in running:
        return RUN, running[step.name]
    finding = found[step.name]
    made = f"made by {finding.made_by}"
    if step.name in chosen.skipped:
        return (SKIP, "named by --skip") if finding.missing else (REUSE, f"named by --skip; {made}")
    if step.name in chosen.beyond:
        return SKIP, "comes after the step of --until"
    if finding.skipped:
        return SKIP, f"was skipped in {source.run}"
    if finding.missing and (other := _alternative(source.pipeline, step, running)):
        return SKIP, f"{other} runs in its place"
    if not chosen.exact:
        return REUSE, made
    if finding.unusable:
        return SKIP, f"not named by --only; {finding.unusable}"
    after = step.ancestors & running.keys()
    if after and not _read_by(source, step, running):
        return SKIP, f"comes after {_last(source.pipeline, after)}"
    return REUSE, made


def _read_by(source: Source, step: Step, running: Collection[str]) -> list[Step]:
    """The running steps that read a step's result: as the machine declares it, or all that come after it."""
    readers = [other for other in source.pipeline.steps if other.name in running]
    if source.needs:
        return [reader for reader in readers if step.slug in source.needs.get(reader.slug, ())]
    return [reader for reader in readers if step.name in reader.ancestors]


def demand_needs(
    source: Source, chosen: Selection, actions: Mapping[str, tuple[str, str]], found: Mapping[str, Finding]
) -> None:
    """Raise RefusedError for a step that is not run though one that runs reads its result, and there is none."""
    if not source.linked:
        return
    running = [name for name, (action, _) in actions.items() if action == RUN]
    for step in source.pipeline.steps:
        readers = _read_by(source, step, running) if actions[step.name][0] == SKIP else []
        if readers and (source.needs or step.name in chosen.skipped):
            finding = found[step.name]
            asked = step.name in chosen.skipped
            way = (
                "leave --skip out" if asked else f'let it run too: --{"only" if chosen.exact else "from"} "{step.name}"'
            )
            raise RefusedError(
                f"{readers[0].name} needs the result of {step.name}, which would not run "
                f"({'--skip' if asked else actions[step.name][1]}), and has none: {finding.unusable}",
                f'{way}; or skip what needs it too: --skip "{readers[0].name}"',
            )


def _doubts(
    source: Source, chosen: Selection, actions: Mapping[str, tuple[str, str]], found: Mapping[str, Finding]
) -> list[tuple[str, str]]:
    running = {name for name, (action, _) in actions.items() if action == RUN}
    doubts = []
    for step in source.pipeline.steps:
        action, again = actions[step.name][0], step.ancestors & running
        if action == REUSE and again:
            doubts.append((step.name, f"{_last(source.pipeline, again)}, which comes before it, runs again"))
        if action == REUSE and (altered := found[step.name].altered):
            doubts.append((step.name, altered))
        if action == SKIP and step.name in chosen.skipped and (readers := _read_by(source, step, running)):
            doubts.append((step.name, f"{readers[0].name} comes after it: it runs without its result"))
    return doubts


def _last(pipeline: Pipeline, names: Collection[str]) -> str:
    return [step.name for step in pipeline.steps if step.name in names][-1]
