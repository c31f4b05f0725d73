"""All that a report says of a run, as values; what could not be found out is told in `gaps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.domain.costs import RunCost
from opsctl.domain.lineage import Descendant
from opsctl.domain.picture import Picture
from opsctl.domain.results import Setup
from opsctl.domain.runs import Run
from opsctl.domain.steps import StepStatus
from opsctl.domain.timeline import Timeline


@dataclass(frozen=True)
class Failure:
    """An attempt that failed: the error in a line, the cause as it came, and the end of its log, or why there is
    none."""

    what: str
    status: str
    error: str
    cause: str
    log: tuple[str, ...] = ()
    missing: str | None = None


@dataclass(frozen=True)
class Report:
    """A run at a moment, `made` (seconds since the epoch). `next` is the command that would go on from here.

    `metrics` is by slug of a step. `gaps` names, by section, what was not found out and why.
    """

    run: Run
    machine: str
    made: float
    picture: Picture
    steps: tuple[StepStatus, ...]
    timeline: Timeline
    input: Any
    setup: Setup | None
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cost: RunCost | None = None
    lineage: Descendant | None = None
    failures: tuple[Failure, ...] = ()
    next: str | None = None
    gaps: Mapping[str, str] = field(default_factory=dict)
