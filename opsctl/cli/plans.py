"""A rerun plan as text and as JSON: the one renderer, whether the plan is only shown or carried out."""

from __future__ import annotations

import json
from typing import Any

from opsctl.cli.render import duration, size, table
from opsctl.domain.conditions import ABSENT
from opsctl.domain.documents import Change
from opsctl.domain.rerun import PlannedStep, RerunPlan, place_of

HASH_SHOWN = 12


def plan_text(plan: RerunPlan, name: str) -> str:
    """The plan as it is shown before anything happens; `name` is the new run's."""
    headline = f"Rerun of {plan.source} from {', '.join(plan.input['rerun']['from'])}, as {name}"
    rows = [[step.action, step.name, duration(step.seconds), _why(step)] for step in plan.steps]
    parts = [headline, table(["ACTION", "STEP", "TOOK", "WHY"], rows, fold=True)]
    if plan.changes:
        parts.append("\n".join(f"change: {change.path}: {_shown(change)}" for change in plan.changes))
    if plan.warnings:
        parts.append("\n".join(f"warning: {warning}" for warning in plan.warnings))
    parts.append(_summary(plan))
    return "\n\n".join(parts)


def plan_document(plan: RerunPlan, name: str, prefix: str) -> dict[str, Any]:
    """The plan as JSON, for a new run of that name and prefix in S3, with the very input that it is started with.

    `hash` is the same for the same request on the same world, whatever the name.
    """
    return {
        "run": name,
        "of": plan.source,
        "root": plan.root,
        "hash": plan.hash,
        "steps": [_step(step) for step in plan.steps],
        "input": plan.input_for(prefix),
        "changes": [
            {"path": change.path} | {name: _value(getattr(change, name)) for name in ("before", "default", "after")}
            for change in plan.changes
        ],
        "warnings": list(plan.warnings),
        "seconds_saved": plan.seconds_saved,
        "copies": {
            "objects": sum(step.result.objects for step in plan.reused if step.result),
            "bytes": sum(step.result.bytes for step in plan.reused if step.result),
        },
    }


def _summary(plan: RerunPlan) -> str:
    objects = sum(step.result.objects for step in plan.reused if step.result)
    count = sum(step.result.bytes for step in plan.reused if step.result)
    saved = f"saves {duration(plan.seconds_saved)} of work, copies {objects} objects ({size(count)})"
    return f"{saved if plan.reused else 'nothing is reused'}; plan {plan.hash[:HASH_SHOWN]}"


def _why(step: PlannedStep) -> str:
    place = place_of(step.branch)
    return f"{step.reason} ({place})" if place else step.reason


def _shown(change: Change) -> str:
    before, default, after = map(_text, (change.before, change.default, change.after))
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
        "made_by": step.made_by,
        "uri": step.result.uri if step.result else None,
        "objects": step.result.objects if step.result else None,
        "bytes": step.result.bytes if step.result else None,
    }


def _value(value: Any) -> Any:
    return None if value is ABSENT else value
