"""What `opsctl doctor` finds, as values, and the rules by which it finds it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsctl.domain.graph import inner_scopes
from opsctl.domain.names import job_prefix

OK = "OK"
WARNING = "WARNING"  # to be looked at; a run may still go well
PROBLEM = "PROBLEM"  # runs, or what tells of them, do not work
UNKNOWN = "UNKNOWN"  # could not be looked into
NEAR = 0.8  # of a quota
_JOB = re.compile(r"(?P<prefix>.+)-d\d+r\d+")
_RESOURCES = {
    "createTrainingJob": ("ResourceConfig", "training job"),
    "createTransformJob": ("TransformResources", "transform job"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the checkup: which check, how it went, what it saw and, unless all is well, what to do about it."""

    check: str
    status: str
    what: str
    remedy: str | None = None


def orphans(jobs: Iterable[str], slugs: Collection[str], running: Iterable[str]) -> tuple[str, ...]:
    """Of the names of jobs that go on, those that a run of ours started which goes on no more: `<job prefix>-<slug>-
    d<redrives>r<retries>` (domain.names), where no running execution has that prefix. Any other name is nobody's
    business here."""
    prefixes = {job_prefix(name) for name in running}
    return tuple(job for job in jobs if (prefix := _owner(job, slugs)) is not None and prefix not in prefixes)


def instances(definition: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """How many instances of a type a run of the definition asks for at a time, by type and what SageMaker's quota calls
    the use of it (`training job`): branches of a Parallel together, of a Map one item. What is made up while a run goes
    is not known."""
    found: Counter[tuple[str, str]] = Counter()
    for state in definition["States"].values():
        together = Counter({(kind, use): count for kind, count, use in _asked(state)})
        for inner in inner_scopes(state):
            together.update(instances(inner))
        found |= together
    return dict(found)


def quota_finding(kind: str, use: str, wanted: int, limit: float) -> Finding:
    """What a quota for instances means for a job that asks for so many. A new account has none of most GPU types."""
    name = f"{kind} for {use} usage"
    what = f"{wanted} of {limit:g} are asked for at a time"
    ask = f"ask for more in Service Quotas, Amazon SageMaker: {name}"
    if wanted > limit:
        return Finding(f"quota: {name}", PROBLEM, what, ask)
    if wanted > NEAR * limit and limit > 1:
        return Finding(f"quota: {name}", WARNING, what, ask)
    return Finding(f"quota: {name}", OK, what)


def _owner(job: str, slugs: Collection[str]) -> str | None:
    """The job prefix of the run that started a job; None for one that no step of ours could have started."""
    match = _JOB.fullmatch(job)
    named = match["prefix"] if match else ""
    return next((named.removesuffix(f"-{slug}") for slug in slugs if named.endswith(f"-{slug}")), None)


def _asked(state: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    action = str(state.get("Resource", "")).rpartition(":sagemaker:")[2].partition(".")[0]
    field, use = _RESOURCES.get(action, ("", ""))
    asked = state.get("Parameters") or state.get("Arguments")
    resources = asked.get(field) if isinstance(asked, dict) else None
    kind, count = (
        (resources.get(name) for name in ("InstanceType", "InstanceCount"))
        if isinstance(resources, dict)
        else (None, None)
    )
    if isinstance(kind, str) and isinstance(count, int):
        yield kind, count, use
