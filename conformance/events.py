"""What a single recorded event says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.corpus import Event
from opsctl.asl.effects import Failed, Outcome, Started, StartFailed, SubmitFailed, Submitted, Succeeded

_WORK = ("LambdaFunction", "Activity", "Task")
_FAILURES: dict[str | None, type[Failed] | type[SubmitFailed] | type[StartFailed]] = {
    "Failed": Failed,
    "SubmitFailed": SubmitFailed,
    "StartFailed": StartFailed,
    "ScheduleFailed": StartFailed,
}


def details(event: Event) -> Mapping[str, Any]:
    """An event's details, whatever their key."""
    return next((value for key, value in event.items() if key.endswith("EventDetails") and value), {})


def work(event_type: str) -> str | None:
    """What an event says of a task's work: `Scheduled`, `Succeeded` … None for other events."""
    for prefix in _WORK:
        if event_type.startswith(prefix) and not event_type.startswith("TaskState"):
            return event_type.removeprefix(prefix)
    return None


def outcome_of(event: Event) -> Outcome | None:
    """What our execution has to be told of a recorded event."""
    told, what = details(event), work(event["type"])
    if what == "Started":
        return Started(told.get("workerName"))
    if what == "Submitted":
        return Submitted(told["output"])
    if what == "Succeeded":
        return Succeeded(told.get("output", "null"))
    if what in _FAILURES:
        return _FAILURES[what](told.get("error") or "", told.get("cause") or "")
    return None
