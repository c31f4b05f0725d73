"""From the words of a request to steps: which are named, which must not run, and what contradicts itself."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from opsctl.domain.findings import Finding
from opsctl.domain.guards import Pipeline, Step
from opsctl.domain.names import slug
from opsctl.domain.plan import Request, Source, place_of
from opsctl.domain.results import step_result
from opsctl.errors import RefusedError, UsageError

FAILED_STEPS = "failed"
ENDED_BADLY = ("FAILED", "CAUGHT", "TIMED_OUT", "ABORTED", "SUCCEEDED")  # the last with a job that did not complete
NEAREST = 3
ONE = "leave one of them out"


@dataclass(frozen=True)
class Selection:
    """Step names. `named` run; `exact` says that nothing else does. `skipped` were asked to be bypassed, and `beyond`
    comes after the last step that is wanted."""

    named: frozenset[str]
    exact: bool
    skipped: frozenset[str]
    beyond: frozenset[str]

    @property
    def excluded(self) -> frozenset[str]:
        """What must not run."""
        return self.skipped | self.beyond


def select(source: Source, request: Request, found: Mapping[str, Finding]) -> Selection:
    """Raises UsageError (unknown step, contradiction), RefusedError (every failed step, and none failed)."""
    if request.only and (request.steps or request.until):
        other = "--from" if request.steps else "--until"
        raise UsageError(f"--only says exactly which steps run, and so does {other}", ONE)
    skipped = _names(source, request.skip)
    until = _names(source, request.until)
    beyond = _beyond(source.pipeline, until)
    wanted = request.only or request.steps
    word = "--only" if request.only else "--from"
    literal = [name for name in wanted if not _means_failed(source.pipeline, name)]
    named = _names(source, literal)
    _demand_apart(source.pipeline, word, named, "--skip", skipped)
    _demand_apart(source.pipeline, "--until", until, "--skip", skipped)
    for name in _ordered(source.pipeline, named & beyond):
        raise UsageError(f"{word} {name} comes after --until {', '.join(request.until)}", ONE)
    if len(literal) < len(wanted):
        named |= _failed(source, found, skipped | beyond)
    return Selection(named, bool(request.only), skipped, beyond)


def choose_steps(pipeline: Pipeline, wanted: Sequence[str], source: Source | None = None) -> tuple[Step, ...]:
    """The steps of those names, in the machine's order. Raises UsageError with the nearest names and their branch."""
    found = {step.name for step in (_choose(pipeline, name, source) for name in wanted)}
    return tuple(step for step in pipeline.steps if step.name in found)


def _names(source: Source, wanted: Sequence[str]) -> frozenset[str]:
    return frozenset(step.name for step in choose_steps(source.pipeline, wanted, source))


def _means_failed(pipeline: Pipeline, word: str) -> bool:
    return word == FAILED_STEPS and pipeline.step(word) is None


def _failed(source: Source, found: Mapping[str, Finding], excluded: Collection[str]) -> frozenset[str]:
    failed = [name for name, finding in found.items() if finding.missing and finding.result.status in ENDED_BADLY]
    if not failed:
        lost = _lost(source)
        why = f": {', '.join(lost)} is gone, the definition has changed since" if lost else ""
        failing = "that failed is still there" if lost else "failed"
        raise RefusedError(f"no step of {source.run} {failing}{why}", "name the steps to run with --from")
    if left := frozenset(failed) - frozenset(excluded):
        return left
    raise RefusedError(
        f"every step of {source.run} that failed is skipped: {', '.join(failed)}", "leave --skip and --until out"
    )


def _lost(source: Source) -> list[str]:
    """Steps that failed, by names that the definition knows no more."""
    history = source.histories.get(source.run)
    results = {name: step_result(history, name) for name in sorted(source.gone)} if history else {}
    return [name for name, result in results.items() if result.missing and result.status in ENDED_BADLY]


def _beyond(pipeline: Pipeline, until: frozenset[str]) -> frozenset[str]:
    """What comes after the last wanted steps, but for those among them that others come before."""
    kept = until.union(*(step.ancestors for step in pipeline.steps if step.name in until))
    return frozenset(step.name for step in pipeline.steps if step.ancestors & until) - kept


def _demand_apart(pipeline: Pipeline, one: str, these: frozenset[str], other: str, those: frozenset[str]) -> None:
    for name in _ordered(pipeline, these & those):
        raise UsageError(f"{one} {name} and {other} {name} contradict each other", ONE)


def _ordered(pipeline: Pipeline, names: Collection[str]) -> list[str]:
    return [step.name for step in pipeline.steps if step.name in names]


def _choose(pipeline: Pipeline, wanted: str, source: Source | None) -> Step:
    if step := pipeline.step(wanted):
        return step
    for name, kind in pipeline.others.items():
        if slug(name) == slug(wanted):
            what = "is there for failures only" if kind == "Task" else f"is a {kind} state"
            raise UsageError(f"{name!r} {what}, not a step to rerun from", _inner_names(pipeline, name, wanted))
    for name in sorted(source.gone) if source else ():
        if slug(name) == slug(wanted):
            message = (
                f"no step {wanted!r}: the definition has changed since {source.run if source else ''}, and it is gone"
            )
            raise UsageError(message, _step_names(pipeline, wanted))
    raise UsageError(f"no step {wanted!r}", _step_names(pipeline, wanted))


def _inner_names(pipeline: Pipeline, scope: str, wanted: str) -> str:
    """The steps inside a Parallel or Map; for any other state the nearest steps."""
    inner = [step.name for step in pipeline.steps if scope in (name for name, _ in step.branch)]
    return f"its steps are: {', '.join(inner)}" if inner else _step_names(pipeline, wanted)


def _step_names(pipeline: Pipeline, wanted: str) -> str:
    by_slug = {step.slug: step for step in pipeline.steps}
    near = [by_slug[found] for found in difflib.get_close_matches(slug(wanted), by_slug, n=NEAREST, cutoff=0.5)]
    shown = [step.name + (f" ({place_of(step.branch)})" if step.branch else "") for step in near or pipeline.steps]
    return ("did you mean " if near else "the steps are: ") + ", ".join(shown)
