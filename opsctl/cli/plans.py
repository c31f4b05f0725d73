"""A plan as text and as JSON: the one renderer, whether the plan is only shown or carried out; and the question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from opsctl.cli.progress import Progress
from opsctl.cli.render import LEAST, cost_text, duration, size, table, usd
from opsctl.cli.terminal import tell
from opsctl.domain import storage_prices
from opsctl.domain.billing import Estimate
from opsctl.domain.conditions import ABSENT
from opsctl.domain.data_modes import COPY, IN_PLACE
from opsctl.domain.documents import Change
from opsctl.domain.engines import WHO
from opsctl.domain.objects import counted
from opsctl.domain.redaction import redacted_value
from opsctl.errors import RefusedError

if TYPE_CHECKING:
    from opsctl.domain.plan import PlannedStep, RerunPlan
    from opsctl.domain.reuse_costs import Expense
    from opsctl.operations.connection import Connection
    from opsctl.operations.execution import Started

HASH_SHOWN = 12
SHORTEST_HASH = 6


def plan_text(plan: RerunPlan, name: str) -> str:
    """The plan as it is shown before anything happens; `name` is the new run's."""
    rows = [[step.action, step.name, duration(step.seconds), cost_text(step.cost), _why(step)] for step in plan.steps]
    parts = [_headline(plan, name), table(["ACTION", "STEP", "TOOK", "USD", "WHY"], rows, fold=True)]
    if plan.changes:
        parts.append("\n".join(f"change: {change.path}: {_shown(change)}" for change in plan.changes))
    if plan.warnings:
        parts.append("\n".join(f"warning: {warning}" for warning in plan.warnings))
    parts.append(_summary(plan))
    return "\n\n".join(parts)


def plan_document(plan: RerunPlan, name: str, prefix: str) -> dict[str, Any]:
    """The plan as JSON, for a new run of that name and prefix in S3, with the very input that it is started with,
    but for credentials, which are struck out.

    `hash` is the same for the same request on the same world, whatever the name.
    """
    return {
        "run": name,
        "of": plan.source or None,
        "root": plan.root,
        "from": list(plan.named),
        "hash": plan.hash,
        "steps": [_step(step) for step in plan.steps],
        "input": redacted_value(plan.input_for(prefix)),
        "changes": [
            {"path": change.path}
            | {name: _value(getattr(change, name), change.path) for name in ("before", "default", "after")}
            for change in plan.changes
        ],
        "warnings": list(plan.warnings),
        "seconds_saved": plan.seconds_saved,
        "saved": _estimate(plan.saved),
        "spent": _estimate(plan.spent) | {"transitions": plan.transitions},
        "estimated_by": list(plan.estimated_by),
        "prices": {"region": plan.prices.region, "date": plan.prices.date, "source": plan.prices.source},
        "copies": _copies(plan),
        "data": _data(plan),
        "engine": {"name": plan.engine.name, "why": plan.engine.why} if plan.engine else None,
    }


def demand_hash(plan: RerunPlan, wanted: str | None) -> None:
    """Raise RefusedError unless the plan is the one whose hash, or the beginning of it, was given."""
    if wanted is not None and not plan.hash.startswith(wanted.lower()):
        raise RefusedError(
            f"the world has changed since that plan was shown: its hash was {wanted}, and is now "
            f"{plan.hash[:HASH_SHOWN]}; nothing was started",
            "look at the new plan with --dry-run, and give its hash",
        )


def plan_hash(text: str) -> str:
    """The beginning of a plan's hash, as a plan shows it."""
    if not SHORTEST_HASH <= len(text) <= 64 or set(text.lower()) - set("0123456789abcdef"):
        raise click.BadParameter(f"{text!r} is not a plan's hash, such as 3f6c1b2a9d04")
    return text


def carry_out(connection: Connection, plan: RerunPlan, name: str | None) -> Started:
    """Execute the plan, telling what is copied, or found where it lies."""
    from opsctl.operations.execution import execute

    try:
        return execute(connection, plan, name, tell, Progress)
    except KeyboardInterrupt:
        tell("\ninterrupted; the same command again goes on from here")
        raise


def _headline(plan: RerunPlan, name: str) -> str:
    if plan.root is None:
        return f"Start of {name}" + (f", with results of {plan.source}" if plan.reused else "")
    return f"Rerun of {plan.source} from {', '.join(plan.named)}, as {name}"


def _summary(plan: RerunPlan) -> str:
    from opsctl.domain.plan import REUSE

    saved = f"saves {_told(plan.saved)}" if any(step.action == REUSE for step in plan.steps) else "nothing is reused"
    counted = f"; {plan.transitions} state transitions" if plan.transitions else ""
    lines = [saved, f"spends {_told(plan.spent)}{counted}"]
    lines += _estimated(plan)
    if plan.prices.training and any(step.cost.usd is not None for step in plan.steps):
        lines.append(f"prices: SageMaker training on demand, {plan.prices.region}, as of {plan.prices.date}")
    lines += [_taken_over(plan), f"plan {plan.hash[:HASH_SHOWN]}"]
    return "\n".join(lines)


def _estimated(plan: RerunPlan) -> list[str]:
    """Where the times and prices come from of steps that did not run before."""
    if plan.estimated_by:
        names = ", ".join(plan.estimated_by)
        return [f"estimated by what {'the same steps' if plan.source else 'the steps'} took in {names}"]
    return [] if plan.source or plan.spent.seconds else ["no estimate: no run of this machine has done these steps yet"]


def _taken_over(plan: RerunPlan) -> str:
    """What is copied, or read where it lies, and what the other way would mean."""
    from opsctl.domain.reuse_costs import copying, lenders

    if not plan.reused:
        return "copies nothing"
    what = f"{counted(plan.reused_objects)} ({size(plan.reused_bytes)})"
    price, others = _expense(copying(plan)), " and ".join(lenders(plan))
    if plan.data == COPY:
        kept = f" and keep {others} from cleanup" if others else ""
        way = f"\ncopied {WHO[plan.engine.name]}: {plan.engine.why}" if plan.engine else ""
        return f"copies {what}: {price}; --data reuse would copy nothing{kept}{way}"
    kept = f" of {others}, which no cleanup deletes before this run" if others else " where they lie"
    return f"copies nothing: reads {what}{kept}; --data copy would copy them: {price}"


def _expense(expense: Expense) -> str:
    """`0.25 USD in requests, 1.15 USD a month`."""
    once, monthly = expense.request_usd, expense.usd_a_month
    if once is None and monthly is None:
        return "price unknown"
    told = ["price of the requests unknown" if once is None else f"{_least(once)} USD in requests"]
    return ", ".join([*told, "price of the storage unknown" if monthly is None else f"{_least(monthly)} USD a month"])


def _least(amount: float) -> str:
    """Nothing but zeros needs no more than two of them."""
    return usd(0.0 if amount < LEAST else amount)


def _copies(plan: RerunPlan) -> dict[str, int]:
    copied = plan.data == COPY
    return {"objects": plan.reused_objects if copied else 0, "bytes": plan.reused_bytes if copied else 0}


def _data(plan: RerunPlan) -> dict[str, Any]:
    from opsctl.domain.reuse_costs import copying, lenders, reading_in_place

    return {
        "mode": plan.data,
        "objects": plan.reused_objects,
        "bytes": plan.reused_bytes,
        "reads_of": list(lenders(plan)),
        COPY: _rounded(copying(plan)),
        IN_PLACE: _rounded(reading_in_place(plan)),
        "prices": {"region": storage_prices.REGION, "date": storage_prices.DATE, "source": storage_prices.SOURCE},
    }


def _rounded(expense: Expense) -> dict[str, Any]:
    prices = {"request_usd": expense.request_usd, "usd_a_month": expense.usd_a_month}
    counts = {"objects": expense.objects, "bytes": expense.bytes, "requests": expense.requests}
    return counts | {name: None if value is None else round(value, 6) for name, value in prices.items()}


def _told(estimate: Estimate) -> str:
    """`1 min 42 s and 0.0235 USD (price unknown: Fetch)`."""
    gaps = {"time unknown": estimate.untimed, "price unknown": estimate.unpriced}
    notes = "; ".join(f"{what}: {', '.join(names)}" for what, names in gaps.items() if names)
    told = f"{duration(estimate.seconds)} and {usd(estimate.usd)} USD"
    return f"at least {told} ({notes})" if notes else told


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "seconds": estimate.seconds,
        "usd": round(estimate.usd, 6),
        "time_unknown": list(estimate.untimed),
        "price_unknown": list(estimate.unpriced),
    }


def _why(step: PlannedStep) -> str:
    from opsctl.domain.plan import place_of

    place = place_of(step.branch)
    return f"{step.reason} ({place})" if place else step.reason


def _shown(change: Change) -> str:
    values = (change.before, change.default, change.after)
    before, default, after = (_text(redacted_value(value, change.path)) for value in values)
    return f"{before if change.default is ABSENT else f'{default} (default)'} -> {after}"


def _text(value: Any) -> str:
    """A value of the input in as few letters as are plain: 1e6, which JSON makes 1000000.0, is 1000000."""
    if value is ABSENT:
        return "nothing"
    if isinstance(value, str) and value.isprintable() and value:
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else json.dumps(value, ensure_ascii=False)


def _step(step: PlannedStep) -> dict[str, Any]:
    return {
        "step": step.name,
        "slug": step.slug,
        "action": step.action,
        "reason": step.reason,
        "branch": [{"state": name, "branch": number} for name, number in step.branch],
        "seconds": step.seconds,
        "usd": None if step.cost.usd is None else round(step.cost.usd, 6),
        "price_unknown": step.cost.unknown,
        "made_by": step.made_by,
        "uri": step.result.uri if step.result else None,
        "objects": step.result.objects if step.result else None,
        "bytes": step.result.bytes if step.result else None,
    }


def _value(value: Any, path: str) -> Any:
    return None if value is ABSENT else redacted_value(value, path)
