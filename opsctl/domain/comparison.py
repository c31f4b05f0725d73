"""What tells two runs apart: inputs, hyperparameters, data, code, definition, steps, costs and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opsctl.domain.conditions import ABSENT
from opsctl.domain.costs import RunCost
from opsctl.domain.documents import alike, changes
from opsctl.domain.guards import all_states
from opsctl.domain.redaction import redacted_value
from opsctl.domain.results import Setup
from opsctl.domain.runs import Run
from opsctl.domain.steps import StepStatus

PLANNED = ("reuse", "rerun")  # keys of the input that say what the steps' statuses say as well
NOT_THERE = "NOT THERE"


@dataclass(frozen=True)
class Told:
    """What is known of one run. `metrics` is by slug of a step; `definition` is None where it is not known."""

    run: Run
    input: Any
    setup: Setup | None
    definition: Mapping[str, Any] | None
    steps: tuple[StepStatus, ...]
    cost: RunCost | None
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same; ABSENT where one run has none. `unit` is `s`, `USD` or ""."""

    group: str
    what: str
    before: Any
    after: Any
    unit: str = ""


def differences(one: Told, other: Told) -> tuple[Difference, ...]:
    """In groups: run, input, hyperparameters, data, code, definition, step, cost, metrics."""
    found = (
        *_run(one, other), *_input(one, other), *_setup(one, other), *_definition(one, other), *_steps(one, other),
        *_costs(one, other), *_metrics(one, other),
    )  # fmt: skip
    return tuple(_shown(row) for row in found if not alike(row.before, row.after))


def _shown(row: Difference) -> Difference:
    """Without credentials: of a password it may be seen that it is another one, not which."""
    return replace(row, before=redacted_value(row.before, row.what), after=redacted_value(row.after, row.what))


def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a `metrics.json` by dotted path; lists, as of an epoch's each, are left out."""
    paths = {change.path: change.after for change in changes({}, metrics)}
    return {path: value for path, value in paths.items() if isinstance(value, int | float)}


def _run(one: Told, other: Told) -> Iterator[Difference]:
    yield Difference("run", "status", one.run.status, other.run.status)
    yield Difference("run", "duration", _took(one), _took(other), "s")
    yield Difference("run", "redrives", one.run.redrives, other.run.redrives)


def _input(one: Told, other: Told) -> Iterator[Difference]:
    for change in changes(_asked(one), _asked(other)):
        yield Difference("input", change.path, change.before, change.after)


def _setup(one: Told, other: Told) -> Iterator[Difference]:
    """Hyperparameters, data and code are those that the setup step decided on, defaults included; where it did not come
    so far, or the machine has none, the input's own."""
    decided = one.setup is not None and other.setup is not None
    for change in changes(_hyperparameters(one, decided), _hyperparameters(other, decided)):
        yield Difference("hyperparameters", change.path, change.before, change.after)
    if one.setup and other.setup:
        yield Difference("data", "source", _known(one.setup.data_source), _known(other.setup.data_source))
        yield Difference("code", "sha256", _known(one.setup.code), _known(other.setup.code))


def _definition(one: Told, other: Told) -> Iterator[Difference]:
    yield Difference("definition", "version", _known(one.run.version), _known(other.run.version))
    if one.definition is None or other.definition is None:
        return
    before, after = dict(all_states(one.definition)), dict(all_states(other.definition))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            was, now = ("there" if name in before else ABSENT), ("changed" if name in after else ABSENT)
            yield Difference("definition", name, was, "there" if was is ABSENT else now)


def _steps(one: Told, other: Told) -> Iterator[Difference]:
    before, after = ({step.name: step for step in told.steps} for told in (one, other))
    for name in dict.fromkeys((*before, *after)):
        mine, theirs = before.get(name), after.get(name)
        yield Difference("step", f"{name}: status", *(step.status if step else NOT_THERE for step in (mine, theirs)))
        before_s, after_s = (_known(step.seconds if step else None) for step in (mine, theirs))
        yield Difference("step", f"{name}: duration", before_s, after_s, "s")


def _costs(one: Told, other: Told) -> Iterator[Difference]:
    if one.cost is None or other.cost is None:
        return
    before, after = ({row.step: _known(row.cost.usd) for row in told.cost.steps} for told in (one, other) if told.cost)
    for name in dict.fromkeys((*before, *after)):
        yield Difference("cost", name, before.get(name, ABSENT), after.get(name, ABSENT), "USD")
    yield Difference("cost", "total", one.cost.spent.usd, other.cost.spent.usd, "USD")


def _metrics(one: Told, other: Told) -> Iterator[Difference]:
    for step in dict.fromkeys((*one.metrics, *other.metrics)):
        before, after = (figures(told.metrics.get(step, {})) for told in (one, other))
        for name in sorted(before.keys() | after.keys()):
            yield Difference("metrics", f"{step}: {name}", before.get(name, ABSENT), after.get(name, ABSENT))


def _asked(told: Told) -> Mapping[str, Any]:
    """The input but for its plan and its hyperparameters, which stand by themselves; whatever was given, by a path."""
    if not isinstance(told.input, Mapping):
        return {"": told.input}
    return {key: value for key, value in told.input.items() if key not in (*PLANNED, "hyperparameters")}


def _hyperparameters(told: Told, decided: bool) -> Mapping[str, Any]:
    if told.setup and decided:
        return told.setup.hyperparameters
    given = told.input.get("hyperparameters") if isinstance(told.input, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _took(told: Told) -> Any:
    return told.run.stopped - told.run.started if told.run.stopped else ABSENT


def _known(value: Any) -> Any:
    return ABSENT if value is None else value
