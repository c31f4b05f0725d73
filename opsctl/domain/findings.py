"""What is left of each step: whether there is a result to reuse, who made it, and whether it is still what it was.

S3 keeps no record of what an object was, so "as the step left it" rests on what there is: the keys that the history
names (a training job's model), the time at which each object was written (none may be younger than the step's end, or,
of a copy, than the run's start), and for copies the count and the bytes that the claim recorded. What else lies beside
a training job's model (profiles, logs) may be written later by AWS itself, and is not held against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from opsctl.domain.driving import bypassed
from opsctl.domain.guards import Step
from opsctl.domain.inventory import owner_of
from opsctl.domain.objects import Stored, counted
from opsctl.domain.plan import Result, Source
from opsctl.domain.results import StepResult, step_result

ROUNDING = 1.0  # seconds: S3 tells times in whole ones
ANOTHER_COPIES = 60.0  # seconds: another process of the same rerun may still be at its last copies when one has started
TRAINING = "createTrainingJob"
OUTPUT = "/output/"


@dataclass(frozen=True)
class Finding:
    """Whether a step has a result to reuse, and whose. `missing` says why there is none; `altered` why a result that is
    there is not what the step left, which only someone who names the step may overrule. `emptied` is the run below
    whose prefix it lay, where nothing is left of it."""

    missing: str | None
    skipped: bool
    made_by: str
    result: StepResult
    altered: str | None = None
    emptied: str | None = None

    @property
    def unusable(self) -> str | None:
        """Why nothing is to be reused, if nobody says otherwise."""
        return self.missing or self.altered


def findings(source: Source) -> dict[str, Finding]:
    """By step name."""
    around = _bypassed(source)
    return {step.name: _finding(source, step, step.name in around) for step in source.pipeline.steps}


def _bypassed(source: Source) -> frozenset[str]:
    """The steps that the source's input led past."""
    if source.definition is not None:
        return bypassed(source.definition, source.pipeline, source.input)
    steps = source.pipeline.steps
    return frozenset(step.name for step in steps if step.guard and step.guard.bypasses(source.input))


def _finding(source: Source, step: Step, skipped: bool) -> Finding:
    entry = source.input.get("reuse", {}).get(step.slug) if source.linked else None
    made_by = str(entry["run"]) if entry and skipped else source.run
    result = _result_in(source, made_by, step)
    if skipped and not entry:
        return _made_earlier(source, step) or Finding("it was skipped, and nothing was reused", True, made_by, result)
    stored = source.results.get(step.slug)
    missing = None if skipped else result.missing
    emptied = owner_of(stored.uri) if stored and not stored.objects and not missing else None
    missing = missing or _missing_in_s3(source, stored, step, result)
    altered = None if missing or stored is None else _altered(source, step, stored, result, taken_over=skipped)
    return Finding(missing, False, made_by, result, altered, emptied)


def _result_in(source: Source, run: str, step: Step) -> StepResult:
    history = source.histories.get(run)
    return step_result(history, step.name) if history else StepResult("UNKNOWN", None, None, ())


def _made_earlier(source: Source, step: Step) -> Finding | None:
    """The result of an earlier run of the lineage, where only the names tell of one."""
    for run in source.earlier:
        result = _result_in(source, run, step)
        if result.runs and result.missing is None:
            return Finding(None, False, run, result)
    return None


def _missing_in_s3(source: Source, stored: Result | None, step: Step, result: StepResult) -> str | None:
    if stored is None:
        return None
    if not stored.objects:
        if _lent(source, stored):
            lender = owner_of(stored.uri)
            return f"{source.run} read it from {lender}, whose data is gone: nothing is left under {stored.uri}"
        return f"nothing is left of it under {stored.uri}"
    if TRAINING not in step.resource:
        return None
    if not stored.artifact:
        return f"there is no model under {stored.uri}"
    for uri in _artifacts(result) if stored.items else ():
        if not any(uri.endswith(f"/{item.key}") for item in stored.items):
            return f"its model {uri.rpartition('/')[2]} is not where the job left it under {stored.uri}"
    return None


def _artifacts(result: StepResult) -> Iterator[str]:
    """The addresses of models, as DescribeTrainingJob's answer in the history has them."""
    for run in result.runs:
        try:
            answer = json.loads(run.attempts[-1].output or "{}") if run.attempts else {}
        except (ValueError, RecursionError):
            continue
        model = answer.get("ModelArtifacts") if isinstance(answer, dict) else None
        if isinstance(model, dict) and isinstance(model.get("S3ModelArtifacts"), str):
            yield model["S3ModelArtifacts"]


def _lent(source: Source, stored: Result) -> bool:
    """Whether the source run read it below another run's prefix."""
    return owner_of(stored.uri) not in (None, source.run)


def _altered(source: Source, step: Step, stored: Result, result: StepResult, *, taken_over: bool) -> str | None:
    claimed, lent = source.copied.get(step.slug) if taken_over else None, _lent(source, stored)
    if claimed and claimed != (stored.objects, stored.bytes):
        return (
            f"{counted(claimed[0])} ({counted(claimed[1], 'byte')}) {'lay in' if lent else 'went to'} {stored.uri}, "
            f"which has {counted(stored.objects)} ({counted(stored.bytes, 'byte')}) now"
        )
    own = source.histories.get(source.run)
    end = (own.started if own else None) if taken_over else _end(result)
    slack = ANOTHER_COPIES if taken_over and not lent else ROUNDING
    late = [] if end is None else [item for item in _watched(step, stored) if (item.modified or 0.0) > end + slack]
    if not late:
        return None
    more = f" and {len(late) - 1} more were" if late[1:] else " was"
    since = f"{source.run} began to read it" if lent else "the copy" if taken_over else "the step ended"
    return f"{stored.uri}{late[0].key}{more} written after {since}"


def _watched(step: Step, stored: Result) -> list[Stored]:
    return [item for item in stored.items if TRAINING not in step.resource or OUTPUT in f"/{item.key}"]


def _end(result: StepResult) -> float | None:
    ends = [attempt.ended for run in result.runs for attempt in run.attempts[-1:] if attempt.ended is not None]
    return max(ends, default=None)
