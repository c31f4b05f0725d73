"""What a run cost: each step with all of its attempts, the state transitions, and what reuse spared it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opsctl.asl.history import Attempt, RunHistory
from opsctl.domain.billing import Bill, Cost, Estimate, bill, step_cost, together, total
from opsctl.domain.prices import PriceList
from opsctl.domain.results import step_result


@dataclass(frozen=True)
class StepCost:
    """One step of a run: how often its work was asked for, of what it took how many billed seconds, for how much. All
    attempts are in it: one that failed, or was stopped, has been paid for."""

    step: str
    attempts: int
    what: str | None
    seconds: float
    cost: Cost


@dataclass(frozen=True)
class Spared:
    """A step that another run's result stood in for: which run, and what its attempt took and cost there; None and the
    reason where that is not known any more."""

    step: str
    run: str
    seconds: float | None
    cost: Cost


@dataclass(frozen=True)
class RunCost:
    """A whole run, as far as it has come. Executions that it started are runs of their own, and not in it."""

    steps: tuple[StepCost, ...]
    transitions: int
    prices: PriceList
    spared: tuple[Spared, ...] = field(default=())

    @property
    def transitions_usd(self) -> float:
        """At the price of each, without the free ones of the month."""
        return self.transitions * self.prices.transition

    @property
    def spent(self) -> Estimate:
        """Steps and transitions together; `unpriced` names the steps that are not in the sum."""
        return total(((row.step, row.seconds, row.cost) for row in self.steps), self.transitions_usd)

    @property
    def saved(self) -> Estimate:
        """What the reused steps took and cost where they ran."""
        return total((row.step, row.seconds, row.cost) for row in self.spared)


def run_cost(history: RunHistory, prices: PriceList, now: float, spared: Iterable[Spared] = ()) -> RunCost:
    """What a run's history says that it cost; attempts that go on are billed until `now` (seconds since the epoch)."""
    attempts: dict[str, list[Attempt]] = {}
    for state in history.states:
        if state.attempts:
            attempts.setdefault(state.name, []).extend(state.attempts)
    steps = tuple(_step(name, [bill(attempt, prices, now) for attempt in mine]) for name, mine in attempts.items())
    return RunCost(steps, transitions_of(history), prices, tuple(spared))


def spared_by(step: str, run: str, name: str | None, maker: RunHistory | None, prices: PriceList) -> Spared:
    """What the step of that `name` took in the run that made its result."""
    if maker is None or name is None:
        return Spared(step, run, None, Cost(None, f"AWS no longer knows what became of it in {run}"))
    result = step_result(maker, name)
    return Spared(name, run, result.seconds, step_cost(result, prices))


def transitions_of(history: RunHistory) -> int:
    """State transitions so far: each entry into a state, and each further attempt of its work, retries and redrives
    included (https://aws.amazon.com/step-functions/pricing/). How AWS counts the start, the end and the redrive itself
    is not documented."""
    return sum(max(1, len(state.attempts)) for state in history.states)


def instance_types(histories: Iterable[RunHistory]) -> frozenset[str]:
    """The types of instances that SageMaker's jobs were asked to run on."""
    bills = (bill(attempt, PriceList("", "", "")) for history in histories for attempt in _attempts(history))
    return frozenset(found.what.split(" x ")[1] for found in bills if found.what and " x ml." in found.what)


def _attempts(history: RunHistory) -> Iterable[Attempt]:
    return (attempt for state in history.states for attempt in state.attempts)


def _step(name: str, bills: list[Bill]) -> StepCost:
    kinds = dict.fromkeys(found.what for found in bills if found.what)
    cost = together(found.cost for found in bills)
    return StepCost(name, len(bills), ", ".join(kinds) or None, sum(found.seconds for found in bills), cost)


def beyond_free(months: Mapping[str, int], free: int) -> int:
    """Of transitions by month (`2026-11`), how many are beyond the free ones."""
    return sum(max(0, count - free) for count in months.values())
