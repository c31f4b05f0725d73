"""Whatever our interpreter writes, replaying it with other names, numbers and times comes to the same events."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings

from conformance.comparison import compare
from conformance.corpus import Recording
from conformance.replay import replay
from tests.unit.asl.test_fuzz_histories import MACHINES
from tests.unit.asl.test_properties import SCRIPTS, walk


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MACHINES, SCRIPTS)
def test_our_own_histories_replay(definition: dict[str, Any], script: list[int]) -> None:
    definition = json.loads(
        json.dumps(definition).replace('"FULL"', '"NONE"')
    )  # drawn delays put siblings in new orders
    execution = walk(definition, [choice for choice in script if choice != 11], 1, set())
    events = [{**event, "timestamp": _iso(event["timestamp"])} for event in copy.deepcopy(execution.events)]
    recording = Recording("", definition, None, execution.status, tuple(events), frozenset(), None)
    ours = replay(recording, real_times=True)
    shown = ours.events[: len(events)] if execution.status == "RUNNING" else ours.events
    assert compare(events, shown, ours.drawn).difference is None


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(1.7e9 + moment, UTC).isoformat()
