"""Plan a rerun: a new, linked execution that runs some steps and reuses what others left behind.

Rules. `--from` names the steps to run. What comes after a step that runs, runs. Any other step that has a result, made
in the source run or reused there, is reused, at any depth of reruns. One that never completed runs as well, unless a
named step needs it: then there is nothing to plan, and the error names it. A step that the source run skipped without a
result stays skipped. A step without a guard always runs; so does one whose guard bypasses something that has to run.

The plan is a value. It holds everything that is shown before anything happens and everything that is done after it;
its hash is the same for the same request on the same world, whatever the new run will be called.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opsctl.asl.history import RunHistory
from opsctl.domain.conditions import ABSENT, Setting
from opsctl.domain.documents import Change, changes, holds, merged, value_at, with_settings
from opsctl.domain.guards import Pipeline, Step
from opsctl.domain.names import skip_key, slug
from opsctl.domain.results import StepResult, setup_of, step_result
from opsctl.domain.run_input import as_text
from opsctl.errors import RefusedError, UsageError

RUN = "RUN"
REUSE = "REUSE"
SKIP = "SKIP"
ALWAYS = "ALWAYS"
RUNS = (RUN, ALWAYS)
FAILED_STEPS = "failed"
UNSUCCESSFUL = ("FAILED", "CAUGHT", "TIMED_OUT", "ABORTED", "SUCCEEDED")  # the last with a job that did not complete
OWN_KEYS = ("skip", "reuse", "rerun")  # of the run input: what a plan decides
NEAREST = 3


@dataclass(frozen=True)
class Result:
    """What lies under a step's prefix in S3. `artifact` says whether a training's model is there."""

    uri: str
    objects: int
    bytes: int
    artifact: bool


@dataclass(frozen=True)
class Source:
    """The run to repeat, and the world it is repeated in.

    `histories` are by run name: the source's, and those of the runs that made what it reused, where they still exist.
    `results` are by slug, of the steps that keep a result in S3. `changed` names the states whose definition is not
    what the source run walked. `defaults` are hyperparameters by group; `code` is the hash of the code a new run takes.
    """

    run: str
    input: Mapping[str, Any]
    pipeline: Pipeline
    histories: Mapping[str, RunHistory]
    results: Mapping[str, Result]
    changed: frozenset[str] = frozenset()
    defaults: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default_data_source: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Request:
    """What was asked for: steps by state name or slug, and the changes to the run input.

    `steps` (--from) run, with what comes after them; the word `failed` among them means every step that failed. `only`:
    exactly these run. `skip`: bypassed, its result reused if there is one. `until`: what comes after is skipped.
    `strict` makes refusals of the warnings about reuse.
    """

    steps: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True)
class PlannedStep:
    """What happens to one step and why. `seconds` is what it took when it last completed; for a reused step `made_by`
    is the run that made the result and `result` where it is copied from (None where it keeps none in S3)."""

    name: str
    slug: str
    action: str
    reason: str
    branch: tuple[tuple[str, int], ...] = ()
    seconds: float | None = None
    made_by: str | None = None
    result: Result | None = None


@dataclass(frozen=True)
class RerunPlan:
    """Everything about a rerun but its name. `input` is the new run's, except for the addresses of reused results,
    which lie in the new run's prefix: `input_for` completes it."""

    source: str
    root: str
    steps: tuple[PlannedStep, ...]
    input: Mapping[str, Any]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]

    @property
    def reused(self) -> tuple[PlannedStep, ...]:
        """The steps whose result is copied."""
        return tuple(step for step in self.steps if step.action == REUSE and step.result is not None)

    @property
    def seconds_saved(self) -> float:
        """What the reused steps took when they were made."""
        return sum(step.seconds or 0.0 for step in self.steps if step.action == REUSE)

    @property
    def hash(self) -> str:
        """SHA-256 over what the plan does, in hex: equal for equal plans, whatever the name."""
        steps = [
            [
                step.slug,
                step.action,
                step.made_by,
                step.result and [step.result.uri, step.result.objects, step.result.bytes],
            ]
            for step in self.steps
        ]
        text = json.dumps([self.source, self.root, steps, self.input], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def input_for(self, prefix: str) -> dict[str, Any]:
        """The input of the new run whose prefix (`s3://bucket/runs/<name>/`) is given."""
        entries = {
            step.slug: {"run": step.made_by, "uri": f"{prefix}{step.slug}/"} for step in self.reused
        }  # fmt: skip
        return {**self.input, **({"reuse": entries} if entries else {})}


def plan_rerun(source: Source, request: Request) -> RerunPlan:
    """Raises UsageError (unknown step, change to what the plan decides), RefusedError (a needed step has no result)."""
    found = {step.name: _finding(source, step) for step in source.pipeline.steps}
    named = choose_steps(source.pipeline, _expanded(source, request.steps, found))
    running = _running(source.pipeline, named, found)
    _demand_ancestors(source.pipeline, named, running, found)
    steps = tuple(_planned(step, source, running, found[step.name]) for step in source.pipeline.steps)
    before = {key: value for key, value in source.input.items() if key not in OWN_KEYS}
    after = _changed_input(before, source.pipeline, request)
    root = source.input.get("rerun", {}).get("root") or source.run
    document = with_settings(after, _guard_settings(source.pipeline, steps))
    document["rerun"] = {"from": [step.name for step in named], "of": source.run, "root": root}
    warnings = tuple(_warnings(source, steps, after))
    return RerunPlan(source.run, root, steps, document, tuple(_changes(source, before, after)), warnings)


def choose_steps(pipeline: Pipeline, wanted: Sequence[str]) -> tuple[Step, ...]:
    """The steps of those names, in the machine's order. Raises UsageError with the nearest names and their branch."""
    found = {step.name for step in (_choose(pipeline, name) for name in wanted)}
    return tuple(step for step in pipeline.steps if step.name in found)


def place_of(branch: Sequence[tuple[str, int]]) -> str:
    """Where a step stands, in words: "" or "branch 2 of Base Model Training"."""
    return ", ".join(f"branch {number + 1} of {name}" for name, number in branch)


def group_of(step_slug: str) -> str:
    """The hyperparameter group of a step: `train-text-model` -> `text_model`."""
    return skip_key(step_slug).removeprefix("train_")


@dataclass(frozen=True)
class _Finding:
    """Whether a step has a result to reuse, and whose."""

    missing: str | None
    skipped: bool
    made_by: str
    result: StepResult


def _choose(pipeline: Pipeline, wanted: str) -> Step:
    if step := pipeline.step(wanted):
        return step
    for name, kind in pipeline.others.items():
        if slug(name) == slug(wanted):
            what = "is there for failures only" if kind == "Task" else f"is a {kind} state"
            raise UsageError(f"{name!r} {what}, not a step to rerun from", _step_names(pipeline, wanted))
    raise UsageError(f"no step {wanted!r}", _step_names(pipeline, wanted))


def _step_names(pipeline: Pipeline, wanted: str) -> str:
    by_slug = {step.slug: step for step in pipeline.steps}
    near = [by_slug[found] for found in difflib.get_close_matches(slug(wanted), by_slug, n=NEAREST, cutoff=0.5)]
    shown = [step.name + (f" ({place_of(step.branch)})" if step.branch else "") for step in near or pipeline.steps]
    return ("did you mean " if near else "the steps are: ") + ", ".join(shown)


def _expanded(source: Source, wanted: Sequence[str], found: Mapping[str, _Finding]) -> list[str]:
    """The names with FAILED_STEPS replaced by those that it means. Raises RefusedError where no step failed."""
    if FAILED_STEPS not in wanted or source.pipeline.step(FAILED_STEPS):
        return list(wanted)
    failed = [name for name, finding in found.items() if finding.missing and finding.result.status in UNSUCCESSFUL]
    if not failed:
        raise RefusedError(f"no step of {source.run} failed", "name the steps to run with --from")
    return [name for name in wanted if name != FAILED_STEPS] + failed


def _finding(source: Source, step: Step) -> _Finding:
    entry = source.input.get("reuse", {}).get(step.slug)
    skipped = step.guard is not None and holds(source.input, step.guard.bypass)
    made_by = str(entry["run"]) if entry and skipped else source.run
    history = source.histories.get(made_by)
    result = step_result(history, step.name) if history else StepResult("UNKNOWN", None, None, ())
    if skipped and not entry:
        return _Finding("it was skipped, and nothing was reused", True, made_by, result)
    missing = None if entry and skipped else result.missing
    return _Finding(missing or _missing_in_s3(source.results.get(step.slug), step), False, made_by, result)


def _missing_in_s3(result: Result | None, step: Step) -> str | None:
    if result is None:
        return None
    if not result.objects:
        return f"nothing is left of it under {result.uri}"
    if "createTrainingJob" in step.resource and not result.artifact:
        return f"there is no model under {result.uri}"
    return None


def _running(pipeline: Pipeline, named: Sequence[Step], found: Mapping[str, _Finding]) -> dict[str, str]:
    """The steps that run, with the reason. Repeated until no guard bypasses a step that has to run."""
    running = {step.name: "named by --from" for step in named}
    size = -1
    while size != len(running):
        size = len(running)
        for step in pipeline.steps:
            reason = None if step.name in running or step.guard is None else _reason(pipeline, step, running, found)
            if reason:
                running[step.name] = reason
    return running


def _reason(pipeline: Pipeline, step: Step, running: Mapping[str, str], found: Mapping[str, _Finding]) -> str | None:
    before = [other.name for other in pipeline.steps if other.name in running and other.name in step.ancestors]
    if before:
        return f"comes after {before[-1]}"
    finding = found[step.name]
    if finding.missing and not finding.skipped:
        return f"no result to reuse: {finding.missing}"
    together = sorted((step.guard.covers if step.guard else frozenset()) & running.keys())
    return f"its guard would bypass {together[0]} as well" if together else None


def _demand_ancestors(
    pipeline: Pipeline, named: Sequence[Step], running: Mapping[str, str], found: Mapping[str, _Finding]
) -> None:
    needed = frozenset().union(*(step.ancestors for step in named)) - {step.name for step in named}
    lost = [
        step
        for step in pipeline.steps
        if step.name in needed and step.guard and found[step.name].missing
        and not running.get(step.name, "").startswith("comes after")
    ]  # fmt: skip
    if lost:
        reasons = "; ".join(f"{step.name} ({found[step.name].missing})" for step in lost)
        first = [step for step in lost if not step.ancestors & {other.name for other in lost}]
        options = " ".join(f'--from "{step.name}"' for step in first)
        raise RefusedError(f"{named[-1].name} needs steps that have no result: {reasons}", f"start earlier: {options}")


def _planned(step: Step, source: Source, running: Mapping[str, str], finding: _Finding) -> PlannedStep:
    def planned(action: str, reason: str, **more: Any) -> PlannedStep:
        seconds = None if finding.result.missing else finding.result.seconds
        return PlannedStep(step.name, step.slug, action, reason, step.branch, seconds, **more)

    if step.guard is None:
        return planned(ALWAYS, "has no guard in the definition")
    if step.name in running:
        return planned(RUN, running[step.name])
    if finding.skipped:
        return planned(SKIP, f"was skipped in {source.run}")
    return planned(REUSE, f"made by {finding.made_by}", made_by=finding.made_by, result=source.results.get(step.slug))


def _changed_input(before: Mapping[str, Any], pipeline: Pipeline, request: Request) -> dict[str, Any]:
    """The source's input with the request's changes. Raises UsageError for a change to what the plan decides."""
    guarded = {s.path for step in pipeline.steps if step.guard for s in (*step.guard.bypass, *step.guard.enter)}
    paths = [setting.path for setting in request.settings]
    paths += [tuple(change.path.split(".")) for change in changes({}, request.merge)]
    for path in paths:
        if path[0] in OWN_KEYS or path in guarded:
            raise UsageError(f"{'.'.join(path)} is decided by the plan", "say with --from which steps run")
    return with_settings(merged(before, request.merge), request.settings)


def _changes(source: Source, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """What differs between the inputs. Where the source's was silent, its setup step, or a default, decided."""
    setup = setup_of(source.histories[source.run])
    data = setup.data_source if setup else source.default_data_source
    decided = {
        "hyperparameters": setup.hyperparameters if setup else source.defaults,
        "data": {"source": ABSENT if data is None else data},
    }
    for change in changes(before, after):
        silent = change.before is ABSENT
        yield replace(change, default=value_at(decided, change.path.split("."))) if silent else change


def _guard_settings(pipeline: Pipeline, steps: Sequence[PlannedStep]) -> list[Setting]:
    """What makes the machine do as planned. Bypasses come last: guards may share a path."""
    guards = [(step.guard, planned.action) for step, planned in zip(pipeline.steps, steps, strict=True) if step.guard]
    enter = [setting for guard, action in guards if action == RUN for setting in guard.enter]
    return enter + [setting for guard, action in guards if action != RUN for setting in guard.bypass]


def _warnings(source: Source, steps: Sequence[PlannedStep], document: Mapping[str, Any]) -> list[str]:
    by_text: dict[str, list[str]] = {}
    for step in (step for step in steps if step.action == REUSE):
        for text in _differences(step, source, document):
            by_text.setdefault(text, []).append(step.name)
    found = [f"{', '.join(names)}: reused, though {text}" for text, names in by_text.items()]
    if source.changed:
        found.append(f"the definition has changed since {source.run}: the new run walks the current one")
    return found


def _differences(step: PlannedStep, source: Source, document: Mapping[str, Any]) -> Iterator[str]:
    if step.name in source.changed:
        yield "its definition has changed"
    history = source.histories.get(step.made_by or "")
    setup = setup_of(history) if history else None
    if setup is None:
        return
    group = group_of(step.slug)
    made = setup.hyperparameters.get(group, {})
    wanted = {
        **source.defaults.get(group, {}),
        **{key: as_text(value) for key, value in _asked(document, group).items()},
    }
    for key in sorted(wanted if made else ()):
        if not _same(made.get(key), wanted[key]):
            yield f"made with {key}={made.get(key, 'nothing')}, not {wanted[key]}"
    if setup.code and source.code and setup.code != source.code:
        yield "made with other code than the new run takes"
    data = (document.get("data") or {}).get("source", source.default_data_source)
    if setup.data_source and data and setup.data_source.rstrip("/") != str(data).rstrip("/"):
        yield f"made from {setup.data_source}, not {data}"


def _asked(document: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    groups = document.get("hyperparameters")
    asked = groups.get(group) if isinstance(groups, Mapping) else None
    return asked if isinstance(asked, Mapping) else {}


def _same(made: Any, wanted: str) -> bool:
    """Whether two hyperparameters mean the same, however a number is written."""
    try:
        return made is not None and float(made) == float(wanted)
    except ValueError:
        return bool(made == wanted)
