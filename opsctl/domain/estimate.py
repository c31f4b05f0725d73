"""What a plan's steps are likely to take, where nothing is known of them: what they took when they last completed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from opsctl.asl.history import SUCCEEDED, RunHistory
from opsctl.domain.billing import step_cost
from opsctl.domain.costs import transitions_of
from opsctl.domain.plan import RUNS, PlannedStep, RerunPlan
from opsctl.domain.prices import PriceList
from opsctl.domain.results import step_result


@dataclass(frozen=True)
class Past:
    """A run of the same machine, whatever became of it."""

    run: str
    history: RunHistory


def untimed(plan: RerunPlan) -> frozenset[str]:
    """The steps that will run, and of which nobody knows how long they take."""
    return frozenset(step.name for step in plan.steps if step.action in RUNS and step.seconds is None)


def estimated(plan: RerunPlan, past: Past, prices: PriceList) -> RerunPlan:
    """The plan with what its untimed steps took in that run. Where nobody has walked the plan, it makes as many
    transitions as a run that did all of them."""
    wanted = untimed(plan)
    steps = tuple(_from(step, past, prices) if step.name in wanted else step for step in plan.steps)
    if steps == plan.steps:
        return plan
    made = replace(plan, steps=steps, estimated_by=(*plan.estimated_by, past.run))
    like_it = plan.transitions is None and past.history.status == SUCCEEDED and not untimed(made)
    return replace(made, transitions=transitions_of(past.history)) if like_it else made


def _from(step: PlannedStep, past: Past, prices: PriceList) -> PlannedStep:
    result = step_result(past.history, step.name)
    if result.missing or not result.runs:
        return step
    return replace(step, seconds=result.seconds, cost=step_cost(result, prices))
