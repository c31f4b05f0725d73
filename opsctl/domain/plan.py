"""The plan of a run, as values: what is asked for, what it is planned from, and what will happen to each step.

A plan holds everything that is shown before anything happens and everything that is done after it; its hash is the same
for the same request on the same world, whatever the new run will be called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.asl.history import RunHistory
from opsctl.domain.billing import Cost, Estimate, total
from opsctl.domain.conditions import Setting
from opsctl.domain.data_modes import COPY, IN_PLACE
from opsctl.domain.documents import Change
from opsctl.domain.engines import Engine, Wish
from opsctl.domain.guards import Pipeline
from opsctl.domain.objects import Stored
from opsctl.domain.prices import UNKNOWN, PriceList

RUN = "RUN"
REUSE = "REUSE"
SKIP = "SKIP"
ALWAYS = "ALWAYS"
RUNS = (RUN, ALWAYS)


@dataclass(frozen=True)
class Result:
    """What lies under a step's prefix in S3. `artifact` says whether a training's model is there; `items` are the
    objects as they were listed, where they were."""

    uri: str
    objects: int
    bytes: int
    artifact: bool
    items: tuple[Stored, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over keys, sizes and ETags: another one when an object changed."""
        return _digest([[item.key, item.size, item.etag] for item in self.items])


@dataclass(frozen=True)
class Source:
    """The run to repeat, and the world it is repeated in.

    `histories` are by run name: the source's, and those of the runs that made what it reused, where they still exist.
    `results` are by slug, of the steps that keep a result in S3. `changed` names the states whose definition is not
    what the source run walked, `gone` those that are no more. `defaults` are hyperparameters by group; `code` is the
    hash of the code a new run takes; `needs` says, by slug, whose results a step reads, None where nobody has said.
    `copied` holds, by slug, the objects and bytes that the run took over, copied or where they lay, as its claim says.

    `linked` is whether the machine is one of ours: its run input has `reuse` and `rerun`. Where it is not, `root` and
    `earlier` (newest first) are the runs of its lineage before it. `definition` is what a new run walks; `versions` are
    the numbers of the version that the source run walked and of the one that a new run walks, None where there is none.
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
    needs: Mapping[str, tuple[str, ...]] | None = None
    gone: frozenset[str] = frozenset()
    earlier: tuple[str, ...] = ()
    linked: bool = True
    definition: Mapping[str, Any] | None = None
    versions: tuple[int | None, int | None] = (None, None)
    prices: PriceList = UNKNOWN
    copied: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    root: str | None = None


@dataclass(frozen=True)
class Request:
    """What was asked for: steps by state name or slug, and the changes to the run input.

    `steps` (--from) run, with what comes after them; the word `failed` among them means every step that failed. `only`:
    exactly these run. `skip`: bypassed, its result reused if there is one. `until`: what comes after is skipped.
    `strict` makes refusals of the warnings about reuse. `data` is one of DATA_MODES: what is reused is copied into the
    new run's prefix, or read where it lies. `wish` is which way it is to be copied.
    """

    steps: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    merge: Mapping[str, Any] = field(default_factory=dict)
    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    strict: bool = False
    data: str = COPY
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True)
class PlannedStep:
    """What happens to one step and why. `seconds` is what it took when it last completed, and `cost` what that was;
    for a reused step `made_by` is the run that made the result and `result` where it lies (None where it keeps none in
    S3)."""

    name: str
    slug: str
    action: str
    reason: str
    branch: tuple[tuple[str, int], ...] = ()
    seconds: float | None = None
    made_by: str | None = None
    result: Result | None = None
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class RerunPlan:
    """Everything about a new run but its name. `input` is the new run's, except for the addresses of reused results,
    which may lie in the new run's prefix: `input_for` completes it. `named` are the steps that it begins with; `root`
    is None for a run that is no rerun and only takes results of `source`. `transitions` are those that it will make, if
    nothing is retried; `world` stands for the definition and the code that it takes. `data` is one of DATA_MODES, and
    `engine` which way it is copied, where it is. `estimated_by` are runs that tell what those steps take of which
    `source` does not."""

    source: str
    root: str | None
    steps: tuple[PlannedStep, ...]
    input: Mapping[str, Any]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    named: tuple[str, ...] = ()
    linked: bool = True
    transitions: int | None = None
    prices: PriceList = UNKNOWN
    world: str = ""
    data: str = COPY
    engine: Engine | None = None
    estimated_by: tuple[str, ...] = ()

    @property
    def reused(self) -> tuple[PlannedStep, ...]:
        """The steps whose result in S3 the new run takes over."""
        return tuple(step for step in self.steps if step.action == REUSE and step.result is not None)

    @property
    def reused_objects(self) -> int:
        """How many objects those results are."""
        return sum(step.result.objects for step in self.reused if step.result)

    @property
    def reused_bytes(self) -> int:
        """How many bytes those results are."""
        return sum(step.result.bytes for step in self.reused if step.result)

    @property
    def saved(self) -> Estimate:
        """What the reused steps took when they were made."""
        return total((step.name, step.seconds, step.cost) for step in self.steps if step.action == REUSE)

    @property
    def spent(self) -> Estimate:
        """What the steps that run took when they last completed, and the new run's transitions."""
        rows = ((step.name, step.seconds, step.cost) for step in self.steps if step.action in RUNS)
        return total(rows, (self.transitions or 0) * self.prices.transition)

    @property
    def seconds_saved(self) -> float:
        """What the reused steps took when they were made."""
        return self.saved.seconds

    @property
    def hash(self) -> str:
        """SHA-256 over what the plan does and what it rests on, in hex: equal for equal plans, whatever the name."""
        steps = [
            [
                step.slug,
                step.action,
                step.made_by,
                step.result and [step.result.uri, step.result.objects, step.result.bytes, step.result.digest],
            ]
            for step in self.steps
        ]
        return _digest([self.source, self.root, steps, self.input, self.world, self.data])

    def input_for(self, prefix: str) -> Any:
        """The input of the new run whose prefix (`s3://bucket/runs/<name>/`) is given: an object, unless the machine is
        not ours and was given something else."""
        entries = {
            step.slug: {"run": step.made_by, "uri": self._address(step, prefix)} for step in self.reused
        }  # fmt: skip
        return {**self.input, "reuse": {**self.input.get("reuse", {}), **entries}} if entries else self.input

    def _address(self, step: PlannedStep, prefix: str) -> str:
        """Where the new run reads the result of a reused step."""
        return step.result.uri if step.result and self.data == IN_PLACE else f"{prefix}{step.slug}/"


def world_of(source: Source) -> str:
    """SHA-256 over the definition and the code that a new run takes."""
    return _digest([source.definition, source.code])


def place_of(branch: tuple[tuple[str, int], ...]) -> str:
    """Where a step stands, in words: "" or "branch 2 of Base Model Training"."""
    return ", ".join(f"branch {number + 1} of {name}" for name, number in branch)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
