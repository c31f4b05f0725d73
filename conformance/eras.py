"""What AWS has changed since a history was recorded.

Our interpreter does what AWS does today. Recordings go back years, so where AWS is known to have changed, an older one
is brought up to date before it is compared. Each change is told by recordings on both sides of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from conformance.corpus import Event, Recording

# The context object has Execution.RedriveCount since RedriveExecution was launched.
REDRIVE_COUNT = datetime(2023, 11, 15)  # noqa: DTZ001 recordings tell their day, not their zone
# A distributed Map's MapStateExited links to MapRunStarted; until some day between August and November 2024 it linked
# to MapRunSucceeded.
MAP_RUN_LINK = datetime(2024, 10, 1)  # noqa: DTZ001


def before(recording: Recording, change: datetime) -> bool:
    """Whether it was recorded before a change. A recording without a date counts as today's."""
    return recording.recorded is not None and recording.recorded < change


def up_to_date(recording: Recording) -> list[Event]:
    """The recorded events, in order of ids, as AWS would link them today."""
    events = recording.events
    if not before(recording, MAP_RUN_LINK):
        return events
    ended = {event["id"]: event["previousEventId"] for event in events if event["type"] == "MapRunSucceeded"}
    return [_relinked(event, ended) for event in events]


def _relinked(event: Event, ended: dict[int, Any]) -> Event:
    if event["type"] == "MapStateExited" and event["previousEventId"] in ended:
        return {**event, "previousEventId": ended[event["previousEventId"]]}
    return event
